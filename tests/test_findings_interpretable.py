"""K-means directions against other bases (Klindt et al. 2023): rules, rows, populations."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))

import interpretable_directions as own  # noqa: E402
from verdicts import Table, failed_controls, judged, print_verdicts, read  # noqa: E402


def table(**conditions):
    """Rows of one seed: table(base={"kmeans": 1.0})."""
    rows = [
        {"condition": condition, "statistic": name, "seed": 0, "value": value}
        for condition, statistics in conditions.items()
        for name, value in statistics.items()
    ]
    return Table(rows, 1)


# --- what was measured ----------------------------------------------------------------------------


def test_every_condition_that_a_rule_looks_up_has_all_its_rows_and_no_control_came_out():
    measured = read(FOLDER / "interpretable_directions.csv")
    for finding in own.FINDINGS:
        assert set(finding.needs) <= set(own.CONDITIONS)
        found = judged(finding, measured)
        assert all(np.isfinite(effects).all() for _, effects in found.values())
        assert len(found["finding"][1]) >= finding.rule.seeds
        assert not failed_controls(finding, measured)


def test_the_readme_says_of_every_finding_and_control_what_its_rows_say(capsys):
    print_verdicts(own.FINDINGS, read(FOLDER / "interpretable_directions.csv"))
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith(("| `", "| con"))]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    said = readme[readme.index("### Interpretable directions") :]
    assert len(lines) >= 2 * len(own.FINDINGS)
    assert not [line for line in lines if line not in said]


# --- statistics -----------------------------------------------------------------------------------


def test_a_gain_is_the_smallest_over_conditions_and_above_zero_where_kmeans_is_higher():
    t = table(a={"kmeans": -0.1, "ica": -0.5}, b={"kmeans": -0.3, "ica": -0.4})
    np.testing.assert_allclose(own.gain(t, "ica", ("a",)), 0.4)
    np.testing.assert_allclose(own.gain(t, "ica", ("a", "b")), 0.1)


def test_more_is_a_difference_of_counts_that_two_against_one_do_not_pass():
    rule = next(f.rule for f in own.FINDINGS if f.name == "unique")
    for two, passes in ((2.0, False), (7.0, True)):
        t = table(**{"a, new": {"unique kmeans": two, "unique neurons": 1.0}})
        assert own.more(t, "a") == two - 1
        assert (own.more(t, "a") >= rule.threshold) == passes


def test_what_noise_takes_is_the_index_of_pure_neurons_less_that_in_noise():
    t = table(**{own.PURE: {"neurons": -0.1}, "noisy": {"neurons": -0.6}})
    np.testing.assert_allclose(own.lost(t, "noisy"), 0.5)


# --- populations ----------------------------------------------------------------------------------


def test_a_condition_changes_what_it_names_and_nothing_else(monkeypatch):
    monkeypatch.setattr(own, "N_IMAGES", 200)
    h, e, weights = own.population(own.BASE, 0)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=0), 1.0)
    shuffled = own.population(own.SHUFFLED, 0)
    assert (shuffled[0] == h).all()
    assert (shuffled[1] != e).any()
    np.testing.assert_array_equal(np.sort(shuffled[1], axis=0), np.sort(e, axis=0))
    noisy = own.population("noise 0.6", 0)
    assert (noisy[2] == weights).all()
    features = own.seen(200, 0)[1]
    for found, sd in ((h, 0.05), (noisy[0], 0.6)):
        assert (found - features @ weights.T).std() == pytest.approx(sd, rel=0.1)
    assert own.population("400 images", 0)[0].shape == (400, own.N_NEURONS)


def test_copies_share_one_texture_and_pure_neurons_have_one_each(monkeypatch):
    monkeypatch.setattr(own, "N_IMAGES", 100)
    copies = own.population(own.COPIES, 1)[2]
    assert (copies == copies[0]).all()
    assert copies[0].sum() == copies.max() == 1
    pure = own.population(own.PURE, 1)[2]
    assert pure.sum(axis=1).tolist() == [1.0] * own.N_NEURONS
    assert pure.sum(axis=0).max() == 1
    assert (own.seen(100, 1, 8)[1] > 0).sum(axis=1).tolist() == [8] * 100


def test_the_mean_of_16_trials_has_a_quarter_of_their_noise(monkeypatch):
    monkeypatch.setattr(own, "N_IMAGES", 300)
    features = own.seen(300, 2)[1]
    for condition, sd in ((f"{own.PURE}, noise 2", 2.0), (f"{own.PURE}, noise 2, mean of 16", 0.5)):
        h, _, weights = own.population(condition, 2)
        assert (h - features @ weights.T).std() == pytest.approx(sd, rel=0.1)


def test_new_conditions_are_those_of_their_names_for_seeds_that_no_other_row_has(monkeypatch):
    asked = []
    monkeypatch.setattr(own, "_numbers", lambda *given: asked.append(given) or [("a", 1.0)])
    monkeypatch.setattr(own, "_different", lambda *given: asked.append(given) or [("b", 2.0)])
    rows = own.measure(own.COPIES, (0, 7), True) + own.measure(f"{own.COPIES}, new", (0, 7), True)
    assert asked == [(own.COPIES, seed, True) for seed in (3000, 3007, 4000, 4007)]
    assert [(r.seed, r.statistic) for r in rows] == [(0, "a"), (7, "a"), (0, "b"), (7, "b")]
    assert own.NEW >= own.FIRST + own.SEEDS


def test_kmeans_counts_more_features_than_neurons_and_of_copies_no_more(monkeypatch):
    monkeypatch.setattr(own, "N_IMAGES", 400)
    for condition, least, most in ((own.BASE, 6, 24), (own.COPIES, -1, 5)):
        found = dict(own._different(condition, 5, False))
        assert least <= found["unique kmeans"] - found["unique neurons"] <= most
