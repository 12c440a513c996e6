"""One response a stimulus and neuron: repeats averaged, and how far their halves agree."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import options
from ..activity import condition_means, coordinates, sessions
from ..columns import is_missing
from ..design import conditions
from ..engine.population import population
from ..engine.resampling import fold_means
from ..formulas.match import correlation
from ..levels import trial_column

N_HALVES = 10  # divisions of the trials that the reliability is a mean of


class Responses(NamedTuple):
    """Responses of the neurons of all sessions, side by side.

    values : (stimulus, neuron); labels : (stimulus,), sorted
    unit_id, session : str (neuron,)
    reliability : (neuron,), correlation of halves of the trials, NaN where nobody asked
    reliable : bool (neuron,); n_trials : (smallest, largest) number of trials a stimulus
    dropped : {reason: neurons}
    """

    values: np.ndarray
    labels: np.ndarray
    unit_id: np.ndarray
    session: np.ndarray
    reliability: np.ndarray
    reliable: np.ndarray
    n_trials: tuple[int, int]
    dropped: dict[str, int]

    def attrs(self, least: float | None) -> dict[str, Any]:
        """What every result says of them."""
        return {
            "n_stimuli": len(self.labels),
            "n_trials_a_stimulus": list(self.n_trials),
            "n_neurons": int(self.reliable.sum()),
            "n_neurons_unreliable": int((~self.reliable).sum()),
            "n_neurons_dropped": sum(self.dropped.values()),
            "least_reliability": "none" if least is None else least,
        }


def responses(x: Any, stimulus: str | None, least: float | None, seed: int) -> Responses:
    """Gather them.

    stimulus : trial coordinate that names the stimulus; None: every trial is a stimulus of its own
    least : correlation of halves below which a neuron is unreliable; None asks nothing, and where
    every trial is a stimulus there is nothing to ask
    """
    options.whole(0, seed=seed)
    found = sessions(x)
    if any("time" in own.dims for own in found):
        raise ValueError("activity has time bins; average over them, as in x.mean('time')")
    if stimulus is None:
        return _of_trials(found)
    columns = [trial_column(own, stimulus) for own in found]
    labels = np.unique(np.concatenate([c[~is_missing(c)] for c in columns]))
    if len(labels) < 2:
        raise ValueError(f"{stimulus!r} names {len(labels)} stimulus; give a coordinate with "
                         "several")  # fmt: skip
    levels = {stimulus: {str(label): label for label in labels.tolist()}}
    return (
        _gated(found, levels, labels, least, seed)
        if least is not None
        else _means(found, levels, labels)
    )


def _of_trials(found):
    if len(found) > 1:
        raise ValueError(f"{len(found)} sessions need a stimulus that they share; name the trial "
                         "coordinate, as in stimulus='image'")  # fmt: skip
    x = found[0]
    values, names = np.asarray(x.values, float), coordinates(x, "neuron")
    if not np.isfinite(values).all():
        trial, neuron = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"neuron {names['unit_id'][neuron]} has no response to stimulus "
                         f"{x.trial_id.values[trial]} (NaN); leave one of them out")  # fmt: skip
    return _plain(values, x.trial_id.values, names, (1, 1))


def _means(found, levels, labels):
    means = condition_means(found, levels)
    values, names = means.values, {k: means[k].values for k in ("unit_id", "session")}
    if not np.isfinite(values).all():
        row, neuron = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"neuron {names['unit_id'][neuron]} has no response to stimulus "
                         f"{labels[row]} (NaN); leave one of them out")  # fmt: skip
    n = means.n_trials.values
    return _plain(values, labels, names, (int(n.min()), int(n.max())))


def _plain(values, labels, names, n_trials):
    n = values.shape[1]
    unit, session = (np.asarray(names[k]).astype(str) for k in ("unit_id", "session"))
    return Responses(
        values, labels, unit, session, np.full(n, np.nan), np.ones(n, bool), n_trials, {}
    )


def _gated(found, levels, labels, least, seed):
    options.number(-1, 1, least_reliability=least)
    design = conditions(found, levels)
    n = design.n_conditions
    counts = [np.bincount(own[own >= 0], minlength=n) for own in design.of_trial]
    most = np.max(counts, axis=0)
    if most.min() < 2:
        raise ValueError(
            f"stimulus {labels[most.argmin()]} has {most.min()} trial, and halves of the trials "
            "need 2; leave it out or give least_reliability=None"
        )
    if len(found) > 1 and max(own.min() for own in counts) < 2:
        raise ValueError(
            f"none of {len(found)} sessions has 2 trials of each of the {len(labels)} stimuli, so "
            "that no neuron has a response to all; leave out stimuli that not all sessions share "
            "(select), or give one session"
        )
    p = population(found, design, min_trials=2)
    halves = [fold_means(p, 2, i, seed) for i in range(N_HALVES)]
    agree = np.mean([_paired(*both) for both in halves], axis=0)
    values = p.moments(p.everything())[0]
    unit, session = p.recorded[:, 1], p.recorded[:, 0]
    order = np.lexsort((_as_sorted(unit), session))
    counts = p.counts_by_neuron
    return Responses(
        values[:, order], labels, unit[order], session[order], agree[order],
        agree[order] >= least, (int(counts.min()), int(counts.max())), dict(p.dropped),
    )  # fmt: skip


def _paired(first, second):
    """Correlation of every column with the same of the other half, 0 where one does not vary."""
    return np.array(
        [correlation(a[:, None], b[:, None])[0, 0] for a, b in zip(first.T, second.T, strict=True)]
    )


def _as_sorted(unit):
    """Numbers in order of numbers, text in order of text."""
    try:
        return unit.astype(float)
    except ValueError:
        return np.unique(unit, return_inverse=True)[1]
