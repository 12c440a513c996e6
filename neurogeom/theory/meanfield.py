r"""Which geometry does a task ask for? The mean-field theory of abstraction, the problem.

A network of one hidden layer sees P stimuli. A unit is a point :math:`h \in R^P`, its input on
every stimulus; a network is a measure :math:`\rho` over such points, and what it represents is the
kernel :math:`K = \int \rho(dh)\, \varphi(h) \varphi(h)^\top`. With the readout optimised out and
the shortest input weights for every unit, the loss

.. math:: \tfrac12 |Y - \Phi V|^2 + \tfrac{\lambda_v}2 |V|^2
          + \tfrac{\lambda_w}2 (|W|^2 + |\beta|^2 / g)

is a convex function of :math:`\rho` that knows the data through two kernels alone,
:math:`\tilde K_X = X X^\top + g 1 1^\top` and :math:`K_Y = Y Y^\top`:

.. math:: L[\rho] = \tfrac{\lambda_v}2 \mathrm{tr}\,K_Y (K + \lambda_v)^{-1}
          + \tfrac{\lambda_w}2 \int \rho(dh)\, h^\top \tilde K_X^+ h,

and :math:`\rho` is optimal where the effective energy

.. math:: E(h; \rho) = \tfrac{\lambda_w}2 h^\top \tilde K_X^+ h - \tfrac{\lambda_v}2
          \varphi(h)^\top M \varphi(h), \quad
          M = (K + \lambda_v)^{-1} K_Y (K + \lambda_v)^{-1}

is lowest on the units that there are. Source of the idea, of the effective energy and of the claim
that the kernel is abstract: Wang, Johnston & Fusi, arXiv:2510.09816, of which we could read the
abstract only. **The paper's exact assumptions are unknown to us**; the equations here are our own
derivation, and all numbers are ours.

**Without a bias the minimum is not unique** (our finding). With whitened or target-aligned inputs,
g = 0 and relu, the loss and the strength of the targets in K are unique, but K is not: beside the
abstract kernel there are minimisers as unstructured as one unit a stimulus, and gradient descent
does not choose the abstract one. Any g > 0, a second hidden layer, or a nonlinearity that bends
above 0 mends it; so g = 1 is the default, and each solution carries a second minimiser where one
is found.

The squared error is summed over stimuli and targets: for a mean over n numbers divide both decays
by n. Units that are homogeneous (relu, leaky relu, linear) are as many as are wanted, and
:math:`\rho` is any positive measure; for others it is a probability measure, K and the cost are
means over units, and the readout is scaled by :math:`1 / \sqrt N`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from .activations import Activation, named

__all__ = ["AbstractionProblem", "MeanFieldSolution"]

NEGLIGIBLE = 1e-10  # of the largest eigenvalue


@dataclass(frozen=True, eq=False)
class AbstractionProblem:
    r"""Inputs, targets and costs of a network whose geometry is asked for.

    Parameters
    ----------
    input_kernel : array (stimulus, stimulus)
        Inner products of the inputs, without the bias.
    target_kernel : array (stimulus, stimulus)
        Inner products of the targets.
    activation : str or Activation
        See :func:`neurogeom.theory.activations.named`.
    weight_decay, readout_decay : float
        :math:`\lambda_w` and :math:`\lambda_v`, above 0.
    bias_power : float
        g: 0 is no bias, 1 a bias that decays as a weight does.
    measure : {"auto", "positive", "probability"}
        "auto" is positive for homogeneous units and a probability for others. For homogeneous units
        both have the same kernel and loss, and atoms are scaled.

    Raises
    ------
    ValueError
        A kernel is not symmetric or has a negative eigenvalue, there is one stimulus only, no
        target or no input, two stimuli with the same input have different targets, a decay or the
        bias power is out of range, or the activation grows too fast.

    Examples
    --------
    >>> y = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> problem = AbstractionProblem(np.eye(4), y @ y.T)
    >>> one_a_half = np.maximum(np.hstack([y, -y]), 0)  # modular units
    >>> round(problem.loss(one_a_half), 3), problem.basis.shape
    (0.43, (4, 4))
    """

    input_kernel: np.ndarray
    target_kernel: np.ndarray
    _: KW_ONLY
    activation: str | Activation = "relu"
    weight_decay: float = 0.1
    readout_decay: float = 0.1
    bias_power: float = 1.0
    measure: Literal["auto", "positive", "probability"] = "auto"
    phi: Activation = field(init=False, repr=False)

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        put("input_kernel", _kernel(self.input_kernel, "input_kernel"))
        put("target_kernel", _kernel(self.target_kernel, "target_kernel"))
        n, m = len(self.input_kernel), len(self.target_kernel)
        if n != m:
            raise ValueError(f"the inputs have {n} stimuli and the targets {m}; pass the same ones")
        for name in ("weight_decay", "readout_decay"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(
                    f"{name}={getattr(self, name)} leaves no minimum; pass one above 0"
                )
        if not 0 <= self.bias_power < np.inf:
            raise ValueError(f"bias_power={self.bias_power} is not in [0, inf); 0 is no bias")
        put("phi", named(self.activation))
        put("measure", _measure(self.measure, self.phi))
        if not self.target_kernel.any():
            raise ValueError(
                "the targets are zero, so that silence is best; pass targets that vary"
            )
        if not self.augmented.any():
            raise ValueError("no input reaches the units; pass inputs, or a bias_power above 0")
        self._refuse_targets_out_of_reach()

    @classmethod
    def from_data(cls, inputs, targets, **options) -> AbstractionProblem:
        """The problem of one's own inputs and targets, a recording's task variables included.

        Parameters
        ----------
        inputs : array (stimulus, channel), or None
            None: every stimulus has a channel of its own (whitened inputs).
        targets : array (stimulus, target), or mapping name -> (stimulus,)
            Numbers; or one column a task variable, of which one with two levels becomes -1 and +1
            in the order of its levels.
        **options
            As of the class.

        Raises
        ------
        ValueError
            As the class; a variable that has not two levels, or two targets that are collinear.

        Examples
        --------
        >>> rule, cue = ["go", "go", "stop", "stop"], [1, 2, 1, 2]
        >>> problem = AbstractionProblem.from_data(None, {"rule": rule, "cue": cue})
        >>> problem.target_kernel[0].tolist()
        [2.0, 0.0, 0.0, -2.0]
        """
        y = signs(targets)
        _refuse_collinear(y)
        x = np.eye(len(y)) if inputs is None else np.asarray(inputs, dtype=float)
        if x.ndim != 2 or len(x) != len(y):
            raise ValueError(
                f"inputs of shape {x.shape} for {len(y)} stimuli; pass (stimulus, channel)"
            )
        return cls(x @ x.T, y @ y.T, **options)

    @property
    def n_stimuli(self) -> int:
        """P."""
        return len(self.input_kernel)

    @property
    def homogeneous(self) -> bool:
        """Whether a unit can be scaled."""
        return self.phi.slopes is not None

    @cached_property
    def augmented(self) -> np.ndarray:
        """Inner products of the inputs with the bias, (stimulus, stimulus)."""
        return self.input_kernel + self.bias_power

    @cached_property
    def basis(self) -> np.ndarray:
        """(stimulus, rank): units are ``basis @ a``, at a cost of ``|a|^2``."""
        return _root(self.augmented)

    @cached_property
    def targets(self) -> np.ndarray:
        """(stimulus, rank): orthogonal columns with the target kernel."""
        return _root(self.target_kernel)

    def cost(self, preactivations) -> np.ndarray:
        r""":math:`h^\top \tilde K_X^+ h` of each unit, (unit,); infinite where none reaches h."""
        h = self._units(preactivations)
        b = self.basis
        a = (b / (b**2).sum(axis=0)).T @ h
        out = np.abs(h - b @ a).max(axis=0) > 1e-6 * np.abs(h).max(axis=0)
        return np.where(out, np.inf, (a**2).sum(axis=0))

    def kernel(self, preactivations, weights=None) -> np.ndarray:
        """What the units represent, (stimulus, stimulus)."""
        r = self.phi.value(self._units(preactivations))
        return (r * self._weights(weights, r.shape[1])) @ r.T

    def loss(self, preactivations, weights=None) -> float:
        """L of a network.

        preactivations : array (stimulus, unit)
        weights : array (unit,), of the measure; None is 1 each, or 1 / units of a probability
        """
        h = self._units(preactivations)
        w = self._weights(weights, h.shape[1])
        return self.readout_loss(self.kernel(h, w)) + self.weight_decay / 2 * float(
            w @ self.cost(h)
        )

    def readout_loss(self, kernel) -> float:
        r"""Error and decay of the best readout: the first term of L."""
        return 0.5 * float(np.sum(self.targets * self.residual(kernel)))

    def residual(self, kernel) -> np.ndarray:
        """What the best readout leaves of the targets, (stimulus, rank): the dual variable."""
        shifted = np.asarray(kernel, dtype=float) + self.readout_decay * np.eye(self.n_stimuli)
        return self.readout_decay * np.linalg.solve(shifted, self.targets)

    def energy(self, preactivations, kernel) -> np.ndarray:
        """Effective energy of units beside a network with this kernel, (unit,).

        What the loss gains per unit of mass put there. At a minimum it is lowest on the units that
        there are; for homogeneous units the lowest is 0.
        """
        h = self._units(preactivations)
        seen = self.residual(kernel).T @ self.phi.value(h)
        gain = (seen**2).sum(axis=0) / self.readout_decay
        return 0.5 * (self.weight_decay * self.cost(h) - gain)

    def energy_ratio(self, preactivations, kernel) -> np.ndarray:
        """What units gain over what they cost, (unit,): the largest is 1 at a minimum.

        For homogeneous units, of which the energy tells the sign only.
        """
        h = self._units(preactivations)
        seen = self.residual(kernel).T @ self.phi.value(h)
        cost = self.readout_decay * self.weight_decay * self.cost(h)
        return (seen**2).sum(axis=0) / np.where(cost > 0, cost, np.inf)

    def _units(self, preactivations):
        h = np.asarray(preactivations, dtype=float)
        if h.ndim != 2 or len(h) != self.n_stimuli:
            raise ValueError(
                f"preactivations have shape {h.shape}; pass (stimulus, unit) with "
                f"{self.n_stimuli} stimuli"
            )
        return h

    def _weights(self, weights, n):
        if weights is None:
            return np.full(n, 1.0 if self.measure == "positive" else 1.0 / max(n, 1))
        weights = np.asarray(weights, dtype=float)
        if weights.shape != (n,) or not (weights >= 0).all():
            raise ValueError(f"weights of {n} units are {n} numbers from 0 on")
        return weights

    def _refuse_targets_out_of_reach(self):
        x, y = self.augmented, self.target_kernel
        same = _distance(x) <= 1e-12 * np.diag(x).max()
        apart = same & (_distance(y) > 1e-9 * np.diag(y).max())
        if apart.any():
            i, j = np.argwhere(apart)[0]
            raise ValueError(
                f"stimuli {i} and {j} have the same input and different targets, which no network "
                "reaches; tell them apart or merge them"
            )


@dataclass(frozen=True, eq=False)
class MeanFieldSolution:
    """A network that minimises the loss of a problem, and how sure that is.

    kernel : (stimulus, stimulus), what the network represents
    atoms : (stimulus, atom), preactivations of its kinds of units
    weights : (atom,), how much there is of each; they sum to 1 in a probability measure
    loss : its value; the minimum lies between ``loss - gap`` and ``loss``
    gap : how much lower the loss could be at most: the duality gap of homogeneous units, the
        Frank-Wolfe gap of others
    gap_kind : "certified" where all activation patterns were enumerated; "searched" where the best
        unit to add was sought from ``n_starts`` starts and ``n_agree`` of them found the same
    extreme : of homogeneous units the largest energy ratio, 1 at a minimum; of others the lowest
        energy less that of the units that there are, 0 at a minimum
    alternative : another kernel with the same loss, or None where none was found
    spread : Frobenius norm of the difference to it, over that of ``kernel``; 0 where there is none
    """

    kernel: np.ndarray
    atoms: np.ndarray
    weights: np.ndarray
    loss: float
    gap: float
    gap_kind: str
    n_starts: int
    n_agree: int
    extreme: float
    alternative: np.ndarray | None = None
    spread: float = 0.0

    @property
    def unique(self) -> bool | None:
        """False where another minimiser is at hand; None where none was found, no proof."""
        return None if self.alternative is None else False


def signs(targets) -> np.ndarray:
    """Targets as numbers (stimulus, target); a mapping's columns of two levels as -1 and +1."""
    if not isinstance(targets, Mapping):
        y = np.asarray(targets, dtype=float)
        if y.ndim != 2 or not np.isfinite(y).all():
            raise ValueError(f"targets have shape {y.shape}; pass finite (stimulus, target)")
        return y
    columns = []
    for name, values in targets.items():
        levels, code = np.unique(np.asarray(values), return_inverse=True)
        if len(levels) != 2:
            raise ValueError(f"target {name!r} has {len(levels)} levels; pass two, or contrasts")
        columns.append(2.0 * code - 1.0)
    if len({len(c) for c in columns}) != 1:
        raise ValueError("targets differ in how many stimuli they name; pass one value a stimulus")
    return np.column_stack(columns)


def _refuse_collinear(y):
    rank = np.linalg.matrix_rank(y, tol=1e-9 * max(np.abs(y).max(), 1e-300) * len(y))
    if rank < y.shape[1]:
        raise ValueError(
            f"{y.shape[1]} targets span {rank} dimensions; leave out those that follow from "
            "others, or pass kernels"
        )


def _kernel(given, name):
    k = np.array(given, dtype=float)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not np.isfinite(k).all():
        raise ValueError(f"{name} has shape {k.shape}; pass finite (stimulus, stimulus) values")
    if len(k) < 2:
        raise ValueError(f"{name} is of one stimulus; a geometry needs two or more")
    scale = np.abs(k).max()
    if np.abs(k - k.T).max() > 1e-9 * scale:
        raise ValueError(f"{name} is not symmetric; pass inner products of all pairs")
    k = (k + k.T) / 2
    if np.linalg.eigvalsh(k)[0] < -1e-9 * scale * len(k):
        raise ValueError(f"{name} has a negative eigenvalue; pass inner products, not distances")
    k.setflags(write=False)
    return k


def _measure(asked, phi):
    if asked not in ("auto", "positive", "probability"):
        raise ValueError(f"measure={asked!r} is unknown; choose auto, positive or probability")
    if asked == "positive" and phi.slopes is None:
        raise ValueError(
            f"units of {phi.name!r} do not scale, and without end of them cost nothing; pass "
            "measure='probability'"
        )
    return ("probability" if phi.slopes is None else "positive") if asked == "auto" else asked


def _root(kernel):
    """B with B B' = kernel, of full column rank."""
    size, u = np.linalg.eigh(kernel)
    kept = size > NEGLIGIBLE * size[-1]
    return (u[:, kept] * np.sqrt(size[kept]))[:, ::-1]


def _distance(kernel):
    d = np.diag(kernel)
    return d[:, None] + d[None] - 2 * kernel
