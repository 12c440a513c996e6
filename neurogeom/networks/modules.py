"""Networks as torch modules whose parameters have a leading ``net`` axis.

Inputs are (trial, step, channel), the same for all nets, or (net, trial, step, channel); outputs of
every module are (net, trial, step, unit). Only this file and `recurrent.py` import torch at once:
they are loaded when a network is built.
"""

import copy
import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ..stacked import Linear, Stacked, drawn, torch_function


class Layer(nn.Module):
    """A linear map and its nonlinearity; `linear` has the pre-activations."""

    def __init__(self, n_in, n_out, streams, activation, init="torch"):
        super().__init__()
        self.linear = Linear(n_in, n_out, streams, init)
        self.function = torch_function(activation)

    def forward(self, x):
        """(net, ..., in) to (net, ..., out)."""
        return self.function(self.linear(x))


class Encoder(nn.Module):
    """A fixed random network before the trained one; the first channels pass it by.

    Noise (sd a step) is added after it where `streams` are set.
    """

    def __init__(self, n_in, widths, passing, streams, activation="relu", noise=0.0):
        super().__init__()
        self.passing, self.noise, self.streams = passing, noise, None
        sizes = [n_in - passing, *widths]
        self.layers = nn.ModuleList(Linear(a, b, streams) for a, b in pairwise(sizes))
        self.function = torch_function(activation)
        self.requires_grad_(False)

    def forward(self, x):
        """(net, trial, step, channel) to (net, trial, step, passing + width)."""
        z = x[..., self.passing :]
        for layer in self.layers[:-1]:
            z = self.function(layer(z))
        z = self.layers[-1](z)
        if self.noise and self.streams is not None:
            drawn = [torch.randn(z.shape[1:], generator=g) for g in self.streams]
            z = z + self.noise * torch.stack(drawn).to(z.device)
        return torch.cat([x[..., : self.passing], z], dim=-1)


class Network(Stacked):
    """Encoder (if any), core, readout: what all architectures share.

    `core` maps (net, trial, step, channel) to (net, trial, step, unit); `readout` is linear.
    """

    def __init__(self, core, n_units, n_out, streams, *, encoder=None, train_readout=True,
                 init="torch"):  # fmt: skip
        super().__init__(len(streams))
        self.encoder = encoder
        self.core = core
        self.readout = Linear(n_units, n_out, streams, init)
        if not train_readout:
            self.readout.requires_grad_(False)

    def forward(self, inputs):
        """(trial, step, channel) or (net, trial, step, channel) to (net, trial, step, output)."""
        x = inputs if inputs.dim() == 4 else inputs.expand(self.n_nets, *inputs.shape)
        if self.encoder is not None:
            x = self.encoder(x)
        return self.readout(self.core(x))

    def member(self, i):
        """Net i alone."""
        i, (n_in, n_out, passing) = range(self.n_nets)[i], self.shape
        alone = self.architecture.build(n_in, n_out, seeds=self.seeds[i : i + 1], passing=passing)
        alone.load_state_dict({k: v[i : i + 1].clone() for k, v in self.state_dict().items()})
        return alone

    @torch.no_grad()
    def pair_(self):
        """Units of the last layer in pairs of the same input and opposite readout: outputs are 0.

        Unit k and unit k + half.
        """
        last = self.core.layers[-1].linear
        half = last.weight.shape[-1] // 2
        for part in (last.weight, last.bias):
            part[..., half:] = part[..., :half]
        self.readout.weight[:, half:] = -self.readout.weight[:, :half]
        self.readout.bias.zero_()

    @property
    def random(self):
        """Whether it has private noise while it learns."""
        return any(getattr(module, "noise", 0) for module in self.modules())

    def set_noise(self, generators):
        """Streams of the private noise, one a net; None is silence."""
        for module in self.modules():
            if hasattr(module, "streams"):
                module.streams = generators


class Several(nn.Module):
    """A user's own modules, one a net, which take (trial, step, channel)."""

    def __init__(self, nets):
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.n_nets = len(self.nets)
        self.streams = None  # of what is random inside, such as dropout

    def forward(self, inputs):
        """As `Network`."""
        each = inputs if inputs.dim() == 4 else [inputs] * self.n_nets
        if self.streams is None:
            return torch.stack([net(x) for net, x in zip(self.nets, each, strict=True)])
        with torch.random.fork_rng(devices=[]):
            found = []
            for net, x, stream in zip(self.nets, each, self.streams, strict=True):
                torch.default_generator.set_state(stream.get_state())
                found.append(net(x))
        return torch.stack(found)

    random = True  # it may be

    def set_noise(self, generators):
        """Streams of what is random inside, one a net; None leaves it to torch."""
        self.streams = generators

    def member(self, i):
        """Net i alone."""
        return Several([copy.deepcopy(self.nets[i])])

    def net_state(self, i):
        """The state of net i, copied."""
        return {k: v.detach().clone() for k, v in self.nets[i].state_dict().items()}

    def load_net_state(self, i, state):
        """Put back what `net_state` gave."""
        self.nets[i].load_state_dict(state)

    def clip_(self, norm):
        """Shorten the gradient of every net that is longer than `norm`."""
        for net in self.nets:
            nn.utils.clip_grad_norm_(net.parameters(), norm)


class Perceptron(nn.Module):
    """Layers one after another; each is a module `layers.0`, `layers.1`, ... with its activity."""

    def __init__(self, n_in, widths, streams, activation, init):
        super().__init__()
        sizes = [n_in, *widths]
        self.layers = nn.ModuleList(
            Layer(a, b, streams, activation, init) for a, b in pairwise(sizes)
        )

    def forward(self, x):
        """Each step by itself."""
        for layer in self.layers:
            x = layer(x)
        return x


class Convolutions(nn.Module):
    """Square grey images through convolutions (3 x 3, each halving the side), then one layer.

    A step is an image, row by row. `maps.0`, ... are (net, trial, channel, row, column) where
    there is one step, and trials and steps run together where there are several.
    """

    def __init__(self, n_in, channels, width, streams, activation):
        super().__init__()
        self.side = math.isqrt(n_in)
        if self.side**2 != n_in:
            raise ValueError(f"{n_in} inputs are no square image; give side * side channels")
        sizes = [1, *channels]
        self.maps = nn.ModuleList(
            ConvolutionalMap(a, b, streams, activation) for a, b in pairwise(sizes)
        )
        left = self.side
        for _ in channels:
            left = (left + 1) // 2
        self.layers = nn.ModuleList([Layer(channels[-1] * left**2, width, streams, activation)])

    def forward(self, x):
        """(net, trial, step, pixel) to (net, trial, step, unit)."""
        nets, trials, steps, _ = x.shape
        z = x.reshape(nets, trials * steps, 1, self.side, self.side)
        for layer in self.maps:
            z = layer(z)
        z = z.reshape(nets, trials, steps, -1)
        for layer in self.layers:
            z = layer(z)
        return z


class ConvolutionalMap(nn.Module):
    """One convolution a net, as groups of one convolution over all nets."""

    def __init__(self, n_in, n_out, streams, activation, side=3):
        super().__init__()
        fan = n_in * side * side
        self.weight = nn.Parameter(drawn(streams, (n_out, n_in, side, side), fan, "torch"))
        self.bias = nn.Parameter(drawn(streams, (n_out,), fan, "torch"))
        self.function = torch_function(activation)

    def forward(self, x):
        """(net, image, channel, row, column), the side halved."""
        nets, images = x.shape[:2]
        together = x.transpose(0, 1).reshape(images, -1, *x.shape[3:])
        weight = self.weight.flatten(0, 1)
        z = functional.conv2d(together, weight, self.bias.flatten(), 2, 1, groups=nets)
        z = z.view(images, nets, -1, *z.shape[2:]).transpose(0, 1)
        return self.function(z)


class Transformer(nn.Module):
    """Causal self-attention without a positional code, normalised before each part, as in GPT-2."""

    def __init__(self, n_in, width, heads, n_layers, streams):
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} units cannot be shared by {heads} heads; make it a multiple")
        self.enter = Linear(n_in, width, streams)
        self.blocks = nn.ModuleList(Block(width, heads, streams) for _ in range(n_layers))
        self.norm = Norm(width, len(streams))

    def forward(self, x):
        """Every step attends to itself and those before it."""
        z = self.enter(x)
        for block in self.blocks:
            z = block(z)
        return self.norm(z)


class Block(nn.Module):
    """Attention and a two-layer perceptron, each added to its input."""

    def __init__(self, width, heads, streams):
        super().__init__()
        self.attention = Attention(width, heads, streams)
        self.before = nn.ModuleList([Norm(width, len(streams)), Norm(width, len(streams))])
        self.widen = Layer(width, 4 * width, streams, "gelu")
        self.narrow = Linear(4 * width, width, streams)

    def forward(self, x):
        """(net, trial, step, unit), the same shape."""
        x = x + self.attention(self.before[0](x))
        return x + self.narrow(self.widen(self.before[1](x)))


class Attention(nn.Module):
    """Causal self-attention of several heads."""

    def __init__(self, width, heads, streams):
        super().__init__()
        self.heads = heads
        self.ask = Linear(width, 3 * width, streams)
        self.leave = Linear(width, width, streams)

    def forward(self, x):
        """(net, trial, step, unit), the same shape."""
        nets, trials, steps, width = x.shape
        parts = self.ask(x).view(nets * trials, steps, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        z = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.leave(z.transpose(1, 2).reshape(nets, trials, steps, width))


class Norm(nn.Module):
    """Layer normalisation with a gain and an offset a net."""

    def __init__(self, width, n_nets):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_nets, 1, 1, width))
        self.bias = nn.Parameter(torch.zeros(n_nets, 1, 1, width))

    def forward(self, x):
        """Zero mean and unit variance over units, then gain and offset."""
        return functional.layer_norm(x, x.shape[-1:]) * self.weight + self.bias
