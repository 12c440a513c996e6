"""Inputs and targets whose alignment is chosen (Alleman, Lindsey & Fusi 2024)."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..options import number, whole
from .task import Drive, Period, Target, Task

KEY = 46  # of random streams


def input_target(
    *,
    n_bits: int = 2,
    n_targets: int = 1,
    signal: float | None = None,
    alignment: float | None = None,
    scale: float = 0.0,
    dim: int = 100,
    noise: float = 1.0,
    means_seed: int = 0,
) -> Task:
    r"""How much of the inputs' geometry is that of the targets? Parity basis.

    n bits make P = 2^n conditions and P - 1 parities :math:`h_S`; the targets are the first k. The
    inputs have kernel :math:`K_X = \sum_S \pi_S h_S h_S^T` with weights on the simplex such that
    their centred alignment with the targets' is :math:`c = \mathrm{CKA}(K_X, K_Y)`.

    Parameters
    ----------
    n_bits, n_targets : int
        n and k, at most P - 1.
    signal, alignment : float
        One of them: :math:`s = (P - 1) c^2 / k`, or c. s = 0: nothing of the targets (exclusive or
        for n = 2, k = 1); 1 (the default): all parities alike; (P - 1) / k: the targets alone.
    scale : float
        0: two weights, one for targets; else a Dirichlet draw of concentration 1 / scale, moved
        onto the same c.
    dim, noise : int, float
        Inputs are the condition means in `dim` random orthogonal directions, of length
        sqrt(dim), and noise of this sd in each.
    means_seed : int

    Source: Alleman, Lindsey & Fusi, ICLR 2024, arXiv:2401.13558 (the family of tasks).

    Examples
    --------
    >>> task = input_target(n_bits=3, n_targets=3, signal=0.5)
    >>> task.variables, task.n_inputs, task.n_outputs
    (['bit_1', 'bit_2', 'bit_3'], 100, 3)
    """
    whole(1, n_bits=n_bits, n_targets=n_targets, dim=dim)
    whole(0, means_seed=means_seed)
    number(0, scale=scale, noise=noise)
    h = parity_basis(n_bits)
    c = _alignment(signal, alignment, n_targets, h.shape[1])
    rng = np.random.default_rng(np.random.SeedSequence(means_seed, spawn_key=(KEY,)))
    weights = parity_weights(h.shape[1], n_targets, c, scale=scale, rng=rng)
    return _task("input-target", h, n_targets, h * np.sqrt(weights), dim, noise, rng)


def random_kernel(
    *,
    n_bits: int = 3,
    n_targets: int = 1,
    alignment: float = 0.5,
    max_rank: int | None = None,
    scale: float = 0.5,
    dim: int = 100,
    noise: float = 1.0,
    means_seed: int = 0,
) -> Task:
    """A random input geometry with a chosen alignment with the targets.

    A random centred kernel (uniform eigenvectors, Dirichlet eigenvalues of concentration 1 / scale,
    at most `max_rank` of them, trace P) is walked towards the targets' kernel, or towards a random
    one orthogonal to it, until CKA(K_X, K_Y) is `alignment`. Otherwise as :func:`input_target`.

    Source: Alleman, Lindsey & Fusi, ICLR 2024, arXiv:2401.13558.
    """
    whole(2, n_bits=n_bits)
    whole(1, n_targets=n_targets, dim=dim, **({} if max_rank is None else {"max_rank": max_rank}))
    whole(0, means_seed=means_seed)
    number(0, below=1, alignment=alignment)
    number(above=0, scale=scale)
    number(0, noise=noise)
    h = parity_basis(n_bits)
    n = h.shape[0]
    if n_targets > n - 2:
        raise ValueError(f"n_targets={n_targets} leave no room among {n - 1} parities; choose 1 to "
                         f"{n - 2}")  # fmt: skip
    rng = np.random.default_rng(np.random.SeedSequence(means_seed, spawn_key=(KEY, 1)))
    y = h[:, :n_targets] @ h[:, :n_targets].T
    start = _random_psd(h, max_rank or n - 1, scale, rng)
    beyond = _random_psd(h[:, n_targets:], max_rank or n - 1, scale, rng)
    goal = beyond if cosine(start, y) > alignment else y * n / np.trace(y)
    kernel = walked(start, goal, y, alignment)
    value, vector = np.linalg.eigh(kernel)
    means = vector * np.sqrt(np.maximum(value, 0))
    return _task("random-kernel", h, n_targets, means, dim, noise, rng)


def separable_xor(
    *, separability: float = 0.0, dim: int = 99, noise: float = 1.0, means_seed: int = 0
) -> Task:
    r"""Exclusive or of two factors whose product has a direction of its own, of this length.

    The mean of a condition is :math:`b_1 m_1 + b_2 m_2 + \delta\, b_1 b_2 m_3` times sqrt(dim / 3),
    with orthogonal non-negative unit vectors; the label is :math:`b_1 b_2`. At 0 no plane separates
    it.

    Source: Alleman, Lindsey & Fusi, ICLR 2024, arXiv:2401.13558.
    """
    whole(3, dim=dim)
    whole(0, means_seed=means_seed)
    number(0, separability=separability, noise=noise)
    if dim % 3:
        raise ValueError(f"dim={dim} is not shared by three directions; choose a multiple of 3")
    rng = np.random.default_rng(np.random.SeedSequence(means_seed, spawn_key=(KEY, 2)))
    h = parity_basis(2)
    axes = np.kron(np.eye(3), np.ones(dim // 3)) * rng.random(dim)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    means = (h * [1, 1, separability]) @ axes * np.sqrt(dim / 3)
    return _made("separable-xor", h[:, 2:], 2, means, noise)


def parity_basis(n_bits: int) -> np.ndarray:
    """The P - 1 parities of n bits, (condition, parity) of -1 and 1, in order of their size.

    Conditions are the crossed bits, the last changing fastest.

    Examples
    --------
    >>> parity_basis(2).tolist()
    [[-1, -1, 1], [-1, 1, -1], [1, -1, -1], [1, 1, 1]]
    """
    whole(1, n_bits=n_bits)
    bits = np.array(np.meshgrid(*[[-1, 1]] * n_bits, indexing="ij")).reshape(n_bits, -1).T
    sets = [s for size in range(1, n_bits + 1) for s in combinations(range(n_bits), size)]
    return np.stack([bits[:, s].prod(axis=1) for s in sets], axis=1)


def parity_weights(n: int, k: int, c: float, *, scale: float = 0.0, rng=None) -> np.ndarray:
    """Weights (n,) on the simplex whose cosine with the indicator of the first k is c."""
    number(0, scale=scale)
    target = (np.arange(n) < k).astype(float)
    if scale:
        start = rng.dirichlet(np.full(n, 1 / scale))
        goal = target / k if cosine(start, target) < c else start * (1 - target)
        found = walked(start, goal / goal.sum(), target, c)
        return found / found.sum()
    if c == 0:
        return (1 - target) / (n - k)
    other = np.sqrt(k * (1 / c**2 - 1) / (n - k)) if n > k else 0.0
    found = np.where(target > 0, 1.0, other)
    return found / found.sum()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of two arrays as vectors."""
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def walked(start: np.ndarray, goal: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    """The point between start and goal whose cosine with y is c: the root of a quadratic."""
    step = goal - start
    a, b = (start * y).sum(), (step * y).sum()
    size = c**2 * (y**2).sum()
    roots = np.roots([
        b**2 - size * (step**2).sum(),
        2 * (a * b - size * (start * step).sum()),
        a**2 - size * (start**2).sum(),
    ])  # fmt: skip
    real = np.clip(roots[np.abs(roots.imag) < 1e-6].real, 0, 1)
    points = [start + s * step for s in (0.0, 1.0, *real)]  # a double root may turn complex
    return min(points, key=lambda p: abs(cosine(p, y) - c))


def _alignment(signal, alignment, k, n):
    if signal is not None and alignment is not None:
        raise ValueError("pass signal or alignment, not both: one follows from the other")
    if k > n:
        raise ValueError(f"n_targets={k} is not possible with {n} parities; choose 1 to {n}")
    if alignment is not None:
        number(0, 1 + 1e-12, alignment=alignment)  # computed ones are rounded
        c = min(float(alignment), 1.0)
    else:
        signal = 1.0 if signal is None else signal
        number(0, n / k * (1 + 1e-12), signal=signal)
        c = min(float(np.sqrt(signal * k / n)), 1.0)
    if k == n and c < 1:
        raise ValueError(f"an alignment of {c:.3g} is not possible with all {n} parities as "
                         "targets; choose 1, or fewer targets")  # fmt: skip
    return c


def _random_psd(basis, max_rank, scale, rng):
    """A random kernel in the span of the basis, trace = number of conditions."""
    n, d = basis.shape
    rank = min(max_rank, d)
    turned = np.linalg.qr(rng.standard_normal((d, d)))[0][:, :rank]
    directions = basis @ turned / np.sqrt(n)
    weights = rng.dirichlet(np.full(rank, 1 / scale)) * n
    return (directions * weights) @ directions.T


def _task(name, h, n_targets, means, dim, noise, rng):
    """Means (condition, rank) spread over `dim` channels."""
    if dim < means.shape[1]:
        raise ValueError(
            f"dim={dim} is below the {means.shape[1]} directions of the means; raise it"
        )
    basis = np.linalg.qr(rng.standard_normal((dim, means.shape[1])))[0]
    n_bits = int(np.log2(len(h)))
    return _made(name, h[:, :n_targets], n_bits, means @ basis.T * np.sqrt(dim), noise)


def _made(name, labels, n_bits, means, noise):
    bits = [f"bit_{i + 1}" for i in range(n_bits)]

    def condition(columns):
        return sum((columns[b] > 0) * 2 ** (n_bits - 1 - i) for i, b in enumerate(bits))

    return Task(
        name=name,
        summary="inputs and targets of a chosen alignment",
        periods=(Period("input", 100),),
        inputs={"input": means.shape[1]},
        outputs={"target": labels.shape[1]},
        factors=dict.fromkeys(bits, (-1, 1)),
        drives=(Drive("input", ("input",), lambda c: means[condition(c)], noise),),
        targets=(Target("target", ("input",), lambda c: labels[condition(c)] > 0),),
        derive=lambda c: {
            f"target_{i + 1}": labels[condition(c), i] for i in range(labels.shape[1])
        },
    )
