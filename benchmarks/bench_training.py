"""How much does a training step cost beside a loop written by hand for the same network? One core.

    python benchmarks/bench_training.py

The peer is torch's own module, its Adam, its clipping, and the same batches of the same task; where
several nets are trained as one, the peer is a loop for each. Medians of several turns, in which
both are timed one after the other; CPU time, so that what else runs matters less.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time

import numpy as np
import torch

from neurogeom import networks
from neurogeom.networks import GRU, LSTM, MLP, RNN

BATCH, UNITS = 64, 64


class Recurrent(torch.nn.Module):
    """A recurrent layer of torch and its readout."""

    def __init__(self, layer, n_in, n_out):
        super().__init__()
        self.layer = layer(n_in, UNITS, batch_first=True)
        self.readout = torch.nn.Linear(UNITS, n_out)

    def forward(self, x):
        """(trial, step, channel) to (trial, step, output)."""
        return self.readout(self.layer(x)[0])


def perceptron(n_in, n_out):
    """One hidden layer."""
    hidden = torch.nn.Linear(n_in, UNITS)
    return torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(UNITS, n_out))


def rate(*sizes, **options):
    """torch.nn.RNN with rectified units."""
    return torch.nn.RNN(*sizes, nonlinearity="relu", **options)


PEERS = {
    "mlp": (MLP(hidden=(UNITS,)), perceptron),
    "rnn": (RNN(hidden=UNITS), lambda *n: Recurrent(rate, *n)),
    "gru": (GRU(hidden=UNITS), lambda *n: Recurrent(torch.nn.GRU, *n)),
    "lstm": (LSTM(hidden=UNITS), lambda *n: Recurrent(torch.nn.LSTM, *n)),
}


def by_hand(task, module, steps, seed):
    """The loop that one would write."""
    descent = torch.optim.Adam(module.parameters(), lr=1e-3)
    rng = np.random.default_rng(seed)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(steps):
        trials = task.sample(BATCH, rng)
        inputs, targets, mask = map(torch.from_numpy, (trials.inputs, trials.targets, trials.mask))
        descent.zero_grad()
        loss = (bce(module(inputs), targets, reduction="none") * mask).sum() / mask.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        descent.step()


def seconds(call):
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(1)
    task = networks.make_task("stay-shift")
    print(f"{'a step of':<24} {'ours (ms)':>10} {'by hand':>10} {'ratio':>8}   wanted")
    for name, (network, peer) in PEERS.items():
        for n_nets in (1, 5):
            modules = [peer(task.n_inputs, task.n_outputs) for _ in range(n_nets)]

            def ours(network=network, n_nets=n_nets):
                networks.train(task, network, seeds=n_nets, steps=given.steps, batch=BATCH,
                               lr=1e-3, rate="constant", every=10**6)  # fmt: skip

            def theirs(modules=modules):
                for seed, module in enumerate(modules):
                    by_hand(task, module, given.steps, seed)

            ours(), theirs()
            both = [(seconds(ours), seconds(theirs)) for _ in range(given.turns)]
            a, b = 1e3 * np.median(both, axis=0) / given.steps
            ratio = np.median([x / y for x, y in both])
            what = f"{name}, {n_nets} net{'s' if n_nets > 1 else ''}"
            print(f"{what:<24} {a:10.2f} {b:10.2f} {ratio:8.2f}   <= 1.30")


if __name__ == "__main__":
    main()
