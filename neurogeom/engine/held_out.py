"""Which conditions are left out of training and tested, for a variable: the splits of CCGP."""

from typing import NamedTuple

import numpy as np

from .problems import Problems, held_out_pairs

HELD_OUT = ("matched", "any", "across")


class Asked(NamedTuple):
    """problems : Problems or None where there is nothing to hold out, and the reason why

    held : [(Side, [pair of conditions, or bool (condition,)])], one for each problem in order
    """

    problems: Problems | None
    held: list
    reason: str


def check(design, held_out, across):
    """Refuse a rule that is unknown or does not fit the variables."""
    if held_out not in HELD_OUT:
        raise ValueError(f"held_out={held_out!r} is unknown; choose from {sorted(HELD_OUT)}")
    if held_out == "across" and across not in design.names:
        raise ValueError(
            f"held_out='across' holds out levels of a variable; across={across!r} is not one of "
            f"{list(design.names)}"
        )


def ask(design, target, held_out, across=None) -> Asked:
    """The splits of a target: matched pairs, any pair, or whole levels of ``across``."""
    held = {"matched": _matched, "any": _any, "across": _across}[held_out](design, target, across)
    if isinstance(held, str):
        return Asked(None, [], held)
    parts = []
    for side, pairs in held:
        if held_out == "across":
            parts.append(
                Problems.of(np.tile(side.side, (len(pairs), 1)), ~np.array(pairs), np.array(pairs))
            )
        else:
            parts.append(held_out_pairs(side.side, pairs))
    return Asked(Problems.joined(parts), held, "")


def _matched(design, target, across):
    if target.grid is None:
        return f"the levels of {target.name!r} have no matched conditions, so use held_out='any'"
    if len(target.grid) < 2:
        return f"{target.name!r} has one context alone"
    level = {label: i for i, label in enumerate(target.labels)}
    return [
        (s, [(row[level[s.high]], row[level[s.low]]) for row in target.grid]) for s in target.sides
    ]


def _any(design, target, across):
    held = []
    for s in target.sides:
        plus, minus = np.flatnonzero(s.side > 0), np.flatnonzero(s.side < 0)
        if min(len(plus), len(minus)) < 2:
            return f"{target.name!r} has one condition alone on a side"
        held.append((s, [(a, b) for a in plus for b in minus]))
    return held


def _across(design, target, across):
    column = design.table[:, design.names.index(across)]
    held = []
    for s in target.sides:
        tested = [column == level for level in np.unique(column)]
        for t in tested:
            if not all((s.side[m] == v).any() for m in (t, ~t) for v in (1, -1)):
                return f"{target.name!r} does not have both sides at every level of {across!r}"
        held.append((s, tested))
    return held
