"""Two ways to the minimum of a mean-field problem: descend with units, or add the best one.

:func:`particle_solution` is a network of finitely many units that descends the loss;
:func:`column_generation` solves the convex problem by adding units, and is the exact one for
homogeneous units. Both end with the same gap (:mod:`neurogeom.theory.meanfield_search`) and look
for a second kernel with the same loss.
"""

from __future__ import annotations

import numpy as np

from .meanfield import AbstractionProblem, MeanFieldSolution
from .meanfield_patterns import enumerable, largest_ratio
from .meanfield_search import best_units, optimality_gap

__all__ = ["column_generation", "particle_solution"]

STEPS = ((2e-2, 0.5), (2e-3, 0.3), (2e-4, 0.2))  # of the size of a unit, and its share of the steps
APART = 1e-6  # units of one direction and length


def particle_solution(
    problem: AbstractionProblem,
    *,
    n_particles: int | None = None,
    n_restarts: int = 3,
    n_steps: int = 10_000,
    n_starts: int = 200,
    seed: int = 0,
) -> MeanFieldSolution:
    """The best of a few networks of ``n_particles`` units that descend the loss (Adam).

    Close to a flat minimum its kernel is off by about 1e-3 of its norm while its loss is off by
    1e-5; :func:`column_generation` is closer for homogeneous units.

    Parameters
    ----------
    problem : AbstractionProblem
    n_particles : int, or None for 8 a target and at least 24
    n_restarts : int
    n_steps : int, of each descent
    n_starts : int, of the search for the gap
    seed : int

    Returns
    -------
    MeanFieldSolution

    Raises
    ------
    ValueError
        A count is below 1.

    Examples
    --------
    >>> y = np.array([[1.0], [-1.0]])
    >>> problem = AbstractionProblem(np.eye(2), y @ y.T)
    >>> found = particle_solution(problem, n_restarts=1, n_steps=4000)
    >>> found.gap_kind, bool(found.gap < 1e-4), round(found.loss, 4)
    ('certified', True, 0.1566)
    """
    n = max(24, 8 * problem.targets.shape[1]) if n_particles is None else n_particles
    if min(n, n_restarts, n_steps, n_starts) < 1:
        raise ValueError("counts of particles, restarts, steps and starts are 1 or more")
    weights = problem._weights(None, n) if problem.measure == "probability" else np.ones(n)
    ends = []
    for restart in range(n_restarts):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, restart)))
        ends.append(_descended(problem, weights, n_steps, rng))
    atoms = min(ends, key=lambda h: problem.loss(h, weights))
    return _solution(problem, atoms, weights, n_starts, seed)


def column_generation(
    problem: AbstractionProblem,
    *,
    tolerance: float = 1e-7,
    max_rounds: int = 100,
    n_starts: int = 200,
    seed: int = 0,
) -> MeanFieldSolution:
    """Add the units that help most, weigh all units best, until none is missing.

    Parameters
    ----------
    problem : AbstractionProblem
    tolerance : float
        Gap, over the loss of a silent network, at which to stop.
    max_rounds : int
    n_starts : int
        Of the last search; those on the way are a fifth of it, or one a stimulus if that is more.
    seed : int

    Returns
    -------
    MeanFieldSolution
        The gap says whether the tolerance was reached. Up to 16 stimuli it mostly is; of 64, thirty
        rounds leave the loss off by 4e-4 of it.

    Examples
    --------
    >>> y = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> found = column_generation(AbstractionProblem(np.eye(4), y @ y.T))
    >>> found.gap_kind, bool(found.gap < 1e-6), found.kernel.round(3)[0].tolist()
    ('certified', True, [1.726, 0.863, 0.863, 0.0])
    """
    if min(max_rounds, n_starts) < 1 or not tolerance > 0:
        raise ValueError("max_rounds and n_starts are 1 or more, and tolerance is above 0")
    silent = np.trace(problem.target_kernel) / 2
    probability = not problem.homogeneous
    atoms = np.zeros((problem.n_stimuli, int(probability)))
    weights = np.ones(int(probability))
    last = np.inf
    for turn in range(max_rounds):
        kernel = problem.phi.value(atoms) * weights @ problem.phi.value(atoms).T
        found = best_units(
            problem,
            kernel,
            n_starts=max(n_starts // 5, problem.n_stimuli),
            seed=seed + turn,
            near=atoms,
        )
        if problem.homogeneous:
            missing, useful = found.value - 1, found.values > 1 + 1e-10
        else:
            energy = problem.energy(atoms, kernel)
            mean = float(weights @ energy)
            missing, useful = (mean - found.value) / silent, found.values < mean - 1e-12 * silent
        new = found.units[:, useful]
        if missing <= tolerance:
            new = _overlooked(problem, kernel, found.value, tolerance)
            if new is None:
                break
        atoms, weights = _joined(atoms, weights, new, problem)
        atoms, weights = _weighed(problem, atoms, weights)
        if not problem.homogeneous:
            atoms = _slid(problem, atoms, weights)
        loss = _loss(problem, atoms, weights)
        if last - loss <= 1e-15 * silent and turn > 5:
            break
        last = loss
    if problem.homogeneous and problem.measure == "probability" and weights.sum() > 0:
        atoms, weights = atoms * np.sqrt(weights.sum()), weights / weights.sum()
    return _solution(problem, atoms, weights, n_starts, seed)


def _overlooked(problem, kernel, value, tolerance):
    """A unit (stimulus, 1) that a search missed, where all patterns can be looked at; or None."""
    if not (problem.homogeneous and enumerable(problem.basis)):
        return None
    cost = problem.weight_decay * problem.readout_decay
    residual, least = problem.residual(kernel), max(value, 1 + tolerance) * cost
    _, unit = largest_ratio(problem.basis, residual, problem.phi.slopes, above=least)
    return None if unit is None else unit[:, None] / np.sqrt(problem.cost(unit[:, None]))


def _solution(problem, atoms, weights, n_starts, seed):
    if atoms.shape[1] == 0:  # silence: one unit that says nothing, so that a measure has a mass
        atoms, weights = np.zeros((problem.n_stimuli, 1)), np.ones(1)
    gap = optimality_gap(problem, atoms, weights, n_starts=n_starts, seed=seed)
    kernel, loss = problem.kernel(atoms, weights), problem.loss(atoms, weights)
    other = _another_kernel(problem, kernel, loss, gap, atoms)
    spread = 0.0 if other is None else np.linalg.norm(other - kernel) / np.linalg.norm(kernel)
    found = (gap.gap, gap.kind, gap.n_starts, gap.n_agree, gap.extreme)
    return MeanFieldSolution(kernel, atoms, weights, loss, *found, other, float(spread))


def _loss(problem, atoms, weights):
    r = problem.phi.value(atoms)
    cost = problem.weight_decay / 2 * float(weights @ problem.cost(atoms))
    return problem.readout_loss((r * weights) @ r.T) + cost


def _descended(problem, weights, n_steps, rng):
    """Units after Adam from a small random start, (stimulus, unit)."""
    b, n = problem.basis, len(weights)
    size = np.sqrt(np.trace(problem.target_kernel) / problem.weight_decay / b.shape[1])
    size /= np.sqrt(n) if problem.measure == "positive" else 1.0
    if not problem.homogeneous:  # of the order at which these units bend
        size = min(size, 1.0 / np.sqrt(np.mean(np.diag(problem.augmented))))
    a = 0.3 * size * rng.standard_normal((b.shape[1], n))
    first, second, t = np.zeros_like(a), np.zeros_like(a), 0
    best, lowest = a, np.inf
    for rate, share in STEPS:
        for _ in range(int(share * n_steps)):
            loss, slope = _loss_and_slope(problem, b @ a, a, weights)
            if loss < lowest:
                best, lowest = a, loss
            slope = slope / weights
            t += 1
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            step = first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.999**t)) + 1e-12)
            a = a - rate * size * step
    return b @ best


def _loss_and_slope(problem, h, a, weights):
    """L and its gradient in the coordinates a of the units."""
    phi, lw, lv = problem.phi, problem.weight_decay, problem.readout_decay
    r = phi.value(h)
    z = problem.residual((r * weights) @ r.T)
    loss = 0.5 * np.sum(problem.targets * z) + lw / 2 * float(weights @ (a**2).sum(axis=0))
    slope = lw * a - problem.basis.T @ (phi.slope(h) * (z @ (z.T @ r))) / lv
    return float(loss), slope * weights


def _joined(atoms, weights, new, problem):
    """The units that there are and those of the new ones that are unlike all before them."""
    kept = list(atoms.T)
    for h in new.T[: max(4 * problem.targets.shape[1] + 8, problem.n_stimuli)]:
        scale = np.linalg.norm(h)
        if all(np.linalg.norm(h - k) > APART * scale for k in kept):
            kept.append(h)
    joined = np.array(kept).T
    return joined, np.append(weights, np.zeros(joined.shape[1] - len(weights)))


def _weighed(problem, atoms, weights):
    """The best weights of these units, those that are of use: Newton steps in the positive cone."""
    from scipy.optimize import nnls

    r, cost = problem.phi.value(atoms), problem.cost(atoms)
    lw, lv, n = problem.weight_decay, problem.readout_decay, problem.n_stimuli
    loss = _loss(problem, atoms, weights)
    one_mass = not problem.homogeneous
    for _ in range(50):
        inverse = np.linalg.inv((r * weights) @ r.T + lv * np.eye(n))
        seen = r.T @ (inverse @ problem.targets)
        slope = lw / 2 * cost - lv / 2 * (seen**2).sum(axis=1)
        curve = lv * (r.T @ inverse @ r) * (seen @ seen.T)
        curve += 1e-10 * max(np.trace(curve) / len(curve), 1e-300) * np.eye(len(curve))
        root = np.linalg.cholesky(curve).T
        aim = root @ weights - np.linalg.solve(root.T, slope)
        if one_mass:  # a heavy row holds the sum at 1
            heavy = 1e4 * np.sqrt(np.trace(curve))
            root, aim = np.vstack([root, np.full(len(weights), heavy)]), np.append(aim, heavy)
        new = nnls(root, aim, maxiter=30 * len(weights))[0]
        if one_mass:
            new /= new.sum()
        step, lower = 1.0, loss
        while step > 1e-8:
            trial = weights + step * (new - weights)
            lower = _loss(problem, atoms, trial)
            if lower < loss:
                break
            step /= 2
        if not lower < loss - 1e-15 * abs(loss):
            break
        weights, loss = trial, lower
    kept = weights > 1e-12 * max(weights.sum(), 1e-300)
    weights = weights[kept]
    return atoms[:, kept], weights / weights.sum() if one_mass else weights


def _slid(problem, atoms, weights):
    """Units of these weights moved downhill together, (stimulus, unit)."""
    from scipy.optimize import minimize

    b = problem.basis
    a = (b / (b**2).sum(axis=0)).T @ atoms

    def loss(flat):
        moved = flat.reshape(a.shape)
        value, slope = _loss_and_slope(problem, b @ moved, moved, weights)
        return value, slope.ravel()

    found = minimize(loss, a.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return b @ found.x.reshape(a.shape)


def _another_kernel(problem, kernel, loss, gap, atoms):
    """A kernel far from this one with the same loss, by linear programming, or None.

    The residual Z is the same at all minima. So any weights of units that cost what they gain, with
    (K + lv) Z = lv Y, are another minimum; among them the least like this kernel is sought.
    """
    from scipy.optimize import linprog

    scale = np.trace(problem.target_kernel) / 2
    if gap.gap > 1e-5 * scale or np.trace(kernel) < 1e-6 * problem.readout_decay:
        return None
    values = gap.search.values
    lowest = abs(values - gap.search.value) <= 1e-6 * max(abs(gap.search.value), 1e-6 * scale)
    units = np.column_stack([atoms, gap.search.units[:, lowest]])
    r, z = problem.phi.value(units), problem.residual(kernel)
    norm = np.sqrt((r**2).sum(axis=0))
    units, r = units[:, norm > 0], (r / np.where(norm > 0, norm, 1))[:, norm > 0]
    norm = norm[norm > 0]
    rows = (r[:, None] * (z.T @ r)[None]).reshape(-1, r.shape[1])
    aim = (kernel @ z).ravel()
    if not problem.homogeneous:
        rows, aim = np.vstack([rows, norm**-2]), np.append(aim, 1.0)
    slack = 1e-7 * np.abs(aim).max()
    likeness = np.einsum("ij,ik,kj->j", r, kernel, r) / np.linalg.norm(kernel)
    best, spread = None, 1e-3
    for sign in (1, -1):
        found = linprog(
            sign * likeness,
            A_ub=np.vstack([rows, -rows]),
            b_ub=np.concatenate([aim, -aim]) + slack,
        )
        if found.status != 0:
            continue
        w = found.x / norm**2
        w = w / w.sum() if not problem.homogeneous else w
        other = (problem.phi.value(units) * w) @ problem.phi.value(units).T
        far = np.linalg.norm(other - kernel) / np.linalg.norm(kernel)
        if far > spread and _loss(problem, units, w) - loss <= gap.gap + 1e-6 * scale:
            best, spread = other, far
    return best
