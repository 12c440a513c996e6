"""What an interval is for: these neurons, their population, sessions, animals; when to refuse."""

from typing import NamedTuple

import numpy as np

TARGETS = ("recording", "population", "sessions", "animals")
MIN_TRIALS, MIN_NEURONS, MIN_SESSIONS, MIN_ANIMALS = 4, 30, 5, 3
MIN_HELD_OUT = 50  # neurons recorded together, where conditions are held out: fewer cover 0.89
FEW_TRIALS, FEW_ANIMALS = 8, 5
MIN_BLOCKS = 4


class Aim(NamedTuple):
    """kind : one of TARGETS or "" ; text : X in "an interval for X"; unit : int (neuron,), what is
    left out at a time; reason : why there is none; note : what to read it with"""

    kind: str
    text: str = ""
    unit: np.ndarray | None = None
    reason: str = ""
    note: str = ""


def aim(population, target=None, least=MIN_NEURONS, *, least_trials=MIN_TRIALS) -> Aim:
    """The widest target that the data can give, or the one that is asked for.

    least : neurons recorded together that an interval for their population needs
    least_trials : in each condition; with less than twice as many the interval is wide

    Raises
    ------
    ValueError
        The target is unknown.
    """
    if target == "none":  # an interval takes time, and was not asked for
        return Aim("", reason="no interval was asked for")
    if target not in (None, *TARGETS):
        raise ValueError(f"target={target!r} is unknown; choose from {[*TARGETS, 'none']}")
    n = int(population.counts.min())
    if n < least_trials:
        return Aim("", reason=f"{n} trials in a condition are fewer than the {least_trials} needed")
    refusals = []
    for kind in (target,) if target else reversed(TARGETS):
        found = _AIMS[kind](population)
        if not found.reason and kind != "recording":
            found = _enough_neurons(found, population, least)
        if not found.reason:
            few = n < 2 * least_trials
            few = f"with {n} trials in a condition the interval is wide" if few else ""
            return found._replace(note="; ".join(filter(None, (found.note, few))))
        refusals.append(found.reason)
    return Aim("", reason="; ".join(refusals))


def _enough_neurons(found, p, least):
    n, kind = p.n_neurons, found.kind
    needed = least if kind == "population" and p.real_trials else MIN_NEURONS
    if n >= needed:
        return found
    reason = f"{n} neurons are fewer than the {needed} that this interval over {kind} needs"
    return Aim(kind, reason=reason)


def _animals(p):
    unit, names = _units(p, p.animal)
    named = [n for n in names if n]
    if len(named) < MIN_ANIMALS or len(named) < len(names):
        reason = f"{len(named)} animals are named, of {MIN_ANIMALS} that such an interval needs"
        return Aim("animals", reason=f"{reason}: a case series")
    note = _rests_on(unit, "animal")
    if len(names) < FEW_ANIMALS:
        note = "; ".join(filter(None, (f"with {len(names)} animals the interval is wide", note)))
    return Aim("animals", f"new animals, {len(names)} of them", unit, note=note)


def _sessions(p):
    unit, names = _units(p, p.session)
    if len(names) < MIN_SESSIONS:
        n = len(names)
        reason = f"{n} sessions are fewer than the {MIN_SESSIONS} that an interval over them needs"
        return Aim("sessions", reason=reason)
    of = " of these animals" if any(p.animal) else ""
    text = f"new sessions{of}, {len(names)} of them"
    return Aim("sessions", text, unit, note=_rests_on(unit, "session"))


def _population(p):
    if len(set(p.session)) > 1:
        reason = "neurons of several sessions have no interval over neurons whose coverage is known"
        return Aim("population", reason=reason)
    if not p.real_trials and p.n_units < p.n_neurons:
        reason = "neurons that share part of their trials have no interval whose coverage is known"
        return Aim("population", reason=reason)
    if p.real_trials and p.has_blocks and _fewest_blocks(p) < MIN_BLOCKS:
        return Aim("population", reason=_BLOCKS)
    text = f"a new sample of {p.n_neurons} neurons, recorded the same way"
    return Aim("population", text, np.arange(p.n_neurons))


def _recording(p):
    if not p.real_trials:
        reason = "trials of a pseudo-population have no interval whose coverage is known"
        return Aim("recording", reason=reason)
    if p.has_blocks and _fewest_blocks(p) < MIN_BLOCKS:
        return Aim("recording", reason=_BLOCKS)
    return Aim("recording", "new trials of these neurons, as many as here")


def _units(p, names):
    """Which of the names each neuron belongs to, int (neuron,), and the names."""
    found, which = np.unique(names, return_inverse=True)
    return np.repeat(which, p.width), found.tolist()


def _rests_on(unit, name):
    share = np.bincount(unit).max() / len(unit)
    if share <= max(0.3, 1.5 / (unit.max() + 1)):
        return ""
    return f"one {name} holds {share:.0%} of the neurons, and the interval rests on it"


def _fewest_blocks(p):
    """The smallest number of blocks that a condition is spread over."""
    pairs = np.unique(np.stack([p.condition, p.block]), axis=1)
    return np.bincount(pairs[0]).min()


_BLOCKS = f"a condition is spread over fewer than the {MIN_BLOCKS} blocks that an interval needs"
_AIMS = {
    "animals": _animals,
    "sessions": _sessions,
    "population": _population,
    "recording": _recording,
}
