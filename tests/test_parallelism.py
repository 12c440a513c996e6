"""The parallelism score against known geometries, loops over its definition, and itself."""

import naive
import numpy as np
import pytest
import xarray as xr
from made_population import crossed, embedded, recording, unstructured
from scipy.stats import ortho_group

import neurogeom as ng
from neurogeom.activity import from_arrays

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1
PLAIN = {"n_null": 0, "target": "none"}
RAW = {**PLAIN, "scale": "none"}
UNEQUAL = [5, 6, 7, 8, 5, 6, 9, 8]
PAIRS = {"a": [(4, 0), (5, 1), (6, 2), (7, 3)], "b": [(2, 0), (3, 1), (6, 4), (7, 5)],
         "c": [(1, 0), (3, 2), (5, 4), (7, 6)]}  # fmt: skip


# --- truth --------------------------------------------------------------------------------------

INTERACTIONS = np.column_stack(
    [SIGN[:, 0] * SIGN[:, 1], SIGN[:, 0] * SIGN[:, 2], SIGN[:, 1] * SIGN[:, 2], SIGN.prod(axis=1)]
)
GEOMETRIES = {
    "cube": (SIGN, 1.0),
    "simplex": (np.eye(8) * 4 / np.sqrt(2), 0.0),
    "linear 2 and four interactions 1": (np.hstack([SIGN, INTERACTIONS / 2]), 0.4286),
    "linear and interactions alike": (np.hstack([SIGN, INTERACTIONS]), 0.0),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_known_geometries(name):
    axes, truth = GEOMETRIES[name]
    scores = [
        ng.parallelism(
            recording(embedded(axes * 1.0, 20), 100, seed=s), NAMES, **RAW
        ).estimate.values
        for s in range(10)
    ]
    means = np.mean(scores, axis=1)
    error = np.std(means, ddof=1) / np.sqrt(10)
    assert abs(means.mean() - truth) < 4 * error + 0.5e-4 + np.var(scores)
    assert error < 0.02


@pytest.mark.parametrize(("name", "value"), [("a", 1), ("a:b", -0.3047), ("a:b:c", -0.2738)])
def test_the_best_pairing_of_a_noise_free_cube(name, value):
    x = recording(embedded(SIGN * 1.0, 12), 3, seed=0, noise=0.0)
    found = ng.parallelism(x, NAMES, contrasts=["a:b", "a:b:c"], pairing="max", min_trials=3, **RAW)
    assert found.naive.sel(variable=name) == pytest.approx(value, abs=0.5e-4)


def test_an_exclusive_or_code_is_antiparallel():
    two = 2 * crossed(2, 2) - 1
    axes = embedded(two[:, :1] * two[:, 1:] * 2.0, 10)
    found = np.array(
        [ng.parallelism(recording(axes, 50, seed=s), ["a", "b"], **RAW).estimate for s in range(10)]
    )
    means = found.mean(axis=1)
    assert abs(means.mean() + 1) < 4 * means.std(ddof=1) / np.sqrt(10) + found.var() < 0.02


# --- a second opinion ---------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["resample", "none"])
@pytest.mark.parametrize("counts", [6, UNEQUAL])
def test_agrees_with_loops_over_coding_vectors(scale, counts):
    x = recording(unstructured(8, 12, 0, 1.5) + SIGN[:, :1], counts, seed=0)
    found = ng.parallelism(x, NAMES, scale=scale, **PLAIN)
    for name in NAMES:
        estimate, cosine, reliability = naive.parallelism(x, NAMES, PAIRS[name], scale)
        row = found.sel(variable=name)
        assert row.estimate == pytest.approx(estimate, rel=1e-9)
        assert row.naive == pytest.approx(cosine, rel=1e-9)
        assert row.reliability == pytest.approx(reliability, rel=1e-9)


@pytest.mark.parametrize("sizes", [(3, 2), (3, 3), (4, 3)])
def test_more_levels_are_all_pairs_of_levels_in_one_ratio(sizes):
    """6, 9 and 12 conditions: numerators and denominators are averaged before they are divided."""
    x = recording(unstructured(np.prod(sizes), 15, 0, 1.5), 6, seed=0, sizes=sizes)
    found = ng.parallelism(x, ["a", "b"], **RAW)
    grid = np.arange(np.prod(sizes)).reshape(sizes).T  # (context, level)
    condition, _ = naive.conditions(x, ["a", "b"])
    means = np.array([x.values[condition == c].mean(axis=0) for c in range(grid.size)])
    error = np.array([x.values[condition == c].var(axis=0, ddof=1) / 6 for c in range(grid.size)])
    top, bottom = [], []
    for high in range(sizes[0]):
        for low in range(high):
            v = means[grid[:, high]] - means[grid[:, low]]
            gram = v @ v.T
            top.append(gram[~np.eye(len(v), dtype=bool)].mean())
            noise = (error[grid[:, high]] + error[grid[:, low]]).sum(axis=1)
            bottom.append((np.diag(gram) - noise).mean())
    assert found.estimate[0] == pytest.approx(np.mean(top) / np.mean(bottom), rel=1e-9)


# --- trial noise --------------------------------------------------------------------------------


def test_too_much_noise_leaves_no_estimate_and_a_p_value():
    x = recording(embedded(SIGN * 0.2, 60), 5, seed=0)
    found = ng.parallelism(x, NAMES, null="flip", n_null=99, target="none", scale="none")
    assert np.isnan(found.estimate).any()
    for name, reason in found.attrs["reasons"].items():
        assert np.isnan(found.estimate.sel(variable=name))
        assert f"trial noise exceeds the signal of {name!r}: reliability" in reason
    assert np.isfinite(found.p_value).all()
    assert np.isfinite(found.naive).all()


def test_correction_needs_noise_to_be_independent_between_conditions_only():
    """Noise that neurons share lengthens no product of different pairs."""
    scores = []
    for seed in range(12):
        x = recording(embedded(SIGN * 1.0, 20), 30, seed=seed)
        shared = np.random.default_rng(100 + seed).standard_normal((len(x), 1))
        scores.append(
            ng.parallelism(x.copy(data=x.values + shared), NAMES, **RAW).estimate.values.mean()
        )
    assert abs(np.mean(scores) - 1) < 4 * np.std(scores, ddof=1) / np.sqrt(12) + np.var(scores)


# --- the null -----------------------------------------------------------------------------------


def test_a_cube_is_parallel_and_unstructured_centroids_are_not():
    options = {"null": "flip", "n_null": 99, "target": "none"}
    cube = ng.parallelism(recording(embedded(SIGN * 1.5, 40), 8), NAMES, **options)
    assert (cube.p_value == 2 / 100).all()
    noise = (recording(unstructured(8, 40, s, 0.5), 8, seed=s) for s in range(12))
    p = [ng.parallelism(x, NAMES, **options).p_value.values for x in noise]
    assert (np.array(p) <= 0.05).sum() < 6  # of 36: probability 0.009


@pytest.mark.parametrize("null", ["flip", "rotate"])
def test_surrogates_average_to_chance(null):
    """Strong contexts and parallel codes in the data: surrogates know nothing of either."""
    x = recording(embedded(SIGN * [1.5, 6.0, 0.5], 30), 8)
    found = ng.parallelism(x, NAMES, null=null, n_null=500, target="none")
    error = found.null.std("surrogate") / np.sqrt(500)
    assert (np.abs(found.null.mean("surrogate")) < 4.5 * error).all()


@pytest.mark.parametrize("null", [None, "flip", "rotate", "swap", "geometric"])
def test_every_null_has_as_many_surrogates_as_asked_for(null):
    x = recording(unstructured(8, 10, 0), 5)
    found = ng.parallelism(x, NAMES, null=null, n_null=19, target="none")
    assert found.null.shape == (19, 3)
    assert np.isfinite(found.null).all()
    assert ((found.p_value >= 1 / 20) & (found.p_value <= 1)).all()


def test_the_best_pairing_is_tested_against_surrogates_that_are_paired_anew():
    """The maximum over pairings is above 0 for unstructured centroids, and so is its null."""
    noise = (recording(unstructured(8, 20, s, 1.0), 8, seed=s) for s in range(12))
    found = [ng.parallelism(x, NAMES, pairing="max", n_null=39, target="none") for x in noise]
    assert all(f.null.mean() > 0.02 for f in found)
    assert (np.array([f.p_value.values for f in found]) <= 0.05).sum() < 6


def test_one_tail_is_half_of_two():
    x = recording(embedded(SIGN * 1.5, 40), 8)
    options = {"null": "flip", "n_null": 99, "target": "none"}
    p = {t: ng.parallelism(x, NAMES, alternative=t, **options).p_value[0].item()
         for t in ("two-sided", "greater", "less")}  # fmt: skip
    assert p == {"two-sided": 0.02, "greater": 0.01, "less": 1.0}


# --- invariances --------------------------------------------------------------------------------


def test_rotating_neurons_changes_nothing_without_z_scores_and_something_with_them():
    x = recording(unstructured(8, 12, 0, 1.5) * np.linspace(0.2, 3, 12), UNEQUAL, seed=0)
    turned = x.copy(data=x.values @ ortho_group.rvs(12, random_state=0))
    before, after = (ng.parallelism(d, NAMES, **RAW).estimate for d in (x, turned))
    np.testing.assert_allclose(before, after, atol=1e-8)
    before, after = (ng.parallelism(d, NAMES, **PLAIN).estimate for d in (x, turned))
    assert np.abs(before - after).max() > 0.005


def test_names_order_and_silent_neurons_change_nothing():
    x = recording(unstructured(8, 12, 0, 1.5), UNEQUAL, seed=0)
    rng, trial = np.random.default_rng(0), {n: x[n].values for n in NAMES}
    more = from_arrays(np.column_stack([x.values, np.full(len(x), 3.0)]), trial=trial, session="s1")
    same = [
        x.assign_coords(a=("trial", 1 - x.a.values)),
        x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(12)),
        more,
    ]
    before = ng.parallelism(x, NAMES, **PLAIN).estimate
    for other in same:
        xr.testing.assert_allclose(
            ng.parallelism(other, NAMES, **PLAIN).estimate, before, atol=1e-9
        )


def test_moving_one_condition_changes_the_score():
    """The negative twin."""
    x = recording(unstructured(8, 12, 0, 1.5), UNEQUAL, seed=0)
    moved = x.copy(data=x.values + 2.0 * (x.a * x.b * x.c).values[:, None])
    before, after = (ng.parallelism(d, NAMES, **RAW).estimate for d in (x, moved))
    assert (np.abs(before - after) > 1e-3).all()


# --- what has no answer -------------------------------------------------------------------------


def test_what_is_not_matched_is_nan_with_a_reason():
    x = recording(unstructured(8, 12, 0, 1.5), 6, seed=0)
    x = x.assign_coords(most=("trial", (x.a + x.b + x.c).values >= 2))
    found = ng.parallelism(x, NAMES, contrasts=["most"], n_null=19, target="none")
    assert np.isnan(found.estimate[3])
    assert np.isnan(found.p_value[3])
    assert found.attrs["reasons"]["most"] == "the levels of 'most' are not matched in two contexts"
    assert np.isfinite(found.p_corrected[:3]).all()


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        (["a"], {}, "the parallelism score of 'a' needs a second context; name another variable"),
        (NAMES, {"pairing": "best"}, r"pairing='best' is unknown; choose from \['factor', 'max'\]"),
        (NAMES, {"pairing": "max", "null": "flip"}, "pairing='max' is tested against null='geome"),
        (NAMES, {"null": "labels"}, "null='labels' is unknown; choose from"),
        (NAMES, {"alternative": "up"}, "alternative='up' is unknown; choose from"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(variables, options, message):
    with pytest.raises(ValueError, match=message):
        ng.parallelism(recording(unstructured(8, 5, 0), 6), variables, **{"n_null": 9, **options})


def test_the_largest_pairing_needs_no_matched_contexts():
    """Four conditions against four that no two of the variables tell apart in every context."""
    x = recording(embedded(SIGN * 2, 40), 8)
    number = 4 * x.a.values + 2 * x.b.values + x.c.values
    x = x.assign_coords(d=("trial", np.isin(number, [0, 1, 2, 4]).astype(int)))
    found = ng.parallelism(x, NAMES, contrasts=["d"], pairing="max", n_null=19, target="none")
    assert np.isfinite(found.estimate).all()
    assert np.isfinite(found.p_value).all()
    assert ng.parallelism(x, NAMES, contrasts=["d"], **PLAIN).attrs["reasons"].keys() == {"d"}
