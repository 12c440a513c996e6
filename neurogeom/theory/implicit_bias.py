r"""Of all functions that fit the data, which one does gradient flow from a given start choose?

For a linear neuron :math:`\beta = a w` (:mod:`neurogeom.theory.richness`) with fewer samples than
inputs, theorem 3.1 of Kunin et al., "Get rich quick" (NeurIPS 2024, arXiv:2406.06158): if
:math:`\beta` never crosses 0 and the flow interpolates, it ends at

.. math:: \beta_\infty = \operatorname{argmin}_\beta\; \Psi_\delta(\beta)
          - \psi_\delta \hat\beta_0^\top \beta \quad \text{subject to} \quad X\beta = y,

    \Psi_\delta = \tfrac13 \big(\kappa - 2\delta\big)\sqrt{\kappa + \delta}, \quad
    \psi_\delta = \sqrt{\kappa_0 - \delta}, \quad \kappa = \sqrt{\delta^2 + 4|\beta|^2}.

Derived here: the condition of stationarity says that the weights keep their part outside the span
of the inputs, :math:`w_\perp`, as they do whatever happens, if the readout keeps its sign. With
:math:`\beta_r` the shortest interpolating function, conservation of delta then leaves one unknown,

.. math:: \beta_\infty = \beta_r + a\, w_\perp, \qquad
          a^2 = \tfrac12\Big(g + \sqrt{g^2 + 4|\beta_r|^2}\Big), \quad g = \delta + |w_\perp|^2,

for any number of dimensions (the code of the paper has one). Where the readout does turn its sign
the limit is that with :math:`-a`. It turns where :math:`\beta` crosses 0, which it can do at most
once, as the loss only falls, and no more once the loss is below that of 0, :math:`\frac12 |y|^2`:
this decides most cases at once, and the others are integrated until it holds.
"""

import warnings
from typing import NamedTuple

import numpy as np

from ..formulas.imbalance import halves
from .richness import SingleNeuron, velocity

__all__ = ["ImplicitBias", "deep_implicit_bias", "implicit_bias"]

TURNED = "the readout turned its sign, so that beta crossed 0"
SADDLE = "the flow comes so near to the saddle beta = 0 that rounding decides where it goes"
MISFIT = "no function interpolates, and the flow ends at a least-squares fit"
NEAR = 1e-6  # to the saddle, in sizes of the layers at the start; steps are right to 1e-11
N_STEPS = 20_000


class ImplicitBias(NamedTuple):
    """Where gradient flow ends, and whether the theorem says so.

    beta : (input,), the limit; NaN where the flow starts at or meets the saddle beta = 0
    minimiser : (input,), that of the theorem, equal to beta where its hypotheses hold
    holds : whether they do
    why : which of them does not, in words; "" where all do
    """

    beta: np.ndarray
    minimiser: np.ndarray
    holds: bool
    why: str


def implicit_bias(inputs, outputs, beta0, delta, *, eta_a=1.0, eta_w=1.0) -> ImplicitBias:
    """The function that a linear neuron ends at, and whether theorem 3.1 may be used.

    Parameters
    ----------
    inputs : array (sample, input)
    outputs : array (sample,)
    beta0 : array (input,)
        At the start. May be 0 for delta > 0.
    delta : float
        The conserved imbalance, eta_w a^2 - eta_a |w|^2.
    eta_a, eta_w : float
        Learning rates of the readout and of the weights.

    Returns
    -------
    ImplicitBias
        A violated hypothesis is a warning too.

    Raises
    ------
    ValueError
        Shapes do not fit, values are not finite, beta0 is 0 where delta is not above 0.

    Examples
    --------
    Few inputs, downstream: the direction of the start is kept as far as the data allow.

    >>> x, y, start = [[0.5, 1.0]], [1.1], [0.4, 0.05]
    >>> for delta in (-4.0, 0.0, 4.0):
    ...     print(implicit_bias(x, y, start, delta).beta.round(3).tolist())
    [1.551, 0.324]
    [0.943, 0.628]
    [0.748, 0.726]
    """
    x, y, beta0 = _problem(inputs, outputs, beta0)
    if delta <= 0 and not beta0.any():
        raise ValueError(
            f"beta0 is 0 and delta is {delta}: the flow rests there or the direction of its "
            "weights is open; start elsewhere"
        )
    neuron = SingleNeuron.from_delta(delta, beta0, beta0, eta_a=eta_a, eta_w=eta_w)
    fit, outside = _split(x, y, neuron.w0)
    ra, rw = np.sqrt(eta_a), np.sqrt(eta_w)
    square, _ = halves(delta + (ra * _norm(outside)) ** 2, ra * rw * _norm(fit))
    along = np.sqrt(square) / rw * outside
    sign, why = 1.0, ""
    held = _norm(outside) > NEAR * _norm(neuron.w0)
    if fit.any() and (delta < 0 or (delta == 0 and not held)):  # else the readout cannot vanish
        second = x.T @ x
        pull = second @ fit / _norm(second @ fit)
        start = np.append(neuron.a0, neuron.w0)

        def flow(t, state):
            return velocity(t, state, second, fit, eta_a, eta_w)

        def far(state):  # of the saddle a = 0, w'X'y = 0
            return np.hypot(rw * state[0], ra * (state[1:] @ pull))

        least = NEAR * np.hypot(rw * neuron.a0, ra * _norm(neuron.w0))
        end = _below_the_loss_of_0(flow, lambda z: z[0] * z[1:], far, least, start, second, fit)
        sign = 1.0 if end is None else np.sign(end[0])
        why = SADDLE if end is None else TURNED if sign < 0 else ""
    beta = np.full_like(fit, np.nan) if why == SADDLE else fit + sign * along
    return _result(beta, fit + along, why, x @ fit - y, y)


def deep_implicit_bias(inputs, outputs, beta0, n_hidden) -> ImplicitBias:
    r"""The function that a deep linear network with one output ends at, its layers balanced.

    Theorem B.10, delta -> 0 in all of L + 1 layers of rank 1, L of them hidden ones:

    .. math:: \operatorname{argmin}_\beta\; \frac{L+1}{L+2} |\beta|^{\frac{L+2}{L+1}}
              - \frac{\beta_0^\top\beta}{|\beta_0|^{L/(L+1)}} \quad \text{s.t.} \quad X\beta = y

    As in :func:`implicit_bias` the first layer keeps its part outside the span of the inputs, and
    one unknown is left, the squared size v of a layer (derived here):
    :math:`v^{L+1} - |w_\perp|^2 v^L = |\beta_r|^2`.

    Parameters
    ----------
    inputs, outputs : as in :func:`implicit_bias`
    beta0 : array (input,)
        At the start, not 0, where all gradients vanish.
    n_hidden : int
        L, 1 for a neuron with one readout.

    Returns
    -------
    ImplicitBias

    Raises
    ------
    ValueError
        As in :func:`implicit_bias`, or n_hidden is below 1.

    Examples
    --------
    >>> x, y, start = [[0.5, 1.0]], [1.1], [0.4, 0.05]
    >>> deep_implicit_bias(x, y, start, 1).beta.round(3).tolist()
    [0.943, 0.628]
    >>> deep_implicit_bias(x, y, start, 3).beta.round(3).tolist()
    [1.146, 0.527]
    """
    x, y, beta0 = _problem(inputs, outputs, beta0)
    if n_hidden != int(n_hidden) or n_hidden < 1:
        raise ValueError(f"n_hidden is {n_hidden}; a network has hidden layers, 1 or more")
    if not beta0.any():
        raise ValueError(
            "beta0 is 0, where all gradients of a deep network vanish; start elsewhere"
        )
    power = n_hidden / (n_hidden + 1)
    w0 = beta0 / _norm(beta0) ** power
    fit, outside = _split(x, y, w0)
    v = _size_of_a_layer(_norm(outside), _norm(fit), n_hidden)
    minimiser = fit + v ** (n_hidden / 2) * outside
    end = beta0
    if fit.any() and _norm(outside) <= NEAR * _norm(w0):  # else no layer can vanish
        second = x.T @ x

        def flow(_, beta):
            length = _norm(beta)
            pull = second @ (beta - fit)
            unit = beta / length if length > 0 else beta
            return -(length ** (2 * power)) * (pull + n_hidden * unit * (unit @ pull))

        def far(beta):  # as a layer is
            return _norm(beta) ** (1 - power)

        least = NEAR * far(beta0)
        end = _below_the_loss_of_0(flow, lambda z: z, far, least, beta0, second, fit)
    beta = minimiser if end is not None else np.full_like(fit, np.nan)
    return _result(beta, minimiser, SADDLE if end is None else "", x @ fit - y, y)


def _below_the_loss_of_0(flow, function, far, least, start, second, fit):
    """The state when the loss is below that of beta = 0; None where the flow meets the saddle.

    flow : of the state; function : its beta; far : its distance from the saddle, not below least
    """
    from scipy.integrate import LSODA

    solver = LSODA(flow, 0.0, start, np.inf, rtol=1e-11, atol=1e-14 * np.abs(start).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps that fail: the state is not told then
        for _ in range(N_STEPS):
            beta = function(solver.y)
            if beta @ second @ (beta - 2 * fit) < -1e-9 * (fit @ second @ fit):
                return solver.y
            if solver.status != "running" or far(solver.y) < least:
                return None
            solver.step()
    return None


def _size_of_a_layer(k, c, n):
    """The root v of v^(n + 1) - k^2 v^n = c^2, by Newton's method from above (it is convex)."""
    rest = c ** (2 / (n + 1))
    top = k**2 + rest
    if top == 0:
        return 0.0
    v, (k2, c2) = 1.0, (k**2 / top, (rest / top) ** (n + 1))
    for _ in range(100):
        step = (v**n * (v - k2) - c2) / (v ** (n - 1) * ((n + 1) * v - n * k2))
        v -= step
        if abs(step) < 1e-16:
            break
    return top * v


def _result(beta, minimiser, why, residual, y):
    misfit = MISFIT if _norm(residual) > 1e-9 * _norm(y) else ""
    why = "; ".join(filter(None, [why, misfit]))
    if why:
        warnings.warn(f"the theorem does not speak of this flow: {why}", stacklevel=3)
    return ImplicitBias(beta, minimiser, not why, why)


def _split(x, y, w0):
    """The shortest least-squares fit, and the part of the weights that no input reaches."""
    u, s, v = np.linalg.svd(x, full_matrices=False)
    rank = int((s > max(x.shape) * np.finfo(float).eps * s.max(initial=0.0)).sum())
    u, s, v = u[:, :rank], s[:rank], v[:rank]
    fit = v.T @ ((u.T @ y) / s)
    fit = np.where(np.abs(u.T @ y).max(initial=0.0) > 1e-14 * _norm(y), fit, 0.0)
    outside = w0 - v.T @ (v @ w0)
    return fit, np.where(_norm(outside) > 1e-14 * _norm(w0), outside, 0.0)


def _problem(inputs, outputs, beta0):
    x, y, beta0 = (np.asarray(z, dtype=float) for z in (inputs, outputs, beta0))
    if x.ndim != 2 or 0 in x.shape or y.shape != x.shape[:1] or beta0.shape != x.shape[1:]:
        raise ValueError(
            f"inputs, outputs and beta0 have shapes {x.shape}, {y.shape} and {beta0.shape}; pass "
            "(sample, input), (sample,) and (input,)"
        )
    if not all(np.isfinite(z).all() for z in (x, y, beta0)):
        raise ValueError("inputs, outputs or beta0 are not finite; drop such samples")
    return x, y, beta0


def _norm(x):
    return np.linalg.norm(x)
