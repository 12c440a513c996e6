"""Measures that answer with several numbers at once, as one result.

``estimate`` has a dim ``quantity`` (and one before it, such as ``pair``), and beside it stands what
a reader needs to place the number: chance, range, direction, ceiling, the naive estimate, and why
there is none where it is NaN.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from . import intervals
from .intervals import Interval, refused
from .multiplicity import of_each, rank_p

NUMBERS = ("estimate", "naive", "chance", "least", "most", "ceiling")
WORDS = ("direction", "null_method", "reason")


class Quantity(NamedTuple):
    """One number and what it takes to read it.

    name : its name in the field; direction : what a high and a low value mean
    estimate, naive : corrected and uncorrected; naive is NaN where they are the same
    chance : its expectation without the effect; least, most : the range of the truth
    ceiling : what a perfect match would give with these trials and neurons, NaN where unknown
    null : float64 (surrogate,) or None; null_method : words; tail : "two-sided", "greater", "less"
    statistic : what is held against the null; the estimate, where it is None
    interval : Interval or None; reason : why the estimate is NaN; note : a sentence to read it with
    """

    name: str
    estimate: float
    direction: str
    naive: float = np.nan
    chance: float = np.nan
    least: float = -np.inf
    most: float = np.inf
    ceiling: float = np.nan
    null: np.ndarray | None = None
    null_method: str = ""
    tail: str = "two-sided"
    statistic: float | None = None
    interval: Interval | None = None
    reason: str = ""
    note: str = ""

    @property
    def tested(self):
        """The number that is held against the null."""
        return self.estimate if self.statistic is None else self.statistic

    @property
    def p_value(self):
        """Rank among the surrogates, NaN where there are none."""
        if self.null is None or not len(self.null):
            return np.nan
        return float(rank_p(self.tested, self.null, alternative=self.tail))


def missing(name, direction, reason, **known) -> Quantity:
    """A quantity that could not be estimated, and why."""
    return Quantity(name, np.nan, direction, reason=reason, **known)


def packed(found, *, n_null, dim="pair") -> xr.Dataset:
    """Quantities as a Dataset.

    found : list of Quantity, or mapping label -> list of the same quantities; the labels become
    coordinates of ``dim``. ``p_corrected`` corrects each quantity for the labels. Attributes:
    ``reasons``, ``notes`` and those of the intervals.
    """
    single = not isinstance(found, dict)
    rows = {"": found} if single else found
    names = [q.name for q in next(iter(rows.values()))]
    table = [list(row) for row in rows.values()]
    if any([q.name for q in row] != names for row in table):
        raise ValueError("every label must have the same quantities in the same order")
    dims, at = ((), 0) if single else ((dim,), slice(None))

    def column(get, dtype):
        return np.array([[get(q) for q in row] for row in table], dtype=dtype)[at]

    result = xr.Dataset(
        {f: ((*dims, "quantity"), column(lambda q, f=f: getattr(q, f), float)) for f in NUMBERS}
        | {f: ((*dims, "quantity"), column(lambda q, f=f: getattr(q, f), str)) for f in WORDS},
        {"quantity": names} | ({} if single else {dim: list(rows)}),
    )
    if n_null:
        _add_tests(result, table, dims, at, n_null)
    _add_intervals(result, table, dims, at)
    result.attrs = _attrs(rows, table)
    return result


def _add_tests(result, table, dims, at, n_null):
    null = np.full((n_null, len(table), len(table[0])), np.nan)
    for i, row in enumerate(table):
        for j, q in enumerate(row):
            if q.null is not None:
                null[: len(q.null), i, j] = q.null
    p = np.array([[q.p_value for q in row] for row in table])
    tested = np.where(np.isfinite(p), [[q.tested for q in row] for row in table], np.nan)
    corrected = of_each(tested, null, 1, at_least=p)
    result["statistic"] = (*dims, "quantity"), tested[at]
    result["null"] = ("surrogate", *dims, "quantity"), null[:, at]
    result["p_value"] = (*dims, "quantity"), p[at]
    result["p_corrected"] = (*dims, "quantity"), corrected[at]


def _add_intervals(result, table, dims, at):
    bounds = [[q.interval or refused("") for q in row] for row in table]
    values = np.array(
        [[(float(b.low.item()), float(b.high.item())) for b in row] for row in bounds]
    )
    result["interval"] = (*dims, "quantity", "bound"), values[at]
    result["interval_target"] = (
        (*dims, "quantity"),
        np.array([[b.target for b in row] for row in bounds], dtype=str)[at],
    )
    result.coords["bound"] = ["low", "high"]


def _attrs(rows, table):
    flat = [
        (f"{q.name} of {label}" if label else q.name, q)
        for label, row in zip(rows, table, strict=True)
        for q in row
    ]
    given = [(name, q.interval) for name, q in flat if q.interval is not None]
    return {
        "reasons": {name: q.reason for name, q in flat if q.reason},
        "notes": list(dict.fromkeys(q.note for _, q in flat if q.note)),
    } | intervals.attrs([i for _, i in given], [name for name, _ in given])
