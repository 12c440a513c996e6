"""What an interval is for: these neurons, their population, sessions, or animals; and when to refuse."""

from typing import NamedTuple

import numpy as np

TARGETS = ("recording", "population", "sessions", "animals", "none")
MIN_TRIALS, MIN_NEURONS, MIN_SESSIONS, MIN_ANIMALS = 4, 20, 5, 3


class Aim(NamedTuple):
    """kind : one of TARGETS or "" ; text : X in "an interval for X"; unit : int (neuron,) that is
    deleted; reason : why there is none; note : what to read it with"""

    kind: str
    text: str
    unit: np.ndarray | None = None
    reason: str = ""
    note: str = ""


def aim(population, target=None) -> Aim:
    """The widest target that the data can give, or the one that is asked for.

    Raises
    ------
    ValueError
        The target is unknown.
    """
    if target not in (None, *TARGETS):
        raise ValueError(f"target={target!r} is unknown; choose from {list(TARGETS)}")
    if target == "none":
        return Aim("", "", reason="no interval was asked for")
    if population.counts.min() < MIN_TRIALS:
        return Aim("", "", reason=f"fewer than {MIN_TRIALS} trials in a condition give no interval")
    kinds = (target,) if target else ("animals", "sessions", "population", "recording")
    refusals = []
    for kind in kinds:
        found = _AIMS[kind](population)
        if not found.reason:
            return found
        refusals.append(found.reason)
    return Aim("", "", reason="; ".join(refusals))


def _animals(p):
    names = sorted({a for a in p.animal if a})
    if len(names) < MIN_ANIMALS or "" in p.animal:
        return Aim("animals", "", reason=f"{len(names)} animals are named and {MIN_ANIMALS} are needed: a case series")
    unit = np.repeat(np.unique(p.animal, return_inverse=True)[1], p.width)
    note = "with fewer than 5 animals the interval is wide" if len(names) < 5 else ""
    return Aim("animals", f"new animals, {len(names)} of them", unit, note=note)


def _sessions(p):
    names = sorted(set(p.session))
    if len(names) < MIN_SESSIONS:
        return Aim("sessions", "", reason=f"{len(names)} sessions are fewer than the {MIN_SESSIONS} that an interval over sessions needs")
    unit = np.repeat(np.unique(p.session, return_inverse=True)[1], p.width)
    note = "one session holds more than 30 % of the neurons, and the interval rests on it" if np.bincount(unit).max() > 0.3 * len(unit) else ""
    few = " (for these animals)" if len(set(p.animal)) in (1, 2) and any(p.animal) else ""
    return Aim("sessions", f"new sessions, {len(names)} of them{few}", unit, note=note)


def _population(p):
    if p.n_neurons < MIN_NEURONS:
        return Aim("population", "", reason=f"{p.n_neurons} neurons are fewer than the {MIN_NEURONS} that an interval over neurons needs")
    if p.n_units > 1 and p.n_units < p.n_neurons:
        return Aim("population", "", reason="neurons of several sessions have no interval over neurons whose coverage is known")
    note = "with fewer than 50 neurons coverage can fall to 0.90" if p.n_neurons < 50 else ""
    return Aim("population", f"a new sample of {p.n_neurons} neurons, recorded the same way", np.arange(p.n_neurons), note=note)


def _recording(p):
    if not p.real_trials:
        return Aim("recording", "", reason="trials of a pseudo-population have no interval whose coverage is known")
    return Aim("recording", "new trials of these neurons, as many as here", None)


_AIMS = {"animals": _animals, "sessions": _sessions, "population": _population, "recording": _recording}
