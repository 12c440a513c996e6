"""Readouts are what they are called: scikit-learn's, or the formula in their docstring."""

import numpy as np
import pytest
import xarray as xr
from made_population import crossed, embedded, recording
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC

import neurogeom as ng
from neurogeom.engine.problems import condition_weights
from neurogeom.engine.readouts import LDA, SVM, Estimator, NearestMean, Ridge, readout
from neurogeom.engine.sample import Sample

SIGN = 2 * crossed(2, 2, 2) - 1
SIDES = np.array([SIGN[:, 0], SIGN[:, 1], SIGN[:, 0] * SIGN[:, 1]], np.int8)
LEFT_OUT = [(3, 4), (2, 0), (1, 4)]  # a pair for each side, so that no training set is another's
HELD_OUT = SIDES * np.array([~np.isin(np.arange(8), pair) for pair in LEFT_OUT])
VARIABLES = ["a", "b", "c"]
NO_INTERVAL = {"target": "animals"}  # none is named, so no jackknife is run


def exact_svc(C=1.0):
    return LinearSVC(C=C, dual=False, tol=1e-10, max_iter=20000)


def made(n_neurons, n_trials, *, signal=0.0, seed=0, apart=True):
    """Training trials sorted by condition, and as many test trials where they are ``apart``."""
    rng = np.random.default_rng(seed)
    counts = np.broadcast_to(n_trials, 8)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    centroids = signal * embedded(SIGN.astype(float), n_neurons, seed)
    train, test = (
        centroids[np.repeat(np.arange(8), counts)] + rng.standard_normal((bounds[-1], n_neurons))
        for _ in range(2)
    )
    return Sample(train, bounds, test, bounds) if apart else Sample(train, bounds)


def decided(which, sample, sign):
    return which.decide(sample, sign, condition_weights(sign, sample.n_trials))


def labelled(sample, sign):
    """Training trials, their labels and their weights, for one training set."""
    condition = sample.condition_of
    rows = np.flatnonzero(sign[condition])
    weight = condition_weights(sign[None], sample.n_trials)[0]
    return sample.train[rows], sign[condition[rows]].astype(float), weight[condition[rows]]


# --- support vector machine ---------------------------------------------------------------------


@pytest.mark.parametrize("signal", [0.0, 1.5])
@pytest.mark.parametrize("C", [1e-3, 1.0, 10.0])
@pytest.mark.parametrize("n_neurons", [60, 12])  # the dual; the primal, as trials outnumber neurons
def test_svm_is_scikit_learns_linear_svc(C, signal, n_neurons):
    sample = made(n_neurons, 8, signal=signal)
    for sign in (SIDES, HELD_OUT):
        ours, theirs = (decided(r, sample, sign) for r in (SVM(C), Estimator(exact_svc(C))))
        assert ours.converged.all()
        assert ours.gap.max() < 1e-8
        assert theirs.converged.all()
        scale = np.abs(theirs.score).max()
        np.testing.assert_allclose(ours.score, theirs.score, atol=1e-5 * scale)


@pytest.mark.parametrize("n_neurons", [40, 6])
def test_svm_weighs_unequal_trials_as_scikit_learn_does(n_neurons):
    sample = made(n_neurons, [3, 9, 5, 4, 12, 6, 8, 5], signal=0.7)
    ours, theirs = (decided(r, sample, HELD_OUT) for r in (SVM(), Estimator(exact_svc())))
    np.testing.assert_allclose(ours.score, theirs.score, atol=1e-5 * np.abs(theirs.score).max())
    even = SVM().decide(sample, HELD_OUT, (HELD_OUT != 0) * 1.0)
    assert np.abs(even.score - ours.score).max() > 1e-2  # and the weights matter


def test_svm_margin_is_in_units_of_its_weights_where_conditions_are_held_out():
    sample = made(40, 6, signal=0.7, apart=False)
    found = decided(SVM(), sample, HELD_OUT)
    for sign, norm in zip(HELD_OUT, found.norm, strict=True):
        x, y, weight = labelled(sample, sign)
        fitted = exact_svc().fit(x, y, weight)
        assert norm == pytest.approx(np.linalg.norm(fitted.coef_), rel=1e-5)


def recorded(signal, n_neurons, counts=6, seed=0):
    centroids = (
        signal * embedded(SIGN.astype(float), n_neurons, seed)
        if signal
        else np.zeros((8, n_neurons))
    )
    return recording(centroids, counts, seed=seed)


@pytest.mark.parametrize("signal", [0.0, 1.0])
@pytest.mark.parametrize("C", [1e-3, 1.0, 10.0])
def test_measures_with_svm_are_those_with_linear_svc(C, signal):
    """Accuracies are counts: equal to the last trial."""
    x = recorded(signal, 30)
    options = {"n_null": 0, "n_resamples": 2, **NO_INTERVAL}
    for measure, own in ((ng.decoding, {}), (ng.ccgp, {}), (ng.ccgp, {"held_out": "any"})):
        ours, theirs = (
            measure(x, VARIABLES, readout=r, **options, **own)
            for r in (SVM(C), Estimator(exact_svc(C)))
        )
        assert ours.attrs["n_nonconverged"] == theirs.attrs["n_nonconverged"] == 0
        assert ours.attrs["largest_gap"] < 1e-8
        xr.testing.assert_allclose(ours.estimate, theirs.estimate, rtol=0, atol=1e-12)


def test_surrogates_with_svm_are_those_with_linear_svc():
    x = recorded(1.0, 20, counts=5)
    ours, theirs = (
        ng.ccgp(x, VARIABLES, readout=r, n_null=3, null="flip", **NO_INTERVAL)
        for r in (SVM(), Estimator(exact_svc()))
    )
    np.testing.assert_allclose(ours.null, theirs.null, atol=1e-12)


# --- nearest mean -------------------------------------------------------------------------------


def test_nearest_mean_is_scikit_learns_nearest_centroid():
    sample = made(20, 7, signal=0.5)
    found = decided(NearestMean(), sample, HELD_OUT)
    for sign, score in zip(HELD_OUT, found.score, strict=True):
        x, y, _ = labelled(sample, sign)
        expected = NearestCentroid().fit(x, y).predict(sample.test)
        np.testing.assert_array_equal(np.sign(score), expected)


def test_a_class_mean_is_the_mean_of_its_condition_means():
    sample = made(10, [3, 9, 5, 4, 12, 6, 8, 5], signal=0.7)
    found = decided(NearestMean(), sample, SIDES)
    for sign, score, norm in zip(SIDES, found.score, found.norm, strict=True):
        plus, minus = (sample.means[sign == s].mean(axis=0) for s in (1, -1))
        w = plus - minus
        np.testing.assert_allclose(score, (sample.test - (plus + minus) / 2) @ w, atol=1e-10)
        assert norm == pytest.approx(np.linalg.norm(w))


# --- ridge --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_neurons", [10, 90])
def test_ridge_minimises_what_its_docstring_says(n_neurons):
    sample = made(n_neurons, [3, 9, 5, 4, 12, 6, 8, 5], signal=0.7)
    found = decided(Ridge(2.5), sample, HELD_OUT)
    for sign, score, norm in zip(HELD_OUT, found.score, found.norm, strict=True):
        x, y, weight = labelled(sample, sign)
        design = np.column_stack([x, np.ones(len(x))])
        normal = (design.T * weight) @ design + 2.5 * np.eye(n_neurons + 1)
        w = np.linalg.solve(normal, (design.T * weight) @ y)
        np.testing.assert_allclose(score, sample.test @ w[:-1] + w[-1], atol=1e-8)
        assert norm == pytest.approx(np.linalg.norm(w[:-1]))


# --- linear discriminant ------------------------------------------------------------------------


def scatter(x, y):
    """Mean over the two classes of their covariance, and the covariance of all: both (N, N)."""
    within = np.mean([np.cov(x[y == s].T, bias=True) for s in (1, -1)], axis=0)
    return within, np.cov(x.T, bias=True)


@pytest.mark.parametrize("shrinkage", [0.02, 0.5])
@pytest.mark.parametrize("n_neurons", [10, 70])
def test_lda_has_the_direction_of_scikit_learns_at_the_shrinkage_that_corresponds(
    shrinkage, n_neurons
):
    """Ours shrinks the total scatter, theirs the scatter within: s'/(1-s') tr W = s/(1-s) tr T."""
    sample = made(n_neurons, 7, signal=0.7)
    found = decided(LDA(shrinkage), sample, SIDES)
    for sign, score, norm in zip(SIDES, found.score, found.norm, strict=True):
        x, y, _ = labelled(sample, sign)
        within, total = scatter(x, y)
        odds = shrinkage / (1 - shrinkage) * np.trace(total) / np.trace(within)
        theirs = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=odds / (1 + odds), priors=[0.5, 0.5]
        )
        w = theirs.fit(x, y).coef_[0]
        middle = (x[y > 0].mean(axis=0) + x[y < 0].mean(axis=0)) / 2
        expected = (sample.test - middle) @ w / np.linalg.norm(w)
        np.testing.assert_allclose(score / norm, expected, atol=1e-7)


def test_lda_weighs_conditions_and_not_trials():
    counts = [3, 9, 5, 4, 12, 6, 8, 5]
    sample = made(10, counts, signal=0.7)
    (found,) = decided(LDA(0.3), sample, SIDES[:1]).score
    x, _, weight = labelled(sample, SIDES[0])
    share = weight / weight.sum()
    centred = x - share @ x
    total = (centred.T * share) @ centred
    shrunk = 0.7 * total + 0.3 * np.trace(total) / 10 * np.eye(10)
    plus, minus = (sample.means[SIDES[0] == s].mean(axis=0) for s in (1, -1))
    w = np.linalg.solve(shrunk, plus - minus)
    np.testing.assert_allclose(found, (sample.test - (plus + minus) / 2) @ w, rtol=1e-9, atol=1e-9)


def test_full_shrinkage_is_the_nearest_mean():
    sample = made(30, 6, signal=0.7)
    lda, mean = (decided(r, sample, HELD_OUT) for r in (LDA(1.0), NearestMean()))
    scaled = [d.score / d.norm[:, None] for d in (lda, mean)]
    np.testing.assert_allclose(*scaled, atol=1e-9)


def test_ledoit_wolf_is_scikit_learns_estimate():
    from sklearn.covariance import ledoit_wolf_shrinkage

    sample = made(25, 6, signal=0.7)
    x, _, _ = labelled(sample, SIDES[0])
    fixed = LDA(float(ledoit_wolf_shrinkage(x - x.mean(axis=0), assume_centered=True)))
    one, other = (decided(r, sample, SIDES).score for r in (LDA(), fixed))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


# --- any estimator ------------------------------------------------------------------------------


def test_an_estimator_that_does_not_converge_is_counted():
    x = recorded(0.0, 30)
    lazy = Estimator(LinearSVC(C=10.0, dual=False, tol=1e-12, max_iter=1))
    assert ng.ccgp(x, VARIABLES, readout=lazy, n_null=0, **NO_INTERVAL).attrs["n_nonconverged"] > 0


class Labels(BaseEstimator):
    """A classifier that says nothing but labels."""

    def fit(self, x, y):
        self.fitted_ = GaussianNB().fit(x, y)
        return self

    def predict(self, x):
        return self.fitted_.predict(x)


def test_probabilities_and_labels_serve_where_there_is_no_decision_function():
    sample = made(10, 7, signal=1.0)
    chances = decided(Estimator(GaussianNB()), sample, SIDES).score
    labels = decided(Estimator(Labels()), sample, SIDES).score
    for sign, chance, label in zip(SIDES, chances, labels, strict=True):
        x, y, _ = labelled(sample, sign)
        fitted = GaussianNB().fit(x, y)
        np.testing.assert_array_equal(chance, fitted.predict_proba(sample.test)[:, 1] - 0.5)
        np.testing.assert_array_equal(label, fitted.predict(sample.test))


@pytest.mark.parametrize("which", [SVM(), NearestMean(), Ridge(), LDA()])
def test_swapping_the_sides_swaps_the_sign(which):
    sample = made(20, 6, signal=0.5)
    one, other = decided(which, sample, HELD_OUT).score, decided(which, sample, -HELD_OUT).score
    np.testing.assert_allclose(one, -other, atol=1e-8)


def test_names_and_errors():
    assert readout("svm", C=3.0) == SVM(3.0)
    assert [readout(n) for n in ("ridge", "lda", "nearest_mean")] == [Ridge(), LDA(), NearestMean()]
    with pytest.raises(
        ValueError, match=r"readout='forest' is unknown; choose from \['lda', 'near"
    ):
        readout("forest")
    with pytest.raises(
        TypeError, match="is no readout; wrap a scikit-learn classifier in Estimator"
    ):
        readout(LinearSVC())


def test_a_classifier_without_weights_is_refused_where_they_are_needed():
    x = recording(np.zeros((8, 6)), [5, 6, 7, 8, 5, 6, 9, 8])
    with pytest.raises(ValueError, match="NearestCentroid takes no sample_weight"):
        ng.decoding(x, VARIABLES, readout=Estimator(NearestCentroid()), n_null=0)
