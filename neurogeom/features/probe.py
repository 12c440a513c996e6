"""What can be read off features by a linear map, from many labels or from few?"""

from __future__ import annotations

import numpy as np
import xarray as xr

from .. import options
from .._version import __version__

__all__ = ["probe"]

KEY = 81  # of random streams
PENALTIES = tuple(10.0 ** np.arange(-4, 5))  # of ridge, chosen by leaving one row out


def probe(
    features,
    labels,
    test_features,
    test_labels,
    *,
    per_class: int | None = None,
    n_draws: int = 5,
    C: float = 0.1,
    seed: int = 0,
) -> xr.Dataset:
    r"""How well does a linear readout of features give the labels of new rows?

    Features are scaled by the training rows. Labels that are text, booleans or whole numbers are
    classes and get a logistic regression (L2, :math:`C`) and accuracy; other numbers a ridge
    regression (its penalty by leaving one row out) and r2. Train on features of inputs as they are,
    not of augmented ones; what is tested is yours to hold out, whole data with all their repeats.

    Parameters
    ----------
    features, test_features : array (row, feature)
    labels, test_labels : array (row,)
    per_class : int, optional
        Train on so many rows of each class, drawn `n_draws` times; all of them unless given.
    n_draws : int
        Draws of few rows that are averaged.
    C : float
        Inverse strength of the penalty of logistic regression.
    seed : int

    Returns
    -------
    Dataset
        ``estimate``: accuracy, 0 to 1, or r2, at most 1. ``each`` (draw). ``chance``: the share of
        test rows in the class that is most frequent in training, the mean over classes where
        several are (classes), 0 (numbers), which a ridge regression that says the mean of its
        labels comes near from below.

    Raises
    ------
    ValueError
        Shapes do not fit, features are not finite, there is one class, a class is tested that
        was not trained, or a class has fewer rows than `per_class`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, names = rng.standard_normal((200, 3)), np.array(["left", "right"])
    >>> y = names[(x[:, 0] > 0).astype(int)]
    >>> found = probe(x[:100], y[:100], x[100:], y[100:])
    >>> bool(found.estimate > 0.9), bool(abs(found.chance - 0.5) < 0.1)
    (True, True)
    >>> bool(probe(x[:100], 2 * x[:100, 0], x[100:], 2 * x[100:, 0]).estimate > 0.99)
    True
    """
    options.whole(1, n_draws=n_draws)
    options.whole(0, seed=seed)
    options.number(above=0, C=C)
    x, y = _checked("features", features, labels)
    x_test, y_test = _checked("test_features", test_features, test_labels)
    if x.shape[1] != x_test.shape[1]:
        raise ValueError(f"features have {x.shape[1]} columns and test_features {x_test.shape[1]}; "
                         "give the same features of both")  # fmt: skip
    if y.dtype.kind == "f" or y_test.dtype.kind == "f":
        if per_class is not None:
            raise ValueError(f"per_class={per_class!r} with labels that are numbers, which have no "
                             "classes; leave it out")  # fmt: skip
        each, chance = [_regression(x, y, x_test, y_test)], 0.0
        what, least = "r2", -np.inf
    else:
        draws = _draws(y, per_class, n_draws, seed)
        each = [classified(x[own], y[own], x_test, y_test, C) for own in draws]
        what, least = "accuracy", 0.0
        names, count = np.unique(y, return_counts=True)
        frequent = names if per_class is not None else names[count == count.max()]
        chance = float(np.mean([(y_test == name).mean() for name in frequent]))
    trained = "all" if per_class is None else f"{per_class} of each class"
    return xr.Dataset(
        {"estimate": float(np.mean(each)), "each": ("draw", each), "chance": chance},
        attrs={
            "measure": "probe",
            "estimand": f"{what} on new rows of a linear readout from {trained} training rows",
            "range": [least, 1.0],
            "direction": "1: every label is read, chance: none",
            "n_train": len(x) if per_class is None else per_class * len(names),
            "n_test": len(x_test),
            "n_features": x.shape[1],
            "seed": seed,
            "version": __version__,
        },
    )


def classified(x, y, x_test, y_test, C):
    """Share of test rows whose class a logistic regression of scaled features gives."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.unique(y)
    if len(known) < 2:
        raise ValueError(f"labels hold the one class {known[0].item()!r}; give two at least")
    if unknown := sorted(set(np.unique(y_test).tolist()) - set(known.tolist())):
        raise ValueError(f"class {unknown[0]!r} is tested and was not trained; give rows of it, or "
                         "leave it out of the test")  # fmt: skip
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    with warnings.catch_warnings():  # the last digits of a likelihood change no class
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(model.fit(x, y).score(x_test, y_test))


def _regression(x, y, x_test, y_test):
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if np.ptp(y_test) == 0:
        raise ValueError("test_labels are all the same number, of which no r2 is known")
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return float(model.fit(x, y.astype(float)).score(x_test, y_test.astype(float)))


def _draws(y, per_class, n_draws, seed):
    """Rows to train on: all, or so many of each class, several times."""
    if per_class is None:
        return [np.arange(len(y))]
    options.whole(1, per_class=per_class)
    names, count = np.unique(y, return_counts=True)
    if count.min() < per_class:
        raise ValueError(f"class {names[count.argmin()].item()!r} has {count.min()} rows, fewer "
                         f"than per_class={per_class}; ask for fewer")  # fmt: skip
    found = []
    for draw in range(n_draws):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, draw)))
        rows = [rng.choice(np.flatnonzero(y == n), per_class, replace=False) for n in names]
        found.append(np.concatenate(rows))
    return found


def _checked(name, features, labels):
    x, y = options.reals(name, features), np.asarray(labels)
    if x.ndim != 2 or y.shape != (len(x),) or not len(x):
        raise ValueError(f"{name} of shape {x.shape} and labels of shape {y.shape}: give (row, "
                         "feature) and one label a row")  # fmt: skip
    numbers = y.dtype.kind == "f"
    if not np.isfinite(x).all() or (numbers and not np.isfinite(y).all()):
        raise ValueError(f"{name} or their labels are not all finite; leave out those rows")
    if y.dtype.kind not in "biufU":
        raise ValueError(f"labels of {name} are of type {y.dtype}; give text, numbers or booleans")
    return x, y
