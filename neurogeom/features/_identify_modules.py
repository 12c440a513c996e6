"""Encoders with linear classifiers on them, several in one module.

Torch is imported at once: this file is loaded when a classifier is built.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..stacked import MLP, Stacked, drawn


class Classifier(Stacked):
    """Whitening, an encoder f, and logits beta <w_label, f(x)> without bias, one of each a net.

    centre, whitening : (net, 1, channel) and (net, channel, component)
    sizes : of the hidden layers of the encoder, and of its output
    unit_code, unit_weights : f(x), rows of w, have length 1; beta is learnt where both have
    """

    def __init__(
        self, centre, whitening, sizes, n_labels, streams, *, batch_norm, unit_code, unit_weights
    ):
        super().__init__(len(streams))
        self.register_buffer("centre", centre)
        self.register_buffer("whitening", whitening)
        sizes = (whitening.shape[2], *sizes)
        self.encoder = MLP(sizes, streams, activation="leaky", batch_norm=batch_norm)
        self.weight = nn.Parameter(drawn(streams, (n_labels, sizes[-1]), sizes[-1]))
        self.unit_code, self.unit_weights = unit_code, unit_weights
        self.log_beta = nn.Parameter(
            torch.zeros(self.n_nets, 1, 1), requires_grad=unit_code and unit_weights
        )

    def encode(self, x):
        """(net, sample, channel) to codes (net, sample, component)."""
        code = self.encoder((x - self.centre) @ self.whitening)
        return functional.normalize(code, dim=-1) if self.unit_code else code

    @property
    def rows(self):
        """Weights of the labels as the logits have them, (net, label, component)."""
        return functional.normalize(self.weight, dim=-1) if self.unit_weights else self.weight

    def forward(self, x):
        """(net, sample, channel) to logits (net, sample, label)."""
        return torch.exp(self.log_beta) * self.encode(x) @ self.rows.mT


def cross_entropy(logits, labels):
    """In nats, (net, sample, label) and (net, sample) to the mean of each net (net,)."""
    each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)


def tensors(x, y, n_restarts, device):
    """Each world's samples and labels for each of its nets, (net, sample[, channel])."""
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(x, np.float32)
    if not np.isfinite(x).all():
        raise ValueError("samples are not all finite in single precision, up to 3e38; leave out "
                         "those with NaN, or give other units")  # fmt: skip
    x = torch.from_numpy(x).to(device)
    y = torch.from_numpy(np.ascontiguousarray(y, np.int64)).to(device)
    return x.repeat_interleave(n_restarts, 0), y.repeat_interleave(n_restarts, 0)
