r"""The unit that a network would gain most by, and so how far its loss is from the minimum.

Homogeneous units: the largest energy ratio m. The residual Z of the best readout, shrunk by
:math:`t = \min(1, m^{-1/2})`, is a point of the dual problem

.. math:: \max_Z \; \mathrm{tr}\, Y^\top Z - \tfrac12 |Z|^2 \quad \text{with} \quad
          |Z^\top \varphi(h)|^2 \le \lambda_v \lambda_w\, h^\top \tilde K_X^+ h \;\; \forall h,

whose value no loss lies below. Other units: the mean energy of the units that there are less the
lowest of all (Frank & Wolfe). The search for m ascends from many starts at once: for given weights
of the targets v = Zc, the stimuli with v < 0 make a concave part, the others a convex one, which
is replaced by its tangent; what is left is least squares in a box. Kinks, where most of the best
units lie, are no obstacle to it. Derived here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .meanfield import AbstractionProblem
from .meanfield_patterns import enumerable, holds, largest_ratio, tops, without

__all__ = ["Extreme", "Gap", "best_units", "optimality_gap"]

AGREE = 1e-6  # of the best value
ROUNDS, SWEEPS = 60, 10
STILL = 1e-7  # of the ratio: an ascent that gains less has ended
MOST_FACES = 100
KINKS = (1e-7, 1e-3)  # of the largest input: what may be 0 after the ascent


class Extreme(NamedTuple):
    """What a search found.

    value : largest energy ratio, or lowest energy
    units : (stimulus, start), the end of each ascent, best first
    values : (start,), theirs
    """

    value: float
    units: np.ndarray
    values: np.ndarray

    @property
    def n_agree(self) -> int:
        """Starts that found the best value."""
        scale = max(abs(self.value), 1e-12)
        return int((np.abs(self.values - self.value) <= AGREE * scale).sum())


class Gap(NamedTuple):
    """How far a loss is from the minimum at most, and by what right that is said.

    gap, kind, n_starts, n_agree, extreme : see MeanFieldSolution
    search : Extreme, what the starts found
    """

    gap: float
    kind: str
    n_starts: int
    n_agree: int
    extreme: float
    search: Extreme


def optimality_gap(
    problem: AbstractionProblem, preactivations, weights=None, *, n_starts=200, seed=0
) -> Gap:
    """How much lower could the loss be than that of this network?

    Parameters
    ----------
    problem : AbstractionProblem
    preactivations : array (stimulus, unit)
    weights : array (unit,), of the measure
    n_starts : int
        Of the search for the best unit to add.
    seed : int

    Returns
    -------
    Gap
        Certified where the patterns of relu, leaky relu or linear units are enumerated (12 stimuli,
        or augmented inputs of rank 4), searched otherwise: then it is a bound if the search found
        the best unit, and ``n_agree`` says how many starts found it.

    Examples
    --------
    >>> y = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> problem = AbstractionProblem(np.eye(4), y @ y.T)
    >>> found = optimality_gap(problem, np.maximum(np.hstack([y, -y]), 0) * 0.9289)
    >>> found.kind, bool(found.gap < 1e-5)
    ('certified', True)
    """
    kernel = problem.kernel(preactivations, weights)
    loss = problem.loss(preactivations, weights)
    search = best_units(problem, kernel, n_starts=n_starts, seed=seed, near=preactivations)
    if not problem.homogeneous:
        energy = problem.energy(preactivations, kernel)
        mean = float(problem._weights(weights, len(energy)) @ energy)
        extreme = min(search.value - mean, 0.0)
        return Gap(abs(extreme), "searched", len(search.values), search.n_agree, extreme, search)
    z, extreme, kind = problem.residual(kernel), search.value, "searched"
    if enumerable(problem.basis):
        cost = problem.weight_decay * problem.readout_decay
        above, _ = largest_ratio(problem.basis, z, problem.phi.slopes, above=extreme * cost)
        extreme, kind = above / cost, "certified"
    t = min(1.0, extreme**-0.5) if extreme > 0 else 1.0
    dual = t * np.sum(problem.targets * z) - t**2 * np.sum(z**2) / 2
    gap = max(loss - float(dual), 0.0)
    return Gap(gap, kind, len(search.values), search.n_agree, extreme, search)


def best_units(problem: AbstractionProblem, kernel, *, n_starts=200, seed=0, near=None) -> Extreme:
    """Units that a network with this kernel gains most by.

    near : array (stimulus, unit), further starts
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    starts = _starts(problem, kernel, n_starts, rng)
    if problem.homogeneous:
        if near is not None:
            starts = np.column_stack([starts, near])
        units, values = _ascend(problem, kernel, starts)
        order = np.argsort(-values, kind="stable")
    else:
        units, values = _descend(problem, kernel, starts, near)
        order = np.argsort(values, kind="stable")
    return Extreme(float(values[order[0]]), units[:, order], values[order])


def _starts(problem, kernel, n, rng):
    """Half random units; half what linear units would be for random mixtures of the targets."""
    z, k = problem.residual(kernel), problem.augmented
    rank, d = problem.basis.shape[1], z.shape[1]
    random = problem.basis @ rng.standard_normal((rank, n - n // 2))
    mixed = k @ z @ rng.standard_normal((d, n // 2))
    h = np.column_stack([random, mixed])
    size = np.sqrt(np.maximum((h**2).mean(axis=0), 1e-300))
    return h / size * rng.uniform(0.3, 3.0, n)


def _ascend(problem, kernel, starts):
    """Units (stimulus, start) of norm 1 and their energy ratios; see the module."""
    phi, z, gram = problem.phi.value, problem.residual(kernel), problem.augmented
    up, down = problem.phi.slopes
    scale = problem.weight_decay * problem.readout_decay
    size = problem.cost(starts)
    units = (starts / np.sqrt(np.where(size > 0, size, 1.0))).T
    best = ((phi(units) @ z) ** 2).sum(axis=1) / scale
    cap = np.zeros_like(units)
    live = np.arange(len(units))
    for _ in range(ROUNDS):
        h = units[live]
        c = phi(h) @ z
        v = (c / np.maximum(np.linalg.norm(c, axis=1, keepdims=True), 1e-300)) @ z.T
        against = (up - down) * np.maximum(-v, 0)
        tangent = down * v + (up - down) * np.maximum(v, 0) * (h > 0)
        pushed, held = _in_box(gram, tangent, against, np.minimum(cap[live], against))
        cost = np.einsum("ij,ij->i", pushed, tangent - held)
        good = cost > 1e-300
        h = np.where(good[:, None], pushed / np.sqrt(np.where(good, cost, 1.0))[:, None], h)
        value = np.where(good, ((phi(h) @ z) ** 2).sum(axis=1) / scale, 0.0)
        gained = value > best[live]
        units[live[gained]], cap[live] = h[gained], held
        more = value > best[live] * (1 + STILL) + 1e-300
        best[live] = np.maximum(best[live], value)
        live = live[more & good]
        if not len(live):
            break
    return _on_faces(problem, z, units.T, np.maximum(best, 0.0))


def _in_box(gram, tangent, against, held):
    """h = gram (tangent - u) of the smallest cost over 0 <= u <= against, by coordinates."""
    h = (tangent - held) @ gram
    for _ in range(SWEEPS):
        moved = 0.0
        for j in np.flatnonzero((against > 0).any(axis=0) & (np.diag(gram) > 0)):
            new = np.clip(held[:, j] + h[:, j] / gram[j, j], 0, against[:, j])
            step = new - held[:, j]
            held[:, j] = new
            h -= step[:, None] * gram[j]
            moved = max(moved, np.abs(step).max())
        if moved <= 1e-12 * against.max():
            break
    return h, held


def _on_faces(problem, z, units, values):
    """Units near the top moved to the best of the face that they lie on, to rounding."""
    scale = problem.weight_decay * problem.readout_decay
    for kink in KINKS:
        near = np.flatnonzero(values >= 0.9 * values.max())
        at = units[:, near]
        signs = np.where(np.abs(at) > kink * np.abs(at).max(axis=0), np.sign(at), 0).astype(np.int8)
        faces, which = np.unique(signs.T, axis=0, return_inverse=True)
        for i, face in enumerate(faces[:MOST_FACES]):
            left = without(problem.basis, face == 0)
            size, h, _ = tops(left, z, face[None], problem.phi.slopes)
            if size[0] > 0 and holds(face[None], h)[0]:
                mine = near[which == i]
                better = mine[size[0] / scale > values[mine]]
                units[:, better] = h.T / np.sqrt(problem.cost(h.T))
                values[better] = size[0] / scale
    return units, values


def _descend(problem, kernel, starts, near):
    """Units of lowest energy, by quasi-Newton from each start; a unit stays within reach."""
    from scipy.optimize import minimize

    b = problem.basis
    down = (b / (b**2).sum(axis=0)).T
    z, phi = problem.residual(kernel), problem.phi
    lw, lv = problem.weight_decay, problem.readout_decay
    reach = 10 * np.sqrt(np.trace(problem.target_kernel) / lw)

    def energy(a):
        h = b @ a
        c = z.T @ phi.value(h)
        slope = lw * a - b.T @ (phi.slope(h) * (z @ c)) / lv
        return lw / 2 * a @ a - c @ c / (2 * lv), slope

    columns = starts if near is None else np.column_stack([near, starts])
    ends, values = [np.zeros(b.shape[1])], [energy(np.zeros(b.shape[1]))[0]]
    for a in (down @ columns).T:
        box = [(-reach, reach)] * len(a)
        found = minimize(
            energy, a, jac=True, method="L-BFGS-B", bounds=box, options={"maxiter": 300}
        )
        ends.append(found.x)
        values.append(found.fun)
    return b @ np.array(ends).T, np.array(values)
