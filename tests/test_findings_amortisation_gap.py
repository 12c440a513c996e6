"""What codes of one pass lose (after O'Neill et al. 2024): rules, rows, the worlds they are of."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))

import amortisation_gap as lost  # noqa: E402
from verdicts import Table, failed_controls, judged, print_verdicts, read  # noqa: E402

from neurogeom.features import FISTA  # noqa: E402

torch.set_num_threads(1)


def table(**values):
    """Rows of one seed, K_1__gap=0.1 for the gap of "K 1"."""
    rows = []
    for name, value in values.items():
        condition, statistic = (part.replace("_", " ") for part in name.split("__"))
        rows.append({"condition": condition, "statistic": statistic, "seed": 0, "value": value})
    return Table(rows, 1)


# --- what was measured ----------------------------------------------------------------------------


def test_every_condition_that_a_rule_looks_up_has_all_its_rows_and_one_control_came_out():
    """Learnt at the paper's penalty, latents are recovered better than the control allows."""
    measured = read(FOLDER / "amortisation_gap.csv")
    failed = {}
    for finding in lost.FINDINGS:
        assert set(finding.needs) <= set(lost.CONDITIONS)
        found = judged(finding, measured)
        assert all(np.isfinite(effects).all() for _, effects in found.values())
        assert len(found["finding"][1]) >= finding.rule.seeds
        if own := failed_controls(finding, measured):
            failed[finding.name] = own, found["finding"][0]
    assert failed == {"learner": (["learnt at penalty 0.0025"], "undecided")}


def test_the_readme_says_of_every_finding_and_control_what_its_rows_say(capsys):
    print_verdicts(lost.FINDINGS, read(FOLDER / "amortisation_gap.csv"))
    lines = [
        own for own in capsys.readouterr().out.splitlines() if own.startswith(("| `", "| con"))
    ]
    readme = (FOLDER / "README.md").read_text()
    said = readme[readme.index("### What codes of one pass lose") :]
    assert len(lines) >= 2 * len(lost.FINDINGS)
    assert not [line for line in lines if line not in said]


def test_the_parts_of_every_excess_add_up_and_no_gap_is_below_the_solvers():
    rows = read(FOLDER / "amortisation_gap.csv")
    every = {(r["condition"], r["seed"], r["statistic"]): float(r["value"]) for r in rows}
    split = [key for key in every if key[2].startswith("share")]
    assert split
    for condition, seed, statistic in split:
        total, amortised, of_atoms = (
            every[condition, seed, statistic.replace("share", name)]
            for name in ("total", "amortisation", "dictionary")
        )
        assert total == pytest.approx(amortised + of_atoms, abs=1e-6)
        assert every[condition, seed, statistic] == pytest.approx(of_atoms / total, abs=1e-3)
        assert amortised > -1e-7
    assert min(v for k, v in every.items() if k[2].endswith("gap")) > -1e-7


# --- statistics -----------------------------------------------------------------------------------


def test_a_rise_is_the_least_of_its_steps_and_one_fall_makes_it_none():
    t = table(K_1__gap=0.1, K_2__gap=0.3, K_3__gap=0.35, K_5__gap=0.7)
    assert lost.least_rise(t, lost.ACTIVE) == pytest.approx(0.05)
    assert lost.least_rise(t, lost.ACTIVE[::-1]) == pytest.approx(-0.35)


def test_inference_is_ahead_only_where_it_is_of_every_encoder():
    t = table(compute_linear__mcc=0.5, compute_32__mcc=0.7, compute_256__mcc=0.9,
              compute_linear__x=0.95, compute_32__x=0.95, compute_256__x=0.85)  # fmt: skip
    assert lost.ahead(t, "x") == pytest.approx(-0.05)
    assert lost.ahead(t, "x", ["compute linear", "compute 32"]) == pytest.approx(0.25)


# --- worlds ---------------------------------------------------------------------------------------


def test_what_operations_pay_for_costs_no_more_and_one_step_more_does():
    cost = [FISTA(0.1, n).flops(lost.SAMPLES, lost.M, lost.N) for n in (1, 7, 8)]
    assert lost.affordable(cost[1]) == 7 == lost.affordable(cost[2] - 1)
    assert lost.affordable(cost[0] - 1) == 0
    assert lost.affordable(1e15) == lost.MANY


def test_a_seed_has_the_same_atoms_whatever_the_number_of_active_ones():
    (x, codes), (_, test), atoms = lost.drawn(0, 16, 8, 3)
    assert (codes > 0).sum(axis=1).tolist() == [3] * lost.SAMPLES
    np.testing.assert_allclose(codes @ atoms.atoms, x)
    assert not (test == codes).all(axis=1).any()
    assert np.array_equal(lost.drawn(0, 16, 8, 5)[2].atoms, atoms.atoms)
    assert not np.array_equal(lost.drawn(1, 16, 8, 3)[2].atoms, atoms.atoms)
    orthogonal = lost.drawn(0, 8, 8, 3, atoms=lost.rotation(0, 8))[2].atoms
    np.testing.assert_allclose(orthogonal @ orthogonal.T, np.eye(8), atol=1e-12)


def test_exact_weights_leave_no_gap_and_a_short_training_does():
    assert abs(lost.exact("", 0, 0)["gap"]) < 1e-6
    found = lost.known("K 3", 0, 30)
    assert found["gap"] > 0.01 > 1e-4 > found["inferred gap"]
    assert found["lost"] > 0.02 > abs(found["inferred lost"])
