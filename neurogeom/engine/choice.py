"""Which null fits how neurons were recorded: what moves together was recorded together."""

from dataclasses import dataclass

import numpy as np

MIN_SESSIONS = 6  # 2^-6 * 2 = 0.031: fewer sessions cannot reach 0.05 by sign flips
MIN_NEURONS = 5  # a session with fewer gives no number worth averaging
SIMILAR = 2.0  # ratio of squared lengths up to which contexts may be rotated into one another
NULLS = ("coding_vectors", "flip", "rotate", "swap", "sessions", "geometric")


@dataclass(frozen=True)
class Choice:
    """kind : "flip", "rotate", "swap", "sessions" or "geometric"; unit : int (neuron,)

    text : the null in words, for the result; notes : sentences on how to read its p-value
    also : a second kind whose p-value is given beside, on a condition that ``notes`` names
    """

    kind: str
    unit: np.ndarray
    text: str
    notes: tuple = ()
    also: str | None = None


def choose(population, grid, ratio, *, null=None, held_out="matched") -> Choice:
    """The null of coding vectors for one variable, by situation.

    Parameters
    ----------
    population : Population
    grid : int (context, level)
    ratio : float
        Largest over smallest squared length of the coding vectors of the contexts, noise removed.
    null : str or None
        None or "coding_vectors" chooses; the other names in ``NULLS`` insist.
    held_out : str
        A sign flip over sessions tests deviations from 0.5, the chance level of "matched" alone.

    Raises
    ------
    ValueError
        The null is unknown, or cannot reach p = 0.05 with these neurons.
    """
    if null not in (None, *NULLS):
        raise ValueError(f"null={null!r} is unknown; choose from {list(NULLS)}")
    apart = population.n_units == population.n_neurons
    unit = population.unit
    what = (
        "neuron (neurons recorded apart)"
        if apart
        else "session"
        if population.n_units > 1
        else "the one population"
    )
    if null in (None, "coding_vectors"):
        return _by_situation(population, grid, ratio, held_out, apart, what)
    if null == "flip" and population.n_units == 1:
        note = (
            "flips by neuron assume neurons that are independent of one another, in signal and in "
            "noise; these were recorded together"
        )
        return Choice(
            "flip",
            np.arange(population.n_neurons),
            "coding vectors flipped, by neuron as if recorded apart",
            (note,),
        )
    if null == "flip":
        _attainable(len(grid), population.n_units)
    if null == "sessions" and (held_out != "matched" or len(able(population)) < MIN_SESSIONS):
        raise ValueError(
            f"null='sessions' needs held_out='matched' and at least {MIN_SESSIONS} sessions of "
            f"{MIN_NEURONS} neurons; there are {len(able(population))}, so use "
            "null='coding_vectors'"
        )
    if null == "geometric" and held_out != "matched":
        raise ValueError(
            "null='geometric' is for held_out='matched' alone, since it does not keep what "
            "contexts code; use null='coding_vectors'"
        )
    return Choice(null, unit, _text(null, what))


def _by_situation(population, grid, ratio, held_out, apart, what):
    n_contexts, unit = len(grid), population.unit
    if apart and population.n_neurons > 1:
        return Choice("flip", unit, _text("flip", what))
    if (
        held_out == "matched"
        and len(able(population)) >= MIN_SESSIONS
        and _share_able(population) >= 0.8
    ):
        return Choice("sessions", unit, _text("sessions", what))
    if population.n_units > 1:
        enough = _smallest_p(n_contexts, population.n_units) <= 0.05
        kind = "flip" if ratio > SIMILAR and enough else "rotate"
        return Choice(kind, unit, _text(kind, what))
    if n_contexts >= 3:
        return Choice("rotate", unit, _text("rotate", what))
    note = (
        "one population recorded together in two contexts cannot tell an abstract code from a "
        "low-dimensional one: both align two coding vectors; the p-value rotates the contexts "
        "and has little power, and p_if_independent holds only if neurons are independent"
    )
    return Choice("rotate", unit, _text("rotate", what), (note,), also="flip")


def able(population):
    """Units of independence with enough neurons to give a number of their own."""
    return np.flatnonzero(np.bincount(population.unit) >= MIN_NEURONS)


def _share_able(population):
    return np.isin(population.unit, able(population)).mean()


def _smallest_p(n_contexts, n_units):
    return 2.0 * 2.0 ** (-(n_contexts - 1) * n_units)


def _attainable(n_contexts, n_units):
    if _smallest_p(n_contexts, n_units) > 0.05:
        raise ValueError(
            f"flips of {n_contexts} contexts in {n_units} sessions have too few patterns for "
            "p = 0.05; use null='rotate'"
        )


def _text(kind, what):
    return {
        "flip": f"coding vectors flipped, by {what}",
        "rotate": f"coding vectors rotated over contexts, by {what}",
        "swap": f"trials swapped within matched pairs, by {what}",
        "sessions": "exact sign flip over sessions",
        "geometric": "random geometry, isotropic",
    }[kind]
