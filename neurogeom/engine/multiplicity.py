"""p-values by rank, ties broken by the margin, and their correction for many questions at once."""

import numpy as np

TIE = 1e-10  # equal accuracies summed in another order differ in the last bits


def rank_p(observed, null, *, margin=None, null_margin=None, alternative="two-sided"):
    """p-value by rank, (1 + k) / (1 + n), never 0 (Phipson & Smyth 2010, SAGMB 9:39).

    Two-sided: min(1, 2 p) of the nearer side. Accuracies of few trials are coarse and tie with
    those of surrogates; ties are ordered by the margin where it is given, and count on both sides
    where not. So does a surrogate that is NaN: what is lost is no evidence.

    observed, margin : float64 (...); null, null_margin : float64 (surrogate, ...)
    alternative : {"two-sided", "greater", "less"}; returns float64 (...), NaN where observed is NaN
    """
    tied = np.abs(null - observed) <= TIE
    above, below = (null > observed) & ~tied, (null < observed) & ~tied
    if margin is None:
        above, below = above | tied, below | tied
    else:
        above, below = (
            above | (tied & (null_margin >= margin - TIE)),
            below | (tied & (null_margin <= margin + TIE)),
        )
    n, lost = len(null), np.isnan(null)
    upper, lower = ((1 + (a | lost).sum(axis=0)) / (1 + n) for a in (above, below))
    if alternative not in ("two-sided", "greater", "less"):
        raise ValueError(
            f"alternative={alternative!r} is unknown; choose from ['greater', 'less', 'two-sided']"
        )
    p = {"greater": upper, "less": lower}.get(
        alternative, np.minimum(1.0, 2.0 * np.minimum(upper, lower))
    )
    return np.where(np.isfinite(observed), p, np.nan)


def max_statistic(observed, null, axis=-1, *, at_least=0.0):
    """Family-wise p-values by the largest deviation (Westfall & Young 1993, single step).

    Each question is put in units of its null's mean and sd, the same for data and surrogates, and
    compared with the largest absolute value of every surrogate over ``axis`` (an axis of
    ``observed``, or several). Where surrogates of different questions are drawn on their own the
    questions count as independent, which is conservative when they are not.

    observed : float64 (...); null : float64 (surrogate, ...); returns float64 (...)
    at_least : float64 (...), uncorrected p-values, below which a corrected one never falls
    """
    observed, null = np.asarray(observed, float), np.asarray(null, float)
    axes = tuple(1 + a % observed.ndim for a in np.atleast_1d(axis)) if observed.ndim else ()
    together = np.concatenate([observed[None], null])
    seen = np.isfinite(together)
    n = np.maximum(seen.sum(axis=0), 2)
    centred = np.where(seen, together - np.where(seen, together, 0.0).sum(axis=0) / n, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / (n - 1))
    z = np.abs(centred) / np.where(spread > TIE, spread, np.inf)
    largest = z.max(axis=axes, keepdims=True)
    k = ((largest[1:] >= z[0] - 1e-9) | np.isnan(null)).sum(axis=0)
    p = np.maximum((1.0 + k) / len(together), at_least)
    return np.where(np.isfinite(observed), p, np.nan)


def of_each(observed, null, dim, *, at_least):
    """:func:`max_statistic` of each quantity on its own, ``dim`` being their axis in ``observed``.

    Quantities may have drawn fewer surrogates than others: those that none has are left out.
    """
    found = np.empty(np.shape(observed))
    for j in range(found.shape[dim]):
        own, drawn = np.take(observed, j, dim), np.take(null, j, dim + 1)
        n = np.flatnonzero(np.isfinite(drawn).reshape(len(drawn), -1).any(axis=1)).max(initial=-1)
        p = max_statistic(
            own, drawn[: n + 1], tuple(range(own.ndim)), at_least=np.take(at_least, j, dim)
        )
        found[(slice(None),) * dim + (j,)] = p
    return found
