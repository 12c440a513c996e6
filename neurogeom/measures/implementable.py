"""How many colourings of the conditions can a linear readout implement? (Rigotti et al. 2013)"""

from itertools import combinations
from math import comb

import numpy as np
import xarray as xr

from ..engine import nulls
from ..engine.block_shuffle import few
from ..engine.experiment import Experiment
from ..engine.multiplicity import rank_p
from ..engine.problems import within
from ..engine.quantities import Quantity, packed
from ..engine.setting import NothingToAsk, over_time, setting
from ..formulas.colourings import separable

ALPHA = 0.01  # upper tail at which a colouring counts
LEAST_SURROGATES = 99
HIGHER = "higher is higher-dimensional"


@over_time
def implementable(
    x,
    variables,
    *,
    threshold=None,
    max_colourings=500,
    readout="svm",
    min_trials=5,
    n_resamples=20,
    n_pseudo=None,
    n_null=199,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""How many of the :math:`2^C` colourings of the conditions can a linear readout implement?

    The dimensionality of Rigotti et al. 2013 (Nature 497:585) is :math:`\log_2` of their number,
    at most C. A colouring counts where its cross-validated accuracy is above the 99th percentile of
    labels shuffled among all conditions, or reaches ``threshold``. The first asks for more than
    chance, not for all conditions to be right: a colouring that is right on three quarters of the
    conditions counts. ``naive``: linear separability of the condition means at face value, which is
    exact without trial noise (104 of 256 on a cube, 256 on a simplex) and nearly all where noise
    has moved them.

    Parameters
    ----------
    x, variables, readout, min_trials, n_resamples, n_pseudo, n_null, scale, empty, seed, n_jobs,
    progress
        As in :func:`neurogeom.decoding`; at least 99 surrogates without a threshold.
    threshold : float, optional
        Accuracy at which a colouring counts, in [0, 1].
    max_colourings : int
        Where there are more (one of each pair of opposites, one colour alone left out), as many are
        drawn for each number of conditions of the rarer colour, and the rest is inferred.

    Returns
    -------
    Dataset
        ``implementable_fraction`` and ``log2_implementable`` (dim ``quantity``); their chance level
        counts 1 % of the colourings and the two of one colour. ``accuracy``, ``implementable`` and
        ``separable`` (colouring), ``side`` (colouring, condition).

    Raises
    ------
    ValueError
        A threshold outside [0, 1], too few surrogates or colourings, fewer than three conditions.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("simplex", separation=9.0, n_neurons=40, n_trials=12, n_truth=0, seed=0)
    >>> found = ng.implementable(x, ["a", "b", "c"], threshold=0.9, n_resamples=4)
    >>> found.estimate.sel(quantity="log2_implementable").item()
    8.0
    """
    s = setting(
        x,
        variables,
        readout=readout,
        min_trials=min_trials,
        n_resamples=n_resamples,
        n_pseudo=n_pseudo,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    n = s.design.n_conditions
    if n < 3:
        raise NothingToAsk("two conditions have no colourings but their own; use decoding")
    if threshold is None and n_null < LEAST_SURROGATES:
        raise ValueError(
            f"n_null={n_null} surrogates have no 99th percentile; give {LEAST_SURROGATES} or more, "
            "or a threshold"
        )
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold!r} is no accuracy; give a number from 0 to 1")
    sides, weight = _colourings(n, max_colourings, seed)
    draws = s.draws(split=True)
    experiment = Experiment(draws, within(sides), np.arange(len(sides)), s.readout)
    outcome = experiment.observe()
    accuracy, margin = experiment.average(outcome)
    failed, notes = outcome.failed, []
    if threshold is None:
        shuffle = s.label_shuffle(split=True)
        notes = few(shuffle, "the conditions")
        values, margins, lost = nulls.of_orders(
            experiment, shuffle, n_null, n_jobs=n_jobs, progress=progress
        )
        p = rank_p(accuracy, values, margin=margin, null_margin=margins, alternative="greater")
        counted, failed = p <= ALPHA, failed + int(lost.sum())
    else:
        counted = accuracy >= threshold - 1e-12
    linear = separable(nulls.standardised(s.population, scale).means, sides)
    result = packed(_counts(n, weight, counted, linear, threshold), n_null=0)
    result = result.assign(
        accuracy=("colouring", accuracy),
        implementable=("colouring", counted),
        separable=("colouring", linear),
        side=(("colouring", "condition"), sides),
        condition=[s.design.name_of(c) for c in range(n)],
    )
    criterion = "99th percentile of the label shuffle" if threshold is None else f"{threshold}"
    result.attrs |= s.attrs(
        "implementable",
        estimand=(
            f"colourings that {s.readout} learnt from {draws.n_training} trials a condition and "
            f"{s.population.n_neurons} neurons implements"
        ),
        convention=f"accuracy above {criterion}; {len(sides)} of {2 ** (n - 1) - 1} colourings",
        direction=HIGHER,
        failed=failed,
        notes=[*result.attrs["notes"], *notes],
        largest_gap=outcome.gap,
    )
    return result


def _colourings(n, most, seed):
    """One of each pair of opposite colourings, and how many of the 2^n each stands for."""
    total = 2 ** (n - 1) - 1
    sizes = range(1, n // 2 + 1)
    if most < len(sizes):
        raise ValueError(f"max_colourings={most} is too few; give at least {len(sizes)}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(23, 2)))
    sides, weight = [], []
    for m in sizes:
        there = comb(n, m)
        if total <= most or there <= most // len(sizes):
            members = np.array(list(combinations(range(n), m)))
        else:
            members = np.argsort(rng.random((most // len(sizes), n)), axis=1)[:, :m]
        if 2 * m == n and len(members) == there:
            members = members[members[:, 0] == 0]
        side = -np.ones((len(members), n), np.int8)
        np.put_along_axis(side, members, 1, axis=1)
        sides.append(side)
        weight.append(np.full(len(side), there * (1 if 2 * m == n else 2) / len(side)))
    return np.concatenate(sides), np.concatenate(weight)


def _counts(n, weight, counted, linear, threshold):
    """Two quantities from the colourings that count; the two of one colour always do."""
    number, naive = (2.0 + weight @ c for c in (counted, linear))
    chance = 2.0 + ALPHA * (2.0**n - 2.0) if threshold is None else np.nan
    kinds = {
        "implementable_fraction": (lambda v: v / 2.0**n, 1.0),
        "log2_implementable": (np.log2, float(n)),
    }
    return [
        Quantity(
            name,
            float(of(number)),
            HIGHER,
            naive=float(of(naive)),
            chance=float(of(chance)),
            least=float(of(2.0)),
            most=most,
        )
        for name, (of, most) in kinds.items()
    ]
