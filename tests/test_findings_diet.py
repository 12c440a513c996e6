"""The findings on DIET: what was measured, what the readme says of it, and the statistics."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))
sys.modules.pop("diet", None)

import diet as script  # noqa: E402
from verdicts import Table, failed_controls, judged, print_verdicts, read  # noqa: E402


def table(**conditions):
    """Rows of seed 0: accuracy on moved digits, all labels, of conditions."""
    rows = [{"condition": name.replace("_", " "), "statistic": "moved, all", "seed": 0, "value": v}
            for name, v in conditions.items()]  # fmt: skip
    return Table(rows, 1)


def test_every_condition_that_a_rule_looks_up_has_all_its_rows_and_no_control_came_out():
    measured = read(FOLDER / "diet.csv")
    for finding in script.FINDINGS:
        assert set(finding.needs) <= set(script.CONDITIONS)
        found = judged(finding, measured)
        assert all(np.isfinite(effects).all() for _, effects in found.values())
        assert len(found["finding"][1]) >= finding.rule.seeds
        assert not failed_controls(finding, measured)


def test_the_readme_says_of_every_finding_and_control_what_its_rows_say(capsys):
    print_verdicts(script.FINDINGS, read(FOLDER / "diet.csv"))
    lines = [
        own for own in capsys.readouterr().out.splitlines() if own.startswith(("| `", "| con"))
    ]
    readme = (FOLDER / "README.md").read_text()
    said = readme[readme.index("### Learning from the index alone") :]
    assert len(lines) >= 2 * len(script.FINDINGS)
    assert not [line for line in lines if line not in said]


def test_a_gain_counts_above_pixels_and_a_random_network_both():
    assert script.gain(table(diet=0.9, pixels=0.3, random=0.5), "diet") == pytest.approx(0.4)
    assert script.gain(table(diet=0.9, pixels=0.6, random=0.5), "diet") == pytest.approx(0.3)


def test_no_digit_is_both_learnt_from_and_tested():
    x, y, x_test, _, as_drawn = script.world(7)
    both = np.concatenate([x, x_test]).reshape(1797, -1)
    assert len(x) == len(y) == 1000
    assert len(np.unique(both, axis=0)) > 1790
    moved = as_drawn.augmented(x_test, seed=7)
    assert moved.shape == x_test.shape
    assert np.abs(moved - x_test).mean() > 0.5


def test_a_shuffled_index_of_copies_has_nothing_to_find():
    rows = {c: {r.statistic: r.value for r in script.measure(c, (0,), True)}
            for c in ("linear diet", "linear diet, shuffled index", "pixels")}  # fmt: skip
    moved = {c: own["moved, all"] for c, own in rows.items()}
    assert moved["linear diet"] > moved["pixels"] > moved["linear diet, shuffled index"]
