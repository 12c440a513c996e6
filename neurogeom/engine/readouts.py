"""Linear readouts. A measure states problems; a readout solves their training sets.

Every readout is a small frozen object with one method, ``decide(sample, sign, weight)``, which
solves all training sets of a resample at once and gives the decision value of every test trial.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..kernels import scoring


class Decisions(NamedTuple):
    """score (set, test row), positive for side +1; norm (set,), |w|; gap and converged (set,)."""

    score: np.ndarray
    norm: np.ndarray
    gap: np.ndarray
    converged: np.ndarray


@dataclass(frozen=True)
class SVM:
    """Linear support vector machine with squared hinge: scikit-learn's ``LinearSVC(C)``, exactly.

    Minimises 1/2 |w|^2 + C sum_i weight_i max(0, 1 - y_i f(x_i))^2 with the intercept penalised
    like a weight, to a relative duality gap of 1e-8 or better. Source: Fan et al. 2008, JMLR
    9:1871.
    """

    C: float = 1.0

    def decide(self, sample, sign, weight) -> Decisions:
        """Solve all training sets, in the dual, or in the primal where trials outnumber neurons."""
        from ..kernels import svm

        rows, neurons = sample.bounds[-1], sample.means.shape[1]
        if rows > 2 * (neurons + 1):
            w, gap, _, converged = svm.solve_many_primal(
                sample.train, sample.bounds, sign, weight, self.C
            )
            score = w[:, :-1] @ sample.test.T + w[:, -1:]
            return Decisions(score, np.linalg.norm(w[:, :-1], axis=1), gap, converged)
        coef, gap, _, converged, value = svm.solve_many(
            sample.products, sample.bounds, sign, weight, self.C, half=sample.half
        )
        offset = coef.sum(axis=1)
        if not sample.same:
            score = coef @ sample.cross.T + offset[:, None]
            return Decisions(score, np.ones(len(coef)), gap, converged)
        square = (value * coef).sum(axis=1) - offset**2
        return Decisions(value, np.sqrt(np.maximum(square, 0.0)), gap, converged)


@dataclass(frozen=True)
class NearestMean:
    """Nearest class mean: optimal under isotropic noise, with closed forms to test against.

    A class mean is the mean of its condition means, so conditions weigh the same.
    """

    def decide(self, sample, sign, weight) -> Decisions:
        """Project on the difference of the class means; the threshold lies midway."""
        contrast = mean_contrast(sign)
        middle = 0.5 * np.einsum("ua,ab,ub->u", contrast, sample.mean_gram, np.abs(contrast))
        norm = np.sqrt(
            np.maximum(np.einsum("ua,ab,ub->u", contrast, sample.mean_gram, contrast), 0.0)
        )
        score = contrast @ sample.overlap.T - middle[:, None]
        return Decisions(score, norm, np.zeros(len(sign)), np.ones(len(sign), bool))

    def score_many(self, problems, sets, overlap, mean_gram, bounds):
        """Scores of a batch of surrogates from their overlaps alone."""
        return scoring.nearest_mean(
            overlap,
            mean_gram,
            sets.sign,
            sets.which,
            sets.flip,
            problems.tested,
            problems.tested_side,
            bounds,
        )


@dataclass(frozen=True)
class Ridge:
    """Least squares on labels of +1 and -1 with penalty |w|^2, the intercept penalised likewise."""

    penalty: float = 1.0

    def decide(self, sample, sign, weight) -> Decisions:
        """One factorisation a distinct set of training conditions, all labels at once."""
        score, norm = np.empty((len(sign), len(sample.test))), np.empty(len(sign))
        for members in _same_training(sign, weight):
            rows, y, root = _rows(sample, sign[members], weight[members])
            x = np.column_stack([sample.train[rows], np.ones(len(rows))]) * root[:, None]
            w = ridge_weights(x, (y * root).T, self.penalty).T
            score[members] = w[:, :-1] @ sample.test.T + w[:, -1:]
            norm[members] = np.linalg.norm(w[:, :-1], axis=1)
        return Decisions(score, norm, np.zeros(len(sign)), np.ones(len(sign), bool))


@dataclass(frozen=True)
class LDA:
    """Linear discriminant with the total scatter shrunk towards a multiple of the identity.

    The total scatter (conditions pooled) gives the direction of the within-class scatter, since the
    two differ by a multiple of the outer product of the class difference; it has no labels. The
    threshold lies midway between the class means. ``shrinkage`` in (0, 1], or "ledoit-wolf"
    (Ledoit & Wolf 2004, J Multivar Anal 88:365) for its estimate.
    """

    shrinkage: float | str = "ledoit-wolf"

    def decide(self, sample, sign, weight) -> Decisions:
        """One factorisation a distinct set of training conditions, all labels at once."""
        score, norm = np.empty((len(sign), len(sample.test))), np.empty(len(sign))
        for members in _same_training(sign, weight):
            w = self._directions(sample, sign[members], weight[members])
            contrast = mean_contrast(sign[members])
            middle = 0.5 * ((np.abs(contrast) @ sample.means) * w).sum(axis=1, keepdims=True)
            score[members] = w @ sample.test.T - middle
            norm[members] = np.linalg.norm(w, axis=1)
        return Decisions(score, norm, np.zeros(len(sign)), np.ones(len(sign), bool))

    def _directions(self, sample, sign, weight):
        rows, _, root = _rows(sample, sign, weight)
        delta = mean_contrast(sign) @ sample.means  # (set, neuron)
        x = sample.train[rows]
        centred = (x - (root**2 @ x) / (root**2).sum()) * root[:, None]
        share = self._shrinkage(centred)
        n, dims = centred.shape
        ridge = share * (centred**2).sum() / (n * dims)
        if dims <= n:
            scatter = (1.0 - share) / n * (centred.T @ centred)
            scatter[np.diag_indices(dims)] += ridge
            return np.linalg.solve(scatter, delta.T).T
        inner = centred @ centred.T
        inner[np.diag_indices(n)] += ridge * n / (1.0 - share) if share < 1.0 else np.inf
        if share >= 1.0:
            return delta
        return (delta - np.linalg.solve(inner, centred @ delta.T).T @ centred) / ridge

    def _shrinkage(self, centred):
        if self.shrinkage == "ledoit-wolf":
            from sklearn.covariance import ledoit_wolf_shrinkage

            return float(np.clip(ledoit_wolf_shrinkage(centred, assume_centered=True), 1e-8, 1.0))
        return self.shrinkage


@dataclass(frozen=True)
class Estimator:
    """Any scikit-learn classifier, as in ``Estimator(LinearSVC(dual=False))``: a slow reference."""

    classifier: Any

    def decide(self, sample, sign, weight) -> Decisions:
        """A clone fitted to every training set; a warning that it did not converge is kept."""
        import warnings

        from sklearn.base import clone
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.utils.validation import has_fit_parameter

        score, converged = np.empty((len(sign), len(sample.test))), np.ones(len(sign), bool)
        for u in range(len(sign)):
            rows, y, root = _rows(sample, sign[u : u + 1], weight[u : u + 1])
            weights = {} if np.allclose(root, 1.0) else {"sample_weight": root**2}
            if weights and not has_fit_parameter(self.classifier, "sample_weight"):
                raise ValueError(
                    f"{type(self.classifier).__name__} takes no sample_weight, which conditions "
                    "with unequal numbers of trials need; use another classifier, or as many "
                    "trials of each condition"
                )
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                fitted = clone(self.classifier).fit(sample.train[rows], y[0], **weights)
            converged[u] = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
            score[u] = _decision(fitted, sample.test)
        ones = np.ones(len(sign))
        return Decisions(score, ones, np.full(len(sign), np.nan), converged)


NAMED = {"svm": SVM, "ridge": Ridge, "lda": LDA, "nearest_mean": NearestMean}


def readout(which, C=None):
    """The readout of a name ("svm", "ridge", "lda", "nearest_mean"), or the readout itself."""
    if isinstance(which, str):
        if which not in NAMED:
            raise ValueError(
                f"readout={which!r} is unknown; choose from {sorted(NAMED)} "
                "or pass Estimator(classifier)"
            )
        return NAMED[which]() if C is None or which != "svm" else SVM(C)
    if not hasattr(which, "decide"):
        raise TypeError(
            f"readout={which!r} is no readout; wrap a scikit-learn classifier in Estimator"
        )
    return which


def ridge_weights(x, y, penalty):
    """Minimisers of |x w - y|^2 + penalty |w|^2, by the smaller of the two normal equations.

    x : float64 (row, feature); y : float64 (row, label); returns float64 (feature, label)
    """
    if x.shape[1] <= x.shape[0]:
        scatter = x.T @ x
        scatter[np.diag_indices_from(scatter)] += penalty
        return np.linalg.solve(scatter, x.T @ y)
    kernel = x @ x.T
    kernel[np.diag_indices_from(kernel)] += penalty
    return x.T @ np.linalg.solve(kernel, y)


def mean_contrast(sign):
    """Weights on condition means: the class mean of +1 less that of -1, (set, condition)."""
    plus, minus = (sign > 0).sum(axis=1, keepdims=True), (sign < 0).sum(axis=1, keepdims=True)
    return np.where(
        sign > 0, 1.0 / np.maximum(plus, 1), np.where(sign < 0, -1.0 / np.maximum(minus, 1), 0.0)
    )


def _same_training(sign, weight):
    """Sets that share their training conditions and weights, as lists of indices."""
    _, which = np.unique(np.concatenate([sign != 0, weight], axis=1), axis=0, return_inverse=True)
    return [np.flatnonzero(which.ravel() == i) for i in range(which.max() + 1)]


def _rows(sample, sign, weight):
    """Training rows of sets with the same conditions, their labels (set, row), roots of weights."""
    condition = sample.condition_of
    rows = np.flatnonzero(sign[0, condition] != 0)
    return rows, sign[:, condition[rows]].astype(float), np.sqrt(weight[0, condition[rows]])


def _decision(fitted, x):
    if hasattr(fitted, "decision_function"):
        return fitted.decision_function(x)
    if hasattr(fitted, "predict_proba"):
        return fitted.predict_proba(x)[:, 1] - 0.5
    return fitted.predict(x).astype(float)
