"""Sparse codes of samples and the atoms they are made of, from matrix products that BLAS has done.

A row is a sample. ``product`` is what its code predicts of every atom's drive: the code times the
Gram matrix of the atoms. Since it is linear in the code, the product at an extrapolated point
needs no matrix product of its own, and the objective at the code itself comes for nothing.
"""

import numpy as np

from .jit import njit

ROUNDING = 1e-15  # of a sample's power: a rise of the objective below this is none


@njit
def fista_step(
    code, before, product, product_before, drive, power, penalty, step, signed, momentum, objective
):
    """One accelerated proximal step of every sample, which writes the new code over ``before``.

    A step that raised the objective is taken back, and momentum starts anew from there.

    code, before : float64 (sample, atom), codes now and one step ago
    product, product_before : float64 (sample, atom), each times the Gram matrix of the atoms
    drive : float64 (sample, atom), samples times atoms; power : float64 (sample,), half the squares
    penalty, step : floats; signed : bool, codes may be negative
    momentum, objective : float64 (sample,), changed in place: 1 and infinity at first
    """
    n_samples, n_atoms = code.shape
    for i in range(n_samples):
        quadratic, linear, length = 0.0, 0.0, 0.0
        for j in range(n_atoms):
            s = code[i, j]
            quadratic += s * product[i, j]
            linear += s * drive[i, j]
            length += abs(s)
        value = power[i] - linear + 0.5 * quadratic + penalty * length
        t = momentum[i]
        if value > objective[i] + ROUNDING * power[i]:
            t = 1.0
            for j in range(n_atoms):
                code[i, j] = before[i, j]
                product[i, j] = product_before[i, j]
        else:
            objective[i] = value
        momentum[i] = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        beta = (t - 1.0) / momentum[i]
        uphill = 0.0  # the step from the extrapolated point against the way that led there
        for j in range(n_atoms):
            y = code[i, j] + beta * (code[i, j] - before[i, j])
            slope = product[i, j] + beta * (product[i, j] - product_before[i, j]) - drive[i, j]
            z = y - step * slope
            above = z - step * penalty
            new = above if above > 0.0 else 0.0
            if signed:
                below = z + step * penalty
                new += below if below < 0.0 else 0.0
            uphill += (y - new) * (new - code[i, j])
            before[i, j] = new
        if uphill > 0.0:
            momentum[i] = 1.0


@njit
def duality_gap(code, product, drive, power, penalty, signed):
    """How far each sample's objective is above the least one at most, and the objective.

    The residual, scaled until no atom's drive by it exceeds the penalty, is feasible in the dual.

    code, product, drive, power, penalty, signed : as in :func:`fista_step`
    returns : float64 (sample,) twice
    """
    n_samples, n_atoms = code.shape
    gap, objective = np.empty(n_samples), np.empty(n_samples)
    for i in range(n_samples):
        quadratic, linear, length, most = 0.0, 0.0, 0.0, 0.0
        for j in range(n_atoms):
            s = code[i, j]
            quadratic += s * product[i, j]
            linear += s * drive[i, j]
            length += abs(s)
        for j in range(n_atoms):
            left = drive[i, j] - product[i, j]
            left = abs(left) if signed else left
            most = left if left > most else most
        squares = max(2.0 * power[i] - 2.0 * linear + quadratic, 0.0)
        along = 2.0 * power[i] - linear
        objective[i] = 0.5 * squares + penalty * length
        scale = along / squares if squares > 0.0 else 1.0
        if most * scale > penalty:
            scale = penalty / most
        scale = max(scale, 0.0)
        gap[i] = objective[i] - scale * along + 0.5 * scale * scale * squares
    return gap, objective
