r"""Scale and imbalance of the first weights decide how a network learns: the experiment itself.

A relu student of `n_hidden` units learns a relu teacher of few by gradient descent on the mean
squared error, from units with the same overall scale :math:`\tau` and imbalance :math:`\delta`
(:func:`neurogeom.networks.two_layer`), in pairs so that it starts at 0. Inputs are uniform on the
unit sphere, teacher weights unit vectors, its readouts +-1 (Kunin et al. 2024, arXiv:2406.06158,
figures 1 and 10 and section D.1; the regimes of scale after Chizat et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..formulas.imbalance import scale_of_delta
from ..options import number

__all__ = ["teacher_student"]

KEY = 47  # of random streams
NAMES = ("loss", "test_loss", "kernel_distance", "pattern_distance", "parameter_distance",
         "conservation_drift")  # fmt: skip


def teacher_student(
    taus: Sequence[float],
    deltas: Sequence[float],
    *,
    seeds: int | Sequence[int] = 5,
    steps: Sequence[int] = (100, 20000),
    rate: float = 5e-3,
    n_inputs: int = 20,
    n_train: int = 200,
    n_test: int = 10000,
    n_hidden: int = 50,
    n_teacher: int = 3,
    n_jobs: int = 1,
) -> xr.Dataset:
    r"""The sweep over scale, imbalance and seeds.

    Parameters
    ----------
    taus, deltas : sequences of float
        Overall scales, above 0, and :math:`\delta = a^2 - |w|^2`: above 0 upstream.
    seeds : int or sequence of int
        A seed fixes teacher, trials and directions, the same for every tau and delta.
    steps : sequence of int
        Steps at which all is measured; step 0 is added.
    rate : float
        The learning rate is rate / tau^2 (gradient of the mean squared error, with its 2), so that
        every scale learns in about as many steps. Far above the default small scales are unstable.
    n_inputs, n_train, n_test, n_hidden, n_teacher : int
        n_hidden, even, counts both of each pair. The paper has 100 inputs, 1000 training trials and
        10^5 steps; the defaults are smaller.
    n_jobs : int
        Threads; the numbers are the same for any.

    Of 60 seeds at the defaults, tau = 0.1 and step 100, the kernel of the upstream student (delta =
    1) has turned further than that of the balanced one in 43 (ours): compare medians of many.

    Returns
    -------
    Dataset
        Over (tau, delta, seed, step): ``loss``, ``test_loss``; ``kernel_distance``,
        ``pattern_distance``, ``parameter_distance`` from the start; ``conservation_drift``, the
        largest change of delta of a unit (of the order of the learning rate).
        ``null_loss`` (seed): the test loss of a student that says 0.

    Raises
    ------
    ValueError
        A size, scale, rate or step that cannot be.

    Examples
    --------
    >>> found = teacher_student([0.1], [-1, 1], seeds=1, steps=[50], n_test=500)
    >>> lag = found.sel(step=50).kernel_distance.values.ravel()
    >>> bool(lag[0] < 0.1 < lag[1])
    True
    """
    from ..engine.parallel import over
    from ..kernels.two_layer_relu import sweep

    seeds = list(range(seeds)) if np.ndim(seeds) == 0 else [int(s) for s in seeds]
    at = sorted({0, *map(int, steps)})
    sizes = (n_inputs, n_train, n_test, n_hidden, n_teacher)
    if min(sizes) < 1 or n_hidden % 2 or not seeds or min(seeds) < 0 or at[0] < 0 or not rate > 0:
        raise ValueError(
            f"sizes {sizes}, seeds {seeds}, steps {at}, rate {rate}: give sizes of 1 or more with "
            "an even n_hidden, seeds and steps from 0, and a rate above 0"
        )
    for t in taus:
        number(above=0, tau=t)
    for d in deltas:
        number(delta=d)
    drawn = [_drawn(s, n_inputs, n_train, n_test, n_hidden, n_teacher) for s in seeds]
    arrays = [np.stack(own) for own in zip(*drawn, strict=True)]
    grid = [(t, d, s) for t in taus for d in deltas for s in range(len(seeds))]
    tau, delta, seed = (np.array(own) for own in zip(*grid, strict=True))
    alpha = scale_of_delta(tau, delta)
    runs = seed.astype(np.int64), tau / alpha, tau * alpha, rate / tau**2

    def some(which):
        return (sweep(*arrays, *(own[which] for own in runs), np.array(at)),)

    (found,) = over(some, len(seed), n_jobs=n_jobs, chunk=1)
    shape = len(taus), len(deltas), len(seeds), len(at), len(NAMES)
    found = found.reshape(shape)
    dims = ("tau", "delta", "seed", "step")
    return xr.Dataset(
        {name: (dims, found[..., i]) for i, name in enumerate(NAMES)}
        | {"null_loss": ("seed", (arrays[3] ** 2).mean(axis=1))},
        {"tau": list(taus), "delta": list(deltas), "seed": seeds, "step": at},
        {"rate": rate, "n_train": n_train, "n_hidden": n_hidden, "n_teacher": n_teacher},
    )


def _drawn(seed, n_inputs, n_train, n_test, n_hidden, n_teacher):
    """Trials and answers in training and test, and the student's directions and signs."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    weights, readout = _sphere(rng, n_teacher, n_inputs), rng.choice([-1.0, 1.0], n_teacher)
    half = n_hidden // 2
    into, sign = _sphere(rng, half, n_inputs), rng.choice([-1.0, 1.0], half)
    x, x_test = _sphere(rng, n_train, n_inputs), _sphere(rng, n_test, n_inputs)
    y, y_test = (np.maximum(own @ weights.T, 0) @ readout for own in (x, x_test))
    return x, y, x_test, y_test, np.vstack([into, into]).T.copy(), np.hstack([sign, -sign])


def _sphere(rng, n, size):
    drawn = rng.standard_normal((n, size))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
