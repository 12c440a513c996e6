"""Conditions, contrasts and dichotomies: what a trial is, and what a measure may ask of it.

A *variable* is a column of the trial table that is crossed with the others; a *condition* is one
combination of their levels. A *contrast* is a column that is constant within each condition (a
response that follows from rule and stimulus), or a product of two-level variables written ``a:b``.
Both name *sides*: +1, -1 or 0 (not used) for every condition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from math import comb
from typing import NamedTuple

import numpy as np

from .columns import is_missing
from .formulas import colourings
from .levels import check_levels, coded_levels, one_kind, trial_column

EMPTY = "empty conditions"  # the one reason in ``Design.dropped`` that counts no trials


class Side(NamedTuple):
    """One two-sided question: which conditions are on which side.

    name, low, high : str; side : int8 (condition,) of +1 (high), -1 (low), 0 (not used)
    """

    name: str
    low: str
    high: str
    side: np.ndarray


class Target(NamedTuple):
    """A named variable or contrast: its pairwise sides, and the conditions matched across contexts.

    sides : tuple of Side, one for each pair of levels
    grid : int (context, level) of condition indices, or None where the levels cannot be matched
    contexts : names of the variables that are the same within a row of ``grid``
    labels : str (level,)
    """

    name: str
    sides: tuple
    grid: np.ndarray | None
    contexts: tuple
    labels: tuple


@dataclass(frozen=True)
class Design:
    """The conditions of an experiment, and the condition of every trial.

    names : variables that are crossed; levels : {name: labels}; table : int (condition, variable);
    labels : {name: (condition,)}, contrasts included; of_trial : one int (trial,) a session, -1
    where the trial is not used; contrasts : {name: int (condition,)}; dropped : {reason: count}
    """

    names: tuple
    levels: dict
    table: np.ndarray
    labels: dict
    of_trial: tuple
    contrasts: dict = field(default_factory=dict)
    dropped: dict = field(default_factory=dict)

    @property
    def n_conditions(self) -> int:
        """Number of conditions that are used."""
        return len(self.table)

    def name_of(self, condition: int) -> str:
        """One condition in words, such as "rule=stay, cue=first"."""
        return ", ".join(
            f"{n}={self.levels[n][i]}"
            for n, i in zip(self.names, self.table[condition], strict=True)
        )

    def targets(self) -> tuple:
        """Every named variable and contrast as a Target, in the order in which they were named."""
        return (*map(self._variable, self.names), *map(self._contrast, self.contrasts))

    def _variable(self, name):
        column = self.names.index(name)
        contexts = tuple(n for n in self.names if n != name)
        labels = tuple(map(str, self.levels[name]))
        grid = _grid(self.table[:, column], np.delete(self.table, column, axis=1), len(labels))
        return Target(name, pairwise(name, self.table[:, column], labels), grid, contexts, labels)

    def _contrast(self, name):
        codes = self.contrasts[name]
        labels = tuple(str(x) for x in self.levels[name])
        sides = pairwise(name, codes, labels)
        # The contrast takes the place of the last variable that it can replace, so that its levels
        # and the variables left over are crossed: those left over are the contexts.
        for column in reversed(range(len(self.names))):
            grid = _grid(codes, np.delete(self.table, column, axis=1), len(labels))
            if grid is not None:
                contexts = tuple(np.delete(self.names, column))
                return Target(name, sides, grid, contexts, labels)
        return Target(name, sides, None, (), labels)


def conditions(sessions, variables, contrasts=(), *, empty="error") -> Design:
    """Read the conditions off the trial coordinates of one or several sessions.

    Parameters
    ----------
    sessions : list of DataArray
        Sessions with the variables as coordinates of ``trial``.
    variables : list of str, or mapping name -> {level: values}
        In a mapping a list merges values, a pair (low, high) is the half-open interval
        low <= value < high with None for no bound, and None keeps the levels as they are.
    contrasts : sequence of str
        Columns that are constant within each condition, or products such as ``"a:b"``.
    empty : {"error", "drop"}
        What to do with a condition in which no session has a trial.

    Returns
    -------
    Design

    Raises
    ------
    KeyError, ValueError
        A column is missing, named twice, has one level or too many; a condition is empty; a
        contrast varies within a condition.
    """
    variables = _as_mapping(variables)
    contrasts = _contrast_names(contrasts, variables)
    dropped: dict = {}
    coded, levels = {}, {}
    for name, rule in variables.items():
        columns = [trial_column(s, name) for s in sessions]
        levels[name], coded[name] = coded_levels(name, columns, rule, dropped)
    names = tuple(variables)
    sizes = [len(levels[n]) for n in names]
    table = np.array(list(product(*map(range, sizes))), dtype=int).reshape(-1, len(names))
    of_trial = []
    for i in range(len(sessions)):
        codes = np.array([coded[n][i] for n in names])
        flat = np.ravel_multi_index(np.maximum(codes, 0), sizes)
        of_trial.append(np.where((codes < 0).any(axis=0), -1, flat))
    table, of_trial = _without_empty(table, of_trial, names, levels, empty, dropped)
    labels = {n: np.asarray(levels[n])[table[:, i]] for i, n in enumerate(names)}
    design = Design(names, levels, table, labels, tuple(of_trial), {}, dropped)
    for name in contrasts:
        codes, found = _contrast_codes(design, sessions, name)
        design.contrasts[name], levels[name] = codes, found
        labels[name] = np.asarray(found)[codes]
    return design


def pairwise(name, codes, labels) -> tuple:
    """All pairs of levels as sides, the later level on side +1.

    codes : int (condition,); labels : str (level,)
    """
    return tuple(
        Side(
            name, labels[i], labels[j], (codes == j).astype(np.int8) - (codes == i).astype(np.int8)
        )
        for i, j in combinations(range(len(labels)), 2)
    )


def balanced_dichotomies(design: Design, *, max_dichotomies: int, seed: int):
    """Ways of dividing the conditions in two halves (sizes differ by one for an odd number).

    All of them, named ones first, or the named ones and a random sample where there are more than
    ``max_dichotomies``. Returns (names, sides int8 (dichotomy, condition)).
    """
    n = design.n_conditions
    half = n // 2
    total = comb(n, half) // (1 if n % 2 else 2)
    named = _named_dichotomies(design)
    rest = {}
    if total <= max_dichotomies:
        chosen = colourings.balanced(n)
    else:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(11,)))
        chosen = (_side_of(rng.permutation(n)[:half], n) for _ in range(50 * max_dichotomies))
    for side in chosen:
        key = _key(side)
        if key not in named and key not in rest:
            rest[key] = side
        if len(named) + len(rest) >= max_dichotomies and total > max_dichotomies:
            break
    names = [name for name, _ in named.values()] + [f"dichotomy {i + 1}" for i in range(len(rest))]
    sides = [side for _, side in named.values()] + list(rest.values())
    return names, np.array(sides, dtype=np.int8), total


def _named_dichotomies(design):
    named = {}
    columns = {
        n: design.table[:, i] for i, n in enumerate(design.names) if len(design.levels[n]) == 2
    }
    columns |= {n: c for n, c in design.contrasts.items() if len(design.levels[n]) == 2}
    sides = {name: (2 * c - 1).astype(np.int8) for name, c in columns.items()}
    base = [n for n in design.names if n in sides]
    for size in range(2, len(base) + 1):
        for group in combinations(base, size):
            sides.setdefault(
                ":".join(group), np.prod([sides[n] for n in group], axis=0).astype(np.int8)
            )
    for name, side in sides.items():
        if abs(int(side.sum())) <= 1:
            named.setdefault(_key(side), (name, side))
    return named


def _side_of(members, n):
    side = np.ones(n, np.int8)
    side[list(members)] = -1
    return side


def _key(side):
    return (side * side[0]).tobytes()


def _grid(codes, others, n_levels):
    """Conditions as (context, level), or None where some context lacks a level or has it twice."""
    contexts, which = (
        np.unique(others, axis=0, return_inverse=True)
        if others.size
        else (np.zeros((1, 0)), np.zeros(len(codes), int))
    )
    grid = np.full((len(contexts), n_levels), -1)
    for condition, (context, level) in enumerate(zip(which.ravel(), codes, strict=True)):
        if grid[context, level] >= 0:
            return None
        grid[context, level] = condition
    grid = grid[(grid >= 0).all(axis=1)]
    return grid if len(grid) else None


def _as_mapping(variables):
    if isinstance(variables, str):
        raise TypeError(
            f"variables={variables!r} is one string; give a list of names such as [{variables!r}]"
        )
    names = list(variables)
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"variable {twice[0]!r} is named twice; name each variable once")
    if not names:
        raise ValueError("no variable is named; name at least one column of the trial table")
    return dict(variables) if isinstance(variables, Mapping) else dict.fromkeys(names)


def _contrast_names(contrasts, variables):
    contrasts = (contrasts,) if isinstance(contrasts, str) else tuple(contrasts)
    for name in contrasts:
        if name in variables or contrasts.count(name) > 1:
            raise ValueError(
                f"{name!r} is named twice, as variable and contrast or as two contrasts; "
                "name it once"
            )
    return contrasts


def _without_empty(table, of_trial, names, levels, empty, dropped):
    count = sum(np.bincount(c[c >= 0], minlength=len(table)) for c in of_trial)
    if (count > 0).all():
        return table, of_trial
    if empty == "drop" and (count > 0).sum() >= 2:
        keep = count > 0
        dropped[EMPTY] = int((~keep).sum())
        new = np.where(keep, np.cumsum(keep) - 1, -1)
        return table[keep], [np.where(c >= 0, new[np.maximum(c, 0)], -1) for c in of_trial]
    cell = ", ".join(
        f"{n}={levels[n][i]}" for n, i in zip(names, table[int(np.argmin(count))], strict=True)
    )
    follows = _derived(table[count > 0], names)
    if follows:
        advice = (
            f"{follows!r} follows from the other variables, so take it out of them and name it "
            f"with --contrasts {follows} (contrasts=[{follows!r}])"
        )
    else:
        advice = "merge levels, name fewer variables, or pass empty='drop'"
    raise ValueError(f"no trial has {cell}; {advice}")


def _derived(table, names):
    """The last variable that is a function of the others in the conditions that occur."""
    for column in reversed(range(len(names))):
        others = np.delete(table, column, axis=1)
        if len(names) > 1 and len(np.unique(others, axis=0)) == len(table):
            return names[column]
    return None


def _contrast_codes(design, sessions, name):
    if ":" in name and not all(name in s.coords for s in sessions):
        return _product_codes(design, name)
    values = [trial_column(s, name) for s in sessions]
    one_kind(name, values)
    gone = [is_missing(v) for v in values]
    found = np.unique(
        np.concatenate(
            [v[~m & (c >= 0)] for v, m, c in zip(values, gone, design.of_trial, strict=True)]
        )
    )
    check_levels(name, found)
    codes = np.full(design.n_conditions, -1)
    for value, miss, condition in zip(values, gone, design.of_trial, strict=True):
        for c in np.unique(condition[(condition >= 0) & ~miss]):
            code = np.unique(np.searchsorted(found, value[(condition == c) & ~miss]))
            if code.size > 1 or codes[c] not in (-1, code[0]):
                raise ValueError(
                    f"contrast {name!r} takes several values in condition {design.name_of(c)}; "
                    f"a contrast must follow from the variables, so name {name!r} as a variable"
                )
            codes[c] = code[0]
    if (codes < 0).any():
        raise ValueError(
            f"contrast {name!r} is missing on every trial of "
            f"{design.name_of(int(np.argmin(codes)))}"
        )
    return codes, tuple(x.item() for x in found)


def _product_codes(design, name):
    code = np.ones(design.n_conditions, int)
    for part in name.split(":"):
        if part not in design.names:
            raise KeyError(
                f"{part!r} in contrast {name!r} is not one of the variables {list(design.names)}"
            )
        if len(design.levels[part]) != 2:
            raise ValueError(
                f"contrast {name!r} needs two-level variables; {part!r} has "
                f"{len(design.levels[part])} levels"
            )
        code = code * (2 * design.table[:, design.names.index(part)] - 1)
    return (code > 0).astype(int), ("-", "+")


def variable_names(variables: Sequence | Mapping) -> list:
    """Names of the variables, whatever form they were given in."""
    return list(_as_mapping(variables))
