"""What would be measured of a kernel that theory predicts? The measures of this toolkit on it.

A kernel fixes its representation up to a rotation, and no measure here sees rotations: so means
are any square root of it.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..formulas import cka, colourings, expected, parallelism, participation_ratio
from .meanfield import _kernel, _root, signs

__all__ = ["kernel_geometry"]

MOST_CONDITIONS = 8  # of which all balanced dichotomies are tried
FAINT = 1e-6  # noise of the noise-free readouts, in units of the largest distance from the mean


def kernel_geometry(kernel, targets, *, input_kernel=None, noise_sd=None) -> xr.Dataset:
    r"""The geometry of a kernel: abstraction, dimensionality, and likeness to targets and inputs.

    Stimuli with the same targets are averaged into one condition for all but CKA and the
    participation ratio. For the abstract kernel :math:`b (d 1 1^\top + K_Y)` parallelism is 1, CCGP
    is 1, and :math:`\Phi(\sqrt b / \sigma)` in noise.

    Parameters
    ----------
    kernel : array (stimulus, stimulus)
        Of a :class:`~neurogeom.theory.meanfield.MeanFieldSolution`, a closed form, or X X'.
    targets : array (stimulus, target) of -1 and 1, or mapping name -> (stimulus,)
    input_kernel : array (stimulus, stimulus), to which likeness is asked for
    noise_sd : float, sd of noise of every neuron alike in units of the activity; None leaves
        readouts in noise out

    Returns
    -------
    Dataset
        (target): ``parallelism`` (chance 0, at most 1), ``ccgp`` and ``decoding`` (chance 0.5),
        with ``noise_sd`` ``ccgp_in_noise`` and ``decoding_in_noise`` of a nearest-mean readout;
        ``cka_target``, ``cka_input`` (0 to 1), ``participation_ratio`` (1 to stimuli - 1),
        ``separable``, the share of balanced dichotomies that a readout implements (chance none).
        NaN where there is nothing to measure: a target with fewer than two pairs of conditions that
        differ in it alone, a silent network (whose readouts are at chance), more than 8 conditions
        or an odd number of them for ``separable``.

    Raises
    ------
    ValueError
        Shapes do not fit, the kernel is none, targets are not -1 and 1, a target has one level, or
        noise is not above 0.

    Examples
    --------
    >>> y = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> found = kernel_geometry(0.25 * (2 + y @ y.T), y, input_kernel=np.eye(4), noise_sd=0.5)
    >>> found.parallelism.values.round(9).tolist(), found.ccgp_in_noise.values.round(4).tolist()
    ([1.0, 1.0], [0.8413, 0.8413])
    >>> round(float(found.cka_input), 4), round(float(found.participation_ratio), 9)
    (0.8165, 2.0)
    """
    names = list(targets) if hasattr(targets, "keys") else None
    k, y = _kernel(kernel, "kernel"), signs(targets)
    _check(k, y, noise_sd)
    rows, condition = np.unique(y, axis=0, return_inverse=True)
    members = np.equal.outer(np.arange(len(rows)), condition) * 1.0
    means = (members / members.sum(axis=1, keepdims=True)) @ _means(k)
    faint = FAINT * max(np.linalg.norm(means - means.mean(axis=0), axis=1).max(), 1e-300)
    faint = faint if faint > 1e-290 else 1.0
    found = {"parallelism": [], "ccgp": [], "decoding": []}
    if noise_sd is not None:
        found |= {"ccgp_in_noise": [], "decoding_in_noise": []}
    for side, pairs in zip(rows.T, _pairs(rows), strict=True):
        several = len(pairs) > 1
        found["parallelism"].append(parallelism.naive(means, pairs) if several else np.nan)
        for noise, ending in ((faint, ""), (noise_sd, "_in_noise")):
            if noise is None:
                continue
            held_out = expected.ccgp(means, side, pairs, noise_sd=noise) if several else np.nan
            found[f"ccgp{ending}"].append(held_out)
            found[f"decoding{ending}"].append(expected.accuracy(means, side, noise_sd=noise))
    variables = {name: ("target", np.array(values, float)) for name, values in found.items()}
    variables["cka_target"] = cka.naive(_means(k), y)
    if input_kernel is not None:
        variables["cka_input"] = cka.naive(_means(k), _means(_kernel(input_kernel, "input_kernel")))
    variables["participation_ratio"] = participation_ratio.naive(_means(k))
    variables["separable"] = _separable(means)
    coords = {"target": names} if names else {}
    attrs = {"measure": "kernel_geometry", "n_stimuli": len(k), "n_conditions": len(rows)}
    if noise_sd is not None:
        attrs["noise_sd"] = float(noise_sd)
    return xr.Dataset(variables, coords, attrs)


def _check(k, y, noise_sd):
    if len(y) != len(k):
        raise ValueError(f"the kernel is of {len(k)} stimuli and the targets of {len(y)}")
    if not (np.abs(y) == 1).all():
        raise ValueError("targets are not all -1 or 1; name the two sides of each")
    for j in np.flatnonzero(np.abs(y.mean(axis=0)) == 1):
        raise ValueError(f"target {j} has one level, which nothing can be told from; leave it out")
    if noise_sd is not None and not 0 < noise_sd < np.inf:
        raise ValueError(f"noise_sd={noise_sd} is not above 0; leave it out for no noise")


def _means(kernel):
    """Activity (stimulus, axis) with this kernel; one axis of zeros for silence."""
    return _root(kernel) if kernel.any() else np.zeros((len(kernel), 1))


def _pairs(rows):
    """Conditions that differ in one target alone, + before -, (target,) arrays (pair, 2)."""
    differ = (rows[:, None] != rows[None]).sum(axis=2) == 1
    for k in range(rows.shape[1]):
        first, second = np.nonzero(differ & (rows[:, None, k] > rows[None, :, k]))
        yield np.column_stack([first, second])


def _separable(means):
    n = len(means)
    if n > MOST_CONDITIONS or n % 2 or n < 4:
        return np.nan
    return float(colourings.separable(means, colourings.balanced(n)).mean())
