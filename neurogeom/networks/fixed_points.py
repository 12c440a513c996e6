r"""Where does a recurrent network come to rest, and does it hold what it knows there?

At a clamped input a network is a map h -> F(h). Points where the speed |h - F(h)| has a local
minimum are found by descent from many states (Sussillo & Barak 2013, Neural Comput 25:626; with
Adam, as in Vafidis, Bhargava & Rangel, ICLR 2025, arXiv:2407.11249); eigenvalues :math:`\mu` of the
Jacobian of F there say what the network does to small deviations: it forgets them within
:math:`1 / |\ln|\mu||` steps. A continuous attractor is a sheet of such points with as many
:math:`|\mu|` near 1 as it has dimensions, and all others smaller.

A network that is an attractor only nearly has a valley of slow states in place of the sheet. A
short descent (100 iterations) ends all over its floor, a long one at its few true minima: compare
the extent of the points after both. In a network trained on 24 tasks in two dimensions with a label
at every step it fell from 0.7 to 0.15 of the spread of the visited states between 100 and 500
iterations (ours); of a sheet of rest most is left.

Slow points with the right eigenvalues are no proof: a network that was trained for a fixed number
of steps may explode or decay beyond them. :func:`free_run` therefore lets it run on, and asks
whether a decoder of the state at the beginning still reads the latents. A clamped input is itself
evidence (for a latent of 0): an ideal averager that has seen t0 steps of evidence decays as
t0 / (t0 + k), so that its curve and not 1 is the standard (derived here).
"""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr

from ..formulas.gram_ridge import grams, ridge
from ..learn import lazy_torch
from ..options import number, whole
from .latents import trials_first

__all__ = ["fixed_points", "free_run"]


def fixed_points(
    step: Callable,
    starts: Any,
    *,
    input: Any,
    n_iterations: int = 1000,
    learning_rate: float = 0.01,
    fixed: float = 1e-3,
    slow: float = 0.05,
    radius: float = 0.01,
    visited: Any = None,
) -> xr.Dataset:
    r"""At which points does the network rest, or all but rest, at this input?

    Parameters
    ----------
    step : callable
        ``step(h, u)``: states (n, unit) and inputs (n, channel) of torch to the next states; rows
        are apart from one another. Steps of a module are theirs, with a decay of 1 - dt/tau inside.
    starts : array or tensor (start, unit)
        States from which the descent starts: states that the network visits, with noise added. An
        array is computed with in torch's default precision, a tensor in its own.
    input : array or tensor (channel,)
        Held throughout.
    n_iterations, learning_rate : int, float
        Of Adam on the squared speed. The rate is about how far a unit goes in one iteration, in
        spreads of the visited states; it falls to 0 along a cosine.
    fixed, slow : float
        A point is "fixed" below the first and "slow" below the second relative speed; faster ones
        are dropped, and counted.
    radius : float
        Of points closer than this the slowest is kept.
    visited : array or tensor (state, unit), optional
        States of the same units whose spread, the root mean squared distance from their mean, is
        the unit of speeds, distances and the learning rate; the starts, where not given.

    Returns
    -------
    Dataset
        Slowest first: ``state`` (point, unit); ``speed`` (point), spreads a step; ``kind`` (point),
        "fixed", "slow", or "falling" where the descent has not ended: one radius further down the
        speed is less by over 1 % (more iterations help); ``n_starts`` (point) that ended there or
        within the radius;
        ``eigenvalue`` (point, mode), complex, largest modulus first; ``time_constant``
        (point, mode) in steps, :math:`1 / |\ln|\mu||`, infinite at a modulus of 1 (tau_net /
        tau is this times dt / tau); ``variance`` (component), shares of the principal components
        of the fixed and slow points (NaN for fewer than two); ``extent``: their own spread in
        spreads of the visited states.
        ``attrs`` count the starts and those that ended at faster points.

    Raises
    ------
    ValueError
        Shapes do not fit, the states do not vary, a number is out of its range, or none of the
        descents is finite.

    Examples
    --------
    >>> halve = lambda h, u: 0.5 * h + u
    >>> found = fixed_points(halve, np.random.default_rng(0).standard_normal((20, 3)), input=[1.0])
    >>> found.state.values.round(2).tolist(), found.kind.values.tolist()
    ([[2.0, 2.0, 2.0]], ['fixed'])
    >>> found.eigenvalue.values.round(3).real.tolist()
    [[0.5, 0.5, 0.5]]
    """
    whole(0, n_iterations=n_iterations)
    number(above=0, learning_rate=learning_rate, fixed=fixed, slow=slow)
    number(0, radius=radius)
    starts = _states(starts)
    visited = starts if visited is None else _states(visited)
    if visited.shape[1] != starts.shape[1]:
        raise ValueError(
            f"visited has {visited.shape[1]} units and the starts have {starts.shape[1]}; pass "
            "states of the same units"
        )
    u = _clamped(input, starts)
    spread = _spread(visited)
    ends = _descend(step, starts, u, n_iterations, learning_rate * spread)
    speed = _speed(step, ends, u) / spread
    finite = np.isfinite(speed)
    if not finite.any():
        raise ValueError(
            "no descent ended at a finite state; start from states that the network visits, or "
            "lower learning_rate"
        )
    points = ends.numpy(force=True).astype(float)
    kept, n_starts = _apart(points, np.where(finite, speed, np.inf), slow, radius * spread)
    falling = _falling(step, ends[kept], u[: len(kept)], radius * spread)
    kind = np.select([speed[kept] < fixed, falling], ["fixed", "falling"], "slow")
    resting = points[kept][kind != "falling"]
    eigenvalues = _eigenvalues(step, ends[kept], u[: len(kept)])
    return xr.Dataset(
        {
            "state": (("point", "unit"), points[kept]),
            "speed": ("point", speed[kept]),
            "kind": ("point", kind),
            "n_starts": ("point", n_starts),
            "eigenvalue": (("point", "mode"), eigenvalues),
            "time_constant": (("point", "mode"), _time_constant(np.abs(eigenvalues))),
            "variance": ("component", _shares(resting)),
            "extent": np.sqrt(resting.var(axis=0).sum()) / spread if len(resting) else np.nan,
        },
        attrs={
            "measure": "fixed_points",
            "n_starts": len(speed),
            "n_faster": int((~(speed < slow)).sum()),
            "thresholds": [fixed, slow],
            "radius": radius,
            "spread": spread,
            "units": "speed and radius: spreads of the visited states; time_constant: steps",
        },
    )


def free_run(
    step: Callable,
    states: Any,
    latents: Any,
    *,
    input: Any,
    n_steps: int,
    n_evidence: float,
    penalty: float = 1e-4,
) -> xr.Dataset:
    """Does the network hold its latents when it runs on at a clamped input?

    A ridge decoder learns the latents from the states of every other trial, and reads them after
    0, 1, ... n_steps further steps of the other trials; it is never refitted.

    Parameters
    ----------
    step : as in :func:`fixed_points`
    states : array or tensor (trial, unit)
        At the end of the evidence.
    latents : array (trial, latent)
    input : array or tensor (channel,)
    n_steps : int
    n_evidence : float
        Steps of evidence that the states have seen, t0 of the ideal averager.
    penalty : float
        Of the decoder, in units of trials times the mean variance of a unit.

    Returns
    -------
    Dataset
        ``r2`` (step), the mean over latents: 1 at best, 0 for the mean latent, below it where the
        state has left the place in which the decoder reads; NaN from ``attrs["diverged_at"]`` on,
        the first step with a state that is not finite (-1 where there is none). ``ideal`` (step),
        1 - (k / (t0 + k))^2: an averager without noise whose clamped input says 0. ``speed``
        (step), the median over trials in spreads of the first states a step.

    Raises
    ------
    ValueError
        Shapes do not fit, there are fewer than four trials, states or latents do not vary or are
        not finite, or a number is out of its range.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 2))
    >>> found = free_run(lambda h, u: h, x, x, input=[0.0], n_steps=20, n_evidence=20)
    >>> found.r2.values[[0, 20]].round(3).tolist(), found.ideal.values[[0, 20]].tolist()
    ([1.0, 1.0], [1.0, 0.75])
    """
    torch = lazy_torch()
    whole(0, n_steps=n_steps)
    number(above=0, n_evidence=n_evidence)
    number(0, penalty=penalty)
    h, x = _states(states), np.asarray(trials_first(latents), dtype=float)
    if x.ndim != 2 or len(x) != len(h) or len(x) < 4:
        raise ValueError(
            f"states of shape {tuple(h.shape)} and latents of shape {x.shape}; pass (trial, unit) "
            "and (trial, latent), four trials at least"
        )
    if not np.isfinite(x).all():
        raise ValueError(
            f"trial {np.argwhere(~np.isfinite(x))[0, 0]} has a latent that is not finite; keep "
            "trials whose latents are known"
        )
    if not (x[1::2].std(axis=0) > 0).all():
        raise ValueError(
            "a latent has one value in every other trial, those that are read; drop it, or shuffle "
            "the trials"
        )
    spread, u = _spread(h), _clamped(input, h)
    read = _decoder(h[::2].numpy(force=True).astype(float), x[::2], penalty)
    r2, speed = np.full((2, n_steps + 1), np.nan)
    diverged = -1
    with torch.no_grad(), np.errstate(over="ignore"):
        for k in range(n_steps + 1):
            if not torch.isfinite(h).all():
                diverged = k
                break
            error = read(h[1::2].numpy(force=True).astype(float)) - x[1::2]
            r2[k] = 1 - np.mean(np.mean(error**2, axis=0) / x[1::2].var(axis=0))
            after = _advance(step, h, u)
            moved = (after - h)[1::2].numpy(force=True).astype(float)
            speed[k] = np.median(np.linalg.norm(moved, axis=1)) / spread
            h = after
    k = np.arange(n_steps + 1)
    return xr.Dataset(
        {
            "r2": ("step", r2),
            "ideal": ("step", 1 - (k / (n_evidence + k)) ** 2),
            "speed": ("step", speed),
        },
        {"step": k},
        attrs={
            "measure": "free_run",
            "diverged_at": diverged,
            "n_evidence": n_evidence,
            "penalty": penalty,
            "chance": 0.0,
            "range": "(-inf, 1]",
        },
    )


@contextmanager
def _gradients():
    """They are needed here also where the caller works without."""
    with lazy_torch().inference_mode(False):  # ends no_grad, too
        yield


def _states(given):
    torch = lazy_torch()
    if isinstance(given, torch.Tensor):
        states = given.detach()
    else:
        states = torch.as_tensor(np.asarray(trials_first(given)), dtype=torch.get_default_dtype())
    if states.ndim != 2 or len(states) == 0:
        raise ValueError(f"states have shape {tuple(states.shape)}; pass (state, unit)")
    return states


def _clamped(input, states):
    """The input beside every state, (state, channel)."""
    u = lazy_torch().as_tensor(input, dtype=states.dtype, device=states.device).detach()
    if u.ndim != 1:
        raise ValueError(f"the input has shape {tuple(u.shape)}; pass (channel,)")
    return u.expand(len(states), -1)


def _advance(step, h, u):
    after = step(h, u)
    if after.shape != h.shape:
        raise ValueError(
            f"step makes states of shape {tuple(after.shape)} out of {tuple(h.shape)}; return "
            "(state, unit)"
        )
    if h.requires_grad and not after.requires_grad:
        raise ValueError("step cuts the gradient from one state to the next; keep it in torch")
    return after


def _spread(states):
    values = states.numpy(force=True).astype(float)
    spread = float(np.sqrt(np.sum(values.var(axis=0))))
    if not (np.isfinite(spread) and spread > 0):
        raise ValueError("the states are all alike or not finite; pass states that vary")
    return spread


@_gradients()
def _descend(step, starts, u, n_iterations, learning_rate):
    torch = lazy_torch()
    h, u = starts.clone().requires_grad_(), u.clone()
    # A memory of ten steps: gradients shrink by orders of magnitude on the way, and with the
    # thousand of the default the step shrinks with them and stops short.
    adam = torch.optim.Adam([h], lr=learning_rate, betas=(0.9, 0.9))
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(n_iterations, 1))
    for _ in range(n_iterations):
        loss = (_advance(step, h, u) - h).square().sum()
        (h.grad,) = torch.autograd.grad(loss, h)
        adam.step()
        falling.step()
    return h.detach()


def _speed(step, h, u):
    with lazy_torch().no_grad():
        moved = _advance(step, h, u) - h
    return np.linalg.norm(moved.numpy(force=True).astype(float), axis=1)


def _apart(points, speed, slow, radius):
    """The slowest of points that lie together, slowest first, and how many ended there."""
    kept, n_starts = [], []
    for i in np.argsort(speed, kind="stable"):
        if not speed[i] < slow:
            break
        distance = np.linalg.norm(points[kept] - points[i], axis=1)
        if kept and distance.min() <= radius:
            n_starts[int(distance.argmin())] += 1
        else:
            kept.append(int(i))
            n_starts.append(1)
    return kept, np.array(n_starts, dtype=int)


@_gradients()
def _falling(step, h, u, distance):
    """Whether the speed is less by over 1 % that far down its gradient, (point,)."""
    torch = lazy_torch()
    h, u = h.clone().requires_grad_(), u.clone()
    (slope,) = torch.autograd.grad((_advance(step, h, u) - h).square().sum(), h)
    length = slope.norm(dim=1, keepdim=True).clamp_min(torch.finfo(h.dtype).tiny)
    further = h.detach() - distance * slope / length
    return _speed(step, further, u) < 0.99 * _speed(step, h.detach(), u)


@_gradients()
def _eigenvalues(step, h, u):
    """Of dF/dh at every point, (point, unit), largest modulus first."""
    torch = lazy_torch()
    h, u = h.clone().requires_grad_(), u.clone()
    after = _advance(step, h, u)
    rows = [
        torch.autograd.grad(column.sum(), h, retain_graph=True)[0] for column in after.unbind(dim=1)
    ]
    jacobian = torch.stack(rows, dim=1).numpy(force=True).astype(float)
    found = np.linalg.eigvals(jacobian).astype(complex)
    return np.take_along_axis(found, np.argsort(-np.abs(found), axis=1, kind="stable"), axis=1)


def _time_constant(modulus):
    """1 / |ln modulus|: 0 where the modulus is 0, infinite where it is 1."""
    with np.errstate(divide="ignore"):
        return 1.0 / np.abs(np.log(modulus))


def _shares(points):
    if len(points) < 2:
        return np.full(1, np.nan)
    variance = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    return variance / variance.sum()


def _decoder(units, x, penalty):
    mean = units.mean(axis=0)
    total, _ = grams(units - mean, x, np.zeros(len(x), int))
    fit = ridge(total, units.shape[1], np.array([penalty]))[0]
    weights, constant = fit[: units.shape[1]], fit[-1]
    return lambda states: (states - mean) @ weights + constant
