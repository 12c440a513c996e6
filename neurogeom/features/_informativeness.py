"""Models that predict a factor from codes: importances and accuracies on held-out rows."""

from __future__ import annotations

import warnings

import numpy as np

IMPORTANCE = ("forest", "boosting", "lasso")
TREES, BOOSTED = 10, 30
DEPTH, LEAF = 8, 5  # of the trees of a forest, so that shuffled rows cost no more than others


def importances(codes, factors, train, test, model, seed):
    """Importance of each code for each factor, and how well each factor is predicted.

    Returns importance (code, factor), which sums to 1 over codes where anything is learnt, and
    quality (factor,) on the test rows: accuracy of a discrete factor, 1 less the error of others in
    units of that of their mean (1 - NRMSE; below 0 where it predicts worse than that mean).
    """
    found, quality = [], []
    for factor in factors:
        weight, value = _of_factor(codes, factor, train, test, model, seed)
        weight = np.maximum(weight, 0.0)  # no gain may be -1e-17
        total = weight.sum()
        found.append(weight / total if total > 0 else weight)
        quality.append(value)
    return np.column_stack(found), np.array(quality)


def _of_factor(codes, factor, train, test, model, seed):
    x, x_new = codes[train], codes[test]
    if factor.kind == "discrete":
        y, y_new = factor.levels[train], factor.levels[test]
        if len(np.unique(y)) < 2:
            return np.zeros(codes.shape[1]), float((y_new == y[0]).mean())
        fitted = _classifier(model, seed).fit(x, y)
        return fitted.feature_importances_, float(fitted.score(x_new, y_new))
    y, y_new = factor.targets[train], factor.targets[test]
    weight, predicted = _regression(model, seed, x, y, x_new)
    error = ((y_new - predicted) ** 2).sum()
    guess = ((y_new - y.mean(axis=0)) ** 2).sum()
    return weight, float(1.0 - np.sqrt(error / guess)) if guess > 0 else np.nan


def _classifier(model, seed):
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    if model == "boosting":
        return GradientBoostingClassifier(n_estimators=BOOSTED, random_state=seed)
    return RandomForestClassifier(TREES, max_features=None, random_state=seed, **_SHAPE)


_SHAPE = {"max_depth": DEPTH, "min_samples_leaf": LEAF}


def _regression(model, seed, x, y, x_new):
    """Weight of each code, and predictions (row, target); one model for both parts of an angle."""
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

    if model == "lasso":
        return _lasso(x, y, x_new)
    if model == "boosting":
        each = [
            GradientBoostingRegressor(n_estimators=BOOSTED, random_state=seed).fit(x, target)
            for target in y.T
        ]
        weight = np.mean([m.feature_importances_ for m in each], axis=0)
        return weight, np.column_stack([m.predict(x_new) for m in each])
    forest = RandomForestRegressor(TREES, max_features=None, random_state=seed, **_SHAPE)
    forest.fit(x, y[:, 0] if y.shape[1] == 1 else y)
    return forest.feature_importances_, forest.predict(x_new).reshape(len(x_new), -1)


def _lasso(x, y, x_new):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import MultiTaskLassoCV

    with warnings.catch_warnings():  # a penalty of the grid short of its last digits will do
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = MultiTaskLassoCV(alphas=30, cv=5).fit(x, y)
    return np.linalg.norm(fitted.coef_, axis=0), fitted.predict(x_new)


def single_code_accuracy(codes, factors, train, test):
    """Held-out accuracy of a linear classifier on one code at a time, (code, factor)."""
    from sklearn.svm import LinearSVC

    found = np.empty((codes.shape[1], len(factors)))
    for k, factor in enumerate(factors):
        y, y_new = factor.levels[train], factor.levels[test]
        for j in range(codes.shape[1]):
            x, x_new = codes[train, j, None], codes[test, j, None]
            if np.ptp(x) == 0 or len(np.unique(y)) < 2:  # it says the most frequent level
                found[j, k] = (y_new == np.bincount(y).argmax()).mean()
                continue
            svm = LinearSVC(C=0.01, class_weight="balanced", dual=False)
            found[j, k] = svm.fit(x, y).score(x_new, y_new)
    return found


def one_against_rest(codes, factors, train, test):
    """Area under the ROC curve of a logistic regression of each level against all others.

    (factor,): mean over the levels that both parts of the rows hold, NaN where there are none.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    found = np.full(len(factors), np.nan)
    for k, factor in enumerate(factors):
        areas = []
        for level in np.unique(factor.levels):
            y, y_new = factor.levels[train] == level, factor.levels[test] == level
            if len(np.unique(y)) < 2 or len(np.unique(y_new)) < 2:
                continue
            model = LogisticRegression(solver="liblinear").fit(codes[train], y)
            areas.append(roc_auc_score(y_new, model.decision_function(codes[test])))
        if areas:
            found[k] = np.mean(areas)
    return found
