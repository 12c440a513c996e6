"""SlowVAE (Klindt et al. 2021, ICLR, arXiv:2007.10930) as torch modules, several nets in one.

Torch is imported at once: this file is loaded when a model is built.
"""

import math
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..formulas.laplace_transition import FAR
from ..stacked import MLP, Linear, Stacked, streams
from ._slow_inputs import scales

LOG_VARIANCE = (-12.0, 4.0)  # of the posterior
LARGEST = 20.0  # log of a Poisson rate
LEAST = math.log(0.01)  # of the sd of a Gaussian likelihood that is learnt
START = math.log(0.5)  # of the same
LEAST_COUNT = 1e-3  # mean of a neuron that fires never, as its rate starts
BLOCK = 50  # steps whose pairs and noise are drawn at once
CHUNK = 2000  # rows at once outside of training
leaky = partial(functional.leaky_relu, negative_slope=0.2)


# --- terms of the loss, in nats, one a pair and latent --------------------------------------------


def expected_abs(d, s):
    """E|z| of z from N(d, s^2), s above 0, as neurogeom.formulas.laplace_transition has it."""
    u = (d / s).clamp(-FAR, FAR)
    return s * math.sqrt(2 / math.pi) * torch.exp(-u * u / 2) + d * torch.erf(u / math.sqrt(2))


def cross_entropy(d, s, rate):
    """Expected -ln of the Laplace transition."""
    return rate * expected_abs(d, s) - math.log(rate / 2)


def entropy(log_variance):
    """Of a Gaussian."""
    return 0.5 * (log_variance + math.log(2 * math.pi * math.e))


def marginal(mu, log_variance):
    """KL divergence from N(0, 1)."""
    return 0.5 * (mu * mu + log_variance.exp() - 1 - log_variance)


def transition(first, second, rate, kind):
    """The Laplace term; first, second : (mean, log variance) of the posteriors of two moments.

    "elbo" is exact. "two_way" and "authors" go both ways, each with the mean of the other moment;
    one takes off both entropies, the other their mean.
    """
    (m0, v0), (m1, v1) = first, second
    if kind == "elbo":
        return cross_entropy(m1 - m0, (v0.exp() + v1.exp()).sqrt(), rate) - entropy(v1)
    ways = [cross_entropy(m1 - m0, (v / 2).exp(), rate) for v in (v0, v1)]
    both = entropy(v0) + entropy(v1)
    return sum(ways) - (both / 2 if kind == "authors" else both)


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
    """(net, sample, pixel) of square images to (net, sample, out): convolutions, a layer, a map.

    layers : channels of the convolutions, and last the units of the layer
    """

    def __init__(self, side, layers, n_out, streams):
        super().__init__()
        self.side = side
        *maps, n_units = layers
        self.maps = nn.ModuleList(Convolution(a, b, streams) for a, b in pairwise((1, *maps)))
        n_last = maps[-1] * (side // 2 ** len(maps)) ** 2
        self.dense, self.out = Linear(n_last, n_units, streams), Linear(n_units, n_out, streams)

    def forward(self, x):
        """Codes."""
        x = x.reshape(*x.shape[:2], 1, self.side, self.side)
        for convolution in self.maps:
            x = torch.relu(convolution(x))
        return self.out(torch.relu(self.dense(x.flatten(2))))


class Drawing(nn.Module):
    """The way back: (net, sample, latent) to (net, sample, pixel)."""

    def __init__(self, side, layers, n_latents, streams):
        super().__init__()
        *maps, n_units = layers
        self.shape = (maps[-1], side // 2 ** len(maps), side // 2 ** len(maps))
        self.first = Linear(n_latents, n_units, streams)
        self.dense = Linear(n_units, math.prod(self.shape), streams)
        back = pairwise((*maps[::-1], 1))
        self.maps = nn.ModuleList(Convolution(a, b, streams, transposed=True) for a, b in back)

    def forward(self, z):
        """Images, without a nonlinearity at the end."""
        x = torch.relu(self.dense(torch.relu(self.first(z))))
        x = x.view(*x.shape[:2], *self.shape)
        for convolution in self.maps:
            x = convolution(torch.relu(x))
        return x.flatten(2)


class SlowVAE(Stacked):
    """Encoder, decoder, likelihood, and the scale of what the encoder sees.

    centre, spread : (net, 1, feature), of what is seen, float64; spread 0 of what is constant,
    which adds nothing to a Gaussian likelihood
    obs_sd : of a Gaussian likelihood, None where it is learnt, one a feature
    offset : (net, 1, feature), added to the log of a Poisson rate
    """

    def __init__(self, parts, streams, centre, spread, *, likelihood, obs_sd=None, offset=None):
        super().__init__(len(streams))
        self.encoder, self.decoder = parts
        self.likelihood = likelihood
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)
        self.register_buffer("per_spread", torch.where(spread > 0, 1 / spread, 0))
        if likelihood == "gaussian":
            self.register_buffer("varies", (spread > 0).float())
            log_sd = torch.full_like(self.varies, START if obs_sd is None else math.log(obs_sd))
            self.log_sd = nn.Parameter(log_sd, requires_grad=obs_sd is None)
            self.learnt = obs_sd is None
        if likelihood == "poisson":
            self.register_buffer("offset", offset)

    def seen(self, x):
        """What the encoder sees of (net, sample, feature), float64: scaled to sd 1, 0 of constants;
        counts as their square roots."""
        x = x.sqrt() if self.likelihood == "poisson" else x
        return ((x - self.centre) * self.per_spread).float()

    def wanted(self, x):
        """What the decoder should give: as seen where Gaussian, as it is else."""
        return self.seen(x) if self.likelihood == "gaussian" else x.float()

    def encode(self, seen):
        """Mean and log variance of the posterior, (net, sample, latent) both."""
        mu, log_variance = self.encoder(seen).chunk(2, dim=-1)
        return mu, log_variance.clamp(*LOG_VARIANCE)

    def decode(self, z):
        """Mean of the likelihood, in the units of the data."""
        out = self.decoder(z).double()
        if self.likelihood == "bernoulli":
            return out.sigmoid()
        if self.likelihood == "poisson":
            return (out + self.offset).clamp(max=LARGEST).exp()
        return out * self.spread + self.centre

    def surprise(self, z, wanted):
        """-ln p(x | z), summed over features: (net, sample), nats."""
        out = self.decoder(z)
        if self.likelihood == "bernoulli":
            nats = functional.binary_cross_entropy_with_logits(out, wanted, reduction="none")
        elif self.likelihood == "poisson":
            log_rate = (out + self.offset).clamp(max=LARGEST)
            nats = log_rate.exp() - wanted * log_rate + torch.lgamma(wanted + 1)
        else:
            log_sd = self.log_sd.clamp(min=LEAST) if self.learnt else self.log_sd
            error = (wanted - out) * torch.exp(-log_sd)
            nats = 0.5 * error * error + log_sd + 0.5 * math.log(2 * math.pi)
            nats = nats * self.varies
        return nats.sum(-1)

    def loss(self, batch, *, beta, gamma, rate, kind):
        """Mean over pairs, (net,) nats.

        batch : what the encoder sees, what the decoder should give, and noise, each
        (net, 2 pairs, .), first moments before second ones
        """
        seen, wanted, noise = batch
        mu, v = self.encode(seen)
        z = mu + (v / 2).exp() * noise
        misfit = 2 * self.surprise(z, wanted).mean(1)
        first, second = zip(mu.chunk(2, 1), v.chunk(2, 1), strict=True)
        own = marginal(*(first if kind == "elbo" else (mu, v))).sum(-1).mean(1)
        apart = transition(first, second, rate, kind).sum(-1).mean(1)
        return misfit + beta * own + gamma * apart


def built(values, n_latents, network, layers, n_restarts, key, *, likelihood, obs_sd):
    """Networks as drawn, for values (set, moment, pair, feature) in float64, on their device."""
    own = streams(key[0], len(values) * n_restarts, key[1])
    rows = values.flatten(1, 2).cpu().numpy()
    n_features = rows.shape[-1]
    centre, spread = scales(np.sqrt(rows) if likelihood == "poisson" else rows)
    offset = np.log(np.maximum(rows.mean(axis=1, keepdims=True), LEAST_COUNT)).astype(np.float32)
    centre, spread, offset = (torch.from_numpy(a).repeat_interleave(n_restarts, 0)
                              for a in (centre, spread, offset))  # fmt: skip
    if network == "conv":
        side = math.isqrt(n_features)
        parts = Images(side, layers, 2 * n_latents, own), Drawing(side, layers, n_latents, own)
    else:
        parts = (MLP((n_features, *layers, 2 * n_latents), own),
                 MLP((n_latents, *layers[::-1], n_features), own))  # fmt: skip
        for part in parts:
            part.function = leaky
    module = SlowVAE(parts, own, centre, spread, likelihood=likelihood, obs_sd=obs_sd,
                     offset=offset)  # fmt: skip
    return module.to(values.device)


# --- what is learnt from, and what came of it -----------------------------------------------------


class Batches:
    """The pairs and the noise of a step, which depend on nothing but the step and the net."""

    def __init__(self, module, values, batch, n_latents, n_restarts, key):
        self.batch, self.n_latents, self.key = batch, n_latents, key
        self.device, (n_sets, _, self.n_pairs, _) = values.device, values.shape
        self.sets = torch.arange(n_sets, device=self.device).repeat_interleave(n_restarts)[:, None]
        every = values.flatten(1, 2).repeat_interleave(n_restarts, 0)
        self.seen = module.seen(every)[::n_restarts].view(values.shape)
        self.wanted = self.seen if module.likelihood == "gaussian" else values.float()
        self.block = lru_cache(1)(self._block)

    def _block(self, number):
        seed, key = self.key
        seeds = [np.random.SeedSequence(seed, spawn_key=(key, net, number))
                 for net in range(len(self.sets))]  # fmt: skip
        own = [np.random.default_rng(s) for s in seeds]
        size = (BLOCK, 2 * self.batch, self.n_latents)
        chosen = np.stack([g.integers(self.n_pairs, size=(BLOCK, self.batch)) for g in own], 1)
        noise = np.stack([g.standard_normal(size, np.float32) for g in own], 1)
        return tuple(torch.from_numpy(a).to(self.device) for a in (chosen, noise))

    def __call__(self, step):
        chosen, noise = (a[step % BLOCK] for a in self.block(step // BLOCK))
        seen = self._both(self.seen, chosen)
        wanted = seen if self.wanted is self.seen else self._both(self.wanted, chosen)
        return seen, wanted, noise

    def _both(self, values, chosen):
        return torch.cat([values[self.sets, moment, chosen] for moment in (0, 1)], 1)


def encoded(module, rows):
    """Mean and log variance (net, sample, latent) of rows (net, sample, feature), float64."""
    found = [module.encode(module.seen(part)) for part in rows.split(CHUNK, dim=1)]
    return tuple(np.concatenate([a.cpu().numpy() for a in own], 1).astype(float)
                 for own in zip(*found, strict=True))  # fmt: skip


def losses(module, pairs, seed, **weights):
    """Mean loss (net,) over pairs (net, moment, pair, feature), with noise of its own."""
    noise = torch.Generator().manual_seed(seed % 2**63)
    total = 0.0
    for part in pairs.split(CHUNK, dim=2):
        rows = part.flatten(1, 2)
        seen = module.seen(rows)
        mean, _ = module.encode(seen[:, :1])
        drawn = torch.randn(rows.shape[1], mean.shape[-1], generator=noise).to(rows.device)
        batch = (seen, module.wanted(rows), drawn)
        total = total + module.loss(batch, **weights).double() * part.shape[2]
    return (total / pairs.shape[2]).cpu().numpy()
