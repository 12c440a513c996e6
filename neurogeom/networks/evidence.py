"""Many binary judgements of the same noisy evidence (Vafidis, Bhargava & Rangel 2025)."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np

from ..options import number, one_of, whole
from .task import LAWS, Drive, Period, Target, Task

KEY = 44  # of random streams
TARGETS = ("running", "fixation_half", "end")
BOUNDARIES = ("even", "random", "orthogonal", "multiply")


def evidence(
    *,
    n_latents: int = 2,
    n_tasks: int = 24,
    boundaries: str | None = None,
    offset_sd: float = 0.0,
    noise: float = 0.2,
    noise_law: str = "gaussian",
    memory: float = 0.0,
    anisotropy: float = 1.0,
    correlation: float = 0.0,
    steps: int = 20,
    delay: int = 0,
    target: str = "running",
    boundaries_seed: int = 0,
) -> Task:
    r"""On which side of each of N boundaries do the latents lie, given noisy samples of them?

    Latents :math:`x^* \sim U(-1/2, 1/2)^D` stay the same in a trial; every step shows
    :math:`X(t) = x^* + \sigma \epsilon_t`; output i is the logit of :math:`c_i \cdot x^* > b_i`.
    The conditions are the orthants: variables ``sign_1``, ... of -1 and 1; the latents themselves
    are columns ``x_1``, ....

    Parameters
    ----------
    n_latents, n_tasks : int
        D and N.
    boundaries : {"even", "random", "orthogonal", "multiply"}, optional
        Unit normals: at angles (i + 1/2) pi / N (the default for two latents); Gaussian directions
        (the default for more); orthogonal, up to D of them; or, of two latents, N/4 hyperbolas
        :math:`x_1 x_2 = const` in each quadrant.
    offset_sd : float
        Of the offsets b; 0 as in the experiments of the paper. Hyperbolas have none.
    noise : float
        :math:`\sigma`, the sd a step. 0 trains without noise.
    noise_law, memory, anisotropy : "gaussian" or "gumbel", float, float
        Law of the noise; correlation from step to step; sd of later latents over that of the first.
    correlation : float
        Of the latents, by a Gaussian copula.
    steps, delay : int
        Of 100 ms, of evidence and after it.
    target : {"running", "fixation_half", "end"}
        The label at every step from the start of the evidence (the posterior of the theory; learns
        fastest); 1/2 until the decision step, the label at it (as in the paper's experiments); the
        label at the decision step alone.
    boundaries_seed : int

    Warns
    -----
    UserWarning
        The boundaries do not span the latents, or there is no noise.

    Source: Vafidis, Bhargava & Rangel, ICLR 2025, arXiv:2407.11249. Put a fixed random encoder
    before the network, as there: ``RNN(encoder=(100, 100, 40))``.

    Examples
    --------
    >>> task = evidence(n_tasks=6)
    >>> task.n_inputs, task.n_outputs, task.variables
    (3, 6, ['sign_1', 'sign_2'])
    """
    kind = ("even" if n_latents == 2 else "random") if boundaries is None else boundaries
    one_of(BOUNDARIES, boundaries=kind)
    one_of(TARGETS, target=target)
    one_of(LAWS, noise_law=noise_law)
    whole(1, n_latents=n_latents, n_tasks=n_tasks, steps=steps)
    whole(0, delay=delay, boundaries_seed=boundaries_seed)
    number(0, noise=noise, offset_sd=offset_sd, anisotropy=anisotropy)
    number(0, below=1, memory=memory)
    number(correlation=correlation)
    lowest = -1 / max(1, n_latents - 1)
    if not lowest < correlation < 1:
        raise ValueError(
            f"{n_latents} latents cannot all correlate by {correlation}; choose more than "
            f"{lowest:.3g} and less than 1"
        )
    names = [f"x_{i + 1}" for i in range(n_latents)]
    label = _labels(kind, n_latents, n_tasks, offset_sd, boundaries_seed, noise)
    spread = (noise, *[noise * anisotropy] * (n_latents - 1))
    periods = [Period("fixation", 100), Period("evidence", 100 * steps), Period("decision", 100)]
    if delay:
        periods.insert(2, Period("delay", 100 * delay))
    before = tuple(p.name for p in periods[:-1])
    waiting = {
        "running": (Target("judgement", ("evidence", "delay")[: 1 + bool(delay)], label),),
        "fixation_half": (Target("judgement", before, 0.5),),
        "end": (),
    }[target]
    return Task(
        name="evidence",
        summary="many binary judgements of noisy evidence about the same latents",
        periods=tuple(periods),
        inputs={"fixation": 1, "evidence": n_latents},
        outputs={"judgement": n_tasks},
        factors={f"sign_{i + 1}": (-1, 1) for i in range(n_latents)},
        drives=(
            Drive("fixation", before, 1.0),
            Drive("evidence", ("evidence",), _stacked(names), spread, memory, noise_law),
        ),
        targets=(*waiting, Target("judgement", ("decision",), label)),
        derive=lambda c: {f"sign_{i + 1}": np.where(c[n] > 0, 1, -1) for i, n in enumerate(names)},
        latents=_latents(names, correlation),
        align="evidence",
        decision="decision",
        passing=1,
    )


def normals(kind: str, n_latents: int, n_tasks: int, seed: int = 0) -> np.ndarray:
    """Unit normals of the boundaries, (task, latent).

    Examples
    --------
    >>> c = normals("even", 2, 6)
    >>> np.allclose(c.T @ c, 3 * np.eye(2))
    True
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    if kind == "even":
        if n_latents != 2:
            raise ValueError(f"even boundaries are of 2 latents, not {n_latents}; choose 'random'")
        angle = (np.arange(n_tasks) + 0.5) * np.pi / n_tasks
        return np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    if kind == "orthogonal":
        if n_tasks > n_latents:
            raise ValueError(
                f"{n_latents} latents have no {n_tasks} orthogonal boundaries; ask for {n_latents}"
            )
        return np.linalg.qr(rng.standard_normal((n_latents, n_latents)))[0][:n_tasks]
    drawn = rng.standard_normal((n_tasks, n_latents))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _labels(kind, n_latents, n_tasks, offset_sd, seed, noise):
    """The function of a trial's columns to its labels (trial, task)."""
    names = [f"x_{i + 1}" for i in range(n_latents)]
    if noise == 0:
        warnings.warn(
            "without noise the labels do not tell how far a latent is from a boundary; a code of "
            "the latents need not form",
            stacklevel=4,
        )
    if kind == "multiply":
        if offset_sd:
            raise ValueError(f"offset_sd={offset_sd} moves planes, and boundaries='multiply' are "
                             "none; leave it out")  # fmt: skip
        return _products(n_latents, n_tasks, names)
    c = normals(kind, n_latents, n_tasks, seed)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 1)))
    b = offset_sd * rng.standard_normal(n_tasks)
    if np.linalg.matrix_rank(c) < n_latents:
        warnings.warn(
            f"{n_tasks} boundaries span {np.linalg.matrix_rank(c)} of {n_latents} latents: the "
            "rest cannot be recovered; ask for more tasks",
            stacklevel=4,
        )
    return lambda columns: np.stack([columns[n] for n in names], axis=1) @ c.T > b


def _products(n_latents, n_tasks, names):
    """Nonlinear boundaries: in each quadrant, is |x1 x2| above thresholds?"""
    if n_latents != 2 or n_tasks % 4:
        raise ValueError(
            f"products need 2 latents and a multiple of 4 tasks, not {n_latents} and {n_tasks}"
        )
    quantiles = (np.arange(n_tasks // 4) + 1) / (n_tasks // 4 + 1)
    # |x1 x2| / (1/4) is a product of two uniforms: P(u v <= q) = q (1 - log q)
    grid = np.linspace(1e-6, 1, 20_000)
    above = np.interp(quantiles, grid * (1 - np.log(grid)), grid) / 4

    def label(columns):
        x = np.stack([columns[n] for n in names], axis=1)
        size = np.abs(x[:, 0] * x[:, 1])[:, None] > above
        quadrants = [(x[:, 0] * s > 0) & (x[:, 1] * r > 0) for s, r in product((-1, 1), (-1, 1))]
        return np.concatenate([size & q[:, None] for q in quadrants], axis=1)

    return label


def _stacked(names):
    return lambda columns: np.stack([columns[n] for n in names], axis=1)


def _latents(names, correlation):
    d = len(names)

    def drawn(rng, n):
        if not correlation:
            return dict(zip(names, rng.random((d, n)) - 0.5, strict=True))
        from scipy.special import ndtr

        covariance = np.full((d, d), correlation) + (1 - correlation) * np.eye(d)
        z = np.linalg.cholesky(covariance) @ rng.standard_normal((d, n))
        return dict(zip(names, ndtr(z) - 0.5, strict=True))

    return drawn
