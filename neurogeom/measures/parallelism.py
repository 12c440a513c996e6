"""The parallelism score (Bernardi et al. 2020, Cell 183:954), corrected for trial noise."""

import numpy as np
import xarray as xr

from ..engine import by_session, intervals, nulls
from ..engine.answers import add_tests
from ..engine.choice import able, choose
from ..engine.multiplicity import rank_p
from ..engine.ratio_intervals import ratio
from ..engine.setting import NothingToAsk, over_time, setting
from ..formulas import parallelism as formulas

UNUSABLE, DOUBTFUL = 0.15, 0.3  # reliability


@over_time
def parallelism(
    x,
    variables,
    *,
    pairing="factor",
    contrasts=(),
    min_trials=5,
    n_null=999,
    null=None,
    alternative="two-sided",
    target=None,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Is a variable coded along the same direction in every context?

    Coding vectors :math:`v_k = \mu_{k,1} - \mu_{k,0}` of a variable, one a context k (m of them).
    The score is their mean cosine, and its estimate a ratio of two unbiased means,

    .. math:: \mathrm{PS} = \frac{\langle v_k \cdot v_l \rangle_{k<l}}
        {\langle |v_k|^2 - \textstyle\sum_i (e_{k,1,i} + e_{k,0,i}) \rangle_k},

    e the squared standard errors of the means. It is 1 for parallel codes, 0 for unrelated ones, -1
    for opposite ones; an estimate may leave that range and is never clipped. ``naive`` is the mean
    cosine without correction, shrunk towards 0 by trial noise. For a true 1, 100 neurons and
    vectors of 2 noise sd (``benchmarks/parallelism_spread.py``), at 5, 10, 20 and 50 trials a
    condition the naive mean is 0.091, 0.165, 0.285 and 0.501, the corrected median 0.83, 1.01, 1.01
    and 1.00, and its sd over recordings 141, 4.2, 0.24 and 0.08: unusable at 5 and 10.
    ``reliability`` is the share of squared length that is not noise: below 0.15 the estimate is
    NaN, below 0.3 it comes with a note.

    Parameters
    ----------
    x, variables, contrasts, min_trials, n_null, target, scale, empty, seed, n_jobs
        As in :func:`neurogeom.decoding`. All trials are used; there is nothing to resample, and
        nothing worth sharing among workers, so ``n_jobs`` changes nothing.
    pairing : {"factor", "max"}
        Conditions paired by context, or paired so that the score is largest, in data and
        surrogates.
    null : {None, "coding_vectors", "flip", "rotate", "swap", "sessions", "geometric"}
        As in :func:`neurogeom.ccgp`; the maximum over pairings is tested against "geometric".
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    Dataset
        ``estimate``, ``naive``, ``reliability``, ``p_value``, ``p_corrected``, ``interval``,
        ``null``, ``null_method`` and ``contexts`` (variable). The p-value needs no reliable length,
        so it stands where the estimate is NaN.

    Raises
    ------
    KeyError, ValueError
        As in :func:`neurogeom.ccgp`.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=40, n_trials=20, n_truth=0, seed=0)
    >>> result = ng.parallelism(x, ["a", "b", "c"], n_null=19)
    >>> bool((result.estimate > 0.8).all())
    True

    Notes
    -----
    Measured as for :func:`neurogeom.ccgp` (``benchmarks/findings``): at nominal 0.05 it rejects
    0.051 for neurons recorded apart, 0.040 in eight sessions, 0.045 in three and 0.046 in one; no
    cell has an exact 99 % lower limit above 0.05. Conservative, down to 0.02, where contexts are
    strong, baselines unequal and coding vectors rotated: three sessions, or one. Power where the
    true CCGP is 0.65 and 0.75, two resamples: 0.31 and 0.72 (4 conditions,
    recorded apart), 0.57 and 0.95 (8 conditions). The 95 % interval covers 0.92-0.99 of data sets
    whose reliability is at least 0.15, and it is wide.
    """
    s = setting(
        x,
        variables,
        contrasts=contrasts,
        min_trials=min_trials,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    if pairing not in ("factor", "max"):
        raise ValueError(f"pairing={pairing!r} is unknown; choose from ['factor', 'max']")
    if pairing == "max" and null not in (None, "geometric"):
        raise ValueError(
            "pairing='max' is tested against null='geometric' alone: its surrogates are paired anew"
        )
    targets, standard = s.targets(), nulls.standardised(s.population, scale)
    if all(_unpaired(t, pairing) for t in targets):
        raise NothingToAsk(
            f"the parallelism score of {targets[0].name!r} needs a second context; "
            "name another variable"
        )
    rows = [_row(s, t, standard, pairing, null, alternative, target) for t in targets]
    result = _packed(rows, n_null)
    result.attrs = s.attrs(
        "parallelism",
        estimand=(
            f"mean cosine of the coding vectors of {s.population.n_neurons} neurons, "
            "trial noise removed"
        ),
        convention=f"pairing={pairing}; ratio of means",
        chance=0.0,
        range=[-1.0, 1.0],
        direction="1 is parallel, 0 unrelated, -1 opposite",
        readout="none",
        n_resamples=0,
        n_pseudo=None,
        alternative=alternative,
        notes=[n for r in rows for n in r["notes"]],
        reasons={r["name"]: r["reason"] for r in rows if r["reason"]},
        **intervals.attrs([r["interval"] for r in rows], [t.name for t in targets]),
    )
    return result


def _row(s, target, standard, pairing, null, alternative, interval_target):
    row = {
        "name": target.name,
        "estimate": np.nan,
        "naive": np.nan,
        "reliability": np.nan,
        "statistic": np.nan,
        "null": np.full(s.n_null, np.nan),
        "p": np.nan,
        "also": np.nan,
        "method": "",
        "contexts": ", ".join(target.contexts),
        "notes": [],
        "reason": "",
        "interval": intervals.refused("there is no estimate"),
    }
    if reason := _unpaired(target, pairing):
        return row | {"reason": reason}
    groups = _pair_groups(target, standard, pairing)
    top, bottom, raw = contributions(standard.means, standard.error, groups)
    reliability = bottom.sum() / raw.sum() if raw.sum() > 0 else 0.0
    naive = float(np.mean([formulas.naive(standard.means, g) for g in groups]))
    row |= {
        "naive": naive,
        "reliability": reliability,
        "statistic": top.sum() / raw.sum() if raw.sum() > 0 else np.nan,
    }
    if reliability < UNUSABLE:
        row["reason"] = (
            f"trial noise exceeds the signal of {target.name!r}: reliability {reliability:.2f} "
            f"is below {UNUSABLE}"
        )
    else:
        row["estimate"] = top.sum() / bottom.sum()
        row["interval"] = ratio(
            top,
            bottom,
            s.population,
            target=interval_target,
            seed=s.seed,
            forms=_forms(groups, s.design.n_conditions),
            inverse=standard.inverse,
        )
        if reliability < DOUBTFUL:
            row["notes"] = [
                f"too few trials for the parallelism of {target.name}: reliability "
                f"{reliability:.2f}, its interval excludes little"
            ]
    if s.n_null:
        test = _test(s, target, standard, groups, pairing, null, alternative, row["statistic"])
        row |= test | {"notes": [*row["notes"], *test["notes"]]}
    return row


def _unpaired(target, pairing):
    """Why the conditions of the two sides have no pairs, or ""."""
    if pairing == "factor":
        matched = target.grid is not None and len(target.grid) >= 2
        return "" if matched else f"the levels of {target.name!r} are not matched in two contexts"
    sizes = [((s.side > 0).sum(), (s.side < 0).sum()) for s in target.sides]
    if all(a == b >= 2 for a, b in sizes):
        return ""
    return f"{target.name!r} has unequal numbers of conditions on its sides, or one alone"


def _pair_groups(target, standard, pairing):
    """One array of pairs (m, 2) for every pair of levels."""
    level = {label: i for i, label in enumerate(target.labels)}
    if pairing == "factor":
        return [target.grid[:, [level[side.high], level[side.low]]] for side in target.sides]
    return [formulas.best_pairing(standard.means, side.side) for side in target.sides]


def contributions(means, error, groups):
    """Each neuron's part of the numerator, the corrected and the raw denominator, (neuron,).

    means, error : float64 (condition, neuron); groups : list of int (m, 2)
    """
    top = bottom = raw = 0.0
    for pairs in groups:
        v = formulas.coding_vectors(means, pairs)
        m = len(pairs)
        top = top + (v.sum(axis=0) ** 2 - (v**2).sum(axis=0)) / (m * (m - 1))
        length = (v**2).mean(axis=0)
        raw = raw + length
        bottom = bottom + length - (error[pairs[:, 0]] + error[pairs[:, 1]]).mean(axis=0)
    return top, bottom, raw


def _forms(groups, n_conditions):
    """The numerator and the denominator as quadratic forms of condition means."""
    top, bottom = np.zeros((2, n_conditions, n_conditions))
    for pairs in groups:
        m = len(pairs)
        difference = np.zeros((m, n_conditions))
        difference[np.arange(m)[:, None], pairs] = [1, -1]
        total, own = difference.sum(axis=0), difference.T @ difference
        top += (np.outer(total, total) - own) / (m * (m - 1))
        bottom += own / m
    return top, bottom


def _score(means, groups):
    """Numerator over raw denominator: what is tested, unbiased at chance."""
    top, _, raw = contributions(means, np.zeros_like(means), groups)
    return top.sum() / raw.sum()


def _test(s, target, standard, groups, pairing, null, alternative, observed):
    kind = null or ("geometric" if pairing == "max" else None)
    ratio = np.nan if kind == "geometric" else nulls.length_ratio(standard, target.grid)
    choice = choose(s.population, target.grid, ratio, null=kind)
    if choice.kind == "sessions":
        return _over_sessions(s, standard, groups, choice, alternative)
    values = _surrogates(s, target, standard, groups, pairing, choice)
    also = np.nan
    if choice.also:
        other = choose(s.population, target.grid, 1.0, null=choice.also)
        also = rank_p(
            observed,
            _surrogates(s, target, standard, groups, pairing, other),
            alternative=alternative,
        )
    p = rank_p(observed, values, alternative=alternative)
    return {
        "null": values,
        "p": float(p),
        "also": float(also),
        "method": choice.text,
        "notes": list(choice.notes),
    }


def _surrogates(s, target, standard, groups, pairing, choice):
    if choice.kind == "swap":
        swap = nulls.SwapTrials(s.population, target.grid, s.seed)
        moved = (
            nulls.standardised(s.population.with_order(swap.order(d)), s.scale).means
            for d in range(s.n_null)
        )
    else:
        surrogate = nulls.coding_vectors(choice, standard, target.grid, s.seed)
        moved = (standard.means + surrogate.shift(d) for d in range(s.n_null))
    if pairing == "factor":
        return np.array([_score(m, groups) for m in moved])
    return np.array(
        [_score(m, [formulas.best_pairing(m, side.side) for side in target.sides]) for m in moved]
    )


def _over_sessions(s, standard, groups, choice, alternative):
    top, _, raw = contributions(standard.means, standard.error, groups)
    units = able(s.population)
    sums = np.array([[top[s.population.unit == u].sum()] for u in units]) / raw.sum()
    observed, flipped = by_session.test(sums * len(units), n_null=s.n_null, seed=s.seed)
    p = rank_p(observed[0], flipped[:, 0], alternative=alternative)
    return {
        "null": flipped[:, 0],
        "statistic": observed[0],
        "p": float(p),
        "also": np.nan,
        "method": choice.text,
        "notes": [],
    }


def _packed(rows, n_null):
    columns = {
        f: ("variable", np.array([r[f] for r in rows], float))
        for f in ("estimate", "naive", "reliability")
    }
    result = xr.Dataset(columns, {"variable": [r["name"] for r in rows]})
    result["contexts"] = "variable", [r["contexts"] for r in rows]
    if n_null:
        result["statistic"] = "variable", np.array([r["statistic"] for r in rows])
        add_tests(result, rows)
    intervals.add(result, [r["interval"] for r in rows], "variable")
    return result
