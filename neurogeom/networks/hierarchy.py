r"""The random hierarchy model: labels that are learnt cheaply by whoever finds the levels.

A class is rewritten as s symbols, each of these as s symbols of the level below, and so on for L
levels, by one of m rules that were drawn at random: a random context-free grammar whose strings of
s^L symbols are the data (Cagnetti et al. 2024, Phys Rev X 14:031001). No two symbols of a level
share a rule, so that a string has one class: it is read back from the bottom. There are
:math:`n_c m^{(s^L - 1)/(s - 1)}` strings; a network that uses the levels needs of the order of
:math:`n_c m^L` of them (theirs), one that does not a share of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..options import number, whole
from .task import Drive, Period, Target, Task

__all__ = ["Grammar", "grammar", "random_hierarchy"]

KEY = 48  # of random streams
MOST_CELLS = 10**7  # s-tuples of a level, of which rules are drawn


@dataclass(frozen=True)
class Grammar:
    """Rules of a random hierarchy.

    rules : tuple of int arrays (symbol, rule, s), from classes down; symbols of a level are
    0, 1, ..., n_symbols - 1
    """

    rules: tuple[np.ndarray, ...]
    n_symbols: int

    @property
    def n_classes(self) -> int:
        """Symbols at the top."""
        return len(self.rules[0])

    @property
    def length(self) -> int:
        """Symbols of a string, s^L."""
        return self.rules[0].shape[-1] ** len(self.rules)

    @property
    def n_choices(self) -> int:
        """Rules that are chosen for a string, (s^L - 1) / (s - 1)."""
        s = self.rules[0].shape[-1]
        return sum(s**level for level in range(len(self.rules)))

    @property
    def n_strings(self) -> int:
        """All strings of all classes."""
        return self.n_classes * self.rules[0].shape[1] ** self.n_choices

    def derive(self, label: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """The strings (trial, symbol) of classes (trial,) and of choices of rules (trial, choice).

        Choices from the top down, each level from left to right.
        """
        symbols, used = np.asarray(label)[:, None], 0
        for rules in self.rules:
            chosen = choice[:, used : used + symbols.shape[1]]
            used += symbols.shape[1]
            symbols = rules[symbols, chosen].reshape(len(symbols), -1)
        return symbols

    def parse(self, strings: np.ndarray) -> np.ndarray:
        """The class of each string (trial, symbol), read from the bottom up; -1 for no string."""
        symbols = np.asarray(strings)
        for rules in self.rules[::-1]:
            s, base = rules.shape[-1], self.n_symbols ** np.arange(rules.shape[-1])[::-1]
            of_tuple = np.full(self.n_symbols**s, -1)
            of_tuple[rules @ base] = np.arange(len(rules))[:, None]
            tuples = symbols.reshape(len(symbols), -1, s)
            found = of_tuple[tuples.clip(min=0) @ base]
            symbols = np.where((tuples < 0).any(axis=-1), -1, found)
        return symbols[:, 0]

    def string(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label (trial,) and string (trial, symbol) of numbers from 0 to n_strings - 1."""
        index = np.asarray(index, dtype=np.int64)
        label, rest = np.divmod(index, self.n_strings // self.n_classes)
        m, choice = self.rules[0].shape[1], np.empty((len(index), self.n_choices), int)
        for i in range(self.n_choices)[::-1]:
            rest, choice[:, i] = np.divmod(rest, m)
        return label, self.derive(label, choice)


def grammar(
    *, n_classes: int, n_symbols: int, n_rules: int, n_levels: int, branching: int, seed: int
) -> Grammar:
    """Rules drawn at random, no two alike within a level.

    Examples
    --------
    >>> rules = grammar(n_classes=2, n_symbols=4, n_rules=2, n_levels=2, branching=2, seed=0)
    >>> rules.length, rules.n_strings
    (4, 16)
    >>> label, strings = rules.string(np.arange(rules.n_strings))
    >>> bool((rules.parse(strings) == label).all()), len(np.unique(strings, axis=0))
    (True, 16)
    """
    sizes = {"n_classes": n_classes, "n_symbols": n_symbols, "n_rules": n_rules,
             "n_levels": n_levels, "branching": branching}  # fmt: skip
    whole(2, n_classes=n_classes, branching=branching)
    whole(1, n_symbols=n_symbols, n_rules=n_rules, n_levels=n_levels)
    whole(0, rules_seed=seed)
    tuples, largest = n_symbols**branching, max(n_classes, n_symbols if n_levels > 1 else 0)
    if largest * n_rules > tuples:
        raise ValueError(
            f"{largest} symbols with {n_rules} rules each need {largest * n_rules} of the {tuples} "
            f"tuples of {branching} of {n_symbols} symbols; lower n_rules or raise n_symbols"
        )
    found = Grammar((np.zeros((n_classes, n_rules, branching), int),) * n_levels, n_symbols)
    if tuples > MOST_CELLS or found.n_strings >= 2**63:
        raise ValueError(
            f"{sizes} make {tuples} tuples and {float(found.n_strings):.0e} strings, too many to "
            "count; make it smaller"
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    rules = []
    for level in range(n_levels):
        n = n_classes if level == 0 else n_symbols
        drawn = rng.permutation(tuples)[: n * n_rules]
        digits = drawn[:, None] // n_symbols ** np.arange(branching)[::-1] % n_symbols
        rules.append(digits.reshape(n, n_rules, branching))
    return Grammar(tuple(rules), n_symbols)


def random_hierarchy(
    *,
    n_classes: int = 8,
    n_symbols: int = 8,
    n_rules: int = 4,
    n_levels: int = 3,
    branching: int = 2,
    noise: float = 0.0,
    rules_seed: int = 0,
) -> Task:
    """Which class was rewritten, level by level, into this string?

    Conditions are the classes; strings are drawn evenly from all of a class. The defaults are those
    of Kunin et al. 2024, arXiv:2406.06158, figure 6c: 131072 strings of 8 symbols.

    Parameters
    ----------
    n_classes, n_symbols, n_rules, n_levels, branching : int
        n_c, v, m, L and s; at most v^s tuples for n_c m and for v m rules.
    noise : float
        Sd of the noise of each input; inputs are one-hot, s^L v of them.
    rules_seed : int

    A network trained on ``samples=P`` trials is judged on fresh ones; a share P / n_strings of them
    was seen in training: keep P far below n_strings. ``index`` among the conditions tells.

    Source: Cagnetti et al. 2024, section II (the model).

    Examples
    --------
    >>> task = random_hierarchy()
    >>> task.n_inputs, task.n_outputs, task.variables
    (64, 8, ['label'])
    """
    number(0, noise=noise)
    rules = grammar(n_classes=n_classes, n_symbols=n_symbols, n_rules=n_rules, n_levels=n_levels,
                    branching=branching, seed=rules_seed)  # fmt: skip

    def drawn(rng, n):
        return {"index": rng.integers(rules.n_strings, size=n)}

    def seen(c):
        return np.eye(n_symbols)[rules.string(c["index"])[1]].reshape(len(c["index"]), -1)

    return Task(
        name="random-hierarchy",
        summary="classes of strings of a random hierarchy of rules",
        periods=(Period("string", 100),),
        inputs={"string": rules.length * n_symbols},
        outputs={"label": n_classes},
        factors={"label": tuple(range(n_classes))},
        drives=(Drive("string", ("string",), seen, noise),),
        targets=(Target("label", ("string",), lambda c: np.eye(n_classes)[c["label"]]),),
        loss="ce",
        latents=drawn,
        derive=lambda c: {"label": rules.string(c["index"])[0]},
    )
