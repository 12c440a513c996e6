"""Cross-variable interference: what a readout of one variable says about another's labels."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..engine import intervals, nulls
from ..engine.block_shuffle import few
from ..engine.choice import MIN_SESSIONS
from ..engine.experiment import Experiment
from ..engine.problems import Problems
from ..engine.quantities import Quantity, missing, packed
from ..engine.setting import NothingToAsk, exchangeable, over_time, setting

DIRECTION = "above 0.5: the readout puts the other variable's later level on its own later side"
NAMES = ("interference", "forward", "backward")


@over_time
def interference(
    x,
    variables,
    *,
    readout="svm",
    contrasts=(),
    min_trials=5,
    n_resamples=20,
    n_pseudo=None,
    n_null=999,
    null=None,
    target=None,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Does the readout of one variable mistake another variable for it?

    A linear readout learns one variable (all conditions) and is scored on other trials against the
    labels of a second one (O'Neill et al. 2025, Nat Neurosci),

    .. math:: \tfrac12 \sum_{\pm} \tfrac1{|C_\pm|} \sum_{c \in C_\pm} P(\pm f(x) > 0 \mid c),

    :math:`C_\pm` the conditions on the two sides of the second. Chance is 0.5, for orthogonal codes
    of crossed variables; 1 and 0 are readouts that follow the second variable and its opposite. The
    sign depends on which level comes later: it is kept, and never folded to one side, so that data
    and null are treated alike. It is an accuracy of a readout learnt from so many trials: noise
    draws it to 0.5, and **0.5 is no evidence of orthogonal codes**; see
    :func:`neurogeom.measures.subspaces.subspaces` for a corrected cosine and its equivalence test.

    Parameters
    ----------
    x, variables, readout, contrasts, min_trials, n_resamples, n_pseudo, n_null, target, scale,
    empty, seed, n_jobs
        As in :func:`neurogeom.decoding`.
    null : {None, "flip", "labels"}
        "flip": the second variable's coding vectors change sign, the same in all contexts, by the
        unit that was recorded independently. It keeps how strongly both are coded, their
        interaction (exclusive or) and the noise, and breaks how the two codes lie to each other.
        None flips neurons recorded apart, or sessions if there are at least 6; fewer have no null,
        since "labels" (the tested variable's labels shuffled within the levels of the others)
        removes the second code as well, and with it the chance errors of the readout along it.
        "flip" takes the neurons of fewer sessions as independent.

    Returns
    -------
    Dataset
        As :func:`neurogeom.engine.quantities.packed` makes it, over (pair, quantity):
        ``interference`` is the mean of ``forward`` (learns the first of the pair, is tested on the
        second) and ``backward``.

    Raises
    ------
    KeyError, ValueError
        As in :func:`neurogeom.decoding`.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=4.0, n_neurons=40, n_trials=12, n_truth=0, seed=0)
    >>> result = ng.interference(x, ["a", "b", "c"], n_resamples=4, n_null=0)
    >>> bool((abs(result.estimate - 0.5) < 0.15).all())
    True

    Notes
    -----
    Measured with 40 neurons, 20 trials, axes of 4 noise sd and the nearest mean
    (``benchmarks/portrait_cells/subspaces.py``, 100 data sets): for independent axes flips reject
    0.02-0.06 at nominal 0.05 (apart, with a strong interaction, with unequal trials, in eight
    sessions); the power for a cosine of 0.5 is 0.61.
    """
    s = setting(
        x,
        variables,
        readout=readout,
        contrasts=contrasts,
        min_trials=min_trials,
        n_resamples=n_resamples,
        n_pseudo=n_pseudo,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    if null not in (None, "flip", "labels"):
        raise ValueError(
            f"null={null!r} is unknown for interference; choose from ['flip', 'labels']"
        )
    targets = s.targets()
    if len(targets) < 2:
        raise NothingToAsk(f"{targets[0].name!r} alone interferes with nothing; name another")
    ask = _Ask(s, s.draws(split=True), null, target, {"n_jobs": n_jobs, "progress": progress})
    found = {f"{a.name} | {b.name}": _pair(ask, a, b) for a, b in combinations(targets, 2)}
    result = packed(found, n_null=n_null)
    own = result.attrs
    result.attrs = own | s.attrs(
        "interference",
        estimand=(
            f"accuracy on another variable's labels of {s.readout} learnt from "
            f"{ask.draws.n_training} trials a condition and {s.population.n_neurons} neurons"
        ),
        convention="signed; conditions weigh the same; 3/4 of the trials train",
        direction=DIRECTION,
        failed=ask.failed[0],
        notes=own["notes"],
    )
    return result


class _Ask:
    """What all pairs share, and how many solutions did not converge."""

    def __init__(self, s, draws, null, target, options):
        self.s, self.draws, self.null, self.target = s, draws, null, target
        self.options, self.failed = options, [0]


class _Null(NamedTuple):
    """values : float64 (surrogate, quantity), or None; words; notes"""

    values: Any
    words: str
    notes: tuple = ()


def _pair(ask, a, b):
    """The three quantities of two variables."""
    many = [t.name for t in (a, b) if len(t.sides) > 1]
    if many:
        reason = f"{many[0]!r} has more than two levels"
        return [missing(n, DIRECTION, reason, chance=0.5, least=0.0, most=1.0) for n in NAMES]
    sides = a.sides[0].side, b.sides[0].side
    experiments = [
        Experiment(ask.draws, _problems(sides, ways), np.zeros(len(ways), int), ask.s.readout)
        for ways in ((0, 1), (0,), (1,))
    ]
    outcomes = [e.observe() for e in experiments]
    ask.failed[0] += outcomes[0].failed
    null = _surrogates(ask, experiments, a, b)
    return [
        Quantity(
            name,
            float(e.average(o)[0][0]),
            DIRECTION,
            chance=0.5,
            least=0.0,
            most=1.0,
            null=None if null.values is None else null.values[:, i],
            null_method=null.words,
            interval=intervals.accuracy(e, o, target=ask.target, seed=ask.s.seed),
            note="; ".join(null.notes),
        )
        for i, (name, e, o) in enumerate(zip(NAMES, experiments, outcomes, strict=True))
    ]


def _problems(sides, ways) -> Problems:
    """Learn one variable, be scored on the other, for each way (0 learns the first)."""
    learnt = np.array([sides[way] for way in ways])
    tested = np.array([sides[1 - way] for way in ways])
    return Problems.of(learnt, learnt != 0, tested != 0, tested)


def _surrogates(ask, experiments, a, b):
    s, p = ask.s, ask.s.population
    if not s.n_null:
        return _Null(None, "")
    if ask.null == "labels":
        return _labels(ask, experiments[1:], a, b)
    apart = p.n_units == p.n_neurons > 1
    if not apart and p.n_units < MIN_SESSIONS and ask.null is None:
        return _Null(None, (
            f"none: {p.n_units} unit(s) recorded together of the {MIN_SESSIONS} that sign flips "
            "need; null='flip' takes neurons as independent"
        ))  # fmt: skip
    if b.grid is None:
        return _Null(None, f"none: the levels of {b.name!r} are not matched in contexts")
    by_session = not apart and p.n_units >= MIN_SESSIONS
    unit = p.unit if by_session else np.arange(p.n_neurons)
    standard = nulls.standardised(p, s.scale)
    surrogate = _AxisFlip(standard.means, b.grid, unit, s.seed)
    made = [nulls.of_moves(e, surrogate, s.n_null, **ask.options) for e in experiments[1:]]
    what = "session" if by_session else "neuron" if apart else "neuron, as if independent"
    return _Null(_both(ask, made), (
        f"coding vectors of the second variable flipped by {what}, alike in all contexts; keeps "
        "the strength of both codes, their interaction and the noise"
    ))  # fmt: skip


def _labels(ask, experiments, a, b):
    shuffles = [ask.s.label_shuffle(split=True, **exchangeable(ask.s.design, t)) for t in (b, a)]
    made = [
        nulls.of_orders(e, shuffle, ask.s.n_null, **ask.options)
        for e, shuffle in zip(experiments, shuffles, strict=True)
    ]
    notes = tuple(n for t, each in zip((b, a), shuffles, strict=True) for n in few(each, t.name))
    return _Null(
        _both(ask, made),
        "labels of the tested variable shuffled within group and within the levels of the others",
        notes,
    )


def _both(ask, made):
    """Null values of both ways together and of each, (surrogate, 3)."""
    ask.failed[0] += int(sum(m.failed.sum() for m in made))
    forward, backward = (m.values[:, 0] for m in made)
    return np.stack([(forward + backward) / 2, forward, backward], axis=1)


class _AxisFlip:
    """A variable's coding vectors with one random sign for every unit, the same in all contexts.

    Within a context the levels deviate from their midpoint by d; d' = s d. What contexts code, how
    the coding vectors differ between contexts, and residuals stay.
    """

    def __init__(self, means, grid, unit, seed):
        self.grid, self.unit, self.seed, self.shape = grid, unit, seed, means.shape
        levels = means[grid]
        self.deviation = levels - levels.mean(axis=1, keepdims=True)

    def shift(self, draw):
        """Moved means less means, (condition, neuron), of surrogate number ``draw``."""
        rng = nulls.generator(self.seed, draw)
        kept = rng.integers(0, 2, int(self.unit.max()) + 1) > 0
        shift = np.zeros(self.shape)
        shift[self.grid] = np.where(kept[self.unit], 0.0, -2.0 * self.deviation)
        return shift
