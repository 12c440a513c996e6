r"""Modular arithmetic: a small table of which a part is shown, and the rest follows from a rule.

Networks that have the part by heart may find the rule long after, the delay called grokking (Power
et al. 2022, arXiv:2201.02177). In Kunin et al. 2024 (arXiv:2406.06158, figure 6d) it is shortest at
small, upstream first weights of a transformer. Of relu networks on pairs of embeddings, mildly
upstream (alpha = 3) and balanced, 40 of each did not decide it (ours,
``benchmarks/findings/lazy_rich.py``): single runs differ by more than the medians.
"""

from __future__ import annotations

import numpy as np

from ..options import number, one_of, whole
from .task import Drive, Period, Target, Task

__all__ = ["OPERATIONS", "PARTS", "modular"]

KEY = 49  # of random streams
OPERATIONS = {
    "add": lambda a, b, p: (a + b) % p,
    "subtract": lambda a, b, p: (a - b) % p,
    "multiply": lambda a, b, p: (a * b) % p,
}
PARTS = ("all", "shown", "held_out")


def modular(
    *, modulus: int = 23, operation: str = "add", part: str = "all", share: float = 0.7,
    noise: float = 0.0, split_seed: int = 0,
) -> Task:  # fmt: skip
    """What is a + b modulo p?

    Parameters
    ----------
    modulus : int
        p; inputs are a and b, one-hot, 2 p channels.
    operation : {"add", "subtract", "multiply"}
    part : {"all", "shown", "held_out"}
        Pairs that come: all, a share of them, or the rest. Train on "shown" and judge on
        "held_out", whose other options are the same.
    share : float
        Of the pairs, between 0 and 1, drawn at random.
    noise : float
        Sd of the noise of each input.
    split_seed : int

    Conditions are the pairs of a part, one label of ``pair`` each; ``a``, ``b`` and ``result``
    stand beside it.

    Examples
    --------
    >>> shown, rest = (modular(modulus=5, part=p, share=0.6) for p in ("shown", "held_out"))
    >>> shown.n_inputs, shown.n_outputs, len(shown.factors["pair"]), len(rest.factors["pair"])
    (10, 5, 15, 10)
    """
    one_of(OPERATIONS, operation=operation)
    one_of(PARTS, part=part)
    whole(2, modulus=modulus)
    whole(0, split_seed=split_seed)
    number(above=0, below=1, share=share)
    number(0, noise=noise)
    n_shown = round(share * modulus**2)
    if not 0 < n_shown < modulus**2:
        raise ValueError(
            f"share={share} shows {n_shown} of {modulus**2} pairs; choose one that shows some "
            "and holds out some"
        )
    rng = np.random.default_rng(np.random.SeedSequence(split_seed, spawn_key=(KEY,)))
    order = rng.permutation(modulus**2)
    pairs = {"all": order, "shown": order[:n_shown], "held_out": order[n_shown:]}[part]
    one_hot = np.eye(modulus)

    def derived(c):
        a, b = np.divmod(c["pair"], modulus)
        return {"a": a, "b": b, "result": OPERATIONS[operation](a, b, modulus)}

    return Task(
        name="modular",
        summary=f"{operation} modulo {modulus}",
        periods=(Period("pair", 100),),
        inputs={"a": modulus, "b": modulus},
        outputs={"result": modulus},
        factors={"pair": tuple(sorted(pairs.tolist()))},
        drives=tuple(Drive(x, ("pair",), lambda c, x=x: one_hot[c[x]], noise) for x in "ab"),
        targets=(Target("result", ("pair",), lambda c: one_hot[c["result"]]),),
        loss="ce",
        derive=derived,
    )
