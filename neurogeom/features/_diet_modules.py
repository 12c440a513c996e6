"""Torch parts of DIET: backbones, the head over indices, its losses, and augmentations.

Torch is imported at once: this file is loaded when a network is built.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ..stacked import MLP, Stacked, drawn


class Convolutions(nn.Module):
    """3 x 3 convolutions with batch norm and relu, 2 x 2 maxima between them, a mean over space.

    One net: (image, channel, row, column) to (image, feature).
    """

    def __init__(self, channels, stream):
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in channels[1:])
        with torch.no_grad():
            for conv in self.maps:
                n_in = conv.weight[0].numel()
                conv.weight.copy_(drawn([stream], conv.weight.shape, n_in)[0])

    def forward(self, x):
        """(image, channel, row, column) to (image, feature)."""
        for i, (conv, norm) in enumerate(zip(self.maps, self.norms, strict=True)):
            x = functional.max_pool2d(x, 2) if i and min(x.shape[2:]) > 1 else x
            x = torch.relu(norm(conv(x)))
        return x.mean((2, 3))


class Indexed(Stacked):
    """A backbone and the head that gives every datum a row of weights, without bias.

    backbone : MLP of several nets, or a module that is one: (sample, ...) to (sample, feature)
    """

    def __init__(self, backbone, n_data, n_features, streams):
        super().__init__(len(streams))
        self.backbone = backbone
        self.head = nn.Parameter(drawn(streams, (n_data, n_features), n_features))

    def features(self, x):
        """(net, sample, feature)."""
        found = self.backbone(x)
        return found if isinstance(self.backbone, MLP) else found[None]

    def net_state(self, i):
        """As in `Stacked`; of one net, whose backbone has no such axis, the whole."""
        if self.n_nets > 1:
            return super().net_state(i)
        return {k: v.detach().clone() for k, v in self.state_dict().items()}


def full_loss(module, batch, smoothing):
    """Mean cross-entropy over all indices, (net,)."""
    x, target, _ = batch
    logits = module.features(x) @ module.head.transpose(1, 2)
    each = functional.cross_entropy(
        logits.flatten(0, 1), target.repeat(len(logits)), label_smoothing=smoothing,
        reduction="none",
    )  # fmt: skip
    return each.view(len(logits), -1).mean(1)


def restricted_loss(module, batch, smoothing):
    """The same over the batch's indices and sampled others, which stand for all the others.

    The sum of exponentials and that of logits over all data are estimated without bias; the
    logarithm of the first is biased down, the less the more are sampled, and not at all with all.
    """
    x, target, (own, others) = batch
    n_data, n_left = module.head.shape[1], module.head.shape[1] - len(own)
    rows = torch.cat([own, others])
    logits = module.features(x) @ module.head[:, rows].transpose(1, 2)
    weight = n_left / max(1, len(others))
    shift = torch.zeros(len(rows), device=logits.device)
    shift[len(own) :] = math.log(weight) if len(others) else 0.0
    right = logits.gather(2, torch.searchsorted(own, target).expand(len(logits), -1)[..., None])
    mean = (logits[..., : len(own)].sum(2) + weight * logits[..., len(own) :].sum(2)) / n_data
    each = (logits + shift).logsumexp(2) - (1 - smoothing) * right[..., 0] - smoothing * mean
    return each.mean(1)


def varied_rows(x, strengths, centre, spread, stream):
    """Rows (sample, neuron) thinned and multiplied, then in units of sd, with neurons lost and
    noise added."""
    n = len(x)
    if thin := strengths.get("thin"):
        kept = 1 - thin * torch.rand((n, 1), generator=stream)
        x = (torch.binomial(x.cpu(), kept.expand(x.shape), generator=stream) / kept).to(x.device)
    if gain := strengths.get("gain"):
        x = x * (gain * torch.randn((n, 1), generator=stream)).exp().to(x.device)
    x = (x - centre) / spread
    if dropout := strengths.get("dropout"):
        x = x * (torch.rand(x.shape, generator=stream) >= dropout).to(x.device)
    return _noisy(x, strengths, stream)


def varied_images(x, strengths, centre, spread, stream):
    """Images (sample, channel, row, column) from 0 to 1, turned, scaled, moved, with noise."""
    n = len(x)
    x = (x - centre) / spread
    moves = [strengths.get(name, 0.0) for name in ("rotate", "scale", "shift")]
    if any(moves):
        rotate, scale, shift = moves
        u = 2 * torch.rand((4, n), generator=stream) - 1
        angle, size = math.radians(rotate) * u[0], 1 + scale * u[1]
        cos, sin = angle.cos() / size, angle.sin() / size
        grid = torch.stack([cos, -sin, shift * u[2], sin, cos, shift * u[3]], 1).view(n, 2, 3)
        places = functional.affine_grid(grid.to(x.device), x.shape, align_corners=False)
        x = functional.grid_sample(x, places, align_corners=False)
    return _noisy(x, strengths, stream)


def _noisy(x, strengths, stream):
    if noise := strengths.get("noise"):
        x = x + noise * torch.randn(x.shape, generator=stream).to(x.device)
    return x
