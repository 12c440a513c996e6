"""The hidden layers of a network: what comes in, what goes out, and what the activation keeps.

Where a unit's activation f is positively homogeneous, f(c z) = c f(z), what comes into a unit may
be multiplied by c and what goes out divided by it, and the network computes what it computed. That
symmetry is why relative scales are free and why gradient flow conserves something
(:mod:`neurogeom.networks.conserved`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from ..columns import listed
from ..learn import lazy_torch
from .activations import parsed

LINEAR, HOMOGENEOUS, OTHER = "linear", "homogeneous", "other"
KINDS = {"linear": LINEAR, "relu": HOMOGENEOUS, "leaky": HOMOGENEOUS}
# what torch calls them; a layer between two others that only moves numbers is linear
TORCH = {
    **dict.fromkeys(("Identity", "Flatten", "AvgPool1d", "AvgPool2d", "AdaptiveAvgPool2d"), LINEAR),
    **dict.fromkeys(("ReLU", "LeakyReLU", "PReLU", "MaxPool1d", "MaxPool2d"), HOMOGENEOUS),
    **dict.fromkeys(("Dropout", "AdaptiveMaxPool2d"), HOMOGENEOUS),
}
DENSE = ("Linear", "Conv1d", "Conv2d", "Conv3d")


class Weight(NamedTuple):
    """A parameter by name, and the axis along which the hidden units lie."""

    name: str
    axis: int


class Hidden(NamedTuple):
    """A hidden layer.

    name : of the module whose output shows which units are active
    kind : "linear", "homogeneous" or "other"; reason : why it is other, a sentence's end
    recurrent : into the units and out of them, of one parameter
    """

    name: str
    kind: str
    reason: str
    n_units: int
    incoming: Weight | None = None
    outgoing: Weight | None = None
    bias: Weight | None = None
    recurrent: tuple[Weight, Weight] | None = None

    @property
    def into(self) -> list[Weight]:
        """All that comes into the units."""
        return [w for w in (self.incoming, (self.recurrent or (None,))[0], self.bias) if w]

    @property
    def out(self) -> list[Weight]:
        """All that goes out of them."""
        return [w for w in (self.outgoing, (self.recurrent or (None, None))[1]) if w]


def hidden_layers(module: Any, layers: Sequence[str] | None = None) -> list[Hidden]:
    """The hidden layers of a network, in the order in which they run.

    Parameters
    ----------
    module : torch module
        One of this toolkit, or an ``nn.Sequential`` of Linear, convolutional and other layers.
    layers : sequence of str, optional
        For any other module: names of its layers in the order in which they run, and of activations
        that are functions, as in ("first", "relu", "second").

    Raises
    ------
    KeyError, ValueError
        A layer or an activation has no such name, or the order cannot be known.
    """
    if hasattr(module, "architecture") and layers is None:
        found = _of_toolkit(module)
    else:
        found = _of_chain(_parts(module, layers))
    parameters = dict(module.named_parameters(remove_duplicate=False))
    return [_checked(h, parameters) for h in found]


def oriented(value: Any, weight: Weight, n_units: int, n_nets: int | None) -> np.ndarray:
    """A parameter as (net, unit, the rest), float64; one net where there is no axis of nets."""
    value = value.detach().cpu().double().numpy()
    front = np.moveaxis(value, weight.axis, 0 if n_nets is None else 1)
    return front.reshape(n_nets or 1, n_units, -1)


def rescaled_(module: Any, hidden: Sequence[Hidden], alpha: float) -> None:
    """Divide the first layer by alpha and multiply the last by it, in place.

    Hidden biases are divided too, since every hidden activity is.
    """
    torch = lazy_torch()
    parameters = dict(module.named_parameters())
    divided = {hidden[0].incoming.name, *(h.bias.name for h in hidden if h.bias)}
    with torch.no_grad():
        for name in divided:
            parameters[name].div_(alpha)
        parameters[hidden[-1].outgoing.name].mul_(alpha)


def rates_of(names: Sequence[str], rates: Mapping[str, float] | None) -> dict[str, float]:
    """The learning rate of every parameter: of the first pattern that fits its name, else 1.

    Examples
    --------
    >>> rates_of(["0.weight", "2.weight"], {"0.*": 0.5})
    {'0.weight': 0.5, '2.weight': 1.0}
    """
    rates = dict(rates or {})
    for pattern, rate in rates.items():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise KeyError(f"no trained parameter is named {pattern!r}; there are {listed(names)}")
        if not 0 < rate < np.inf:
            raise ValueError(
                f"rate {rate} of {pattern!r} is no learning rate; give a number above 0, and "
                "freeze what does not learn by requires_grad_(False)"
            )
    return {
        name: float(next((r for p, r in rates.items() if fnmatchcase(name, p)), 1.0))
        for name in names
    }


def _of_toolkit(module):
    """The architectures of this toolkit; all their parameters have a leading axis of nets."""
    settings, core = module.architecture, module.core
    kind = type(settings).__name__
    activation = getattr(settings, "activation", "")
    bend = KINDS.get(parsed(activation)[0], OTHER) if activation else OTHER
    reason = "" if bend != OTHER else f"its activation {activation} is not homogeneous"
    readout = Weight("readout.weight", 1)
    if kind == "RNN":
        if core.noise:
            bend, reason = OTHER, "its units have private noise of a fixed size"
        loop = Weight("core.weight", 2), Weight("core.weight", 1)
        own = Weight("core.weight_in", 2), readout, Weight("core.bias", 2), loop
        return [Hidden("core", bend, reason, core.units, *own)]
    if kind not in ("MLP", "Convolutional"):
        units = module.readout.weight.shape[1]
        return [Hidden("core", OTHER, f"the symmetries of a {kind} are not known here", units)]
    # (name, module's weight, axes of its units as those that come in and that go out, of the bias)
    steps = [(f"core.maps.{i}", "weight", 1, 2, "bias", 1)
             for i in range(len(getattr(core, "maps", ())))]  # fmt: skip
    steps += [(f"core.layers.{i}", "linear.weight", 2, 1, "linear.bias", 2)
              for i in range(len(core.layers))]  # fmt: skip
    weights = dict(module.named_parameters())
    found = []
    for i, (name, weight, axis, _, bias, bias_axis) in enumerate(steps):
        after = steps[i + 1] if i + 1 < len(steps) else None
        out = Weight(f"{after[0]}.{after[1]}", after[3]) if after else readout
        n_units = weights[f"{name}.{weight}"].shape[axis]
        own = Weight(f"{name}.{weight}", axis), out, Weight(f"{name}.{bias}", bias_axis)
        found.append(Hidden(name, bend, reason, n_units, *own))
    return found


def _parts(module, layers):
    """(name, module or activation's name) in the order in which they run."""
    torch = lazy_torch()
    if layers is None:
        if not isinstance(module, torch.nn.Sequential):
            raise ValueError(
                f"the order in which the layers of {type(module).__name__} run cannot be known; "
                "name them: layers=('first', 'relu', 'second')"
            )
        return list(_flat(torch, module))
    names = dict(module.named_modules())
    return [(name, names[name]) if name in names else (name, _named(name, names))
            for name in layers]  # fmt: skip


def _named(name, names):
    try:
        return parsed(name)[0]
    except ValueError as error:
        raise KeyError(
            f"{name!r} is neither a layer nor an activation; layers are {listed([*names][1:])}"
        ) from error


def _flat(torch, module, prefix=""):
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Sequential):
            yield from _flat(torch, child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _of_chain(parts):
    """Hidden layers between the dense ones of a chain."""
    places = [i for i, (_, part) in enumerate(parts) if type(part).__name__ in DENSE]
    found = []
    for i, j in itertools.pairwise(places):
        (name, first), (last_name, last) = parts[i], parts[j]
        bend, reason = _between([part for _, part in parts[i + 1 : j]])
        if {getattr(first, "groups", 1), getattr(last, "groups", 1)} != {1}:
            bend, reason = OTHER, "it is a convolution in groups"
        bias = Weight(f"{name}.bias", 0) if first.bias is not None else None
        own = Weight(f"{name}.weight", 0), Weight(f"{last_name}.weight", 1), bias
        found.append(Hidden(name, bend, reason, first.weight.shape[0], *own))
    return found


def _between(parts):
    """What the layers between two dense ones keep, together."""
    kinds = [(_kind(part), part) for part in parts]
    for kind, part in kinds:
        if kind == OTHER:
            what = part if isinstance(part, str) else type(part).__name__
            return OTHER, f"{what} behind it is not homogeneous in each unit"
    return (HOMOGENEOUS if HOMOGENEOUS in dict(kinds) else LINEAR), ""


def _kind(part):
    return (
        KINDS.get(part, OTHER) if isinstance(part, str) else TORCH.get(type(part).__name__, OTHER)
    )


def _checked(hidden, parameters):
    """Nothing holds where a weight is shared, or frozen while its neighbours learn."""
    if hidden.kind == OTHER:
        return hidden
    names = [w.name for w in (*hidden.into, *hidden.out)]
    for name in dict.fromkeys(names):
        own = parameters[name]
        if sum(other is own for other in parameters.values()) > 1:
            return hidden._replace(kind=OTHER, reason=f"{name} is shared with another layer")
        if not own.requires_grad:
            return hidden._replace(kind=OTHER, reason=f"{name} does not learn")
    return hidden
