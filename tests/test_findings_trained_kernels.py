"""Trained networks beside the closed-form kernel: what the script trains, measures and reports.

Fast tests train small networks briefly; benchmarks/findings has the verdicts.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks" / "findings"))

import trained_kernels as script
import verdicts

from neurogeom import theory

CLOSED = [c for c, s in script.SETTINGS.items() if not (s.random or s.exclusive_or)]
FOLDER = Path(script.__file__).parent


def made_of(units):
    """Statistics of a network of two targets with these units, (stimulus, unit)."""
    setting = script.SETTINGS["2 targets, 32 units"]
    kernels, _ = setting.theory(0, setting.targets)
    another = setting.another(0)
    return script.statistics(setting, [units], setting.targets, kernels, another)


# --- what is trained ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition",
    ["aligned, unequal", "exclusive or 1.5 g", "3 targets, 8 units", "random inputs, 2 targets"],
)
def test_inputs_have_the_geometry_asked_for_in_directions_of_the_seed(condition):
    setting = script.SETTINGS[condition]
    one, two = setting.inputs(0), setting.inputs(1)
    np.testing.assert_allclose(one @ one.T, setting.input_kernel(0), atol=1e-12)
    assert np.abs(one - two).max() > 0.1
    same = np.allclose(setting.input_kernel(0), setting.input_kernel(1))
    assert same is not setting.random


def test_the_power_of_the_exclusive_or_is_counted_in_that_of_the_bias():
    setting = script.SETTINGS["exclusive or 1.1 g"]
    along = setting.targets.prod(axis=1)
    power = (along @ setting.input_kernel(0) @ along - 4) / 16
    assert power == pytest.approx(1.1 * setting.bias)
    assert not theory.anisotropic_abstraction(power, bias_power=setting.bias).abstract


@pytest.mark.parametrize("bias", [1.0, 0.25])
def test_a_network_of_one_target_ends_at_the_kernel_and_the_loss_of_the_theory(bias):
    """Decays that differ, and a bias that decays otherwise than the weights."""
    setting = script.Setting(1, 8, n_targets=1, bias=bias, decays=(0.1, 0.3), steps=800)
    kernels, lowest = setting.theory(0, setting.targets)
    stages = script.trained(setting, (1000, 1001))
    for stage, reached in (("", True), ("untrained ", False)):
        (activity,), losses = stages[stage]
        for r, loss in zip(activity, losses, strict=True):
            assert (script.likeness((r @ r.T)[None], kernels) > 0.99) is reached
            assert (script.digits(loss, lowest) > 4) is reached


def test_without_a_bias_units_answer_to_one_of_two_opposite_inputs():
    """With one they may answer to both, or to none."""
    setting = script.Setting(1, 8, n_targets=1, power=(1.0,), bias=0.0, steps=50)
    (activity,), _ = script.trained(setting, (1000,))[""]
    assert ((activity[0] > 0).sum(axis=0) == 1).all()


def test_a_network_is_the_same_beside_others():
    setting = script.Setting(1, 4, n_targets=1, steps=20)
    (alone,), loss = script.trained(setting, (1001,))[""]
    (both,), losses = script.trained(setting, (1000, 1001))[""]
    np.testing.assert_allclose(alone[0], both[1], atol=1e-9)
    assert loss[0] == pytest.approx(losses[1])


# --- what is measured -----------------------------------------------------------------------------


def test_units_of_one_target_each_have_the_kernel_of_the_theory():
    y = script.SETTINGS["2 targets, 32 units"].targets
    b = theory.whitened_abstraction(4, 2).b[0]
    found = made_of(np.maximum(np.hstack([y, -y]), 0) * np.sqrt(2 * b))
    assert found["likeness"] == pytest.approx(1)
    assert found["modular"] == pytest.approx(1)
    assert found["parallelism"] == pytest.approx(1)
    assert found["exclusive or"] == pytest.approx(0, abs=1e-12)
    assert found["likeness to another, scaled"] < 0.7


def test_units_of_one_stimulus_each_do_not():
    found = made_of(np.eye(4))
    assert found["likeness, scaled"] < 0.6
    assert found["modular"] == 0
    assert found["parallelism"] == pytest.approx(0, abs=1e-9)
    assert found["ccgp in noise"] == pytest.approx(0.5)
    assert found["exclusive or"] == pytest.approx(0.25)


def test_likeness_is_that_of_the_worst_layer_and_knows_the_strength():
    kernels = np.stack([np.eye(3), 2 * np.eye(3)])
    assert script.likeness(kernels * [[[0.9]], [[1.0]]], kernels) == pytest.approx(0.9)
    assert script.likeness(script.scaled(0.1 * kernels, kernels), kernels) == pytest.approx(1)
    swapped = script.scaled(kernels[::-1], kernels)  # one number for both layers
    assert script.likeness(swapped, kernels) < 0.7


@pytest.mark.parametrize(
    ("loss", "n"), [(1.001, 3.0), (1.0, 9.0), (0.999999, 0.0), (1 - 1e-10, 9.0), (3.0, 0.0)]
)
def test_a_loss_below_the_theory_has_no_digits(loss, n):
    assert script.digits(loss, 1.0) == pytest.approx(n, abs=1e-9)


@pytest.mark.parametrize("condition", CLOSED)
def test_the_theory_of_something_else_is_no_kernel_of_the_condition(condition):
    setting = script.SETTINGS[condition]
    kernels, loss = setting.theory(0, setting.targets)
    another = setting.another(0)
    assert kernels.shape == another.shape == (setting.depth, *[2**setting.latents] * 2)
    assert script.likeness(script.scaled(kernels, another), another) < 0.95
    other = replace(setting, bias=1.0 - setting.bias).theory(0, setting.targets)[1]
    assert abs(other / loss - 1) > 0.01


def test_beyond_the_threshold_the_theory_of_something_else_is_the_abstract_kernel():
    setting = script.SETTINGS["exclusive or 1.1 g"]
    abstract = theory.whitened_abstraction(4, 2, bias_power=0.25).kernel(setting.targets)
    assert script.likeness(setting.another(0), abstract[None]) > 0.999


# --- the rules and the report ---------------------------------------------------------------------


def test_a_run_gives_every_number_that_a_rule_asks_for():
    """Of the conditions of each kind, one."""
    table = verdicts.Table([], 5)
    for finding in script.FINDINGS:
        assert set(finding.needs) <= set(script.CONDITIONS)
        for effect in (finding.effect, *finding.controls.values()):
            effect(table)
    for condition in ("2 targets, 8 units", "exclusive or 0.9 g, 8 units", "2 targets, 2 layers"):
        rows = script.measure(condition, (1000,), True)
        assert np.isfinite([row.value for row in rows]).all()
        assert {s for c, s in table.asked if c == condition} <= {row.statistic for row in rows}


def test_no_finding_passes_with_its_control_and_the_readme_says_what_the_rows_say(capsys):
    measured = verdicts.read(FOLDER / "trained_kernels.csv")
    assert {row["condition"] for row in measured} == set(script.CONDITIONS)
    for finding in script.FINDINGS:
        verdict, _ = verdicts.judged(finding, measured)["finding"]
        assert verdict != "reproduced" or not verdicts.failed_controls(finding, measured)
    verdicts.print_verdicts(script.FINDINGS, measured)
    said = (FOLDER / "README.md").read_text()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(lines) == len(script.FINDINGS)
    assert not [line for line in lines if line not in said]


@pytest.mark.slow
@pytest.mark.parametrize("condition", ["3 targets, 32 units", "2 targets, 3 layers",
                                       "exclusive or 0.9 g", "exclusive or 1.1 g"])  # fmt: skip
def test_five_networks_have_the_kernel_of_the_theory(condition):
    """Seeds that were not judged; a median."""
    rows = script.measure(condition, range(2000, 2005), False)
    near = {n: [r.value for r in rows if r.statistic == n] for n in ("likeness", "digits")}
    assert np.median(near["likeness"]) > 0.99
    assert np.median(near["digits"]) > 4
