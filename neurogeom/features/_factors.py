"""Factors of a disentanglement score: the kind of each, its levels, what correlates with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..columns import is_missing, kind_name, plain_column
from ..formulas.mutual_information import arcs, binned
from ..options import hint, is_number, one_of, shown
from ._slow_inputs import scales

KINDS = ("discrete", "continuous", "circular")
FEW_LEVELS = 20  # numbers of more levels are taken for continuous
LEVELS = 10  # of a continuous or circular factor, at most
ROWS_A_LEVEL = 50  # fewer levels where rows are few
ROUNDING = 1e-13  # sd of a constant, as a share of its size


@dataclass(frozen=True)
class Factor:
    """One factor over the rows, in the forms that scores ask for.

    name, kind : as given or inferred
    values : (row,) codes of levels where discrete, numbers, or angles in radians
    levels : int (row,), its levels, or bins of about equal rows, or equal arcs of the circle
    basis, rank_basis : (row, column) orthonormal columns: a code's part in their span is its R with
        the factor. The centred value (or its rank); cosine and sine; the indicator of each level
    """

    name: str
    kind: str
    values: np.ndarray
    levels: np.ndarray
    basis: np.ndarray
    rank_basis: np.ndarray

    @classmethod
    def of(cls, name, kind, values, levels):
        """A factor with its bases."""
        if kind == "discrete":
            counts = np.bincount(levels)
            held = np.flatnonzero(counts)
            basis = (levels[:, None] == held) / np.sqrt(counts[held])
            return cls(name, kind, values, levels, basis, basis)
        basis = _span(_targets(kind, values))
        ranks = _span(_ranks(values)) if kind == "continuous" else basis
        return cls(name, kind, values, levels, basis, ranks)

    def moved(self, rows):
        """The factor with its rows in another order."""
        parts = ("values", "levels", "basis", "rank_basis")
        return replace(self, **{part: getattr(self, part)[rows] for part in parts})

    def exchanged(self, rows):
        """The factor with the values of other rows at its own, some more often than before."""
        return Factor.of(self.name, self.kind, self.values[rows], self.levels[rows])

    @property
    def targets(self):
        """What a regression predicts, (row, target): the value in units of its sd from its mean,
        since squares of values far from 0 round it away; or cosine and sine of the angle."""
        found = _targets(self.kind, self.values)
        if self.kind == "circular":
            return found
        centre, spread = scales(found)
        return (found - centre) / np.where(spread > 0, spread, 1.0)


def _targets(kind, values):
    return np.column_stack([np.cos(values), np.sin(values)] if kind == "circular" else [values])


def _ranks(values):
    from scipy.stats import rankdata

    return rankdata(values)[:, None]


def _span(columns):
    """Orthonormal columns that span the centred ones: fewer where those depend on one another, as
    cosine and sine of two opposite angles do."""
    size = np.abs(columns).max()
    basis, sizes, _ = np.linalg.svd(columns - columns.mean(axis=0), full_matrices=False)
    return basis[:, sizes > ROUNDING * size * np.sqrt(len(columns))]


def factors_of(columns, kinds, periods, n_rows) -> list[Factor]:
    """Factors from columns by name, their kinds given or inferred.

    columns : {name: array (row,)}; kinds : None, one kind, or {name: kind} of some
    periods : {name: period} of the circular ones
    """
    if not columns:
        raise ValueError("factors is empty; give at least one, as {'rule': labels}")
    if periods is not None and not isinstance(periods, Mapping):
        raise TypeError(f"periods={shown(periods)} is no mapping; give names and periods, as "
                        "{'angle': 360.0}")  # fmt: skip
    kinds, periods = _kinds(kinds, columns), dict(periods or {})
    for name in [*kinds, *periods]:
        if name not in columns:
            raise ValueError(f"{name!r} of kinds or periods is no factor; {hint(name, columns)}")
    return [
        _factor(name, column, kinds.get(name), periods.get(name), n_rows)
        for name, column in columns.items()
    ]


def _kinds(kinds, columns):
    if kinds is None:
        return {}
    if not isinstance(kinds, str | Mapping):
        raise TypeError(f"kinds={shown(kinds)} is neither a kind nor a mapping; give names and "
                        "kinds, as {'rule': 'discrete'}")  # fmt: skip
    kinds = dict.fromkeys(columns, kinds) if isinstance(kinds, str) else dict(kinds)
    for kind in kinds.values():
        one_of(KINDS, kind=kind)
    return kinds


def _factor(name, column, kind, period, n_rows):
    values = plain_column(str(name), column, n_rows, "row")
    if (lost := int(is_missing(values).sum())) > 0:
        raise ValueError(f"factor {name!r} is missing in {lost} rows; leave those rows out")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"factor {name!r} is infinite in some rows; leave those rows out")
    labels, levels = np.unique(values, return_inverse=True)
    if len(labels) == 1:
        raise ValueError(f"factor {name!r} has one level, {labels[0].item()!r}; leave it out")
    kind = kind or _inferred(values, labels, period)
    _check(name, values, labels, kind, period)
    if kind == "discrete":
        return Factor.of(name, kind, levels.astype(float), levels)
    n_levels = max(2, min(LEVELS, n_rows // ROWS_A_LEVEL))
    if kind == "circular":
        values = values.astype(float)  # bytes hold no 360
        angle = 2 * np.pi * (values % period) / period
        if not _span(_targets(kind, angle)).size:
            raise ValueError(f"factor {name!r} has one angle of period {period}, written in "
                             f"{len(labels)} ways; leave it out")  # fmt: skip
        return Factor.of(name, kind, angle, arcs(values, n_levels, period))
    values = values.astype(float)
    bins = binned(values[:, None], n_levels, binning="quantile")[:, 0]
    return Factor.of(name, kind, values, bins)


def _inferred(values, labels, period):
    if period is not None:
        return "circular"
    few = values.dtype.kind in "bU" or len(labels) <= min(FEW_LEVELS, len(values) // 2)
    return "discrete" if few else "continuous"


def _check(name, values, labels, kind, period):
    if kind != "discrete" and values.dtype.kind in "bU":
        raise ValueError(f"factor {name!r} holds {kind_name(values)} and cannot be {kind}; give "
                         "numbers, or the kind 'discrete'")  # fmt: skip
    if kind == "discrete" and len(labels) > len(values) // 2:
        raise ValueError(f"factor {name!r} has {len(labels)} levels in {len(values)} rows, so "
                         "that hardly two share one; merge levels, or give numbers and the kind "
                         "'continuous'")  # fmt: skip
    if kind == "circular" and period is None:
        raise ValueError(f"factor {name!r} is circular and of unknown period; give it, as "
                         f"periods={{{name!r}: 360.0}}")  # fmt: skip
    if period is not None and kind != "circular":
        raise ValueError(f"factor {name!r} has a period and the kind {kind!r}; leave one out")
    if period is not None and not (is_number(period) and period > 0):
        raise ValueError(f"period {shown(period)} of factor {name!r} is not possible; give a "
                         "number above 0")  # fmt: skip
