"""How much of the geometry of a population is a variable? Kernel-target alignment, corrected."""

import numpy as np
import xarray as xr

from ..engine.nulls import standardised
from ..engine.quantities import Quantity, missing, packed
from ..engine.resampling import fold_means, folds
from ..engine.setting import over_time, setting
from ..formulas import cka
from . import _alignment

LEAST = 4  # conditions
KEY = 24  # of random streams
NAME, DIRECTION = "target_alignment", "1 is a population that codes this variable alone"


@over_time
def target_alignment(
    x,
    variables,
    *,
    stimuli="sampled",
    neurons="sampled",
    n_splits=20,
    contrasts=(),
    min_trials=5,
    n_null=999,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Are conditions alike in a population as far as they share the level of a variable?

    .. math:: \mathrm{CKA}(X X^T, Y Y^T)

    with condition means X and one column of Y a level of the variable (Cristianini et al. 2001,
    NeurIPS 14; centred by Cortes et al. 2012, J Mach Learn Res 13:795), without the bias of
    conditions, trials and neurons (:mod:`neurogeom.formulas.cka`). It is 1 where the population
    codes the variable alone and 0 where its geometry is unrelated. A cube of three variables has
    :math:`1/\sqrt{3}` for each with ``stimuli="fixed"``, and 0.47 with ``"sampled"``, where another
    variable of a balanced design scores below 0: over conditions at random they would overlap.

    Parameters
    ----------
    x, variables, contrasts, min_trials, n_null, scale, empty, seed, n_jobs
        As in :func:`neurogeom.decoding`. Levels are names: their order and spacing have no say.
    stimuli : {"sampled", "fixed"}
        Chance is 0 with sampled conditions; with fixed ones it is the mean of the null.
    neurons : {"sampled", "all"}
        The value of endless neurons like these, or of these alone, as in a network.
    n_splits : int
        Divisions of the trials that the correction is averaged over.

    Returns
    -------
    Dataset
        ``estimate``, ``naive``, ``p_value``, ``null`` and more, (variable, quantity): the one
        quantity ``target_alignment``.

    Raises
    ------
    KeyError, ValueError
        As in :func:`neurogeom.decoding`; an option is unknown.

    Examples
    --------
    >>> import neurogeom as ng
    >>> from neurogeom.measures.target_alignment import target_alignment
    >>> x = ng.simulate("cube", separation=4.0, n_neurons=40, n_truth=0, seed=0)
    >>> options = {"stimuli": "fixed", "neurons": "all", "n_null": 99}
    >>> found = target_alignment(x, ["a", "b", "c"], **options).estimate
    >>> bool((abs(found - 3**-0.5) < 0.1).all())
    True
    """
    if stimuli not in cka.STIMULI or neurons not in cka.NEURONS:
        raise ValueError(
            f"stimuli={stimuli!r} or neurons={neurons!r} is unknown; choose stimuli from "
            f"{list(cka.STIMULI)} and neurons from {list(cka.NEURONS)}"
        )
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
    rows = _rows(s, stimuli, neurons, n_splits)
    result = packed(rows, n_null=n_null, dim="variable")
    result.attrs |= s.attrs(
        "target_alignment",
        estimand="alignment of the geometry of condition means with that of a variable",
        convention=f"stimuli={stimuli}, neurons={neurons}",
        chance=0.0 if stimuli == "sampled" else None,
        range=[0.0, 1.0],
        direction=DIRECTION,
        readout="none",
        n_resamples=0,
        n_pseudo=None,
        notes=result.attrs["notes"],
    )
    return result


def levels(design):
    """The level of each condition, {variable or contrast: int (condition,)}."""
    return dict(zip(design.names, design.table.T, strict=True)) | design.contrasts


def _rows(s, stimuli, neurons, n_splits):
    sets, n = cka.REPEATS[stimuli], s.design.n_conditions
    named = levels(s.design)
    fewest = int(folds(s.population, 0, s.seed, sets)[1].min())
    reason = ""
    if n < LEAST:
        reason = f"{n} conditions are fewer than the {LEAST} needed"
    elif fewest < sets:
        reason = f"{fewest} trials in a condition are fewer than the {sets} needed"
    if reason:
        return {name: [missing(NAME, DIRECTION, reason, least=0.0, most=1.0)] for name in named}
    standard = standardised(s.population, s.scale)
    divided = np.stack(
        [fold_means(s.population, sets, r, s.seed) * standard.inverse for r in range(n_splits)]
    )
    pair = _pair(standard.means, divided, stimuli)
    own = cka.own(divided, stimuli=stimuli)
    rng = np.random.default_rng(np.random.SeedSequence(s.seed, spawn_key=(KEY, 2)))
    orders = rng.permuted(np.tile(np.arange(n), (s.n_null, 1)), axis=1)
    return {
        name: [_quantity(standard.means, pair, own, code, orders, stimuli, neurons)]
        for name, code in named.items()
    }


def _pair(means, divided, stimuli):
    """The two estimates whose product is the kernel, as :func:`neurogeom.formulas.cka.cross`."""
    if stimuli == "sampled":
        return np.stack([means, means])[None]
    return np.stack([divided[:, :2].mean(axis=1), divided[:, 2:].mean(axis=1)], axis=1)


def _quantity(means, pair, own, code, orders, stimuli, neurons):
    target = (code[:, None] == np.unique(code)).astype(float)
    exact = cka.own(np.stack([target] * cka.REPEATS[stimuli])[None], stimuli=stimuli)
    twice = np.broadcast_to(target, (len(pair), 2, *target.shape))
    between = cka.cross(pair, twice, stimuli=stimuli)
    words = {"neurons": (neurons, "all")}
    unit = float(cka.value(between._replace(total=1.0), own, exact, **words))
    left = _alignment.share(own, means, neurons)
    reason = _alignment.unusable(left)
    unit = 1.0 if reason else unit
    null = unit * cka.permuted(pair, twice, orders, stimuli=stimuli)
    return Quantity(
        NAME,
        np.nan if reason else unit * between.total,
        DIRECTION,
        naive=float(cka.naive(means, target)),
        chance=0.0 if stimuli == "sampled" else float(null.mean()) if len(null) else np.nan,
        least=0.0,
        most=1.0,
        ceiling=1.0,
        null=null,
        null_method="levels permuted over conditions: keeps the geometry, breaks what it codes",
        tail="greater",
        statistic=unit * between.total,
        reason=reason,
        note="" if reason else _alignment.doubtful(left),
    )
