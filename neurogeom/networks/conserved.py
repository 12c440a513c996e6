r"""What does gradient flow leave unchanged in a network's weights?

A symmetry of the network that scales what comes into hidden units and undoes it in what goes out
gives, under gradient flow :math:`\dot\theta_p = -\eta_p\,\partial L / \partial\theta_p`, a quantity
that no data and no loss can change. With the rows of :math:`I` what comes into each unit (weights
and bias) and of :math:`O` what goes out of it:

- linear units: :math:`\eta_I O O^T - \eta_O I I^T`, the whole (unit, unit) matrix;
- relu and leaky units: its diagonal, one number a unit, :math:`\eta_I |O_k|^2 - \eta_O |I_k|^2`;
- tanh and other units that are not homogeneous: nothing.

For one unit, :math:`\delta = \eta_w a^2 - \eta_a |w|^2` of Kunin et al. 2024 (arXiv:2406.06158):
above 0 the network is *upstream* (its first layer moves less), below *downstream*. Recurrent
weights of a rate RNN count on both sides (derived here, as are biases: a unit scales with them).

With weight decay coupled to one common rate, :math:`\dot\theta = -\nabla L - \gamma\theta`, what
was conserved decays as :math:`e^{-2\gamma t}` exactly, whatever is learnt meanwhile (derived here).
Gradient descent drifts by O(lr); minibatches, noise in the inputs and clipping change nothing of
this, momentum and Adam do: nothing is conserved there. Normalisation between two layers breaks the
tie between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .hidden import HOMOGENEOUS, LINEAR, OTHER, Hidden, hidden_layers, oriented, rates_of

__all__ = ["conservation_drift", "conserved_quantities"]

KEPT = {LINEAR: "matrix", HOMOGENEOUS: "neuron", OTHER: "none"}


def conserved_quantities(
    module: Any,
    *,
    layers: Sequence[str] | None = None,
    rates: Mapping[str, float] | None = None,
) -> dict[str, xr.Dataset]:
    """What gradient flow conserves, for every hidden layer.

    Parameters
    ----------
    module : torch module
        An MLP, rate RNN or convolutional network of this toolkit, one's own modules that were
        trained here, or an ``nn.Sequential``.
    layers : sequence of str
        For any other module: its layers in the order in which they run, and activations that are
        functions: ("first", "relu", "second").
    rates : mapping of patterns to numbers, optional
        Learning rates of parameters by name; 1 for the others.

    Returns
    -------
    {layer: Dataset}
        ``conserved`` ([net,] unit), or ([net,] unit, unit_2) of linear units, NaN where nothing is;
        ``size`` ([net]), the norm of what comes in plus that of what goes out, on the same scale;
        ``attrs``: kind ("matrix", "neuron", "none") and the reason where it is none.

    Raises
    ------
    KeyError, ValueError
        A layer or rate has no such name, or the order of the layers cannot be known.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Linear(1, 1, bias=False), torch.nn.ReLU(), torch.nn.Linear(1, 1)
    ... )
    >>> for layer, weight in ((net[0], 2.0), (net[2], 3.0)):
    ...     _ = torch.nn.init.constant_(layer.weight, weight)
    >>> found = conserved_quantities(net)["0"]
    >>> found.conserved.values.tolist(), found.kind
    ([5.0], 'neuron')
    >>> net[1] = torch.nn.Tanh()
    >>> conserved_quantities(net)["0"].reason
    'Tanh behind it is not homogeneous in each unit'
    """
    if hasattr(module, "nets"):
        each = [conserved_quantities(m, layers=layers, rates=rates) for m in module.nets]
        return {k: xr.concat([own[k] for own in each], "net") for k in each[0]}
    found = hidden_layers(module, layers)
    trained = {k: p for k, p in module.named_parameters() if p.requires_grad}
    rate = rates_of(list(trained), rates)
    nets = getattr(module, "n_nets", None)
    return {h.name: _quantity(h, trained, rate, nets) for h in found}


def conservation_drift(
    before: Any,
    after: Any,
    *,
    layers: Sequence[str] | None = None,
    rates: Mapping[str, float] | None = None,
    weight_decay: float = 0.0,
    time: float | np.ndarray = 0.0,
) -> xr.Dataset:
    r"""How much did what gradient flow conserves change between two checkpoints?

    Parameters
    ----------
    before, after : torch modules of one kind
    layers, rates
        As of :func:`conserved_quantities`.
    weight_decay, time : float, float or ([net])
        :math:`\gamma` of a coupled decay of all weights and biases at one rate, and the time
        between the checkpoints, the sum of the learning rates of the steps: what was conserved
        should have shrunk by :math:`e^{-2 \gamma t}`.

    Returns
    -------
    Dataset
        ``drift`` (layer[, net]), the norm of the change beyond that; ``relative``, the same over
        the larger of the two sizes (0 under flow, about 1 where nothing is kept); NaN where
        nothing is conserved. ``kind`` and ``reason`` (layer).

    Raises
    ------
    KeyError, ValueError
        As there; the modules differ; a weight decay and rates together.

    Examples
    --------
    >>> import copy, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    >>> shrunk = copy.deepcopy(net)
    >>> with torch.no_grad():
    ...     for p in shrunk.parameters():
    ...         _ = p.mul_(0.5)
    >>> found = conservation_drift(net, shrunk, weight_decay=1.0, time=np.log(2))
    >>> bool(found.relative < 1e-7)
    True
    """
    if weight_decay and rates:
        raise ValueError(
            "with weight decay nothing is known of unequal rates; leave rates out, and give the "
            "one rate in time"
        )
    first, last = (conserved_quantities(m, layers=layers, rates=rates) for m in (before, after))
    if {k: v.sizes for k, v in first.items()} != {k: v.sizes for k, v in last.items()}:
        raise ValueError("the two checkpoints have different hidden layers; give two of one module")
    factor = np.exp(-2 * weight_decay * np.asarray(time, float))
    factor = xr.DataArray(factor, dims=("net",)[: factor.ndim])
    rows = [_drift(first[k], last[k], factor) for k in first]
    if not rows:
        raise ValueError("this module has no hidden layer; give one with two layers or more")
    found = xr.concat(rows, "layer").assign_coords(layer=list(first))
    return found.assign_attrs(weight_decay=weight_decay, time=np.asarray(time).tolist())


def _quantity(hidden: Hidden, parameters, rate, nets) -> xr.Dataset:
    dims = ("unit",) if hidden.kind != LINEAR else ("unit", "unit_2")
    lead = () if nets is None else ("net",)
    attrs = {"kind": KEPT[hidden.kind], "reason": hidden.reason}
    if hidden.kind == OTHER:
        value, size = np.full((nets or 1, hidden.n_units), np.nan), np.full(nets or 1, np.nan)
    else:
        total = rate[hidden.incoming.name] * rate[hidden.outgoing.name]

        def product(weights):
            """Sum of (total / rate) W W^T, or of its diagonal."""
            parts = [
                (total / rate[w.name], oriented(parameters[w.name], w, hidden.n_units, nets))
                for w in weights
            ]
            over = "nuf,nvf->nuv" if hidden.kind == LINEAR else "nuf,nuf->nu"
            return sum(scale * np.einsum(over, v, v) for scale, v in parts)

        out, into = product(hidden.out), product(hidden.into)
        value = out - into
        size = _norm(out) + _norm(into)
        attrs["between"] = [hidden.incoming.name, hidden.outgoing.name]
    found = {"conserved": ((*lead, *dims), value), "size": (lead, size)}
    if nets is None:
        found = {k: (d, v[0]) for k, (d, v) in found.items()}
    return xr.Dataset(found, attrs=attrs)


def _drift(first, last, factor):
    dims = [d for d in first.conserved.dims if d != "net"]
    change = np.sqrt(((last.conserved - factor * first.conserved) ** 2).sum(dims, skipna=False))
    size = np.maximum(factor * first["size"], last["size"])
    return xr.Dataset(
        {
            "drift": change,
            "relative": change / size.where(size > 0),
            "kind": first.attrs["kind"],
            "reason": first.attrs["reason"],
        }
    )


def _norm(value):
    return np.sqrt((value**2).sum(axis=tuple(range(1, value.ndim))))
