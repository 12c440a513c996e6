"""Encoders with linear classifiers on them, several in one module.

Torch is imported at once: this file is loaded when a classifier is built.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..stacked import MLP, Stacked, drawn


class Classifier(Stacked):
    """An encoder f and logits beta <w_label, f(x)> without bias, one of each a net.

    sizes : inputs, which are white, hidden layers of the encoder, and its output
    unit_code, unit_weights : f(x), rows of w, have length 1; beta is learnt where both have
    """

    def __init__(self, sizes, n_labels, streams, *, batch_norm, unit_code, unit_weights):
        super().__init__(len(streams))
        self.encoder = MLP(sizes, streams, activation="leaky", batch_norm=batch_norm)
        self.weight = nn.Parameter(drawn(streams, (n_labels, sizes[-1]), sizes[-1]))
        self.unit_code, self.unit_weights = unit_code, unit_weights
        self.log_beta = nn.Parameter(
            torch.zeros(self.n_nets, 1, 1), requires_grad=unit_code and unit_weights
        )

    def encode(self, x):
        """White (net, sample, channel) to codes (net, sample, component)."""
        code = self.encoder(x)
        return functional.normalize(code, dim=-1) if self.unit_code else code

    @property
    def rows(self):
        """Weights of the labels as the logits have them, (net, label, component)."""
        return functional.normalize(self.weight, dim=-1) if self.unit_weights else self.weight

    def forward(self, x):
        """White (net, sample, channel) to logits (net, sample, label)."""
        return torch.exp(self.log_beta) * self.encode(x) @ self.rows.mT


def cross_entropy(logits, labels):
    """In nats, (net, sample, label) and (net, sample) to the mean of each net (net,)."""
    each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)


def tensors(x, y, white, n_restarts, device):
    """Each world's samples, whitened, and labels for each of its nets, (net, sample[, channel]).

    white : mean (world, 1, channel) and matrix (world, channel, component)
    """
    mean, matrix = white
    with np.errstate(over="ignore", invalid="ignore"):
        # in double precision, or a large mean would take the digits of what varies
        x = ((x - mean) @ matrix).astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("samples are not all finite in single precision, up to 3e38 sd; leave out "
                         "those with NaN or infinity, and outliers")  # fmt: skip
    x = torch.from_numpy(x).to(device)
    y = torch.from_numpy(np.ascontiguousarray(y, np.int64)).to(device)
    return x.repeat_interleave(n_restarts, 0), y.repeat_interleave(n_restarts, 0)
