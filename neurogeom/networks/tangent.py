r"""How does each trial's gradient step move the answer to the others? The empirical tangent kernel.

.. math:: \Theta_{ij} = \sum_o \sum_p \eta_p\, \frac{\partial f_o(x_i)}{\partial \theta_p}
                        \frac{\partial f_o(x_j)}{\partial \theta_p}

over the outputs o and the parameters p that learn, at rates :math:`\eta_p`. Under gradient flow the
outputs move by :math:`\dot f_i = -\sum_j \Theta_{ij}\,\partial L / \partial f_j` for one output. A
network whose kernel stays is *lazy* (a linear model in fixed features), one whose kernel turns is
*rich*; :func:`kernel_distance` says how far it has turned (Kunin et al. 2024, arXiv:2406.06158;
Fort et al. 2020, NeurIPS). It ignores scale: a kernel that only grows counts as lazy.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..learn import lazy_torch
from .hidden import rates_of
from .hooks import Feed, first_tensor
from .layers import time_first

__all__ = ["empirical_ntk", "kernel_distance"]

OUTPUTS = ("trace", "each")


def empirical_ntk(
    module: Any,
    inputs: Any,
    *,
    outputs: str = "trace",
    rates: Mapping[str, float] | None = None,
    chunk: int = 64,
) -> np.ndarray:
    """The tangent kernel of a torch module on these trials.

    Parameters
    ----------
    module : torch module
        Any that maps (trial, ...) to (trial, ...), or networks of this toolkit. Parameters that
        need no gradient do not count. It is run in eval mode; half precision in single.
    inputs : array or tensor (trial, ...), or a tuple of such
        The networks of this toolkit may each have their own, (net, trial, step, channel).
    outputs : {"trace", "each"}
        The sum over all outputs of a trial (steps included), or a kernel for each of them.
    rates : mapping of patterns to numbers, optional
        Learning rates of parameters by name, as ``{"readout.*": 0.1}``; 1 for the others. Where
        rates differ it is the kernel with rates that the outputs move by.
    chunk : int
        Trials at a time: memory is 2 x chunk x outputs x parameters (x nets) numbers. Above it
        gradients are computed again, trials / (2 chunk) times.

    Returns
    -------
    float64 array ([net,] trial, trial), or ([net,] outputs as of the module, trial, trial).

    Raises
    ------
    KeyError, ValueError
        A rate fits no parameter, nothing learns, an option is unknown, trials are not first.

    Examples
    --------
    f = a w x has the kernel (a^2 + w^2) x x':

    >>> import torch
    >>> net = torch.nn.Sequential(*[torch.nn.Linear(1, 1, bias=False) for _ in range(2)])
    >>> for layer, weight in zip(net, (2.0, 3.0)):
    ...     _ = torch.nn.init.constant_(layer.weight, weight)
    >>> empirical_ntk(net, [[1.0], [2.0]]).tolist()
    [[13.0, 26.0], [26.0, 52.0]]
    >>> empirical_ntk(net, [[1.0]], rates={"0.weight": 0.1}).round(6).tolist()
    [[4.9]]
    """
    torch = lazy_torch()
    if outputs not in OUTPUTS or chunk < 1:
        raise ValueError(
            f"outputs={outputs!r}, chunk={chunk}: choose from {list(OUTPUTS)}, and 1 trial or more"
        )
    if hasattr(module, "nets"):  # a user's own modules, one a net
        each = inputs if np.ndim(inputs) == 4 else [inputs] * module.n_nets
        options = {"outputs": outputs, "rates": rates, "chunk": chunk}
        return np.stack(
            [empirical_ntk(*own, **options) for own in zip(module.nets, each, strict=True)]
        )
    if time_first(module):
        raise ValueError(
            f"{type(module).__name__} takes (step, trial, unit); set batch_first=True, so that "
            "trials come first"
        )
    jacobian = _Jacobian(torch, module, inputs, rates)
    n, nets = jacobian.feed.n_trials, jacobian.nets
    chunks = np.array_split(np.arange(n), math.ceil(n / chunk))
    kernel = None
    for i, rows in enumerate(chunks):
        left = jacobian(rows)  # (net, trial, output, parameter)
        for others in chunks[i:]:
            right = left if others is rows else jacobian(others)
            block = _products(torch, left, right, outputs)  # (net, output or 1, trial, trial)
            if kernel is None:
                kernel = np.empty((*block.shape[:2], n, n))
            kernel[..., rows[:, None], others] = block
            kernel[..., others[:, None], rows] = np.swapaxes(block, -1, -2)
    shape = jacobian.shape if outputs == "each" else ()
    return kernel.reshape(*(() if nets is None else (nets,)), *shape, n, n)


def kernel_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    r"""How far has a kernel turned? :math:`S = 1 - \langle K_1, K_2\rangle / (|K_1| |K_2|)`.

    0 for kernels that differ in scale alone; at most 1 for kernels without negative eigenvalues.

    Parameters
    ----------
    first, second : (..., trial, trial)

    Returns
    -------
    (...), NaN where a kernel is zero or not finite.

    Notes
    -----
    Not centred, as in the paper: a kernel with a large common part hides what else turns.

    Source: Kunin et al. 2024, arXiv:2406.06158, section 2; after Fort et al. 2020.

    Examples
    --------
    >>> float(kernel_distance(np.eye(2), 3 * np.eye(2)))
    0.0
    >>> round(float(kernel_distance(np.eye(2), np.ones((2, 2)))), 4)
    0.2929
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape[-2:] != b.shape[-2:] or a.ndim < 2:
        raise ValueError(
            f"kernels have shapes {a.shape} and {b.shape}; give both for the same trials"
        )
    # Half the squared distance of the unit kernels: a distance of 1e-17 is not lost in 1 - 1.
    return ((_unit(a) - _unit(b)) ** 2).sum(axis=(-2, -1)) / 2


def _unit(kernel):
    largest = np.abs(kernel).max(axis=(-2, -1), keepdims=True, initial=0.0)
    known = np.isfinite(largest) & (largest > 0)
    scaled = np.where(known, kernel, np.nan) / np.where(known, largest, 1.0)
    return scaled / np.sqrt((scaled**2).sum(axis=(-2, -1), keepdims=True))


class _Jacobian:
    """Gradients of the outputs of trials, times the roots of the rates.

    Nets share no parameter: the gradient of the sum of their outputs is each net's own.
    """

    def __init__(self, torch, module, inputs, rates):
        halves = (torch.float16, torch.bfloat16)
        if any(p.dtype in halves for p in module.parameters()):
            module = copy.deepcopy(module).float()
        self.torch, self.module = torch, module
        self.feed = Feed(torch, module, inputs)
        self.nets = getattr(module, "n_nets", None)
        self.parameters = {k: p.detach() for k, p in module.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise ValueError("no parameter of this module learns; unfreeze one")
        of = rates_of(list(self.parameters), rates)
        self.roots = {name: math.sqrt(rate) for name, rate in of.items()}
        with _evaluated(module), torch.no_grad():
            self.shape = tuple(self._outputs(self.parameters, *self._trials([0])).shape)

    def __call__(self, rows):
        """Of these trials: float64 (net, trial, output, parameter)."""
        func = self.torch.func
        trials = [
            x.movedim(axis, 0) for x, axis in zip(self.feed(rows), self.feed.axes, strict=True)
        ]
        of_one = func.jacrev(self._outputs)
        with _evaluated(self.module):
            try:
                found = func.vmap(of_one, (None, *[0] * len(trials)))(self.parameters, *trials)
            except RuntimeError:  # torch cannot batch every layer: one trial after another
                each = [of_one(self.parameters, *own) for own in zip(*trials, strict=True)]
                found = {k: self.torch.stack([own[k] for own in each]) for k in each[0]}
        n_outputs, nets = math.prod(self.shape), self.nets or 1
        flat = []
        for name, value in found.items():  # (trial, outputs, parameter's own axes, net first)
            rows_of = value.detach().reshape(len(rows), n_outputs, nets, -1).double()
            flat.append(rows_of.movedim(2, 0) * self.roots[name])
        return self.torch.cat(flat, dim=-1)

    def _trials(self, rows):
        return [x.movedim(axis, 0)[0] for x, axis in
                zip(self.feed(np.asarray(rows)), self.feed.axes, strict=True)]  # fmt: skip

    def _outputs(self, parameters, *trial):
        """The outputs of one trial, summed over nets."""
        given = tuple(x.unsqueeze(axis) for x, axis in zip(trial, self.feed.axes, strict=True))
        found = self.torch.func.functional_call(self.module, parameters, given)
        found = first_tensor(self.torch, found)
        wanted = (1,) if self.nets is None else (self.nets, 1)
        if found is None or tuple(found.shape[: len(wanted)]) != wanted:
            raise ValueError(
                f"{type(self.module).__name__} gave no tensor whose first axis is trials; give a "
                "module that maps (trial, ...) to (trial, ...)"
            )
        return found[0] if self.nets is None else found.sum(0)[0]


def _products(torch, left, right, outputs):
    if outputs == "trace":
        flat = left.flatten(2), right.flatten(2)
        return (flat[0] @ flat[1].transpose(1, 2))[:, None].cpu().numpy()
    return (left.transpose(1, 2) @ right.permute(0, 2, 3, 1)).cpu().numpy()


@contextmanager
def _evaluated(module):
    """In eval mode, and as before after it; torch's remarks on the speed of vmap left out."""
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="There is a performance drop")
            yield
    finally:
        for part, was in training:
            part.training = was
