"""Accelerated proximal gradient for many samples at once: matrix products by BLAS, rest fused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import learn, options
from ..engine import parallel
from ..kernels import sparse

BATCH = 512  # samples a task: rows enough for BLAS, few enough for the cache
TORCH_BATCH = 8192
MANY = 128, 4096  # atoms between which steps over working sets of them are faster than over all
EVERY = 10  # steps between looks at the duality gap


class Solution(NamedTuple):
    """Codes and how near they are to the best ones.

    codes : (sample, atom)
    objective : (sample,), half the squared residual and the penalty on the codes' absolute sum
    gap : (sample,), duality gap: the objective is above the least one by this at most
    n_iterations : int (sample,), steps taken
    """

    codes: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    n_iterations: np.ndarray


def gram_form(n_neurons, n_atoms):
    """Whether a step through the Gram matrix of the atoms costs no more than through neurons."""
    return 2 * n_atoms**2 <= 4 * n_neurons * n_atoms + n_neurons


def many(n_atoms):
    """Whether working sets pay off, and the Gram matrix of all atoms is no burden."""
    return MANY[0] <= n_atoms <= MANY[1]


def steepness(atoms):
    """Largest eigenvalue of the Gram matrix of the atoms: no step may exceed its inverse."""
    small = atoms @ atoms.T if len(atoms) <= atoms.shape[1] else atoms.T @ atoms
    return float(np.linalg.eigvalsh(small)[-1])


def fista(x, atoms, *settings, start=None, n_jobs=1, **how):
    """Codes of samples (sample, neuron) over unit atoms (atom, neuron), whole batches a worker.

    Its batches are the same whatever the number of workers, so its bits are. The other arguments
    are those of :func:`solver`.
    """
    options.workers(n_jobs=n_jobs)
    solve = solver(atoms, *settings, **how)

    def task(rows):
        batch = slice(rows[0], rows[-1] + 1)
        return solve(x[batch], None if start is None else start[batch], code[batch])[1:]

    if len(x) <= BATCH:
        return solve(x, start)
    code = np.zeros((len(x), len(atoms)))
    return Solution(code, *parallel.over(task, len(x), n_jobs=n_jobs, chunk=BATCH))


def solver(atoms, penalty, n_iterations, tolerance, *, signed, sets=False):
    """A function of one batch and its first codes, or None, that returns a :class:`Solution`.

    Its third argument may be zeros that become the codes: memory that is new costs time.
    ``sets``: on working sets of atoms, as long as these hold no more than half of all.
    """
    steep = steepness(atoms)
    by_gram = gram_form(atoms.shape[1], len(atoms))
    gram = atoms @ atoms.T if sets or by_gram else None
    over_all = (gram if by_gram else None, penalty, 1.0 / steep, n_iterations, tolerance, signed)

    def on_sets(x, start, out=None):
        code = np.zeros((len(x), len(atoms))) if out is None else out
        if start is not None:
            code[:] = start
        gap, objective, steps = sparse.working_sets(
            x @ atoms.T, _power(x), gram, steep, penalty, signed, code, tolerance, n_iterations,
            len(atoms) // 2,
        )  # fmt: skip
        found = Solution(code, objective, gap, steps)
        wide = np.flatnonzero((gap > tolerance * objective) & (steps < n_iterations))
        if wide.size:
            finished = _batch(x[wide], atoms, code[wide], None, *over_all, taken=steps[wide])
            for kept, now in zip(found, finished, strict=True):
                kept[wide] = now
        return found

    return on_sets if sets else lambda x, start, out=None: _batch(x, atoms, start, out, *over_all)


def _power(x):
    return 0.5 * np.einsum("ij,ij->i", x, x)


def _batch(
    x, atoms, start, out, gram, penalty, step, n_iterations, tolerance, signed, *, taken=None
):  # fmt: skip
    """Solve one batch; a sample that is solved leaves it, so that products are of the others.

    taken : int (sample,), steps that were made before, none by default
    """
    drive, power = x @ atoms.T, _power(x)
    code = np.zeros_like(drive) if start is None else np.array(start, float)
    product = np.zeros_like(drive) if start is None else _product(code, atoms, gram)
    before, product_before = code.copy(), product.copy()
    momentum, lowest = np.ones(len(x)), np.full(len(x), np.inf)
    result = Solution(
        np.empty_like(code) if out is None else out, *np.zeros((2, len(x))), np.zeros(len(x), int)
    )
    row = np.arange(len(x))  # which sample each row is
    taken = np.zeros(len(x), int) if taken is None else taken
    for i in range(n_iterations + 1):
        last = taken[row] + i == n_iterations
        if last.any():  # a last step that raised the objective is taken back
            value = sparse.duality_gap(code, product, drive, power, penalty, signed)[1]
            rose = last & (value > lowest)
            code[rose], product[rose] = before[rose], product_before[rose]
        if last.any() or i % EVERY == 0:
            gap, value = sparse.duality_gap(code, product, drive, power, penalty, signed)
            # no sample ends between two looks because another one makes its last step there
            done = last | ((i % EVERY == 0) & (gap <= tolerance * value))
            for kept, now in zip(result, (code, value, gap, taken[row] + i), strict=True):
                kept[row[done]] = now[done]
            if done.any():
                state = code, before, product, product_before, drive, power, momentum, lowest, row
                code, before, product, product_before, drive, power, momentum, lowest, row = (
                    a[~done] for a in state
                )
            if not len(row):
                return result
        sparse.fista_step(
            code, before, product, product_before, drive, power, penalty, step, signed, momentum,
            lowest,
        )  # fmt: skip
        code, before = before, code
        product, product_before = _product(code, atoms, gram, product_before), product
    return result


def _product(code, atoms, gram, out=None):
    """Codes times the Gram matrix of the atoms, directly or through the neurons."""
    return np.matmul(code, gram, out) if gram is not None else np.matmul(code @ atoms, atoms.T, out)


def fista_torch(x, atoms, penalty, n_iterations, tolerance, *, signed, start=None, device=None):
    """:func:`fista` in float64 tensors on a device, all samples of a batch to the end."""
    torch = learn.lazy_torch()
    device, form = learn.device_of(device), {"dtype": torch.float64}
    step = 1.0 / steepness(atoms)
    atoms = torch.as_tensor(atoms, device=device, **form)
    gram = atoms @ atoms.T if gram_form(atoms.shape[1], len(atoms)) else None
    found = []
    with torch.no_grad():
        for i in range(0, len(x), TORCH_BATCH):
            part = torch.as_tensor(x[i : i + TORCH_BATCH], device=device, **form)
            first = None
            if start is not None:
                first = torch.as_tensor(start[i : i + TORCH_BATCH], device=device, **form)
            solved = _torch_batch(
                torch, part, atoms, gram, first, penalty, step, n_iterations, tolerance, signed
            )
            found.append([a.cpu().numpy() for a in solved])
    return Solution(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _torch_batch(
    torch, x, atoms, gram, code, penalty, step, n_iterations, tolerance, signed
):  # fmt: skip
    """:func:`_batch` in tensors: a sample that is solved stays as it is while others go on."""

    def times_gram(s):
        return s @ gram if gram is not None else (s @ atoms) @ atoms.T

    def gap_of(code, product):
        linear, left = (code * drive).sum(1), drive - product
        most = (left.abs() if signed else left).amax(1)
        squares = (2 * power - 2 * linear + (code * product).sum(1)).clamp(min=0)
        along, value = 2 * power - linear, 0.5 * squares + penalty * code.abs().sum(1)
        scale = torch.where(squares > 0, along / squares, 1.0)
        scale = torch.where(most * scale > penalty, penalty / most, scale).clamp(min=0)
        return value - scale * along + 0.5 * scale**2 * squares, value

    def shrunk(z):
        return (z - step * penalty).clamp(min=0) + (
            (z + step * penalty).clamp(max=0) if signed else 0.0
        )

    drive, power = x @ atoms.T, 0.5 * (x * x).sum(1)
    product = torch.zeros_like(drive) if code is None else times_gram(code)
    code = torch.zeros_like(drive) if code is None else code
    before, product_before = code, product
    t = torch.ones_like(power)
    lowest = torch.full_like(power, torch.inf)
    steps = torch.full_like(power, n_iterations).long()
    done = torch.zeros_like(power).bool()
    for i in range(n_iterations + 1):
        quadratic = 0.5 * (code * product).sum(1) - (code * drive).sum(1)
        value = power + quadratic + penalty * code.abs().sum(1)
        rose = (value > lowest + sparse.ROUNDING * power)[:, None]
        code, product = torch.where(rose, before, code), torch.where(rose, product_before, product)
        lowest = torch.minimum(lowest, value)
        if i % EVERY == 0 or i == n_iterations:
            gap, value = gap_of(code, product)
            solved = ~done & (gap <= tolerance * value)
            steps[solved] = i
            done |= solved
            if done.all() or i == n_iterations:
                return code, value, gap, steps
        t = torch.where(rose[:, 0], 1.0, t)
        later = 0.5 * (1 + torch.sqrt(1 + 4 * t * t))
        beta = ((t - 1) / later)[:, None]
        y = code + beta * (code - before)
        new = shrunk(y - step * (product + beta * (product - product_before) - drive))
        new = torch.where(done[:, None], code, new)
        t = torch.where(((y - new) * (new - code)).sum(1) > 0, 1.0, later)
        before, product_before = code, product
        code, product = new, times_gram(new)
