"""The measures and kernels a second time: slow, obvious, by loops over their definitions."""

from itertools import combinations

import numpy as np

# --- decoding, CCGP and parallelism -------------------------------------------------------------


def conditions(x, names):
    """Condition of every trial, and the levels (C, variable)."""
    columns = [x[n].values for n in names]
    levels = sorted(set(zip(*(c.tolist() for c in columns), strict=True)))
    of_trial = np.array([levels.index(t) for t in zip(*(c.tolist() for c in columns), strict=True)])
    return of_trial, np.array(levels)


def scales(trials, condition):
    """Centre and sd of every neuron, conditions weighing the same whatever their trials."""
    parts = [trials[condition == c] for c in np.unique(condition)]
    centre = np.mean([p.mean(axis=0) for p in parts], axis=0)
    square = np.mean([(p**2).mean(axis=0) for p in parts], axis=0)
    sd = np.sqrt(square - centre**2)
    return centre, np.where(sd > 1e-9, sd, np.inf)


def weights(side, condition):
    """Sides weigh the same, and so do conditions within a side; as many in all as trials."""
    weight = np.zeros(len(side))
    for s in (-1, 1):
        own = np.unique(condition[side == s])
        for c in own:
            mine = condition == c
            weight[mine] = len(side) / 2 / len(own) / mine.sum()
    return weight


def accuracy(classifier, x, condition, side, train, test, scale):
    """Fit on some trials, test on others: conditions weigh the same within a side, sides too.

    side : (condition,), 0 where a condition is not used; train, test : bool (trial,)
    """
    label = side[condition]
    if scale != "none":
        # "resample": the training trials of all conditions. "split": those that are fitted alone.
        seen = train if scale == "resample" else train & (label != 0)
        centre, sd = scales(x[seen], condition[seen])
        x = (x - centre) / sd
    train, test = train & (label != 0), test & (label != 0)
    weight = weights(label[train], condition[train])
    options = {} if np.allclose(weight, 1) else {"sample_weight": weight}
    fitted = classifier.fit(x[train], label[train], **options)
    right = fitted.predict(x[test]) == label[test]
    by_side = []
    for s in (-1, 1):
        own = [c for c in np.unique(condition[test]) if side[c] == s]
        by_side.append(np.mean([right[condition[test] == c].mean() for c in own]))
    return np.mean(by_side)


def decoding(classifier, x, names, side, tests, scale="resample"):
    """Mean over splits; tests : list of bool (trial,), the trials tested in each."""
    condition, _ = conditions(x, names)
    scores = [accuracy(classifier, x.values, condition, side, ~t, t, scale) for t in tests]
    return np.mean(scores)


def ccgp(classifier, x, names, side, held_out, scale="resample"):
    """Each split by itself; held_out : list of sets of conditions, tested and not fitted."""
    condition, _ = conditions(x, names)
    scores = []
    for held in held_out:
        tested = np.isin(condition, list(held))
        own = np.where(np.isin(np.arange(len(side)), list(held)), 0, side)
        # Scaling by "resample" looks at all conditions, without labels; by "split" at the fitted.
        z, label = x.values, side[condition]
        fit = ~tested & (label != 0)
        if scale != "none":
            seen = np.ones(len(z), bool) if scale == "resample" else fit
            centre, sd = scales(z[seen], condition[seen])
            z = (z - centre) / sd
        weight = weights(label[fit], condition[fit])
        options = {} if np.allclose(weight, 1) else {"sample_weight": weight}
        fitted = classifier.fit(z[fit], own[condition[fit]], **options)
        right = fitted.predict(z) == label
        by_side = [
            np.mean([right[condition == c].mean() for c in held if side[c] == s]) for s in (-1, 1)
        ]
        scores.append(np.mean(by_side))
    return np.array(scores)


def pairs_of(levels, side, held_out):
    """Pairs of conditions across a dichotomy: all, or those that differ in one variable."""
    found = []
    for a in np.flatnonzero(side > 0):
        for b in np.flatnonzero(side < 0):
            if held_out == "any" or (levels[a] != levels[b]).sum() == 1:
                found.append({int(a), int(b)})
    return found


def parallelism(x, names, pairs, scale="resample"):
    """Corrected and naive score: products of all pairs of coding vectors, one at a time."""
    condition, _ = conditions(x, names)
    z = x.values
    if scale != "none":
        centre, sd = scales(z, condition)
        z = (z - centre) / sd
    trials = [z[condition == c] for c in range(condition.max() + 1)]
    vectors = [trials[a].mean(axis=0) - trials[b].mean(axis=0) for a, b in pairs]
    products = [v @ w for v, w in combinations(vectors, 2)]
    cosines = [v @ w / np.sqrt(v @ v * (w @ w)) for v, w in combinations(vectors, 2)]
    lengths = []
    for v, (a, b) in zip(vectors, pairs, strict=True):
        noise = sum(np.var(t, axis=0, ddof=1).sum() / len(t) for t in (trials[a], trials[b]))
        lengths.append(v @ v - noise)
    raw = np.mean([v @ v for v in vectors])
    return np.mean(products) / np.mean(lengths), np.mean(cosines), np.mean(lengths) / raw


# --- support vector machine ----------------------------------------------------------------------


def svm(x, label, weight, C):
    """Weights, the intercept last, by Newton's method with halved steps; a loop a trial."""
    x = np.column_stack([x, np.ones(len(x))])

    def objective(w):
        hinge = [max(0.0, 1 - y * (row @ w)) ** 2 for row, y in zip(x, label, strict=True)]
        return w @ w / 2 + C * np.dot(weight, hinge)

    w = np.zeros(x.shape[1])
    for _ in range(500):
        gradient, hessian = w.copy(), np.eye(len(w))
        for row, y, c in zip(x, label, weight, strict=True):
            if y * (row @ w) < 1:
                gradient += 2 * C * c * (row @ w - y) * row
                hessian += 2 * C * c * np.outer(row, row)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        fall = 1e-4 * (gradient @ step)
        while size > 1e-9 and objective(w - size * step) > objective(w) - size * fall:
            size /= 2
        if size <= 1e-9 or np.abs(step).max() < 1e-13:
            break
        w -= size * step
    return w
