"""Similarity of two populations, and alignment with variables: truth, matching, what has none."""

import warnings

import numpy as np
import pytest
import xarray as xr
from made_population import crossed, embedded, recording, unstructured
from scipy.stats import ortho_group

from neurogeom.activity import from_arrays
from neurogeom.engine import matched
from neurogeom.engine.intervals import refused
from neurogeom.formulas import cka as formulas
from neurogeom.formulas import procrustes
from neurogeom.measures.similarity import similarity
from neurogeom.measures.target_alignment import target_alignment
from neurogeom.storage import load, save

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1.0
ALL = ["cka", "procrustes", "procrustes_held_out", "shape_distance", "rsa_whitened", "rsa_tau",
       "cca", "predictivity_a_to_b", "predictivity_b_to_a"]  # fmt: skip
PLAIN = {"n_null": 0, "target": "none"}


@pytest.fixture(autouse=True)
def _no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def weighted(axes, n_neurons, seed):
    """Conditions on axes that every neuron reads with Gaussian weights: neurons are a sample."""
    return axes @ np.random.default_rng(seed).standard_normal((axes.shape[1], n_neurons))


def two(first, second, n_trials=8, **options):
    """Recordings of two populations with noise of their own."""
    return [
        recording(c, n_trials, seed=i + 50, session=name, **options)
        for i, (c, name) in enumerate(zip((first, second), "xy", strict=True))
    ]


def value(found, quantity, field="estimate"):
    return found[field].sel(quantity=quantity).item()


# --- truth --------------------------------------------------------------------------------------


def test_the_same_cube_in_other_neurons_is_the_same_and_is_told_from_another_geometry():
    """Same conditions, same arrangement, turned at random among other neurons."""
    a, b = two(embedded(SIGN * 2, 40, seed=1), embedded(SIGN * 2, 30, seed=2), 20)
    found = similarity(a, b, NAMES, neurons="all", n_null=199)
    assert list(found["quantity"].values) == ALL
    for name, low in {"cka": 0.95, "procrustes": 0.95, "procrustes_held_out": 0.85, "cca": 0.9,
                      "rsa_whitened": 0.95, "predictivity_a_to_b": 0.8}.items():  # fmt: skip
        assert low < value(found, name) < 1.05
    assert value(found, "shape_distance") < 0.3
    assert (found.p_value <= 0.02).all()
    unlike = similarity(a, recording(unstructured(8, 30, 3), 20, seed=9), NAMES, n_null=99)
    assert (unlike.p_value > 0.02).all()
    assert value(unlike, "procrustes_held_out") < 0.5


@pytest.mark.parametrize(
    ("p", "debiased"), [pytest.param(20, 0.353, marks=pytest.mark.slow), (60, 0.450)]
)
def test_half_of_the_latent_variables_shared_is_one_half_with_trial_noise_too(p, debiased):
    """Row 30 of the ground truth: 8 latent variables each, 4 in common, 60 conditions."""
    estimates, of_these = [], []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        z, x, y = (rng.standard_normal(s) for s in ((60, 12), (8, p), (8, p)))
        pair = two(z[:, :8] @ x, z[:, 4:] @ y, 4, sizes=(6, 10), names="ab", noise=2.0)
        options = {"scores": ["cka"], "min_trials": 4, "n_splits": 4, **PLAIN}
        for found, neurons in ((estimates, "sampled"), (of_these, "all")):
            one = similarity(*pair, ["a", "b"], neurons=neurons, **options)
            found.append(value(one, "cka"))
    error = np.std(estimates, ddof=1) / np.sqrt(24)
    assert abs(np.mean(estimates) - 0.5) < 4 * error < 0.15
    assert np.mean(of_these) == pytest.approx(debiased, abs=4 * np.std(of_these) / np.sqrt(24))


def test_independent_populations_are_unrelated_in_corrected_scores_only():
    """Rows 29 and 37: 60 conditions of 100 independent neurons each."""
    found = [
        similarity(
            *two(unstructured(60, 100, 2 * s, 2.0), unstructured(60, 100, 2 * s + 1, 2.0), 4,
                 sizes=(6, 10), names="ab"),
            ["a", "b"], scores=["cka", "procrustes"], neurons="all", min_trials=4, n_splits=4,
            scale="none", **PLAIN,
        )
        for s in range(6)
    ]  # fmt: skip
    naive = np.mean([value(f, "cka", "naive") for f in found])
    assert naive == pytest.approx(100 / 160, abs=0.02)
    assert abs(np.mean([value(f, "cka") for f in found])) < 0.03
    assert np.mean([value(f, "procrustes") for f in found]) > 0.8
    assert abs(np.mean([value(f, "procrustes_held_out") for f in found])) < 0.05


def test_trial_noise_is_removed_and_lowers_the_naive_value():
    """Row 31: the same geometry, and noise three times as large in a trial."""
    found = [
        similarity(
            *two(*(weighted(SIGN, 60, 2 * s + i) for i in (0, 1)), 10, noise=3.0),
            NAMES, scores=["cka"], stimuli="fixed", n_splits=8, **PLAIN,
        )
        for s in range(16)
    ]  # fmt: skip
    estimates = np.array([value(f, "cka") for f in found])
    naive = np.mean([value(f, "cka", "naive") for f in found])
    assert naive < 0.96
    assert abs(estimates.mean() - 1) < 4 * estimates.std(ddof=1) / 4 + 0.02


def test_agrees_with_the_formula_on_means_by_hand():
    a, b = two(unstructured(8, 6, 0), unstructured(8, 9, 1), 6)
    found = similarity(a, b, NAMES, scores=["cka", "procrustes"], scale="none", **PLAIN)
    condition = [4 * x.a.values + 2 * x.b.values + x.c.values for x in (a, b)]
    means = [
        np.array([x.values[c == k].mean(axis=0) for k in range(8)])
        for x, c in zip((a, b), condition, strict=True)
    ]
    assert value(found, "cka", "naive") == pytest.approx(formulas.naive(*means), rel=1e-9)
    expected = procrustes.similarity(*means)
    assert value(found, "procrustes") == pytest.approx(expected, rel=1e-9)


def test_a_population_scores_one_with_itself_although_its_noise_is_its_own():
    """All trials shared: without care noise would count as signal, or a half as a stranger."""
    x = recording(weighted(SIGN, 30, 0), 10, noise=3.0)
    found = similarity(x, x, NAMES, scores=["cka", "procrustes"], **PLAIN)
    assert value(found, "cka") == pytest.approx(1, rel=1e-9)
    assert value(found, "procrustes_held_out") < 1.0
    assert found.attrs["notes"][0].startswith("a and b share trials")
    assert "a and b share neurons, so that CKA is of these neurons alone" in found.attrs["notes"]


def test_areas_recorded_together_are_compared_in_different_halves_of_their_trials():
    """The second area repeats the first neuron by neuron, noise and all: the same trials would give
    the same means."""
    x = recording(np.zeros((8, 10)), 8, seed=0)
    again = x.assign_coords(unit_id=("neuron", x.unit_id.values + 10))
    twice = xr.concat([x, again], "neuron")
    areas = twice.isel(neuron=slice(0, 10)), twice.isel(neuron=slice(10, 20))
    m = matched.matched(*areas, NAMES, n_null=0, n_splits=2)
    assert m.together
    for first, second in m.independent:
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / np.sqrt(first.size)
    (one, _), (other, _) = m.independent
    np.testing.assert_allclose(np.stack([one, other]), m.halves[1][0])  # each half of a once


@pytest.mark.slow
def test_noise_that_two_areas_share_is_not_similarity():
    """No signal but a common fluctuation of all conditions' trials, in both areas of a session."""
    corrected, naive = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = recording(np.zeros((8, 40)), 8, seed=seed)
        shared = 4.0 * rng.standard_normal((64, 2)) @ rng.standard_normal((2, 40))
        x = x.copy(data=x.values + shared)
        areas = x.isel(neuron=slice(0, 20)), x.isel(neuron=slice(20, 40))
        options = {"scores": ["cka", "cca"], "n_null": 19, "n_splits": 4, "target": "none"}
        found = similarity(*areas, NAMES, **options)
        corrected.append([value(found, n, "p_value") for n in ("cka", "cca")])
        apart = similarity(areas[0], areas[1].assign_coords(session="another"), NAMES, **options)
        naive.append([value(apart, n, "p_value") for n in ("cka", "cca")])
    assert (np.mean(np.array(corrected) <= 0.05, axis=0) < 0.2).all()
    # the same data, not known to be together
    assert (np.mean(np.array(naive) <= 0.05, axis=0) > 0.5).all()


# --- matching -----------------------------------------------------------------------------------


def test_conditions_are_matched_by_label_whatever_the_order_of_rows():
    a, b = two(unstructured(8, 12, 0), unstructured(8, 9, 1))
    rng = np.random.default_rng(0)
    shuffled = [
        x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(x.sizes["neuron"]))
        for x in (a, b)
    ]
    options = {"n_null": 19, "target": "none", "n_splits": 3}
    before, after = (similarity(*p, NAMES, **options) for p in ((a, b), shuffled))
    for field in ("estimate", "naive", "ceiling", "p_value", "null"):
        np.testing.assert_allclose(before[field], after[field], rtol=1e-6, atol=1e-9)
    flipped = b.assign_coords(a=("trial", 1 - b.a.values))
    assert abs(similarity(a, flipped, NAMES, **options).estimate - before.estimate).max() > 0.01


def test_conditions_of_one_population_alone_are_left_out_and_counted():
    levels = dict(enumerate(("a", "b", "c", "d", "e", "f", "g", "h")))
    means = unstructured(8, 12, 0, 2.0), unstructured(8, 9, 1, 2.0)
    a, b = (
        x.assign_coords(
            stimulus=("trial", [levels[i] for i in 4 * x.a.values + 2 * x.b.values + x.c.values])
        )
        for x in two(*means)
    )
    fewer = [a.isel(trial=a.stimulus.values != "a"),
             b.isel(trial=~np.isin(b.stimulus.values, ["g", "h"]))]  # fmt: skip
    found = similarity(*fewer, ["stimulus"], **PLAIN)
    assert found.attrs["conditions"] == [f"stimulus={s}" for s in "bcdef"]
    assert found.attrs["notes"][:2] == [
        "2 conditions of a have no counterpart and are left out",
        "1 conditions of b have no counterpart and are left out",
    ]
    both = [x.isel(trial=np.isin(x.stimulus.values, list("bcdef"))) for x in (a, b)]
    alone = similarity(*both, ["stimulus"], **PLAIN)
    xr.testing.assert_allclose(alone.estimate, found.estimate)


def test_sessions_of_a_pseudo_population_are_gathered_on_either_side():
    parts = [recording(weighted(SIGN, 15, s), 8, seed=s, session=f"s{s}") for s in range(4)]
    found = similarity(parts[:2], parts[2:], NAMES, scores=["cka", "rsa"], n_null=99)
    assert found.attrs["n_neurons"] == [30, 30]
    assert found.attrs["real_trials"] == [False, False]
    assert value(found, "cka", "p_value") <= 0.05
    reversed_ = similarity(parts[1::-1], parts[:1:-1], NAMES, scores=["cka", "rsa"], n_null=99)
    xr.testing.assert_identical(found.estimate, reversed_.estimate)


# --- invariances --------------------------------------------------------------------------------


def test_turning_a_population_changes_nothing_without_z_scores_and_something_with_them():
    a, b = two(unstructured(8, 12, 0) * np.linspace(0.3, 3, 12), unstructured(8, 9, 1))
    turned = a.copy(data=a.values @ ortho_group.rvs(12, random_state=0))
    options = {"neurons": "all", "stimuli": "fixed", "n_splits": 3, **PLAIN}
    before, after = (similarity(x, b, NAMES, scale="none", **options) for x in (a, turned))
    one_way = before["quantity"] != "predictivity_b_to_a"  # its penalty weighs single neurons
    np.testing.assert_allclose(before.estimate[one_way], after.estimate[one_way], atol=1e-8)
    before, after = (similarity(x, b, NAMES, **options) for x in (a, turned))
    assert np.abs(before.estimate - after.estimate).max() > 1e-3


def test_similarity_is_the_same_both_ways_but_for_prediction():
    a, b = two(weighted(SIGN, 12, 0), weighted(SIGN * [1, 2, 0.5], 9, 1))
    there, back = (similarity(*p, NAMES, **PLAIN).estimate for p in ((a, b), (b, a)))
    np.testing.assert_allclose(there[:-2], back[:-2], atol=1e-9)
    np.testing.assert_allclose(there[-2:], back[:-3:-1], atol=1e-9)
    assert abs(there[-2] - there[-1]) > 1e-3


# --- nulls and intervals ------------------------------------------------------------------------


def test_surrogates_of_corrected_scores_average_to_chance():
    a, b = two(weighted(SIGN, 30, 0), weighted(SIGN, 30, 1))
    found = similarity(a, b, NAMES, n_null=400, target="none", n_splits=4)
    for name in ("cka", "rsa_tau", "cca"):
        null = found.null.sel(quantity=name)
        assert abs(null.mean()) < 4.5 * null.std() / 20 + 0.02
        assert value(found, name, "chance") == 0
    assert value(found, "procrustes", "chance") > 0.4
    assert found.z.sel(quantity="cka") > 2
    assert found.z.sel(quantity="shape_distance") < -2


def test_unrelated_populations_are_rejected_as_often_as_stated():
    p = []
    for seed in range(50):
        a, b = two(unstructured(8, 15, 2 * seed, 0.7), unstructured(8, 15, 2 * seed + 1, 0.7), 5)
        options = {"scores": ["cka", "procrustes"], "n_null": 19, "n_splits": 2, "target": "none"}
        p.append(similarity(a, b, NAMES, seed=seed, **options).p_value.values)
    rejected = (np.array(p) <= 0.05).sum(axis=0)
    assert (rejected <= 8).all()  # of 50: probability 0.001 each
    assert rejected.sum() > 0


def test_an_interval_over_neurons_covers_the_population_value_of_a_factorial_design():
    truth, covered, width = 1.0, [], []
    for seed in range(30):
        pair = two(*(weighted(SIGN, 60, 2 * seed + i) for i in (0, 1)), 8)
        found = similarity(
            *pair, NAMES, scores=["cka"], stimuli="fixed", n_null=0, n_splits=4, seed=seed
        )
        low, high = found.interval.values[0]
        covered.append(low <= truth <= high)
        width.append(high - low)
    assert sum(covered) >= 25  # of 30 at 0.95: 0.002
    assert 0.02 < np.median(width) < 0.4
    assert found.interval_target.item().startswith("population: new samples of 60 and 60 neurons")


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "p"), [((4, 5), 60), ((6, 10), 100)])
def test_an_interval_over_conditions_and_neurons_covers_one_half(sizes, p):
    covered, n = [], 120
    for seed in range(n):
        rng = np.random.default_rng(seed)
        z, x, y = (rng.standard_normal(s) for s in ((np.prod(sizes), 12), (8, p), (8, p)))
        pair = [
            recording(m / np.sqrt(8), 4, seed=2 * seed + i, session="xy"[i], sizes=sizes)
            for i, m in enumerate((z[:, :8] @ x, z[:, 4:] @ y))
        ]
        found = similarity(*pair, ["a", "b"], scores=["cka"], n_null=0, n_splits=4, min_trials=4)
        low, high = found.interval.values[0]
        covered.append(low <= 0.5 <= high)
    assert np.mean(covered) > 0.89


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "8 conditions are fewer than the 20 that an interval over sampled conditions needs"),
        ({"stimuli": "fixed", "neurons": "all"}, "nothing is sampled but trials"),
        ({"stimuli": "fixed", "target": "sessions"}, "has no interval over sessions whose cover"),
        ({"stimuli": "fixed", "target": "none"}, "no interval was asked for"),
        ({"stimuli": "fixed"}, "12 neurons are fewer than the 30"),
    ],
)
def test_an_interval_is_refused_with_a_reason(options, reason):
    pair = two(weighted(SIGN * 2, 12, 0), weighted(SIGN * 2, 40, 1))
    found = similarity(*pair, NAMES, scores=["cka"], n_null=0, **options)
    assert np.isfinite(value(found, "cka"))
    assert np.isnan(found.interval).all()
    assert reason in found.attrs["interval_reasons"]["cka"]
    assert refused("x").target == found.interval_target.item()


def test_of_a_network_the_neurons_are_all_there_are():
    pair = two(weighted(SIGN * 2, 40, 0), weighted(SIGN * 2, 8, 1))
    found = similarity(
        *pair, NAMES, scores=["cka"], stimuli="fixed", neurons=("sampled", "all"), n_null=0
    )
    assert found.interval_target.item().startswith("population: new samples of 40 neurons")
    assert np.isfinite(found.interval).all()


# --- alignment with variables -------------------------------------------------------------------


@pytest.mark.parametrize(("stimuli", "truth"), [("fixed", 3**-0.5), ("sampled", 0.4714)])
def test_a_cube_is_aligned_with_each_of_its_variables_alike(stimuli, truth):
    found = [
        target_alignment(
            recording(weighted(SIGN, 60, s), 10, seed=s), NAMES, contrasts=["a:b"],
            stimuli=stimuli, n_null=0, n_splits=6,
        ).estimate.values[:, 0]
        for s in range(16)
    ]  # fmt: skip
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / 4
    assert (np.abs(mean[:3] - truth) < 4 * error[:3] + 0.02).all()
    product = 0.0 if stimuli == "fixed" else -(8**-0.5)
    assert abs(mean[3] - product) < 4 * error[3] + 0.02
    assert error.max() < 0.05


def test_a_population_that_codes_one_variable_is_that_variable():
    x = recording(weighted(SIGN[:, :1] * 3, 40, 0), 10)
    found = target_alignment(x, NAMES, neurons="all", n_null=199)
    estimate, p = found.estimate.values[:, 0], found.p_value.values[:, 0]
    assert estimate[0] == pytest.approx(1, abs=0.05)
    assert (np.abs(estimate[1:]) < 0.3).all()
    assert p[0] < 0.07  # 8 conditions: a thirty-fifth of the orders give the same halves
    assert (p[1:] > 0.2).all()


def test_levels_are_names_and_not_numbers():
    x = recording(unstructured(6, 20, 0), 8, sizes=(3, 2), names="ab", noise=1e-6)
    renamed = x.assign_coords(a=("trial", np.array(["x", "z", "y"])[x.a.values]))
    options = {"n_null": 0, "n_splits": 3, "neurons": "all", "stimuli": "fixed"}
    found = [target_alignment(d, ["a", "b"], **options).estimate for d in (x, renamed)]
    assert np.isfinite(found[0]).all()
    np.testing.assert_allclose(*found, atol=1e-5)  # other trials stand in each half


def test_alignment_over_time_is_that_of_each_window():
    x = recording(weighted(SIGN, 12, 0), 6)
    values = np.stack([x.values, x.values[::-1]], axis=-1)
    trial = {n: x[n].values for n in NAMES}
    timed = from_arrays(values, trial=trial, time=[0.0, 0.1], session="s1")
    options = {"n_null": 9, "n_splits": 3, "neurons": "all"}
    found = target_alignment(timed, NAMES, **options)
    assert found.estimate.dims == ("time", "variable", "quantity")
    one = target_alignment(x, NAMES, **options)
    np.testing.assert_allclose(found.estimate[0], one.estimate, atol=1e-9)
    assert np.abs(found.estimate[0] - found.estimate[1]).max() > 0.05


# --- what has no answer -------------------------------------------------------------------------


def test_two_and_three_conditions_in_common_have_no_score_and_a_reason():
    a, b = (
        x.assign_coords(s=("trial", 4 * x.a.values + 2 * x.b.values + x.c.values))
        for x in two(unstructured(8, 12, 0), unstructured(8, 9, 1))
    )
    for n in (2, 3):
        few = similarity(a, b.isel(trial=b.s.values < n), ["s"], n_null=9)
        assert np.isnan(few.estimate).all()
        assert np.isnan(few.p_value).all()
        assert set(few.attrs["reasons"].values()) == {
            f"{n} conditions in common are fewer than the 4 needed"
        }
    four = similarity(a, b.isel(trial=b.s.values < 4), ["s"], n_null=9)
    assert np.isfinite(four.estimate.sel(quantity="procrustes"))
    assert "4 conditions have few orders: p-values are coarse" in four.attrs["notes"]


def test_noise_alone_has_no_alignment_and_a_p_value():
    a, b = two(np.zeros((8, 30)), np.zeros((8, 30)), 5)
    found = similarity(a, b, NAMES, n_null=19)
    missing = found.estimate.isnull()
    assert missing.sel(quantity="cka")
    assert "not above trial noise" in found.attrs["reasons"]["cka"]
    assert np.isfinite(found.p_value).all()


def test_silent_and_constant_populations_are_no_crash():
    a, _ = two(unstructured(8, 12, 0), unstructured(8, 9, 1))
    rng = np.random.default_rng(0)
    trial = {n: a[n].values for n in NAMES}
    silent = np.hstack([a.values, np.full((len(a), 3), 7.0)])
    with_silent = from_arrays(silent, trial=trial, session="x")
    other = recording(unstructured(8, 9, 1), 8, seed=4, session="y")
    options = {"neurons": "all", "n_splits": 3, "n_null": 0}
    before, after = (similarity(x, other, NAMES, **options) for x in (a, with_silent))
    for name in ("cka", "procrustes", "rsa_tau", "cca"):  # other trials stand in each half
        assert value(after, name, "naive") == pytest.approx(value(before, name, "naive"), abs=1e-9)
    flat = from_arrays(rng.permutation(np.repeat([[0.0], [1.0]], 32, 0)) * np.ones(4),
                       trial=trial, session="z")  # fmt: skip
    found = similarity(flat, other, NAMES, n_null=9)  # one dimension, four copies of one neuron
    assert np.isfinite(value(found, "procrustes"))


def test_noise_free_networks_with_equal_geometry_score_one():
    def network(seed, name):
        return recording(weighted(SIGN, 10, seed), 5, seed=seed, session=name, noise=0.0)

    found = similarity(network(0, "x"), network(0, "y").copy(), NAMES, neurons="all", **PLAIN)
    for name in ("cka", "procrustes", "rsa_whitened", "cca"):
        assert value(found, name) == pytest.approx(1, abs=1e-6)
    assert value(found, "rsa_tau") < 1  # a factorial design has equal distances
    other = similarity(network(0, "x"), network(1, "y"), NAMES, stimuli="fixed", **PLAIN)
    assert 0.8 < value(other, "cca") < 1  # the largest components are not the same in both
    assert value(other, "cka") < 1.2


def test_more_conditions_than_trials_of_each_is_no_obstacle():
    pair = two(
        *(weighted(unstructured(60, 4, 2), 20, i) for i in (0, 1)), 2, sizes=(6, 10), names="ab"
    )
    found = similarity(*pair, ["a", "b"], min_trials=2, n_null=9, n_splits=2)
    assert np.isfinite(found.estimate).all()
    assert np.isnan(value(found, "rsa_tau", "ceiling"))
    fixed = similarity(*pair, ["a", "b"], scores=["cka"], stimuli="fixed", min_trials=2, **PLAIN)
    assert fixed.attrs["reasons"]["cka"] == "2 trials in a condition are fewer than the 4 needed"


def test_the_result_is_saved_and_loaded(tmp_path):
    pair = two(unstructured(8, 12, 0), unstructured(8, 9, 1))
    found = similarity(*pair, NAMES, n_null=9, n_splits=2)
    back = load(save(found, tmp_path / "similarity.nc"))
    xr.testing.assert_identical(found, back)
    assert back.attrs["n_neurons"] == [12, 9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": ["svcca"]}, r"scores=\['svcca'\] is unknown; choose a list from \['cka', "),
        ({"scores": "cka"}, "scores='cka' is unknown; choose a list from"),
        ({"stimuli": "some"}, "stimuli='some' is unknown; choose from"),
        ({"neurons": "some"}, "neurons='some' is unknown; choose from"),
        ({"alpha": 2.0}, "alpha=2.0 is outside"),
        ({"scale": "z"}, "scale='z' is unknown; choose from"),
        ({"n_splits": 0}, "n_splits=0 is too small; give 1 or more"),
        ({"n_null": -1}, "n_null=-1 is too small; give 0 or more"),
        ({"target": "cells", "scores": ["cka"]}, "target='cells' is unknown; choose from"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, message):
    pair = two(weighted(SIGN * 3, 12, 0), weighted(SIGN * 3, 9, 1))
    with pytest.raises(ValueError, match=message):
        similarity(*pair, NAMES, **{"n_null": 9, **options})


def test_labels_without_a_counterpart_and_time_are_refused_in_one_sentence():
    a, b = two(unstructured(4, 12, 0), unstructured(4, 9, 1), names="ab")
    named = b.assign_coords(a=("trial", np.array(["u", "v"])[b.a.values]))
    with pytest.raises(ValueError, match="a and b have no condition in common: a has a=0, b=0;"):
        similarity(a, named, ["a", "b"])
    with pytest.raises(ValueError, match="activity with a time dim has no one similarity"):
        similarity(a.expand_dims(time=[0.0]).transpose("trial", "neuron", "time"), b, ["a", "b"])
    with pytest.raises(KeyError, match="'d' is not a column of the trials of session 'x'"):
        similarity(a, b, ["d"])
    with pytest.raises(TypeError, match="seed='one' is no whole number"):
        similarity(a, b, ["a", "b"], seed="one")
