"""SlowVAE (Klindt et al. 2021, ICLR, arXiv:2007.10930) as torch modules, several nets in one.

Torch is imported at once: this file is loaded when a model is built.
"""

import math
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ..formulas.laplace_transition import FAR
from ..stacked import MLP, Linear, Stacked

LOG_VARIANCE = (-12.0, 4.0)  # of the posterior
LARGEST = 20.0  # log of a Poisson rate
LOSSES = ("two_way", "authors", "elbo")
LIKELIHOODS = ("gaussian", "bernoulli", "poisson")
leaky = partial(functional.leaky_relu, negative_slope=0.2)


# --- transitions ----------------------------------------------------------------------------------


def expected_abs(d, s):
    """E|z| of z from N(d, s^2), s above 0, as neurogeom.formulas.laplace_transition has it."""
    u = (d / s).clamp(-FAR, FAR)
    return s * math.sqrt(2 / math.pi) * torch.exp(-u * u / 2) + d * torch.erf(u / math.sqrt(2))


def cross_entropy(d, s, rate):
    """Expected -ln of the Laplace transition, nats."""
    return rate * expected_abs(d, s) - math.log(rate / 2)


def entropy(log_variance):
    """Nats of a Gaussian."""
    return 0.5 * (log_variance + math.log(2 * math.pi * math.e))


def marginal(mu, log_variance):
    """KL divergence from N(0, 1), nats."""
    return 0.5 * (mu * mu + log_variance.exp() - 1 - log_variance)


def transition(first, second, rate, kind):
    """The Laplace term of each pair and latent; first, second : (mean, log variance) of posteriors.

    "elbo" is exact. "authors" takes both directions with the other moment's mean, and one mean
    entropy; "two_way" both directions and both entropies.
    """
    (m0, v0), (m1, v1) = first, second
    if kind == "elbo":
        return cross_entropy(m1 - m0, (v0.exp() + v1.exp()).sqrt(), rate) - entropy(v1)
    ways = cross_entropy(m1 - m0, (v1 / 2).exp(), rate) + cross_entropy(
        m0 - m1, (v0 / 2).exp(), rate
    )
    both = entropy(v0) + entropy(v1)
    return ways - (both / 2 if kind == "authors" else both)


# --- networks -------------------------------------------------------------------------------------


class Convolution(nn.Module):
    """One 4 x 4 convolution of stride 2 a net, or its transpose: (net, sample, channel, h, w)."""

    def __init__(self, n_in, n_out, streams, transposed=False):
        super().__init__()
        self.transposed = transposed
        spread = math.sqrt(2 / (16 * n_in))  # Kaiming
        shape = (n_in, n_out, 4, 4) if transposed else (n_out, n_in, 4, 4)
        weights = [spread * torch.randn(shape, generator=g) for g in streams]
        self.weight = nn.Parameter(torch.stack(weights))
        self.bias = nn.Parameter(torch.zeros(len(streams), n_out))

    def forward(self, x):
        """Half the height and width, or twice."""
        nets, samples = x.shape[:2]
        seen = x.transpose(0, 1).flatten(1, 2)  # nets are groups of channels
        options = {"stride": 2, "padding": 1, "groups": nets}
        run = functional.conv_transpose2d if self.transposed else functional.conv2d
        found = run(seen, self.weight.flatten(0, 1), self.bias.flatten(), **options)
        return found.view(samples, nets, -1, *found.shape[2:]).transpose(0, 1)


class Images(nn.Module):
    """(net, sample, pixel) of square images to (net, sample, out), by convolutions and one layer.

    channels : of the convolutions, and last the units of the layer
    """

    def __init__(self, side, channels, n_out, streams):
        super().__init__()
        self.side = side
        *maps, n_units = channels
        self.maps = nn.ModuleList(Convolution(a, b, streams) for a, b in pairwise((1, *maps)))
        n_last = maps[-1] * (side // 2 ** len(maps)) ** 2
        self.dense, self.out = Linear(n_last, n_units, streams), Linear(n_units, n_out, streams)

    def forward(self, x):
        """Codes."""
        x = x.view(*x.shape[:2], 1, self.side, self.side)
        for convolution in self.maps:
            x = torch.relu(convolution(x))
        return self.out(torch.relu(self.dense(x.flatten(2))))


class Drawing(nn.Module):
    """The way back: (net, sample, latent) to (net, sample, pixel)."""

    def __init__(self, side, channels, n_latents, streams):
        super().__init__()
        *maps, n_units = channels
        self.shape = (maps[-1], side // 2 ** len(maps), side // 2 ** len(maps))
        self.first = Linear(n_latents, n_units, streams)
        self.dense = Linear(n_units, math.prod(self.shape), streams)
        back = pairwise((*maps[::-1], 1))
        self.maps = nn.ModuleList(Convolution(a, b, streams, transposed=True) for a, b in back)

    def forward(self, z):
        """Images, without a nonlinearity at the end."""
        x = torch.relu(self.dense(torch.relu(self.first(z))))
        x = x.view(*x.shape[:2], *self.shape)
        for i, convolution in enumerate(self.maps):
            x = convolution(x if i == 0 else torch.relu(x))
        return x.flatten(2)


def built(n_features, n_latents, hidden, convolutions, streams):
    """Encoder and decoder."""
    if convolutions:
        side = math.isqrt(n_features)
        return (Images(side, hidden, 2 * n_latents, streams),
                Drawing(side, hidden, n_latents, streams))  # fmt: skip
    encoder = MLP((n_features, *hidden, 2 * n_latents), streams)
    decoder = MLP((n_latents, *hidden[::-1], n_features), streams)
    encoder.function = decoder.function = leaky
    return encoder, decoder


class SlowVAE(Stacked):
    """Encoder, decoder, likelihood.

    obs_sd : of a Gaussian likelihood, None where it is learnt, one a feature
    offset : (net, 1, feature), added to the log of a Poisson rate
    """

    def __init__(self, encoder, decoder, n_nets, n_features, *, likelihood, obs_sd, offset=None):
        super().__init__(n_nets)
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        if likelihood == "gaussian":
            start = torch.full((n_nets, 1, n_features), math.log(obs_sd or 0.5))
            self.log_sd = nn.Parameter(start, requires_grad=obs_sd is None)
        if likelihood == "poisson":
            self.register_buffer("offset", offset)

    def encode(self, x):
        """Mean and log variance of the posterior, (net, sample, latent) both."""
        mu, log_variance = self.encoder(x).chunk(2, dim=-1)
        return mu, log_variance.clamp(*LOG_VARIANCE)

    def surprise(self, z, x):
        """-ln p(x | z), summed over features: (net, sample), nats."""
        out = self.decoder(z)
        if self.likelihood == "bernoulli":
            nats = functional.binary_cross_entropy_with_logits(out, x, reduction="none")
        elif self.likelihood == "poisson":
            log_rate = (out + self.offset).clamp(max=LARGEST)
            nats = log_rate.exp() - x * log_rate + torch.lgamma(x + 1)
        else:
            error = (x - out) * torch.exp(-self.log_sd)
            nats = 0.5 * error * error + self.log_sd + 0.5 * math.log(2 * math.pi)
        return nats.sum(-1)

    def loss(self, batch, *, beta, gamma, rate, kind):
        """Mean over pairs, (net,); gamma : (net,).

        batch : what the encoder sees, what the decoder should give and noise, (net, 2 pairs, .),
        first moments before second ones
        """
        seen, wanted, noise = batch
        mu, v = self.encode(seen)
        z = mu + (v / 2).exp() * noise
        misfit = 2 * self.surprise(z, wanted).mean(1)
        first, second = zip(mu.chunk(2, 1), v.chunk(2, 1), strict=True)
        apart = transition(first, second, rate, kind).sum(-1).mean(1)
        own = marginal(*first) if kind == "elbo" else marginal(mu, v)
        return misfit + beta * own.sum(-1).mean(1) + gamma * apart
