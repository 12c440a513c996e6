"""Write the embedded recording: data_manifests/simulated_cube.nwb, and its hash into the manifest.

    python benchmarks/make_simulated_cube.py

A factorised cube of Poisson spikes: two variables on axes of their own, and a third, reward, that
the population does not code. The truth of the same pipeline on fresh recordings (truth_at_n) is
stored in the file.
"""

import re
from importlib.resources import files
from pathlib import Path

import neurogeom as ng
from neurogeom.recordings.manifests import sha256_of

SETTINGS = {
    "separation": (3.0, 2.5, 0.0),
    "variables": ("context", "stimulus", "reward"),
    "n_neurons": 60,
    "n_trials": 15,
    "noise": "poisson",
    "rates": (4.0, 0.5),
    "window": (0.0, 0.5),
    "seed": 1,
}


def main():
    folder = Path(str(files("neurogeom.data_manifests")))
    recording = folder / "simulated_cube.nwb"
    ng.write_nwb(ng.simulate("cuboid", **SETTINGS), recording, overwrite=True)
    manifest = folder / "simulated_cube.yaml"
    text = manifest.read_text()
    text = re.sub("sha256: .*", f"sha256: {sha256_of(recording)}", text)
    text = re.sub("size: .*", f"size: {recording.stat().st_size}", text)
    manifest.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
