"""What can be read off features by a linear map, from many labels or from few?"""

from __future__ import annotations

import numpy as np
import xarray as xr

from .. import options
from .._version import __version__
from ..columns import is_missing, kind_name, plain_column
from .dictionary import places

__all__ = ["probe"]

KEY = 81  # of random streams
KINDS = ("continuous", "discrete")
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
    kind: str | None = None,
    seed: int = 0,
) -> xr.Dataset:
    r"""How well does a linear readout of features give the labels of new rows?

    Features are scaled by the training rows. Labels that are text, booleans or whole numbers (3.0
    as well as 3) are classes and get a logistic regression (L2, :math:`C`) and accuracy; where one
    is another number, all are numbers and get a ridge regression (its penalty by leaving one row
    out) and r2. `kind` says otherwise, as of counts, or of angles in whole degrees. Train on
    features of inputs as they are, not of augmented ones; what is tested is yours to hold out,
    whole data with all their repeats.

    Parameters
    ----------
    features, test_features : array (row, feature)
        Neurons of two activities are paired by their ``unit_id``.
    labels, test_labels : array (row,)
    per_class : int, optional
        Train on so many rows of each class, drawn `n_draws` times; all of them unless given.
    n_draws : int
        Draws of few rows that are averaged.
    C : float
        Inverse strength of the penalty of logistic regression.
    kind : {"discrete", "continuous"}, optional
        Whether labels are classes or numbers; by the rule above unless given.
    seed : int

    Returns
    -------
    Dataset
        ``estimate``: accuracy, 0 to 1, or r2, at most 1. ``each`` (draw). ``chance``: the share of
        test rows in the class that is most frequent in training, the mean over classes where
        several are (classes), 0 (numbers), which a ridge regression that says the mean of its
        labels comes near from below. ``attrs["kind"]``: what labels were read as.

    Raises
    ------
    TypeError, ValueError
        Shapes or neurons do not fit, features are not finite or have no columns, labels are
        missing, of two kinds or all the same, a class is tested that was not trained or has fewer
        rows than `per_class`.

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
    x, y = _checked("features", features, "labels", labels)
    x_test, y_test = _checked("test_features", test_features, "test_labels", test_labels)
    of_neurons = [own for own in (features, test_features) if isinstance(own, xr.DataArray)
                  and own.dims[1:] == ("neuron",) and "unit_id" in own.coords]  # fmt: skip
    if len(of_neurons) == 2:
        ids, test_ids = (own.coords["unit_id"].values for own in of_neurons)
        x_test = x_test[:, places(test_ids, ids, "test_features", "features")]
    if x.shape[1] != x_test.shape[1]:
        raise ValueError(f"features have {x.shape[1]} columns and test_features {x_test.shape[1]}; "
                         "give the same features of both")  # fmt: skip
    kind = _kind(y, y_test, kind)
    if kind == "continuous":
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
            "kind": kind,
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

    known, y = np.unique(y, return_inverse=True)
    if len(known) < 2:
        raise ValueError(f"labels hold the one class {known[0].item()!r}; give two at least")
    if unknown := sorted(set(np.unique(y_test).tolist()) - set(known.tolist())):
        no_class = ", or kind='continuous'" if y_test.dtype.kind in "iuf" else ""
        raise ValueError(f"class {unknown[0]!r} is tested and was not trained; give rows of it, or "
                         f"leave it out of the test{no_class}")  # fmt: skip
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    with warnings.catch_warnings():  # the last digits of a likelihood change no class
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(model.fit(x, y).score(x_test, np.searchsorted(known, y_test)))


def _regression(x, y, x_test, y_test):
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for name, own in (("labels", y), ("test_labels", y_test)):
        if np.ptp(own) == 0:
            raise ValueError(f"{name} are all the same number, of which nothing can be learnt and "
                             "no r2 is known; give rows of others")  # fmt: skip
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


def _checked(name, features, label_name, labels):
    x = options.reals(name, features)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"{name} of shape {x.shape}: give (row, feature), of each one at least")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} are not all finite; leave out those rows")
    y = plain_column(label_name, labels, len(x), "row")
    if (lost := int(is_missing(y).sum())) > 0:
        raise ValueError(f"{label_name} are missing in {lost} rows; leave those rows out")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"{label_name} are not all finite; leave out those rows")
    return x, y


def _kind(y, y_test, kind):
    """Classes or numbers: as asked for, or by whether all are whole."""
    names = kind_name(y), kind_name(y_test)
    if names[0] != names[1]:
        raise ValueError(f"labels hold {names[0]} and test_labels {names[1]}; give one kind")
    if kind is None:
        whole = all(own.dtype.kind != "f" or (own == np.round(own)).all() for own in (y, y_test))
        return "discrete" if whole else "continuous"
    options.one_of(KINDS, kind=kind)
    if kind == "continuous" and names[0] != "numbers":
        raise ValueError(f"labels hold {names[0]} and cannot be continuous; leave out kind")
    return kind
