"""Sparse autoencoders as torch modules whose parameters have a leading ``net`` axis.

Torch is imported at once: this file is loaded when an autoencoder is built.
"""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ..stacked import Stacked, drawn

AWAKE = 0.1  # first bias of a perceptron's outputs: one that is never active is never trained


class Affine(nn.Module):
    """A linear map a net; its bias starts at 0 and stays there where there is none."""

    def __init__(self, n_in, n_out, streams, bias=True):
        super().__init__()
        self.weight = nn.Parameter(drawn(streams, (n_in, n_out), n_in))
        self.bias = nn.Parameter(torch.zeros(len(streams), 1, n_out), requires_grad=bias)

    def forward(self, x):
        """(net, sample, in) to (net, sample, out)."""
        return torch.baddbmm(self.bias, x, self.weight)


class Encoder(Stacked):
    """Maps with relu after each; of the last, the `n_nonzero` largest are kept where it is given.

    sizes : numbers of units, from neurons to atoms
    tied : the only map is the atoms themselves
    """

    def __init__(self, sizes, streams, *, bias=True, tied=False, n_nonzero=None):
        super().__init__(len(streams))
        self.maps = nn.ModuleList(Affine(a, b, streams, bias) for a, b in pairwise(sizes))
        if len(self.maps) > 1:
            nn.init.constant_(self.maps[-1].bias, AWAKE)
        self.sizes, self.tied, self.n_nonzero = list(sizes), tied, n_nonzero
        if tied:
            self.maps[0].weight.requires_grad_(False)

    def forward(self, x, atoms):
        """(net, sample, neuron), unit atoms (net, atom, neuron), to codes (net, sample, atom)."""
        if self.tied:
            x = torch.relu(torch.baddbmm(self.maps[0].bias, x, atoms.mT))
        else:
            for linear in self.maps:
                x = torch.relu(linear(x))
        if self.n_nonzero is None:
            return x
        values, places = x.topk(self.n_nonzero, dim=-1)
        return torch.zeros_like(x).scatter(-1, places, values)


class Autoencoder(Stacked):
    """An encoder and a decoder whose atoms have length 1 at every forward.

    atoms : float32 (net, atom, neuron), any lengths; frozen : they are not trained
    """

    def __init__(self, encoder, atoms, *, frozen):
        super().__init__(encoder.n_nets)
        self.encoder = encoder
        self.decoder = nn.Parameter(atoms, requires_grad=not frozen)

    @property
    def atoms(self):
        """Unit atoms, (net, atom, neuron)."""
        return functional.normalize(self.decoder, dim=-1)

    def forward(self, x):
        """(sample, neuron) to codes (net, sample, atom) and residuals (net, sample, neuron)."""
        atoms = self.atoms
        x = x.expand(self.n_nets, *x.shape)
        codes = self.encoder(x, atoms)
        return codes, torch.baddbmm(x, codes, atoms, alpha=-1)


def alone(encoder, i):
    """Net i of an encoder as one of its own, in double precision and in no need of gradients."""
    own = copy.deepcopy(encoder)
    own.n_nets = 1
    for linear in own.maps:
        linear.weight = nn.Parameter(linear.weight[i : i + 1].detach().double(), False)
        linear.bias = nn.Parameter(linear.bias[i : i + 1].detach().double(), False)
    return own


def objective(penalty):
    """Half the squared residual and the penalised sum of the codes, mean over samples, (net,)."""

    def loss(module, batch):
        codes, residual = module(batch)
        return 0.5 * residual.square().sum(-1).mean(-1) + penalty * codes.sum(-1).mean(-1)

    return loss


def squared_error(module, batch):
    """Half the squared distance of codes from the true ones, mean over samples, (net,)."""
    x, true = batch
    return 0.5 * (module(x)[0] - true).square().sum(-1).mean(-1)


def negative_cosine(module, batch):
    """Less the cosine of every latent with the true one over samples, mean over latents, (net,)."""
    x, true = batch
    codes, _ = module(x)
    return -functional.cosine_similarity(codes, true.expand_as(codes), dim=1).mean(-1)
