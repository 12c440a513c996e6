"""How long does the index take for 5,000 directions at 10,000 stimuli, with its null?

    python benchmarks/bench_interpretability.py [--directions 5000] [--stimuli 10000]

The embedding (360 numbers a stimulus) is given, one thread, kernels compiled before. The claim:
under 60 seconds, with 199 surrogates of all directions. Printed beside it: each kind without a
null, and the embedding of images.

Seconds on one core of an EPYC whose cache others used, 199 surrogates and none: "mei" 9 and 3,
"2afc" 57 (another run: 51) and 10, "ooo" 45 (52) and 6; 0.6 for the images. Set by set, as it was,
"2afc" would have taken 270 and "ooo" an hour (0.27 and 3.8 ms a set).
"""

import argparse
import time
from itertools import product

import numpy as np

import neurogeom as ng
from neurogeom.features import GaborEnergy, interpretability, textures

N_FEATURES = 360


def main():
    """Words in, seconds out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directions", type=int, default=5000)
    parser.add_argument("--stimuli", type=int, default=10_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    e = rng.standard_normal((options.stimuli, N_FEATURES))
    x = ng.from_arrays(rng.standard_normal((options.stimuli, options.directions)))
    for kind in ("mei", "2afc", "ooo"):  # compiles
        interpretability(x.isel(neuron=slice(2)), e, kind=kind, n_null=1)
    for kind, n_null in product(("mei", "2afc", "ooo"), (199, 0)):
        start, cpu = time.perf_counter(), time.process_time()
        interpretability(x, e, kind=kind, n_null=n_null)
        print(f"{kind}, {n_null} surrogates: {time.perf_counter() - start:.1f} s "
              f"({time.process_time() - cpu:.1f} of CPU)", flush=True)  # fmt: skip
    images = textures(1000).images
    start = time.perf_counter()
    GaborEnergy()(images)
    print(f"embedding of 1,000 images of 24 x 24: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
