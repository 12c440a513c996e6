"""Finite networks trained to the minimum that the mean-field theory speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import learn
from ..options import number, whole
from .architectures import MLP
from .training import seeds_of

__all__ = ["train_to_minimum"]


def train_to_minimum(
    inputs: Any,
    targets: Any,
    *,
    hidden: Sequence[int] = (32,),
    activation: str = "relu",
    weight_decay: float = 0.1,
    readout_decay: float = 0.1,
    bias_power: float = 1.0,
    scale: float = 0.3,
    steps: int = 8000,
    lr: float = 0.02,
    seeds: int | Sequence[int] = 5,
) -> xr.Dataset:
    r"""What do networks of finite width represent at the end of training on all stimuli at once?

    .. math:: \tfrac12 |Y - \Phi V|^2 + \tfrac{\lambda_v}2 |V|^2
              + \tfrac{\lambda_w}2 \sum_l \big(|W_l|^2 + |\beta_l|^2 / g\big)

    is descended by Adam in double precision, at a rate that falls to 0: the loss of
    :class:`neurogeom.theory.AbstractionProblem`, whose kernel and lowest loss stand beside. The
    readout has no bias and is not scaled by its width, so that the kernel is a sum over units, as
    in the theory of homogeneous units.

    Parameters
    ----------
    inputs : array (stimulus, channel), or (net, stimulus, channel)
    targets : array (stimulus, target)
    hidden : sequence of int
        Units of each layer.
    activation : str
        Of :class:`neurogeom.networks.MLP`; the theory that stands beside is that of relu, leaky
        relu and linear units.
    weight_decay, readout_decay, bias_power : float
        :math:`\lambda_w`, :math:`\lambda_v`, 0 or more, and g; 0 is no bias.
    scale : float
        Of the first weights, which are N(0, 1 / inputs) times it.
    steps, lr
        Of :func:`neurogeom.learn.fit`. Near a threshold, and where minima are flat, it takes more:
        compare the loss with that of the theory.
    seeds : int or sequence of int

    Returns
    -------
    Dataset
        ``activity`` (net, layer, stimulus, unit), NaN beyond a layer's width; ``kernel`` (net,
        layer, stimulus, other) of it; ``loss`` (net); the same ``_before`` training.

    Raises
    ------
    ValueError
        Shapes that do not fit together; an option out of range; a number that is not finite.
    ImportError
        torch is not installed.

    Examples
    --------
    >>> from neurogeom import theory
    >>> y = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> found = train_to_minimum(np.eye(4), y, hidden=(16,), steps=2000, seeds=2)
    >>> closed = theory.whitened_abstraction(4, 2)
    >>> bool(np.allclose(found.kernel.isel(layer=0), closed.kernel(y), atol=1e-2))
    True
    >>> bool((found.loss > closed.loss - 1e-9).all())
    True
    """
    torch, seeds = learn.lazy_torch(), seeds_of(seeds)
    number(least=0, weight_decay=weight_decay, readout_decay=readout_decay, bias_power=bias_power)
    number(above=0, scale=scale)
    whole(1, steps=steps)
    x, y = _stimuli(inputs, targets, len(seeds))
    x, y = torch.tensor(x)[..., None, :], torch.tensor(y)[:, None]
    shape = MLP(tuple(hidden), activation, init="normal", scale=scale)
    module = shape.build(x.shape[-1], y.shape[-1], seeds=seeds).double()
    layers = [layer.linear for layer in module.core.layers]
    without = [module.readout.bias, *(part.bias for part in layers if not bias_power)]
    for bias in without:
        torch.nn.init.zeros_(bias.requires_grad_(False))

    def loss(module, _):
        each = (module(x) - y).square().sum((1, 2, 3))
        each = each + readout_decay * _squares(module.readout.weight)
        for part in layers:
            each = each + weight_decay * _squares(part.weight)
            if bias_power:
                each = each + weight_decay / bias_power * _squares(part.bias)
        return each / 2

    with learn.one_thread():
        before = _seen(module, x, loss)
        learn.fit(
            module, lambda step: None, loss, steps=steps, lr=lr, rate="one_cycle", every=steps
        )
        after = _seen(module, x, loss)
    found = xr.Dataset({**after, **{f"{name}_before": v for name, v in before.items()}})
    attrs = {"measure": "minimum", "weight_decay": weight_decay, "readout_decay": readout_decay}
    return found.assign_coords(seed=("net", seeds)).assign_attrs(
        attrs | {"bias_power": bias_power, "activation": activation, "scale": scale, "steps": steps}
    )


def _stimuli(inputs, targets, n_nets):
    x, y = np.array(inputs, dtype=float), np.array(targets, dtype=float)
    x = np.broadcast_to(x, (n_nets, *x.shape)).copy() if x.ndim == 2 else x
    if x.ndim != 3 or y.ndim != 2 or x.shape[:2] != (n_nets, len(y)):
        raise ValueError(
            f"inputs {np.shape(inputs)} and targets {y.shape} do not fit {n_nets} nets; give "
            "(stimulus, channel), or that of each net, and (stimulus, target)"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("inputs or targets are not finite; leave such stimuli out")
    return x, y


def _squares(part):
    return part.square().sum((1, 2))


def _seen(module, x, loss):
    """Activity, kernels and loss, as variables of a Dataset."""
    torch = learn.lazy_torch()
    with torch.no_grad():
        each, now = [], x
        for layer in module.core.layers:
            now = layer(now)
            each.append(now[:, :, 0].numpy())
        losses = loss(module, None).numpy()
    widest = max(r.shape[-1] for r in each)
    padded = [np.pad(r, ((0, 0), (0, 0), (0, widest - r.shape[-1])), constant_values=np.nan)
              for r in each]  # fmt: skip
    kernels = [r @ r.transpose(0, 2, 1) for r in each]
    return {
        "activity": (("net", "layer", "stimulus", "unit"), np.stack(padded, axis=1)),
        "kernel": (("net", "layer", "stimulus", "other"), np.stack(kernels, axis=1)),
        "loss": ("net", losses),
    }
