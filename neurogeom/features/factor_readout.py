r"""Which factors of the stimuli can be read, linearly, from a representation? The read-out table.

A linear map of the representation predicts each factor of trials that it was not fitted to, beside
the same from the raw input and from shuffled factors: an encoder that was taught one factor is
asked what it kept of the others (after the DisLib table of Reizinger et al., arXiv:2410.21869).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import activity as container
from .._version import __version__
from ..columns import is_missing, plain_column
from ..design import Design
from ..engine.population import population
from ..engine.resampling import folds
from ..formulas import predictivity
from ..levels import trial_column
from ..options import hint, number, reals, shown, whole
from ._given import as_given, beside

__all__ = ["factor_readout"]

KEY = 84  # of random streams
MOST_LEVELS = 64
ROUNDING = 1e-12  # of sine and cosine
RAW = "raw input"


class _Factor(NamedTuple):
    """A factor as columns that a linear map can predict, and how the prediction is scored."""

    name: str
    kind: str
    targets: np.ndarray  # (trial, column)
    values: np.ndarray  # codes of levels, angles, or the numbers


def factor_readout(
    x: Any,
    factors: Any,
    *,
    raw: Any = None,
    discrete: Sequence[str] = (),
    circular: Mapping[str, float] | None = None,
    penalties: Sequence[float] = predictivity.PENALTIES,
    n_folds: int = 5,
    n_null: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    r"""How well is each factor read from a representation, on trials that were held out?

    Ridge regression with an intercept, its penalty chosen for every factor by leave-one-out errors
    among the trials that it is fitted to. Trials of one block stay together.

    Parameters
    ----------
    x : activity or array (trial, neuron), or a mapping of names to these, of the same trials
        Of a mapping the table has a row each: ``{"encoder": ..., "untrained": ...}``.
        One session whose neurons were recorded together: factors that are numbers cannot be
        matched across sessions.
    factors : sequence of names of coordinates of the trials, or mapping of names to arrays (trial,)
        Text and booleans are discrete, numbers continuous unless named below. All arrays are in the
        order of the first activity as it is given; those with ``trial_id`` are matched by it.
    raw : activity or array (trial, channel), optional
        The input, whose read-out stands beside each estimate.
    discrete : sequence of str
        Factors whose numbers are names of levels.
    circular : mapping of str to float
        Factors that are angles, with their period: ``{"angle": 2 * np.pi}``.
    penalties : sequence of float
        Above 0; one alone is not chosen (a tiny one is least squares).
    n_folds : int
        Parts of the trials that are predicted in turn, 2 or more.
    n_null : int
        Shuffles of the factors over trials, all factors of a trial together.
    seed : int

    Returns
    -------
    Dataset
        Over (factor), or (representation, factor) of a mapping. ``estimate`` and ``null``
        (surrogate, ...), ``p_value`` one-sided, ``raw``. The ``statistic`` of each factor is
        "pearson", the correlation of held-out predictions with a continuous factor, both from the
        mean that was fitted, [-1, 1], chance 0; "accuracy", the mean over levels of the share of a
        discrete factor that is named right by the largest of one regression a level, [0, 1], chance
        one over the number of levels; "cosine", the mean cosine of the error of a circular factor,
        predicted as sine and cosine, [-1, 1], chance 0. ``chance`` (factor) is the mean over
        shuffles, NaN without: a little below these, since what is held out differs from what was
        fitted in its mean (-0.05 and 0.30 in place of 0 and 1/3 for 300 trials). ``r_squared``:
        share of the variance predicted, of circular factors that of sine and cosine together, NaN
        for discrete ones, and ``raw_r_squared``.

    Raises
    ------
    KeyError, TypeError, ValueError
        A factor is unknown, mixes text and numbers, has one level or angle, more than 64 levels,
        missing or infinite values; trials
        differ in number; there are fewer than 2 in a part; a period or an option is not possible.

    Notes
    -----
    P-values take trials to be exchangeable: a note says so where they have blocks. Another says
    which levels are in one part of the trials alone: they are never named.

    Source: Reizinger et al., arXiv:2410.21869, section 5 and table 4 (Pearson, least squares
    without intercept, one split).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size, shape = rng.uniform(1, 2, 120), rng.choice(["disc", "cross"], 120)
    >>> code = np.column_stack([3 * size, shape == "disc", rng.standard_normal(120)])
    >>> found = factor_readout(code, {"size": size, "shape": shape}, n_null=19)
    >>> found.estimate.round(2).values.tolist(), found.statistic.values.tolist()
    ([1.0, 1.0], ['pearson', 'accuracy'])
    """
    whole(2, n_folds=n_folds)
    whole(0, n_null=n_null, seed=seed)
    named = dict(x) if isinstance(x, Mapping) else {"x": x}
    if not named:
        raise ValueError("the mapping of representations is empty; give at least one")
    if raw is not None and RAW in named:
        raise ValueError(f"{RAW!r} is the name of raw; give that representation another one")
    discrete, circular = _options(discrete, circular, penalties)
    sessions, of_trial = _gathered(named if raw is None else {**named, RAW: raw}, factors)
    for option, names in {"discrete": discrete, "circular": circular}.items():
        for name in set(names) - set(of_trial):
            raise ValueError(f"{option} names {name!r}, which is no factor here; "
                             f"{hint(name, of_trial)}")  # fmt: skip
    for name in set(discrete) & set(circular):
        raise ValueError(f"discrete and circular both name {name!r}; leave it out of one")
    table = [_factor(n, v, discrete, circular) for n, v in of_trial.items()]
    first = sessions[next(iter(named))]
    fold = _folds(first, n_folds, seed)
    shuffles = _shuffles(len(fold), n_null, seed)
    rows = []
    for name in named:
        units = _units(sessions[name], name)
        scores = [_scored(units, f, fold, penalties, shuffles) for f in table]
        rows.append(_row(table, scores, n_null))
    result = xr.concat(rows, xr.Variable("representation", list(named)), join="exact")
    result = result if isinstance(x, Mapping) else result.isel(representation=0, drop=True)
    none = np.full(len(table), np.nan)
    of_raw = (none, none)
    if raw is not None:
        units = _units(sessions[RAW], RAW)
        of_raw = np.array([_scored(units, f, fold, penalties, ())[:2] for f in table]).T
    result["raw"], result["raw_r_squared"] = (("factor", own) for own in of_raw)
    notes = [text for f in table if (text := _unnamed(f, fold))]
    if "block" in first.coords and n_null:
        notes.append("p-values take trials to be exchangeable, and these have blocks")
    return result.assign_attrs(
        measure="factor_readout",
        estimand="read-out of held-out trials by a linear map, each factor by its own statistic",
        range="accuracy [0, 1], pearson and cosine [-1, 1]",
        direction="higher is more that a linear map can read",
        readout="ridge with intercept",
        n_folds=int(fold.max()) + 1,
        n_null=n_null,
        n_trials=len(fold),
        seed=seed,
        notes=notes,
        version=__version__,
    )


# --- trials and factors ---------------------------------------------------------------------------


def _options(discrete, circular, penalties):
    """What may be left out, and nothing of another sort."""
    if isinstance(discrete, str) or not isinstance(discrete, Iterable):
        raise TypeError(f"discrete={shown(discrete)} is no list of names; give some as ['shape']")
    if circular is not None and not isinstance(circular, Mapping):
        raise TypeError(f"circular={shown(circular)} is no mapping; give names and periods, as "
                        "{'angle': 360.0}")  # fmt: skip
    known = np.ndim(penalties) == 1 and len(penalties) > 0
    for penalty in penalties if known else [penalties]:
        number(above=0, penalties=penalty)
    return list(discrete), dict(circular or {})


def _gathered(given, factors):
    """Sessions and factors, all in the order of trial ids: arrays have that of the activity."""
    for name, own in given.items():
        if isinstance(own, xr.DataArray) and "time" in own.dims:
            raise ValueError(f"{name!r} has a time axis; read one time out at a time, as in "
                             "x.isel(time=0)")  # fmt: skip
        if isinstance(own, list | tuple) and any(isinstance(part, xr.DataArray) for part in own):
            raise ValueError(f"{name!r} is several sessions, whose trials cannot be matched by "
                             "factors that are numbers; give one")  # fmt: skip
    activities = {n: own for n, own in given.items() if isinstance(own, xr.DataArray)}
    named = not isinstance(factors, Mapping)
    if named and not activities:
        raise ValueError(f"factors={shown(factors)} name coordinates, and there is no activity "
                         "that has them; give a mapping of names to arrays")  # fmt: skip
    arrays = {n: reals(n, own) for n, own in given.items() if n not in activities}
    leading = next(iter(activities.values()), None)
    of_trial = {} if named else {
        str(n): plain_column(str(n), beside(own, leading)) for n, own in factors.items()
    }  # fmt: skip
    counts = {n: a.shape[0] if a.ndim else 0 for n, a in {**arrays, **of_trial}.items()}
    counts |= {n: own.sizes.get("trial", 0) for n, own in activities.items()}
    if len({*counts.values()}) > 1:
        raise ValueError(f"numbers of trials differ, {counts}: give the same trials everywhere")
    order = np.arange(max(counts.values(), default=0))
    if activities:
        session, order = as_given(leading)
        if named:
            if not isinstance(factors, Iterable):
                raise TypeError(f"factors={shown(factors)} are no names of columns; give a list as "
                                "['shape']")  # fmt: skip
            names = [factors] if isinstance(factors, str) else list(factors)
            of_trial = {name: trial_column(session, name) for name in names}
    if not of_trial:
        raise ValueError("no factor was named; give at least one")
    if not named:
        of_trial = {n: own[order] for n, own in of_trial.items()}
    sessions = {n: container.sessions(own)[0] for n, own in activities.items()}
    sessions |= {n: _as_session(own, n, order) for n, own in arrays.items()}
    ids = [s.trial_id.values for n, s in sessions.items() if n in activities]
    if any(not np.array_equal(ids[0], own) for own in ids[1:]):
        raise ValueError(f"{sorted(activities)} have different trial_ids; give the same trials")
    return sessions, of_trial


def _as_session(values, name, order):
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name!r} has shape {values.shape}; give (trial, neuron)")
    return container.from_arrays(values[order])


def _unnamed(factor, fold):
    """Levels that are in one part of the trials alone are never named there, which bounds the
    accuracy: in words, "" where there are none."""
    if factor.kind != "accuracy":
        return ""
    parts = np.unique(np.column_stack([factor.values, fold]), axis=0)[:, 0]
    n, n_levels = int((np.bincount(parts) == 1).sum()), parts.max() + 1
    return n and (f"{n} of {n_levels} levels of {factor.name!r} are in one part of the trials "
                  f"alone and never named, so that accuracy is at most {1 - n / n_levels:.2g}; "
                  "merge levels")  # fmt: skip


def _factor(name, values, discrete, circular):
    if (n := int(is_missing(values).sum())) > 0:
        raise ValueError(f"factor {name!r} is missing on {n} trials; leave these out")
    text = values.dtype.kind not in "iuf"
    if not text and not np.isfinite(values).all():
        raise ValueError(f"factor {name!r} is infinite on some trials; leave these out")
    levels, codes = np.unique(values, return_inverse=True)
    if len(levels) < 2:
        raise ValueError(f"factor {name!r} has the one level {levels[0]!s}, so that there is "
                         "nothing to read; leave it out")  # fmt: skip
    if name in circular:
        if text:
            raise ValueError(f"factor {name!r} is text, which has no period; leave it out of "
                             "circular")  # fmt: skip
        number(above=0, **{f"the period of {name}": circular[name]})
        turns = values.astype(float) % circular[name] / circular[name]
        if np.abs(np.exp(2j * np.pi * turns) - np.exp(2j * np.pi * turns[0])).max() < ROUNDING:
            raise ValueError(f"factor {name!r} has one angle of period {circular[name]}, so that "
                             "there is nothing to read; leave it out")  # fmt: skip
        angle = 2 * np.pi * turns
        return _Factor(name, "cosine", np.column_stack([np.cos(angle), np.sin(angle)]), angle)
    if text or name in discrete:
        if len(levels) > MOST_LEVELS:
            raise ValueError(f"factor {name!r} has {len(levels)} levels, more than {MOST_LEVELS}; "
                             "give numbers, or merge levels")  # fmt: skip
        return _Factor(name, "accuracy", np.eye(len(levels))[codes], codes)
    return _Factor(name, "pearson", values.astype(float)[:, None], values.astype(float))


def _units(session, name):
    units = session.values.astype(float)
    if not np.isfinite(units).all():
        raise ValueError(f"{name!r} has neurons that were not observed on some trials; keep "
                         "complete neurons or trials")  # fmt: skip
    spread = units.std()
    return (units - units.mean(axis=0)) / (spread if spread > 0 else 1.0)


def _folds(session, n_folds, seed):
    """The fold of every trial, whole blocks together: all trials are one condition."""
    n = session.sizes["trial"]
    if n < 2 * n_folds:
        raise ValueError(f"{n} trials in {n_folds} parts are too few; give {2 * n_folds} trials or "
                         "fewer parts")  # fmt: skip
    everything = Design(
        ("trial",), {"trial": ("any",)}, np.zeros((1, 1), int), {}, (np.zeros(n, int),)
    )
    kept = {k: session.coords[k].values for k in ("trial_id", "block") if k in session.coords}
    # Folds hang on trials and blocks alone: one session of one neuron, whatever was recorded.
    same = container.from_arrays(np.arange(n, dtype=float)[:, None], trial=kept, session="trials")
    return folds(population([same], everything, min_trials=2), 0, seed, n_folds)[0]


def _shuffles(n_trials, n_null, seed):
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    return [rng.permutation(n_trials) for _ in range(n_null)]


# --- scores ---------------------------------------------------------------------------------------


def _scored(units, factor, fold, penalties, shuffles):
    """Statistic, R^2, and the statistic of every shuffle (surrogate,)."""
    orders = [np.arange(len(fold)), *shuffles]
    y = np.stack([factor.targets[order] for order in orders])  # (order, trial, column)
    found = predictivity.held_out(units, y, fold, penalties)
    values = np.array(
        [
            STATISTICS[factor.kind](predicted, baseline, factor.values[order])
            for predicted, baseline, order in zip(
                found.predicted, found.baseline, orders, strict=True
            )
        ]
    )
    r_squared = np.nan
    if factor.kind != "accuracy":
        own = predictivity.Prediction(found.predicted[0], found.baseline[0], found.penalty[0])
        r_squared = float(predictivity.r_squared(own, y[0], pooled=True))
    return values[0], r_squared, values[1:]


def _pearson(predicted, baseline, values):
    own = predictivity.Prediction(predicted, baseline, None)
    return float(np.nan_to_num(predictivity.r(own, values[:, None])[0]))


def _accuracy(predicted, baseline, codes):
    """The mean over levels of the share that is named right."""
    right = predicted.argmax(axis=1) == codes
    return float((np.bincount(codes, right) / np.bincount(codes)).mean())


def _cosine(predicted, baseline, angle):
    guess = np.arctan2(predicted[:, 1], predicted[:, 0])
    return float(np.cos(guess - angle).mean())


STATISTICS = {"pearson": _pearson, "accuracy": _accuracy, "cosine": _cosine}


def _row(table, scores, n_null):
    estimate, r_squared = (np.array([s[i] for s in scores]) for i in (0, 1))
    null = np.array([s[2] for s in scores]).reshape(len(table), n_null).T
    none = np.full(len(table), np.nan)
    p = (1 + (null >= estimate).sum(axis=0)) / (1 + n_null) if n_null else none
    return xr.Dataset(
        {
            "estimate": ("factor", estimate),
            "null": (("surrogate", "factor"), null),
            "p_value": ("factor", p),
            "chance": ("factor", null.mean(axis=0) if n_null else none),
            "r_squared": ("factor", r_squared),
        },
        {
            "factor": [f.name for f in table],
            "statistic": ("factor", [f.kind for f in table]),
        },
    )  # fmt: skip
