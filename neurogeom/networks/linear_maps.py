"""Which layers of a module multiply by a matrix, and the rows that enter and leave each.

Rows are (map, row, unit): a map is a net where weights have a leading ``net`` axis, a group of a
convolution, or the one there is. A row is a trial, a token, or a position of an image.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neurogeom.columns import listed
from neurogeom.learn import lazy_torch
from neurogeom.networks.layers import OUTPUT, find_layers

__all__ = ["LinearMap", "find_maps"]


class LinearMap(NamedTuple):
    """A layer and how to read it; kind : one of the classes below."""

    name: str
    module: Any
    kind: Any


class Dense:
    """``nn.Linear``, on anything with units last."""

    axis = None

    def matrices(self, layer, weight):
        """A weight, or its gradient, as (1, n_b, n_a)."""
        return weight[None]

    def enter(self, layer, x, some):
        """(1, row, n_a) of the rows `some`."""
        return x.reshape(1, -1, x.shape[-1])[:, some]

    def output(self, layer, x, returned):
        """What left the linear map, in the shape of what the layer returned."""
        return returned

    def gradient(self, layer, output, gradient):
        """The gradient there, from that of what the layer returned."""
        return gradient

    def leave(self, layer, y):
        """(1, row, n_b), of outputs or their gradients."""
        return y.reshape(1, -1, y.shape[-1])


class NetDense(Dense):
    """The linear layers of this toolkit, weight (net, in, out)."""

    axis = "net"

    def matrices(self, layer, weight):
        """(net, n_b, n_a)."""
        return weight.transpose(1, 2)

    def enter(self, layer, x, some):
        """(net, row, n_a)."""
        return self.leave(layer, x)[:, some]

    def leave(self, layer, y):
        """(net, row, n_b)."""
        return y.reshape(y.shape[0], -1, y.shape[-1])


class Convolution(Dense):
    """``nn.Conv2d``: the units that enter are the pixels of a patch, a map is a group."""

    axis = "group"

    def matrices(self, layer, weight):
        """(group, n_b, n_a)."""
        return weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)

    def enter(self, layer, x, some):
        """(group, trial and position, pixel of the patch)."""
        x = lazy_torch().nn.functional.pad(x if x.dim() == 4 else x[None], *_margins(layer))
        patches = _patches(x, layer.kernel_size, layer.stride, layer.dilation)[..., some]
        return patches.reshape(layer.groups, -1, patches.shape[-1]).transpose(1, 2)

    def leave(self, layer, y):
        """(group, trial and position, n_b)."""
        y = y if y.dim() == 4 else y[None]
        return y.transpose(0, 1).reshape(layer.groups, -1, y[:, 0].numel()).transpose(1, 2)


class NetConvolution(Dense):
    """The convolutions of this toolkit, whose nonlinearity is within the layer."""

    axis = "net"

    def matrices(self, layer, weight):
        """(net, n_b, n_a)."""
        return weight.flatten(2)

    def enter(self, layer, x, some):
        """(net, image and position, pixel of the patch)."""
        nets, side = len(x), layer.weight.shape[-1]
        x = lazy_torch().nn.functional.pad(x.transpose(0, 1).flatten(1, 2), (1, 1, 1, 1))
        patches = _patches(x, (side, side), (2, 2), (1, 1))[..., some]
        return patches.reshape(nets, -1, patches.shape[-1]).transpose(1, 2)

    def output(self, layer, x, returned):
        """Made anew: the layer gives it to nobody."""
        weight = self.matrices(layer, layer.weight)
        z = self.enter(layer, x, slice(None)) @ weight.transpose(1, 2) + layer.bias[:, None]
        nets, images, units, *places = returned.shape
        return z.view(nets, images, *places, units).movedim(-1, 2)

    def gradient(self, layer, output, gradient):
        """Through the nonlinearity."""
        torch = lazy_torch()
        with torch.enable_grad():
            z = output.detach().requires_grad_()
            (through,) = torch.autograd.grad(layer.function(z), z, gradient)
        return through

    def leave(self, layer, y):
        """(net, image and position, n_b)."""
        return y.flatten(3).transpose(1, 2).flatten(2).transpose(1, 2)


def find_maps(module: Any, asked: Any = None) -> list[LinearMap]:
    """The linear maps of a module that names and patterns ask for, or all.

    Raises
    ------
    KeyError
        Nothing is named so.
    ValueError
        A layer that is named is no linear map, or its weights never run as a module's.
    """
    torch = lazy_torch()
    found = {name or OUTPUT: own for name, own in module.named_modules()}
    kinds = {name: _kind(torch, own) for name, own in found.items()}
    packed = [n for n, own in found.items() if isinstance(own, torch.nn.MultiheadAttention)]
    free = [n for n, kind in kinds.items() if kind and not _inside(n, packed)]
    if asked is None:
        if packed:
            raise ValueError(f"{_never_runs(packed[0])}, or track the others: {listed(free)}")
        if not free:
            raise ValueError(
                f"{type(module).__name__} has no nn.Linear and no nn.Conv2d; there is nothing to "
                "track"
            )
        return [LinearMap(name, found[name], kinds[name]) for name in free]
    names = [asked] if isinstance(asked, str) else list(asked)
    maps = []
    for layer in find_layers(torch, module, names):
        kind = None if layer.module is None else _kind(torch, layer.module)
        if inside := _inside(layer.name, packed):
            raise ValueError(f"{_never_runs(inside)}, or leave it out")
        if kind:
            maps.append(LinearMap(layer.name, layer.module, kind))
        elif layer.name in names:
            raise ValueError(
                f"layer {layer.name!r} is no linear map that runs as a module "
                f"({type(layer.module).__name__}); name some of {listed(free)}"
            )
    if not maps:
        raise ValueError(f"no linear map is named {names}; name some of {listed(free)}")
    return maps


def _kind(torch, layer):
    """How to read a layer, or None where it is no linear map."""
    from neurogeom.networks import modules

    for kind, read in (
        (torch.nn.Linear, Dense),
        (torch.nn.Conv2d, Convolution),
        (modules.Linear, NetDense),
        (modules.ConvolutionalMap, NetConvolution),
    ):
        if isinstance(layer, kind):
            return read()
    return None


def _inside(name, packed):
    return next((p for p in packed if p == OUTPUT or name == p or name.startswith(f"{p}.")), None)


def _never_runs(name):
    return (
        f"layer {name!r} is nn.MultiheadAttention, whose packed projections never run as modules; "
        "put attention made of nn.Linear (query, key, value, out) in its place"
    )


def _patches(x, size, stride, dilation):
    """Of padded images (trial, channel, row, column): (channel, pixel, trial and position)."""
    x = x.contiguous()
    trials, channels, *sides = x.shape
    places = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(sides, size, stride, dilation, strict=True)
    ]
    by_trial, by_channel, *by_side = x.stride()
    view = x.as_strided(
        (channels, *size, trials, *places),
        (
            by_channel,
            *(b * d for b, d in zip(by_side, dilation, strict=True)),
            by_trial,
            *(b * s for b, s in zip(by_side, stride, strict=True)),
        ),
    )
    return view.reshape(channels, size[0] * size[1], -1)


def _margins(layer):
    """(left, right, top, bottom) and how they are filled, as the convolution itself has them."""
    if layer.padding == "same":
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        sides = [(t // 2, t - t // 2) for t in total]
    else:
        sides = [(0, 0)] * 2 if layer.padding == "valid" else [(p, p) for p in layer.padding]
    filled = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return (*sides[1], *sides[0]), filled
