"""Recordings whose neurons come and go, where neurons are asked for that were always there."""

from __future__ import annotations

import numpy as np


def no_complete_neuron(seen: np.ndarray, unit_id: np.ndarray, trials: str) -> str:
    """What to do where no neuron was seen, bool (trial, neuron), on all trials; `trials` in words.

    Examples
    --------
    >>> no_complete_neuron(np.array([[1, 0], [1, 0], [0, 1]], bool), np.array([7, 9]), "trials")
    ... # doctest: +ELLIPSIS
    "no neuron was observed on all 3 trials; the longest, unit_id 7, was on 2, ..."
    """
    if not len(seen):
        return f"no neuron was observed on any of the {trials}; check the window and --where"
    first = int(seen.sum(axis=0).argmax())
    own, unit = seen[:, first], unit_id[first].item()
    others = int(seen[own].all(axis=0).sum()) - 1
    kept = f"unit_id == {unit!r}"
    return (
        f"no neuron was observed on all {len(seen)} {trials}; the longest, unit_id {unit}, was on "
        f"{own.sum()}, with {others} others of {seen.shape[1]}: keep neurons of the same trials, "
        f"as by select(x, neurons={kept!r}) or --units, or their trials alone, by select(x, "
        "trials=...) or --where"
    )
