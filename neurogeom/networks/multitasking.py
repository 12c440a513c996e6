"""Johnston & Fusi's multi-tasking model: linear classifications behind a nonlinear input."""

from __future__ import annotations

import numpy as np

from ..options import number, one_of, switch, whole
from .task import Drive, Period, Target, Task

KEY = 45  # of random streams


def multitasking(
    *,
    n_latents: int = 5,
    n_tasks: int = 10,
    n_inputs: int = 500,
    length_scale: float = 1.3,
    offset_sd: float = 0.4,
    normals: str = "random",
    grid_tasks: int = 0,
    n_chambers: int = 2,
    contextual: bool = False,
    labelled: str = "all",
    tasks_seed: int = 0,
) -> Task:
    r"""On which side of each of P planes do Gaussian latents lie, seen through random features?

    Latents :math:`z \sim N(0, I_D)`; input :math:`\sqrt2 \cos(W z / \ell + b)` of random features,
    whose kernel is Gaussian of length :math:`\ell`: at 1.3 the latents can be decoded from it, and
    do not generalise (print the input's own scores beside a network's: the length is the knob).
    Output i is the logit of :math:`v_i \cdot z > o_i`. Conditions are the signs of the latents.

    Parameters
    ----------
    n_latents, n_tasks, n_inputs : int
        D, P and the number of features.
    length_scale : float
    offset_sd : float
        Of the offsets :math:`o_i`.
    normals : {"random", "orthogonal"}
        Directions of the planes; orthogonal in groups of D.
    grid_tasks, n_chambers : int
        Further outputs that colour the n_chambers ** D chambers of a grid at random. The more
        chambers, the fewer of them a plane can do, but of few chambers it may be most: of 2 ** 2,
        an eighth of the outputs are constant, and only an eighth (exclusive or) have no plane.
    contextual : bool
        Each output has two planes, and the side of a third says which one counts.
    labelled : {"all", "one"}
        Every trial has all labels, or one of them at random.
    tasks_seed : int
        Of features, planes and colours.

    Source: Johnston & Fusi 2023, Nat Commun 14:1040. Their standard input is a trained autoencoder;
    random cosine features stand for it here.

    Examples
    --------
    >>> multitasking(n_tasks=3, grid_tasks=2).n_outputs
    5
    """
    one_of(("random", "orthogonal"), normals=normals)
    one_of(("all", "one"), labelled=labelled)
    switch(contextual=contextual)
    whole(1, n_latents=n_latents, n_inputs=n_inputs, n_chambers=n_chambers)
    whole(0, n_tasks=n_tasks, grid_tasks=grid_tasks, tasks_seed=tasks_seed)
    number(above=0, length_scale=length_scale)
    number(0, offset_sd=offset_sd)
    if not n_tasks + grid_tasks:
        raise ValueError("n_tasks=0 and grid_tasks=0 leave nothing to learn; ask for 1 or more")
    rng = np.random.default_rng(np.random.SeedSequence(tasks_seed, spawn_key=(KEY,)))
    features = rng.standard_normal((n_latents, n_inputs)) / length_scale
    phase = rng.uniform(0, 2 * np.pi, n_inputs)
    planes = [_planes(normals, n_latents, n_tasks, rng) for _ in range(3 if contextual else 1)]
    offsets = offset_sd * rng.standard_normal((len(planes), n_tasks))
    colours = rng.random((grid_tasks, n_chambers**n_latents)) < 0.5
    names = [f"z_{i + 1}" for i in range(n_latents)]

    def seen(columns):
        return np.sqrt(2) * np.cos(_stacked(columns, names) @ features + phase)

    def labels(columns):
        z = _stacked(columns, names)
        sides = [z @ v.T > o for v, o in zip(planes, offsets, strict=True)]
        linear = np.where(sides[2], sides[0], sides[1]) if contextual else sides[0]
        found = np.concatenate([linear, _coloured(z, colours, n_chambers)], axis=1).astype(float)
        if labelled == "one":
            kept = columns["labelled"][:, None] == np.arange(found.shape[1])
            found = np.where(kept, found, np.nan)
        return found

    def drawn(rng, n):
        latents = dict(zip(names, rng.standard_normal((n_latents, n)), strict=True))
        chosen = rng.integers(n_tasks + grid_tasks, size=n)
        return latents | ({"labelled": chosen} if labelled == "one" else {})

    return Task(
        name="multitasking",
        summary="linear classifications of latents behind a nonlinear input",
        periods=(Period("input", 100),),
        inputs={"features": n_inputs},
        outputs={"classification": n_tasks + grid_tasks},
        factors={f"sign_{i + 1}": (-1, 1) for i in range(n_latents)},
        drives=(Drive("features", ("input",), seen),),
        targets=(Target("classification", ("input",), labels),),
        derive=lambda c: {f"sign_{i + 1}": np.where(c[n] > 0, 1, -1) for i, n in enumerate(names)},
        latents=drawn,
    )


def _stacked(columns, names):
    return np.stack([columns[n] for n in names], axis=1)


def _planes(kind, n_latents, n_tasks, rng):
    """Unit normals (task, latent)."""
    if kind == "orthogonal":
        groups = -(-n_tasks // n_latents)
        turned = [np.linalg.qr(rng.standard_normal((n_latents,) * 2))[0] for _ in range(groups)]
        return np.concatenate(turned or [np.zeros((0, n_latents))])[:n_tasks]
    drawn = rng.standard_normal((n_tasks, n_latents))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _coloured(z, colours, n_chambers):
    """Colour of the chamber of each latent vector, (trial, grid task); chambers are quantiles."""
    from scipy.special import ndtr

    of_axis = np.minimum((ndtr(z) * n_chambers).astype(int), n_chambers - 1)
    chamber = of_axis @ n_chambers ** np.arange(z.shape[1])
    return colours[:, chamber].T
