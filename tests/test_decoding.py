"""Decoding against closed forms, scikit-learn, its own invariances, and its errors."""

import naive
import numpy as np
import pytest
import xarray as xr
from made_population import crossed, embedded, recording, unstructured
from scipy.stats import ortho_group
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC

import neurogeom as ng
from neurogeom.activity import from_arrays, sessions
from neurogeom.design import conditions
from neurogeom.engine.population import population
from neurogeom.engine.resampling import resamples
from neurogeom.formulas import expected

NAMES = ["a", "b", "c"]
SIGN = 2 * crossed(2, 2, 2) - 1
PLAIN = {"n_null": 0, "target": "none"}
NEAREST = {**PLAIN, "readout": "nearest_mean", "scale": "none", "n_resamples": 4}
UNEQUAL = [5, 6, 7, 8, 5, 6, 9, 8]


def cube(d_prime, n_neurons, n_trials, seed=0):
    return recording(embedded(SIGN * d_prime / 2, n_neurons, seed), n_trials, seed=seed)


def splits_of(x, names, n_resamples):
    """The trials that each split tests, bool (trial,), read off the engine's splits."""
    found = sessions(x)
    design = conditions(found, names)
    p = population(found, design)
    order = np.argsort(design.of_trial[0], kind="stable")
    masks = []
    for r in resamples(p, n_resamples=n_resamples, n_pseudo=None, seed=0, split=True):
        masks.append(np.isin(np.arange(len(order)), order[r.test[0]]))
    return masks


# --- truth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("d_prime", [2.0, 4.0])
def test_variables_of_a_cube_are_read_at_their_distance_and_interactions_at_chance(d_prime):
    """With 2000 trials a condition: Phi(d'/2) = 0.8413 or 0.9772, and 0.5 for a product."""
    x = cube(d_prime, 10, 2000)
    result = ng.decoding(x, NAMES, contrasts=["a:b", "a:b:c"], **NEAREST)
    truth = np.array([{2.0: 0.8413, 4.0: 0.9772}[d_prime]] * 3 + [0.5] * 2)
    # 16 000 trials are tested once. A readout of the product is random: half of the conditions of
    # each side are right with probability P and half with 1 - P, so only the mean is 0.5.
    error = np.sqrt(truth * (1 - truth) / 16_000)
    np.testing.assert_allclose(result.estimate, truth, atol=4 * error.max() + 0.5e-4)


@pytest.mark.parametrize(("n_neurons", "n_trials"), [(50, 8), (200, 12)])
def test_few_trials_are_read_as_the_formula_for_finite_training_says(n_neurons, n_trials):
    axes = SIGN * 1.0
    truth = expected.accuracy(
        np.pad(axes, ((0, 0), (0, n_neurons - 3))), SIGN[:, 0], n_trials=0.75 * n_trials
    )
    scores = [
        ng.decoding(cube(2.0, n_neurons, n_trials, s), NAMES, **NEAREST).estimate.mean().item()
        for s in range(12)
    ]
    assert abs(np.mean(scores) - truth) < 4 * np.std(scores, ddof=1) / np.sqrt(12)


# --- a second opinion ---------------------------------------------------------------------------

CLASSIFIERS = [
    ("nearest_mean", NearestCentroid()),
    ("svm", LinearSVC(dual=False, tol=1e-10, max_iter=20_000)),
]


@pytest.mark.parametrize(("which", "classifier"), CLASSIFIERS, ids=["nearest_mean", "svm"])
@pytest.mark.parametrize("scale", ["resample", "split", "none"])
@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 2), (3, 3), (4, 3)])
def test_agrees_with_loops_over_scikit_learn(which, classifier, scale, sizes):
    """Equal trials (the classes of three levels are compared two by two)."""
    names = NAMES[: len(sizes)]
    x = recording(unstructured(np.prod(sizes), 15, 0, 0.4), 8, seed=0, sizes=sizes)
    result = ng.decoding(x, names, readout=which, scale=scale, n_resamples=4, **PLAIN)
    tests, levels = splits_of(x, names, 4), crossed(*sizes)
    for column, name in enumerate(names):
        pairs = [(i, j) for j in range(sizes[column]) for i in range(j)]
        sides = [(levels[:, column] == j) * 1 - (levels[:, column] == i) * 1 for i, j in pairs]
        theirs = [naive.decoding(classifier, x, names, s, tests, scale) for s in sides]
        assert result.estimate.sel(variable=name) == pytest.approx(np.mean(theirs), abs=1e-12)
        if len(pairs) > 1:
            ours = result.pair_estimate[result.pair_variable == name].values
            np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-12)


def test_unequal_trials_are_weighed_as_loops_over_scikit_learn_weigh_them():
    x = recording(unstructured(8, 15, 0, 0.5), UNEQUAL, seed=0)
    result = ng.decoding(x, NAMES, readout="svm", n_resamples=8, **PLAIN)
    tests = splits_of(x, NAMES, 8)
    for i, ours in enumerate(result.estimate.values):
        theirs = naive.decoding(CLASSIFIERS[1][1], x, NAMES, SIGN[:, i], tests)
        assert ours == pytest.approx(theirs, abs=1e-12)


# --- levels and classes -------------------------------------------------------------------------


def test_one_k_way_question_is_one_against_the_rest_in_scikit_learn():
    x = recording(unstructured(6, 12, 0, 0.7), 8, seed=0, sizes=(3, 2))
    result = ng.decoding(x, ["a", "b"], classes="joint", scale="none", n_resamples=4, **PLAIN)
    np.testing.assert_allclose(result.chance, [1 / 3, 1 / 2])
    svc, scores = LinearSVC(dual=False, tol=1e-10, max_iter=20_000), {"a": [], "b": []}
    for test in splits_of(x, ["a", "b"], 4):
        for name, found in scores.items():
            y = x[name].values
            right = svc.fit(x.values[~test], y[~test]).predict(x.values[test]) == y[test]
            condition = naive.conditions(x, ["a", "b"])[0][test]
            found.append(np.mean([right[condition == c].mean() for c in range(6)]))
    for name, found in scores.items():
        assert result.estimate.sel(variable=name) == pytest.approx(np.mean(found), abs=1e-12)


def test_two_levels_are_the_same_question_either_way():
    x = recording(unstructured(8, 12, 0, 0.7), UNEQUAL, seed=0)
    options = {"n_resamples": 4, "readout": "nearest_mean", **PLAIN}
    pairwise, joint = (ng.decoding(x, NAMES, classes=c, **options) for c in ("pairwise", "joint"))
    np.testing.assert_allclose(joint.estimate, pairwise.estimate, atol=1e-12)


def test_a_contrast_is_read_like_a_variable_of_the_same_conditions():
    x = recording(unstructured(4, 12, 0, 0.7), 8, seed=0)
    y = x.assign_coords(response=("trial", x.a.values ^ x.b.values))
    options = {"n_resamples": 4, **PLAIN}
    column = ng.decoding(y, ["a", "b"], contrasts=["response"], **options).estimate[2]
    product = ng.decoding(x, ["a", "b"], contrasts=["a:b"], **options).estimate[2]
    assert column.item() == pytest.approx(product.item(), abs=1e-12)


def test_merged_levels_are_one_class():
    x = recording(unstructured(6, 12, 0, 0.7), 8, seed=0, sizes=(3, 2))
    merged = {"a": {"low": [0], "high": [1, 2]}, "b": None}
    coded = x.assign_coords(a=("trial", (x.a.values > 0) * 1))
    one, other = (
        ng.decoding(d, v, **NEAREST).estimate for d, v in ((x, merged), (coded, ["a", "b"]))
    )
    np.testing.assert_allclose(one, other, atol=1e-12)


# --- invariances --------------------------------------------------------------------------------


def test_relabelling_and_permuting_neurons_change_nothing():
    x = recording(unstructured(8, 12, 0, 0.5), UNEQUAL, seed=0)
    options = {"n_resamples": 4, **PLAIN}
    before = ng.decoding(x, NAMES, **options).estimate
    words = x.assign_coords(b=("trial", np.where(x.b.values == 1, "yes", "no")))
    order = x.isel(neuron=np.random.default_rng(0).permutation(12))
    for same in (words, order):
        xr.testing.assert_allclose(ng.decoding(same, NAMES, **options).estimate, before, atol=1e-12)


def test_rotating_neurons_changes_nothing_without_z_scores_and_something_with_them():
    x = recording(unstructured(8, 12, 0, 0.5) * np.linspace(0.2, 3, 12), 8, seed=0)
    turned = x.copy(data=x.values @ ortho_group.rvs(12, random_state=0))
    plain, scored = ({**NEAREST, "scale": s} for s in ("none", "resample"))
    before, after = (ng.decoding(d, NAMES, **plain).estimate for d in (x, turned))
    np.testing.assert_allclose(before, after, atol=1e-12)
    before, after = (ng.decoding(d, NAMES, **scored).estimate for d in (x, turned))
    assert np.abs(before - after).max() > 0.005


def test_the_unit_of_a_neuron_changes_nothing_with_z_scores():
    x = recording(unstructured(8, 12, 0, 0.5), UNEQUAL, seed=0)
    other = x.copy(data=x.values * np.geomspace(0.01, 100, 12) + np.arange(12))
    before, after = (ng.decoding(d, NAMES, n_resamples=4, **PLAIN).estimate for d in (x, other))
    np.testing.assert_allclose(before, after, atol=1e-12)


# --- chance -------------------------------------------------------------------------------------


def test_a_strong_variable_is_significant_and_an_absent_one_is_at_chance():
    centroids = embedded(SIGN[:, :1] * 2.0, 20)
    result = ng.decoding(recording(centroids, 8), NAMES, n_resamples=4, n_null=39, target="none")
    assert result.p_value[0] == 2 / 40
    assert result.p_corrected[0] <= result.p_corrected[1:].min()
    # The null keeps what the other variables code: its mean is at chance for each of them.
    spread = result.null.std("surrogate") / np.sqrt(39)
    assert (np.abs(result.null.mean("surrogate") - 0.5) < 4.5 * spread + 0.01).all()
    assert result.null.dims == ("surrogate", "variable")


@pytest.mark.slow
@pytest.mark.parametrize("null", ["labels", "labels_all"])
def test_label_shuffles_reject_pure_noise_at_their_level(null):
    p = [
        ng.decoding(recording(np.zeros((4, 15)), 6, seed=s), ["a", "b"], readout="nearest_mean",
                    n_resamples=4, n_null=39, null=null, seed=s, target="none").p_value.values
        for s in range(200)
    ]  # fmt: skip
    rate = (np.array(p) <= 0.05).mean(axis=0)
    assert (np.abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 200)).all()


# --- over time ----------------------------------------------------------------------------------


def test_each_window_is_scored_as_if_alone_and_the_correction_is_over_all():
    parts = [recording(unstructured(4, 8, i, 0.5), 6, seed=0) for i in range(3)]
    values = np.stack([p.values for p in parts], axis=2)
    trial = {n: parts[0][n].values for n in ("a", "b")}
    x = from_arrays(values, trial=trial, time=[0.1, 0.2, 0.3], session="s1")
    options = {"readout": "nearest_mean", "n_resamples": 4, "n_null": 19, "target": "none"}
    whole = ng.decoding(x, ["a", "b"], **options)
    assert whole.sizes["time"] == 3
    for i in range(3):
        alone = ng.decoding(x.isel(time=i, drop=True), ["a", "b"], **options)
        for name in ("estimate", "p_value", "null"):
            window = whole[name].isel(time=i).transpose(*alone[name].dims)
            np.testing.assert_array_equal(window, alone[name])
    assert (whole.p_corrected >= whole.p_value - 1e-12).all()
    late = [x, x.assign_coords(session="s2", time=[0.2, 0.3, 0.4])]
    with pytest.raises(ValueError, match="sessions have different time bins; read them all with"):
        ng.decoding(late, ["a", "b"], **options)


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"null": "flip"}, ValueError, r"null='flip' is unknown for decoding; choose from \['lab"),
        ({"classes": "all"}, ValueError, r"classes='all' is unknown; choose from \['joint', 'pair"),
        ({"scale": "z"}, ValueError, r"scale='z' is unknown; choose from \['resample', 'split'"),
        ({"readout": "tree"}, ValueError, "readout='tree' is unknown; choose from"),
        ({"target": "mice"}, ValueError, "target='mice' is unknown; choose from"),
        ({"n_null": -1}, ValueError, "n_null=-1 is negative; give 0 or more"),
        ({"seed": -1}, ValueError, "seed=-1 is negative; give 0 or more"),
        ({"seed": 1.5}, TypeError, "seed=1.5 is no whole number; give an int"),
        ({"n_resamples": 0}, ValueError, "n_resamples=0 leaves nothing to average"),
        ({"min_trials": 9}, ValueError, "no neuron has 9 trials in every condition"),
        ({"readout": RidgeClassifier()}, TypeError, "is no readout; wrap a scikit-learn classif"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, error, message):
    x = recording(unstructured(4, 5, 0), 6)
    with pytest.raises(error, match=message):
        ng.decoding(x, ["a", "b"], **{"n_null": 0, **options})
