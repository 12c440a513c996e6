"""What does recording cost beside the forward pass? 2e4 trials, a layer of 4,096 units.

Run on a quiet machine: ``python benchmarks/bench_record.py``. Wall-clock seconds on one thread, the
median of several turns that each time everything, so that a slow moment meets all of them. The
forward pass is that of the same module in the same batches without hooks; the write is `np.save` of
the same array (328 MB), forced to the disk like the file of `record`.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from neurogeom.networks.record import record

N_TRIALS, N_UNITS, BATCH = 20_000, 4_096, 256


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def forward(module, inputs):
    """Every trial once, nothing kept."""
    with torch.no_grad():
        for first in range(0, len(inputs), BATCH):
            module(torch.from_numpy(inputs[first : first + BATCH]))


def write(values, path):
    with open(path, "wb") as file:
        np.save(file, values)
        file.flush()
        os.fsync(file.fileno())


def turn(module, inputs, trial, folder):
    """Seconds: forward pass, write, recording to memory, recording to a file."""
    asked = {"layer": "0", "trial": trial, "batch": BATCH}
    bare = seconds(lambda: forward(module, inputs))
    memory = seconds(lambda: record(module, inputs, **asked))
    file = seconds(lambda: record(module, inputs, out=folder / "x.nc", overwrite=True, **asked))
    values = np.ones((N_TRIALS, N_UNITS), np.float32)
    return bare, seconds(lambda: write(values, folder / "x.npy")), memory, file


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--inputs", type=int, nargs="+", default=[64, 512], help="input channels")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    trial = {"rule": rng.integers(0, 2, N_TRIALS), "cue": rng.integers(0, 4, N_TRIALS)}
    for n_inputs in given.inputs:
        torch.manual_seed(0)
        module = torch.nn.Sequential(
            torch.nn.Linear(n_inputs, N_UNITS), torch.nn.ReLU(), torch.nn.Linear(N_UNITS, 10)
        ).eval()
        inputs = rng.standard_normal((N_TRIALS, n_inputs)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            turns = [turn(module, inputs, trial, Path(folder)) for _ in range(given.turns)]
        bare, write_, memory, file = np.median(turns, axis=0)
        ratios = [(m / b, f / (b + w)) for b, w, m, f in turns]
        in_memory, to_file = np.median(ratios, axis=0)
        print(f"{n_inputs} inputs, {N_UNITS} units, {N_TRIALS} trials")
        print(f"  forward pass {bare:6.2f} s, write {write_:6.2f} s")
        print(f"  in memory    {memory:6.2f} s, {in_memory:5.2f} times the forward pass")
        print(f"  to a file    {file:6.2f} s, {to_file:5.2f} times both (at most 1.5)", flush=True)


if __name__ == "__main__":
    main()
