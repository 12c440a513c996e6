"""Several networks as one module, whose parameters and buffers have a leading ``net`` axis.

Torch is imported at once: this file is loaded when a network is built.
"""

import copy
import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .formulas.activations import parsed


def streams(seed, n_nets, key):
    """One torch generator a net, each its own; `key` tells one use of a seed from another."""
    every = [np.random.SeedSequence(seed, spawn_key=(key, net)) for net in range(n_nets)]
    numbers = [int(s.generate_state(1, np.uint64)[0] >> np.uint64(1)) for s in every]
    return [torch.Generator().manual_seed(number) for number in numbers]


class Stacked(nn.Module):
    """What :func:`neurogeom.learn.fit` asks of a module that holds several networks."""

    def __init__(self, n_nets):
        super().__init__()
        self.n_nets = n_nets

    def net_state(self, i):
        """Net i's part of all tensors, copied."""
        return {k: v[i].detach().clone() for k, v in self.state_dict().items()}

    @torch.no_grad()
    def load_net_state(self, i, state):
        """Put back what `net_state` gave."""
        for name, value in self.state_dict().items():
            value[i].copy_(state[name])

    def alone(self, i):
        """Net i as a module of one net, copied."""
        own = copy.deepcopy(self)
        own.n_nets = 1
        for part in own.modules():
            for kind in (part._parameters, part._buffers):
                for value in kind.values():
                    value.data = value.data[i : i + 1].clone()
        return own

    def clip_(self, norm):
        """Shorten the gradient of every net that is longer than `norm`."""
        grads = [p.grad for p in self.parameters() if p.grad is not None]
        length = sum(g.square().flatten(1).sum(1) for g in grads).sqrt()
        scale = (norm / (length + 1e-6)).clamp(max=1.0)
        for g in grads:
            g.mul_(scale.view(-1, *[1] * (g.dim() - 1)))


class Linear(nn.Module):
    """One linear map a net: weight (net, in, out), bias (net, 1, out)."""

    def __init__(self, n_in, n_out, streams, init="torch"):
        super().__init__()
        self.weight = nn.Parameter(drawn(streams, (n_in, n_out), n_in, init))
        self.bias = nn.Parameter(drawn(streams, (1, n_out), n_in, init))

    def forward(self, x):
        """(net, ..., in) to (net, ..., out)."""
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        return torch.baddbmm(self.bias, flat, self.weight).view(*x.shape[:-1], -1)


def drawn(streams, shape, n_in, init="torch"):
    """One draw a net, each from its own stream: a net is the same alone and among others."""
    if init == "normal":
        return torch.stack([torch.randn(shape, generator=g) / math.sqrt(n_in) for g in streams])
    bound = 1 / math.sqrt(n_in)
    return torch.stack([(2 * torch.rand(shape, generator=g) - 1) * bound for g in streams])


class BatchNorm(nn.Module):
    """Every unit centred and scaled over the samples of a batch, in evaluation by running moments.

    As torch.nn.BatchNorm1d (Ioffe & Szegedy 2015), each net by itself.
    """

    def __init__(self, n_units, n_nets, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(n_nets, 1, n_units))
        self.bias = nn.Parameter(torch.zeros(n_nets, 1, n_units))
        self.register_buffer("mean", torch.zeros(n_nets, 1, n_units))
        self.register_buffer("variance", torch.ones(n_nets, 1, n_units))

    def forward(self, x):
        """(net, sample, unit) to the same."""
        if self.training:
            mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
            with torch.no_grad():
                n = x.shape[1]
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance * n / max(1, n - 1), self.momentum)
        else:
            mean, variance = self.mean, self.variance
        return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias


class MLP(Stacked):
    """Linear maps with a nonlinearity between them, none after the last.

    sizes : numbers of channels, from the input's to the output's
    streams : one torch generator a net
    activation : a name of :mod:`neurogeom.formulas.activations`
    batch_norm : units of the hidden layers are normalised before the nonlinearity
    """

    def __init__(self, sizes, streams, *, activation="relu", batch_norm=False):
        super().__init__(len(streams))
        self.maps = nn.ModuleList(Linear(a, b, streams) for a, b in pairwise(sizes))
        norms = [BatchNorm(n, self.n_nets) for n in sizes[1:-1]] if batch_norm else []
        self.norms = nn.ModuleList(norms)
        self.function = torch_function(activation)

    def forward(self, x):
        """(sample, in), the same for all nets, or (net, sample, in), to (net, sample, out)."""
        x = x if x.dim() == 3 else x.expand(self.n_nets, *x.shape)
        for i, linear in enumerate(self.maps):
            x = linear(x)
            if i + 1 < len(self.maps):
                x = self.function(self.norms[i](x) if len(self.norms) else x)
        return x


def torch_function(name):
    """A nonlinearity of :mod:`neurogeom.formulas.activations`, of tensors."""
    kind, number = parsed(name)
    return {
        "relu": torch.relu,
        "clipped_relu": lambda h: torch.clamp(h, 0, number),
        "shifted_relu": lambda h: torch.relu(h - number),
        "leaky": lambda h: functional.leaky_relu(h, 0.01),
        "hardtanh": lambda h: torch.clamp(h, -1, 1),
        "tanh": torch.tanh,
        "erf": torch.erf,
        "sigmoid": torch.sigmoid,
        "softplus": functional.softplus,
        "gelu": functional.gelu,
        "linear": lambda h: h,
    }[kind]
