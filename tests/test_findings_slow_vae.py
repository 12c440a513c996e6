"""The findings on SlowVAE: what was measured, what the readme says of it, and the statistics."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))
sys.modules.pop("slow_vae", None)

import slow_vae as script  # noqa: E402
from verdicts import Table, failed_controls, judged, print_verdicts, read  # noqa: E402


def test_every_condition_that_a_rule_looks_up_has_all_its_rows_and_no_control_came_out():
    measured = read(FOLDER / "slow_vae.csv")
    for finding in script.FINDINGS:
        assert set(finding.needs) <= set(script.CONDITIONS)
        found = judged(finding, measured)
        assert all(np.isfinite(effects).all() for _, effects in found.values())
        assert len(found["finding"][1]) >= finding.rule.seeds
        assert not failed_controls(finding, measured)


def test_the_readme_says_of_every_finding_and_control_what_its_rows_say(capsys):
    print_verdicts(script.FINDINGS, read(FOLDER / "slow_vae.csv"))
    lines = [
        own for own in capsys.readouterr().out.splitlines() if own.startswith(("| `", "| con"))
    ]
    readme = (FOLDER / "README.md").read_text()
    said = readme[readme.index("### Slow factors") :]
    assert len(lines) >= 2 * len(script.FINDINGS)
    assert not [line for line in lines if line not in said]


def test_scores_that_one_side_lacks_do_not_count():
    nan = float("nan")
    rows = [{"condition": f"{kind}, laplace", "statistic": name, "seed": 0, "value": value}
            for kind, own in {"slow": (0.5, 0.2, nan), "beta": (0.4, 0.3, 0.1)}.items()
            for name, value in zip(script.SCORES, own, strict=False)]  # fmt: skip
    assert script.ahead(Table(rows, 1), "slow", "laplace") == pytest.approx([0.5])


def test_a_random_turn_of_two_latents_has_the_matched_correlation_that_the_readme_names():
    angle = np.linspace(0, np.pi / 4, 100_001)
    assert np.cos(angle).mean() == pytest.approx(4 / np.pi * np.sin(np.pi / 4), abs=1e-4)


@pytest.mark.parametrize("law", script.LAWS)
def test_sprites_are_drawn_with_the_factors_that_are_scored(law, monkeypatch):
    monkeypatch.setattr(script, "N_SPRITES", 40)
    x0, x1, factors = script.scene(law, 3)
    assert x0.shape == x1.shape == (40, 256)
    assert {"row", "column"} < set(factors)
    weight = x0.reshape(-1, 16, 16)
    centre = (weight.sum(axis=2) @ np.arange(16)) / weight.sum(axis=(1, 2))
    assert abs(np.corrcoef(centre, factors["row"])[0, 1]) > 0.9


def test_a_quick_run_gives_a_row_a_seed_and_statistic(monkeypatch):
    monkeypatch.setattr(script, "N_PAIRS", 200)
    monkeypatch.setattr(script, "N_TEST", 100)
    monkeypatch.setattr(script, "WORLDS", 1)
    rows = script.measure("slow, gaussian, 2", (0, 1), True)
    assert {(r.seed, r.statistic) for r in rows} == {
        (seed, name) for seed in (0, 1) for name in ("raw", "aligned", "r2")
    }
    assert all(0 <= r.value <= 1 for r in rows)
