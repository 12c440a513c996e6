"""How much does a training step cost when its alignment is followed? One core, float64.

    python benchmarks/bench_alignment.py

Of an encoder layer of 64 units (512 rows a step) and of a perceptron of 256 units (512 trials): a
step of SGD without a tracker, one that is followed without and with cross moments, in each mode,
and a run that follows every 50th. Wanted: at most 3 and 6 plain steps, and less than 10 % for
every=50. A convolution is shown too: its patches have nine times the units, so that moments cost
more than the layer; `max_rows` is what it needs. Medians of turns that time everything one after
the other; CPU time, so that what else runs matters less.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time

import numpy as np
import torch
from torch import nn

from neurogeom.networks import track_alignment

EVERY = 50


class Encoder(nn.Module):
    """One layer of a transformer, attention of linear layers."""

    def __init__(self, width=64, heads=4):
        super().__init__()
        self.heads = heads
        self.ask, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.before = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, x):
        """(trial, step, unit)."""
        trials, steps, width = x.shape
        parts = self.ask(self.before[0](x)).view(trials, steps, 3, self.heads, -1)
        z = nn.functional.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4))
        x = x + self.leave(z.transpose(1, 2).reshape(trials, steps, width))
        return x + self.narrow(nn.functional.gelu(self.widen(self.before[1](x))))


def perceptron(width=256):
    return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
                         nn.Linear(width, 10))  # fmt: skip


def convolution():
    return nn.Sequential(nn.Conv2d(8, 32, 3, padding=1), nn.ReLU(),
                         nn.Conv2d(32, 32, 3, padding=1, stride=2))  # fmt: skip


WORLDS = {
    "encoder, 64 units": (Encoder, (16, 32, 64), {}),
    "perceptron, 256 units": (perceptron, (512, 256), {}),
    "convolution, all rows": (convolution, (32, 8, 16, 16), {}),
    "convolution, 512 rows": (convolution, (32, 8, 16, 16), {"max_rows": 512}),
}


def seconds(step, n):
    """CPU seconds of a step, the median of n."""
    found = []
    for _ in range(n):
        start = time.process_time()
        step()
        found.append(time.process_time() - start)
    return np.median(found)


def turn(net, x, options, n):
    """Plain step, and each kind of followed one over it."""
    descent = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step():
        descent.zero_grad()
        net(x).square().mean().backward()
        descent.step()

    step()
    plain = seconds(step, n)
    ratios = []
    for mode in ("normcov", "raw"):
        for cross in (False, True):
            with track_alignment(net, mode=mode, cross=cross, **options):
                step()
                ratios.append(seconds(step, n) / plain)
    return plain, *ratios


def run(net, x, options, n):
    """A run that follows every 50th pass over one that does not, in CPU time of the whole."""

    def steps():
        start = time.process_time()
        for _ in range(n * EVERY):
            net.zero_grad()
            net(x).square().mean().backward()
        return time.process_time() - start

    plain = steps()
    with track_alignment(net, cross=False, every=EVERY, **options):
        return steps() / plain


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    print(f"{'':<24}{'plain (ms)':>11}{'normcov':>9}{'+ cross':>9}{'raw':>9}{'+ cross':>9}"
          f"{'every=50':>10}")  # fmt: skip
    for name, (make, shape, options) in WORLDS.items():
        net, x = make(), torch.randn(shape)
        found = np.median([turn(net, x, options, given.steps) for _ in range(given.turns)], axis=0)
        whole = np.median([run(net, x, options, 2) for _ in range(given.turns)])
        print(f"{name:<24}{1e3 * found[0]:11.2f}" + "".join(f"{r:9.2f}" for r in found[1:])
              + f"{whole:10.3f}", flush=True)  # fmt: skip
    print(f"{'wanted':<24}{'':>11}{'<= 3':>9}{'<= 6':>9}{'<= 3':>9}{'<= 6':>9}{'< 1.10':>10}")


if __name__ == "__main__":
    main()
