"""The sweep of regimes and alignment: what it judges, and what its README says."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks" / "findings"))

import regimes_and_phases as script
import verdicts

FOLDER = Path(script.__file__).parent
ROWS = verdicts.read(FOLDER / "regimes_and_phases.csv")


def test_every_cell_of_the_sweep_was_run_with_every_seed():
    assert {r["condition"] for r in ROWS} == set(script.CONDITIONS)
    for condition in script.CONDITIONS:
        assert {int(r["seed"]) for r in ROWS if r["condition"] == condition} == set(range(5))
    assert np.isfinite([float(r["value"]) for r in ROWS]).all()


def test_networks_that_are_compared_solve_the_task_and_shuffled_ones_do_not():
    accuracy = {c: [float(r["accuracy"]) for r in ROWS if r["condition"] == c]
                for c in script.CONDITIONS}  # fmt: skip
    for condition, values in accuracy.items():
        if condition.startswith("shuffled"):
            assert np.median(values) < 0.65
        else:
            assert min(values) > 0.97


@pytest.mark.parametrize("finding", script.FINDINGS, ids=lambda f: f.name)
def test_no_control_passes(finding):
    assert set(finding.needs) <= set(script.CONDITIONS)
    assert not verdicts.failed_controls(finding, ROWS)


def test_both_exponents_is_the_smaller_gain():
    values = {("p", 0.5): [1.0, 1.0], ("p", 2.0): [0.5, 0.2],
              ("q", 0.5): [0.9, 2.0], ("q", 2.0): [0.1, 0.5]}  # fmt: skip
    rows = [{"condition": script.name(scale), "statistic": power, "seed": i, "value": v}
            for (power, scale), each in values.items() for i, v in enumerate(each)]  # fmt: skip
    table = verdicts.Table(rows, 2)
    np.testing.assert_allclose(script.both_exponents()(table), [0.5, 0.8])


def test_a_cell_gives_six_numbers_of_every_net():
    rows = script.measure(script.name(0.5), [0, 3], quick=True)
    names = {"excess", "before", "p", "q", "kernel", "patterns"}
    assert {(r.seed, r.statistic) for r in rows} == {(s, n) for s in (0, 3) for n in names}


def test_the_readme_has_the_verdicts_of_the_rows(capsys):
    verdicts.print_verdicts(script.FINDINGS, ROWS)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert "\n".join(lines) in (FOLDER / "README.md").read_text(encoding="utf-8")
