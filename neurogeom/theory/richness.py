r"""How does one linear neuron learn: lazily, richly, or first the one and then the other?

The smallest network with both, :math:`f(x) = a\, w^\top x` with :math:`\beta = a w`, learns by
gradient flow on :math:`L = \frac12 |X\beta - y|^2` with a rate for each layer,

.. math:: \dot a = -\eta_a\, w^\top X^\top\rho, \quad \dot w = -\eta_w\, a\, X^\top\rho,
          \quad \rho = X\beta - y,

and conserves :math:`\delta = \eta_w a^2 - \eta_a |w|^2`: above 0 the readout is the larger layer
(upstream, the first layer learns fastest), below 0 the weights are (downstream). Source: Kunin,
Raventos, Domine, Chen, Klindt, Saxe & Ganguli, "Get rich quick" (NeurIPS 2024, arXiv:2406.06158),
sections 2 and 3. A mean in place of the sum of L, or of its half, changes the unit of time alone.

For whitened inputs, :math:`X^\top X = I`, one formula solves all regimes (derived here; equal to
the hyperbolic one of the paper, without its complex branch and its poles at delta = 0 and a = 0).
In units with both rates 1, with :math:`b` the target, :math:`s = |b|`, :math:`u = w^\top b / s`,

.. math:: \dot A = \delta A + s U, \quad \dot U = s A, \quad N^2 = 1 + 2 \int_0^t A^2,
          \qquad a = A / N, \quad w = (U b / s + w_\perp(0)) / N,

whose rates are :math:`P/2` and :math:`-M/2` with :math:`P, M = \sqrt{\delta^2 + 4 s^2} \pm \delta`.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..formulas.imbalance import delta_of_scale, halves, scale_of_delta

__all__ = ["SingleNeuron", "delta_of_scale", "scale_of_delta"]


class _Branches(NamedTuple):
    """The two exponentials of the exact solution, all (...)."""

    p: np.ndarray
    m: np.ndarray
    a_plus: np.ndarray
    a_minus: np.ndarray
    u_plus: np.ndarray
    u_minus: np.ndarray


@dataclass(frozen=True, eq=False)
class SingleNeuron:
    r"""One linear neuron, or many of them at once: leading axes are trajectories and broadcast.

    Exact for whitened inputs at any time; :meth:`simulate` takes any inputs. Times are floats or
    arrays (time,), in units in which the rates are given; a float drops the axis time.

    Parameters
    ----------
    a0 : array (...)
        Readout at the start.
    w0 : array (..., input)
        Weights at the start.
    target : array (..., input)
        The least-squares solution :math:`\beta_*`, which is :math:`X^\top y` for whitened inputs.
    eta_a, eta_w : array (...)
        Learning rates of the readout and of the weights, above 0.

    Raises
    ------
    ValueError
        Shapes do not fit, a value is not finite (its square included), a rate is not above 0, or a
        time is below 0.

    Examples
    --------
    >>> neuron = SingleNeuron.from_delta([-2.0, 0.0, 2.0], [-1.0, 0.0], [0.0, 1.0])
    >>> neuron.regime().tolist()
    ['downstream', 'balanced', 'upstream']
    >>> neuron.mu_phi(1.0)[1].round(4).tolist()  # how far the weights have turned to the target
    [0.2041, 0.7616, 0.9939]
    >>> neuron.kernel_distance(0.0, 20.0).round(4).tolist()
    [0.7133, 0.2, 0.0124]
    """

    a0: np.ndarray
    w0: np.ndarray
    target: np.ndarray
    eta_a: np.ndarray = field(default=1.0, kw_only=True)
    eta_w: np.ndarray = field(default=1.0, kw_only=True)

    def __post_init__(self):
        values = {name: np.array(getattr(self, name), dtype=float) for name in _FIELDS}
        for name, value in values.items():
            if not np.isfinite(value).all():
                raise ValueError(f"{name} is not finite; drop the trajectories where it is not")
        vectors, scalars = ("w0", "target"), ("a0", "eta_a", "eta_w")
        shapes = {name: value.shape for name, value in values.items()}
        widths = {values[name].shape[-1:] for name in vectors}
        try:
            leading = np.broadcast_shapes(
                *(shapes[n][:-1] for n in vectors), *(shapes[n] for n in scalars)
            )
        except ValueError:
            leading = None
        if leading is None or len(widths) != 1 or widths & {(), (0,)}:
            raise ValueError(
                f"shapes {shapes} do not fit; pass w0 and target as (..., input), all else as (...)"
            )
        if not ((values["eta_a"] > 0).all() and (values["eta_w"] > 0).all()):
            raise ValueError("eta_a or eta_w is not above 0; a layer that rests has no such theory")
        for name, value in values.items():
            width = next(iter(widths)) if name in vectors else ()
            object.__setattr__(self, name, np.broadcast_to(value, leading + width))
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(np.hypot(self.delta, 2 * self._rate * self._target_norm)).all():
                raise ValueError("weights are so large that their squares overflow; rescale them")

    @classmethod
    def from_delta(cls, delta, beta0, target, *, eta_a=1.0, eta_w=1.0):
        r"""The neuron with this imbalance and function at the start, its readout not negative.

        The other one, with both signs turned, learns the same function.

        Parameters
        ----------
        delta : array (...)
            Conserved imbalance.
        beta0 : array (..., input)
            May be 0 where delta is not below 0, as its direction is then that of no weight.
        target, eta_a, eta_w
            As for the class.

        Examples
        --------
        >>> neuron = SingleNeuron.from_delta(-3.0, [0.0, 2.0], [1.0, 0.0])
        >>> float(neuron.a0), neuron.w0.tolist(), float(neuron.delta)
        (1.0, [0.0, 2.0], -3.0)
        """
        delta, beta0, eta_a, eta_w = (
            np.asarray(x, dtype=float) for x in (delta, beta0, eta_a, eta_w)
        )
        length = _norm(beta0)
        if ((length == 0) & (delta < 0)).any():
            raise ValueError(
                "beta0 is 0 where delta is below 0: the direction of the weights is open; pass a0 "
                "and w0"
            )
        readout, weights = np.sqrt(halves(delta, np.sqrt(eta_a * eta_w) * length))
        unit = beta0 / np.where(length > 0, length, 1.0)[..., None]
        w0 = (weights / np.sqrt(eta_a))[..., None] * unit
        return cls(readout / np.sqrt(eta_w), w0, target, eta_a=eta_a, eta_w=eta_w)

    @property
    def delta(self) -> np.ndarray:
        """The conserved imbalance eta_w a^2 - eta_a |w|^2, (...)."""
        return self.eta_w * self.a0**2 - self.eta_a * (self.w0**2).sum(axis=-1)

    @property
    def imbalance(self) -> np.ndarray:
        r"""The imbalance against the scale of the target, (...), from -1 to 1.

        :math:`\delta / \sqrt{\delta^2 + 4\eta_a\eta_w |\beta_*|^2}`: at the target the
        preconditioner is a multiple of the identity for 1, of the projection on it for -1.
        """
        return _over(self.delta, np.hypot(self.delta, 2 * self._rate * _norm(self.target)), 0.0)

    def regime(self, *, tolerance=1e-9) -> np.ndarray:
        """Which layer is the larger one? An array of strings, (...).

        "upstream", imbalance above 0: the weights turn first, then the readout grows, and the
        kernel changes little (lazy) the more so the larger delta. "downstream", below 0: the scale
        is fitted first with a fixed direction (lazy), and the direction turns late (delayed rich).
        "balanced" within the tolerance: rich, both at once.
        """
        name = np.where(self.imbalance > 0, "upstream", "downstream")
        return np.where(np.abs(self.imbalance) <= tolerance, "balanced", name)

    def basin(self) -> np.ndarray:
        """The sign that the readout has in the end, (...); 0 where it ends at the saddle a = 0.

        For delta >= 0 that of its start (0 on the one line that leads to the saddle); for
        delta < 0 it may turn, and the function crosses 0 on the way.
        """
        b = self._branches
        return np.sign(np.where(b.p + b.m > 0, b.a_plus, 0.0))

    def solve(self, t):
        """Readout (..., time) and weights (..., time, input), exactly, for whitened inputs."""
        from ..kernels.richness import trajectories

        times = _times(t)
        leading, n = self.a0.shape, self.w0.shape[-1]
        flat = [np.ravel(x) for x in (*self._branches, 1 / np.sqrt(self.eta_w), self.delta)]
        along = (self._unit / np.sqrt(self.eta_a)[..., None]).reshape(-1, n)
        across = (self.w0 - self._projection[..., None] * self._unit).reshape(-1, n)
        p, m, a_plus, a_minus, u_plus, u_minus, unit, delta = flat
        a, w = np.empty((p.size, times.size)), np.empty((p.size, times.size, n))
        trajectories(
            p, m, delta, a_plus, a_minus, u_plus, u_minus, times, unit, along, across, a, w
        )
        return a.reshape(leading + np.shape(t)), w.reshape(*leading, *np.shape(t), n)

    def beta(self, t) -> np.ndarray:
        """The function that is computed, a w, (..., time, input)."""
        a, w = self.solve(t)
        return np.multiply(a[..., None], w, out=w)

    def mu_phi(self, t):
        r"""Scale :math:`\mu = a |w|` and cosine of weights and target :math:`\phi`, (..., time).

        The scale has the sign of the readout; the cosine is NaN where weights or target are 0.
        """
        a, w = self.solve(t)
        length = _norm(w)
        along = np.einsum("...ti,...i->...t" if np.ndim(t) else "...i,...i", w, self._unit)
        target = self._target_norm if np.ndim(t) == 0 else self._target_norm[..., None]
        return a * length, _over(along, np.where(target > 0, length, 0.0), np.nan)

    def preconditioner(self, t) -> np.ndarray:
        r"""What bends the gradient, :math:`M = \eta_w a^2 I + \eta_a w w^\top`, (..., time, d, d).

        :math:`\dot\beta = -M X^\top\rho`, and :math:`X M X^\top` is the tangent kernel.
        """
        a, w = self.solve(t)
        eta_a, eta_w = self._rates_over(t)
        outer = eta_a[..., None, None] * w[..., :, None] * w[..., None, :]
        return (eta_w * a**2)[..., None, None] * np.eye(w.shape[-1]) + outer

    def kernel_distance(self, t1, t2, *, inputs=None) -> np.ndarray:
        r"""How far does the tangent kernel move between two times? Lazy 0, rich well above it.

        .. math:: S = 1 - \frac{\langle K_1, K_2 \rangle}{|K_1| |K_2|}, \qquad K = X M X^\top

        A kernel that only grows is lazy. The notebook published with the paper has the readout of
        the first time in the norm of the second kernel, so that its distances at intermediate times
        are too large (0.18 in place of 0.04 between times 0 and 1 at delta = -2).

        Parameters
        ----------
        t1, t2 : float or array (time,)
            They broadcast; often t1 = 0.
        inputs : array (sample, input), optional
            Where the kernel is taken; the whitened inputs of training where not given, whose
            kernel has the products of M. Training is with whitened inputs in either case.

        Returns
        -------
        array (..., time)
            From 0 to 1; NaN where a kernel is 0.
        """
        shape = np.broadcast_shapes(np.shape(t1), np.shape(t2))
        second = np.eye(self.w0.shape[-1]) if inputs is None else _second_moment(inputs, self.w0)
        eta_a, eta_w = self._rates_over(np.empty(shape))
        parts = []
        for t in (t1, t2):
            a, w = self.solve(np.broadcast_to(t, shape))
            a, w = np.sqrt(eta_w) * a, np.sqrt(eta_a)[..., None] * w
            size = np.hypot(a, _norm(w))  # a factor that no distance sees
            parts.append((_over(a, size) ** 2, _over(w, size[..., None])))
        (p, v), (q, x) = parts
        own = [np.sqrt(_product(r, y, r, y, second)) for r, y in parts]
        return np.maximum(1 - _over(_product(p, v, q, x, second), own[0] * own[1]), 0.0)

    def simulate(self, t, *, inputs=None):
        """Readout and weights as in :meth:`solve`, by integration and for any inputs.

        Parameters
        ----------
        t : float or array (time,)
            Times beyond thousands of the fastest time constant take long.
        inputs : array (sample, input), optional
            Training inputs X, with outputs ``X @ target``: outputs that X cannot give pull as their
            least-squares fit does. Whitened where not given.
        """
        from scipy.integrate import solve_ivp

        times = _times(t)
        n = self.w0.shape[-1]
        second = np.eye(n) if inputs is None else _second_moment(inputs, self.w0)
        order, back = np.unique(times, return_inverse=True)
        a, w = np.empty((self.a0.size, times.size)), np.empty((self.a0.size, times.size, n))
        rates = np.ravel(self.eta_a), np.ravel(self.eta_w)
        starts = np.concatenate([self.a0[..., None], self.w0], axis=-1).reshape(-1, n + 1)
        for i, target in enumerate(self.target.reshape(-1, n)):
            found = solve_ivp(
                velocity,
                (0.0, max(order[-1], np.finfo(float).tiny)),
                starts[i],
                "LSODA",
                order,
                args=(second, target, rates[0][i], rates[1][i]),
                rtol=1e-12,
                atol=1e-14,
            )
            if not found.success:
                raise RuntimeError(f"trajectory {i} could not be integrated: {found.message}")
            a[i], w[i] = found.y[0, back], found.y[1:, back].T
        leading = self.a0.shape
        return a.reshape(leading + np.shape(t)), w.reshape(*leading, *np.shape(t), n)

    @cached_property
    def _rate(self):
        """sqrt(eta_a eta_w), the scale of functions in units with both rates 1."""
        return np.sqrt(self.eta_a * self.eta_w)

    @cached_property
    def _target_norm(self):
        return _norm(self.target)

    @cached_property
    def _unit(self):
        """Direction of the target, 0 for a target of 0."""
        return self.target / np.where(self._target_norm > 0, self._target_norm, 1.0)[..., None]

    @cached_property
    def _projection(self):
        """Weights along the target at the start."""
        return (self.w0 * self._unit).sum(axis=-1)

    @cached_property
    def _branches(self) -> _Branches:
        """Both numerators from one number each: their ratio stays right where they all but vanish.

        Of P and M the small one is 4 s^2 over the large one, and r <= 1 the root of their ratio.
        """
        delta, s = self.delta, self._rate * self._target_norm
        a, u = np.sqrt(self.eta_w) * self.a0, np.sqrt(self.eta_a) * self._projection
        d, up = np.hypot(delta, 2 * s), delta >= 0
        p, m = 2 * np.asarray(halves(delta, s))
        large = np.maximum(p, m)
        r = _over(2 * s, large, 0.0)
        half, share = _over(large / 2, d, 1.0), _over(s, d, 0.0)
        plus = np.where(up, a + r * u, u + r * a)
        minus = np.where(up, u - r * a, a - r * u)
        a_plus, u_plus = np.where(up, half, share) * plus, np.where(up, share, half) * plus
        a_minus, u_minus = np.where(up, -share, half) * minus, np.where(up, half, -share) * minus
        return _Branches(p, m, a_plus, a_minus, u_plus, u_minus)

    def _rates_over(self, t):
        """Both rates, to stand before (..., time)."""
        add = (None,) * np.ndim(t)
        return self.eta_a[(..., *add)], self.eta_w[(..., *add)]


_FIELDS = ("a0", "w0", "target", "eta_a", "eta_w")


def velocity(_, state, second, target, eta_a, eta_w):
    a, w = state[0], state[1:]
    pull = second @ (a * w - target)
    return np.concatenate([[-eta_a * (w @ pull)], -eta_w * a * pull])


def _product(p, v, q, x, second):
    """<p G + X v v'X', q G + X x x'X'> of two kernels with G = XX', from X'X alone."""
    sv, sx = v @ second, x @ second
    return (
        p * q * (second**2).sum()
        + p * (sx**2).sum(axis=-1)
        + q * (sv**2).sum(axis=-1)
        + (sv * x).sum(axis=-1) ** 2
    )


def _second_moment(inputs, w0):
    inputs = np.asarray(inputs, dtype=float)
    if inputs.ndim != 2 or inputs.shape[1] != w0.shape[-1] or not np.isfinite(inputs).all():
        raise ValueError(
            f"inputs have shape {inputs.shape}; pass finite (sample, input), {w0.shape[-1]} inputs"
        )
    return inputs.T @ inputs


def _times(t):
    times = np.asarray(t, dtype=float)
    if times.ndim > 1 or not (np.isfinite(times).all() and (times >= 0).all()):
        raise ValueError("t is not a time or an array (time,) of them; pass finite times from 0 on")
    return np.atleast_1d(times)


def _norm(x):
    """Length along the last axis, of very small vectors too."""
    largest = np.abs(x).max(axis=-1)
    unit = np.where(largest > 0, largest, 1.0)
    return unit * np.sqrt(((x / unit[..., None]) ** 2).sum(axis=-1))


def _over(top, bottom, otherwise=np.nan):
    """A quotient, with this value where the divisor is 0."""
    good = np.asarray(bottom) > 0
    return np.where(good, top / np.where(good, bottom, 1.0), otherwise)
