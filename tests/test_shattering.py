"""Shattering dimensionality against known geometries, scikit-learn, decoding, and its errors."""

import naive
import numpy as np
import pytest
from made_population import crossed, embedded, recording, unstructured
from scipy.special import ndtr
from scipy.stats import ortho_group
from sklearn.neighbors import NearestCentroid

import neurogeom as ng
from neurogeom.activity import sessions
from neurogeom.design import conditions
from neurogeom.engine.population import population
from neurogeom.engine.resampling import resamples

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1
NEAREST = {
    "n_null": 0,
    "target": "none",
    "readout": "nearest_mean",
    "scale": "none",
    "n_resamples": 4,
}
TESTED = {"target": "none", "readout": "nearest_mean", "n_resamples": 4}


# --- truth --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d_prime", "mean", "kinds"),
    [
        (2.0, 0.6918, {0.8413: 3, 0.7782: 4, 0.7107: 12, 0.6707: 12, 0.5: 4}),
        (4.0, 0.7545, {0.9772: 3, 0.9069: 4, 0.7488: 12, 0.7386: 12, 0.5: 4}),
    ],
)
def test_35_dichotomies_of_a_cube(d_prime, mean, kinds):
    """2000 trials a condition; 16 000 tests of each dichotomy."""
    x = recording(embedded(SIGN * d_prime / 2, 10), 2000, seed=1)
    found = ng.shattering(x, NAMES, **NEAREST)
    truth = np.sort(np.repeat(list(kinds), list(kinds.values())))
    error = np.sqrt(0.25 / 16_000)
    np.testing.assert_allclose(np.sort(found.accuracy), truth, atol=4.5 * error)
    assert found.estimate == pytest.approx(mean, abs=4 * error)


def test_all_dichotomies_of_a_simplex_are_alike():
    x = recording(embedded(np.eye(8) * 4 / np.sqrt(2), 10), 2000, seed=1)
    found = ng.shattering(x, NAMES, **NEAREST)
    np.testing.assert_allclose(found.accuracy, ndtr(1), atol=4.5 * np.sqrt(0.25 / 16_000))


# --- a second opinion ---------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["resample", "none"])
def test_every_dichotomy_agrees_with_loops_over_scikit_learn(scale):
    x = recording(unstructured(8, 12, 0, 0.6), 8, seed=0)
    found = ng.shattering(x, NAMES, **{**NEAREST, "scale": scale})
    design = conditions(sessions(x), NAMES)
    p = population(sessions(x), design)
    order, tests = np.argsort(design.of_trial[0], kind="stable"), []
    for r in resamples(p, n_resamples=4, n_pseudo=None, seed=0, split=True):
        tests.append(np.isin(np.arange(64), order[r.test[0]]))
    for k in range(0, 35, 4):
        side = found.side.values[k]
        theirs = naive.decoding(NearestCentroid(), x, NAMES, side, tests, scale)
        assert found.accuracy[k] == pytest.approx(theirs, abs=1e-12)


def test_named_dichotomies_are_what_decoding_says_of_them():
    x = recording(unstructured(8, 12, 0, 0.6), [5, 6, 7, 8, 5, 6, 9, 8], seed=0)
    shattered = ng.shattering(x, NAMES, **NEAREST)
    decoded = ng.decoding(x, NAMES, contrasts=["a:b", "a:b:c"], **NEAREST)
    for name in (*NAMES, "a:b", "a:b:c"):
        ours = shattered.accuracy.sel(dichotomy=name)
        assert ours == pytest.approx(decoded.estimate.sel(variable=name).item(), abs=1e-12)


@pytest.mark.parametrize(
    ("sizes", "count"), [((2, 2), 3), ((3, 2), 10), ((3, 3), 126), ((4, 3), 462)]
)
def test_other_numbers_of_conditions(sizes, count):
    x = recording(unstructured(np.prod(sizes), 12, 0, 0.6), 5, seed=0, sizes=sizes)
    found = ng.shattering(x, ["a", "b"], **NEAREST)
    assert found.sizes["dichotomy"] == found.attrs["n_dichotomies_total"] == count
    assert found.estimate == pytest.approx(found.accuracy.mean().item())
    assert np.isfinite(found.accuracy).all()


def test_too_many_dichotomies_are_sampled_and_the_result_says_so():
    x = recording(unstructured(16, 12, 0, 0.6), 4, seed=0, names="abcd")
    found = ng.shattering(x, list("abcd"), max_dichotomies=40, min_trials=4, **NEAREST)
    assert (found.sizes["dichotomy"], found.attrs["n_dichotomies"]) == (40, 40)
    assert found.attrs["n_dichotomies_total"] == 6435


# --- invariances --------------------------------------------------------------------------------


def test_rotating_neurons_changes_nothing_without_z_scores_and_something_with_them():
    x = recording(unstructured(8, 12, 0, 0.6) * np.linspace(0.2, 3, 12), 8, seed=0)
    turned = x.copy(data=x.values @ ortho_group.rvs(12, random_state=0))
    for scale, moves in (("none", False), ("resample", True)):
        one, other = (ng.shattering(d, NAMES, **{**NEAREST, "scale": scale}) for d in (x, turned))
        assert (np.abs(one.accuracy - other.accuracy).max() > 1e-8) == moves


# --- chance -------------------------------------------------------------------------------------


def test_structure_is_significant_and_its_absence_is_not():
    strong = ng.shattering(recording(unstructured(8, 30, 0, 1.0), 8), NAMES, n_null=39, **TESTED)
    assert strong.p_value == 2 / 40
    assert strong.fraction > 0.9
    p = [
        ng.shattering(recording(np.zeros((4, 10)), 8, seed=s), ["a", "b"], n_null=19, **TESTED)
        for s in range(20)
    ]
    # Chance is 0.5, and p is uniform: below 0.11 in 10 % of 20; 7 have a probability of 0.002.
    assert sum(r.p_value.item() <= 0.1 + 1e-9 for r in p) < 7
    means = np.array([r.estimate.item() for r in p])
    assert abs(means.mean() - 0.5) < 4 * means.std(ddof=1) / np.sqrt(20)


def test_one_surrogate_serves_every_dichotomy():
    """The null of the mean is the mean of the nulls, draw by draw; the correction is over all."""
    found = ng.shattering(recording(unstructured(8, 10, 0, 0.4), 6), NAMES, n_null=19, **TESTED)
    assert found.null.dims == ("surrogate",)
    assert (found.dichotomy_p_corrected >= found.dichotomy_p_value).all()
    assert ((found.dichotomy_p_value >= 2 / 20 - 1e-12) & (found.dichotomy_p_value <= 1)).all()
    assert 0 <= found.fraction <= 1


def test_fraction_is_not_the_mean():
    """A cube of little noise: dichotomies that are read at 0.75 count as a whole one."""
    x = recording(embedded(SIGN * 3.0, 10), 8, seed=0)
    found = ng.shattering(x, NAMES, n_null=39, scale="none", **TESTED)
    assert found.fraction > found.estimate
    assert found.attrs["convention"].startswith("mean accuracy (Bernardi et al. 2020); fraction")


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        (
            ["a"],
            {},
            "two conditions have one dichotomy alone; name another variable, or use decodi",
        ),
        (NAMES, {"null": "flip"}, r"null='flip' is unknown for shattering; choose from \['labels'"),
        (NAMES, {"n_resamples": 0}, "n_resamples=0 leaves nothing to average"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(variables, options, message):
    x = recording(unstructured(8, 5, 0), 6)
    with pytest.raises(ValueError, match=message):
        ng.shattering(x, variables, **{"n_null": 0, **options})
