"""When a classifier finds the latents (Reizinger et al. 2024): rules, rows, statistics."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))

import identifiability as own  # noqa: E402
from verdicts import Table, failed_controls, judged, print_verdicts, read  # noqa: E402

torch.set_num_threads(1)


def table(**values):
    """{"condition: statistic": value of each seed}"""
    rows = []
    for name, each in values.items():
        condition, statistic = name.split(": ")
        for seed, value in enumerate(np.atleast_1d(each)):
            rows.append(
                {"condition": condition, "statistic": statistic, "seed": seed, "value": value}
            )
    return Table(rows, max(len(np.atleast_1d(v)) for v in values.values()))


def test_every_condition_that_a_rule_looks_up_has_all_its_rows_and_no_control_came_out():
    measured = read(FOLDER / "identifiability.csv")
    for finding in own.FINDINGS:
        assert set(finding.needs) <= set(own.CONDITIONS)
        found = judged(finding, measured)
        assert all(np.isfinite(effects).all() for _, effects in found.values())
        assert len(found["finding"][1]) >= finding.rule.seeds
        assert not failed_controls(finding, measured)


def test_the_readme_says_of_every_finding_and_control_what_its_rows_say(capsys):
    print_verdicts(own.FINDINGS, read(FOLDER / "identifiability.csv"))
    lines = [a for a in capsys.readouterr().out.splitlines() if a.startswith(("| `", "| con"))]
    readme = (FOLDER / "README.md").read_text()
    said = readme[readme.index("### Latents found by classification") :]
    assert len(lines) >= 2 * len(own.FINDINGS)
    assert not [line for line in lines if line not in said]


def test_the_share_is_1_for_all_that_observations_lack_and_0_for_what_they_give():
    t = table(**{"base: r2": [1.0, 0.6, 0.8, 0.2], "base: raw": 4 * [0.6]})
    np.testing.assert_allclose(own.share(t, "base"), [1, 0, 0.5, -1], atol=1e-12)


def test_differences_are_world_by_world_and_the_next_world_is_another():
    t = table(**{"base: r2": [0.9, 0.8, 0.7], "kappa 5: r2": [0.8, 0.8, 0.8]})
    np.testing.assert_allclose(own.less(t, "base", "kappa 5"), [0.1, 0, -0.1], atol=1e-12)
    np.testing.assert_allclose(own.next_world(t), [0.2, -0.1, -0.1], atol=1e-12)


def test_what_a_code_adds_to_pixels_is_the_least_of_the_factors():
    names = {"encoder": (0.9, 0.5, 0.7), "pixels": (0.6, 0.6, 0.6)}
    t = table(**{
        f"sprites: {name} {factor}": value
        for name, values in names.items() for factor, value in zip(own.FACTORS, values, strict=True)
    })  # fmt: skip
    np.testing.assert_allclose(own.over_pixels(t, "encoder"), [-0.1])


def test_rows_are_those_of_the_library():
    rows = own.measure("4 classes", (0, 1), True)
    from neurogeom import features

    worlds = [features.clustered_latents(5, n_classes=4, seed=own.FIRST + s) for s in (0, 1)]
    made = features.classify(worlds, steps=20, **own.TRAINING)
    found = features.identifiability(made)
    assert len(rows) == 2 * 7
    values = {(r.seed, r.statistic): r.value for r in rows}
    for s in (0, 1):
        assert values[s, "r2"] == pytest.approx(float(found.estimate[s]), abs=1e-3)
        assert values[s, "raw"] == pytest.approx(float(found.raw[s]))
        assert np.isnan(values[s, "vectors"])
