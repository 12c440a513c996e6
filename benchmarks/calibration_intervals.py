"""What the 95 % intervals of decoding, shattering, CCGP and parallelism cover, and their widths.

    python benchmarks/calibration_intervals.py                     # every cell
    python benchmarks/calibration_intervals.py --cells sessions    # those with this in their name
    python benchmarks/calibration_intervals.py --datasets 100      # fewer than the usual 500

Through the pipeline of the public measures: z-scores by resample, 20 resamples, draws with
replacement where sessions (or neurons) were recorded apart. What is to be covered is the same
quantity at the same number of trials and neurons: for a recording the mean over new recordings of
the same neurons, else the mean over data sets; for parallelism the value without trial noise, of
these neurons or of endless ones. Results go to findings/calibration_intervals.csv, one row a cell,
target and measure; cells that are there are not run again.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from interval_worlds import World

from neurogeom.engine import intervals, readouts
from neurogeom.engine.nulls import standardised
from neurogeom.engine.setting import Setting
from neurogeom.measures import parallelism

FINDINGS = Path(__file__).resolve().parent / "findings" / "calibration_intervals.csv"
MEASURES = ("decoding", "shattering", "ccgp_matched", "ccgp_any", "parallelism")
COLUMNS = (
    *("cell", "target", "measure", "readout", "datasets", "refused", "coverage", "low95", "high95"),
    *("median_width", "truth", "mean_estimate", "sd_estimate"),
)
ONE, MANY, ANIMALS = ("recording", "population"), ("sessions",), ("animals",)
MEAN = "nearest_mean"
# name: (world, targets, readout)
CELLS = {
    "one N100 n12 C4": (World(), ONE, MEAN),
    "one N100 n12 C4 shared": (World(shared=True), ONE, MEAN),
    "one N100 n12 C4 apart": (World(apart=True), ONE[1:], MEAN),
    "one N100 n12 C4 svm": (World(), ONE, "svm"),
    "one N60 n20 C4 shared svm": (World(60, trials=20, shared=True), ONE, "svm"),
    "one N60 n8 C8 shared svm": (World(60, trials=8, conditions=8, shared=True), ONE, "svm"),
    "one N100 n5 C4": (World(trials=5), ONE, MEAN),
    "one N100 n40 C4 shared": (World(trials=40, shared=True), ONE, MEAN),
    "one N100 n12 C8 shared": (World(conditions=8, shared=True), ONE, MEAN),
    "one N30 n12 C4": (World(30), ONE, MEAN),
    "one N30 n20 C4 d4": (World(30, trials=20, d=4.0), ONE, MEAN),
    "one N60 n20 C4 counts": (World(60, trials=20, counts=True, shared=True), ONE, MEAN),
    "one N60 n12 C4 6 blocks": (World(60, blocks=6, shared=True), ONE, MEAN),
    "one N15 n20 C4": (World(15, trials=20), ONE[:1], MEAN),
    "sessions 10x10 n12 C4": (World(10, 10, shared=True), MANY, MEAN),
    "sessions 6x15 n12 C4": (World(15, 6, shared=True), MANY, MEAN),
    "sessions 5x20 n12 C4": (World(20, 5, shared=True), MANY, MEAN),
    "sessions 10x10 n12 C4 apart": (World(10, 10, apart=True), MANY, MEAN),
    "sessions 20x5 n12 C4": (World(5, 20, shared=True), MANY, MEAN),
    "sessions 10x3 n12 C4": (World(3, 10, shared=True), MANY, MEAN),
    "sessions 10x10 n5 C4": (World(10, 10, trials=5, shared=True), MANY, MEAN),
    "sessions 10x10 n40 C4": (World(10, 10, trials=40, shared=True), MANY, MEAN),
    "sessions 10x10 n12 C8": (World(10, 10, conditions=8, shared=True), MANY, MEAN),
    "sessions 10x10 n12 C4 svm": (World(10, 10, shared=True), MANY, "svm"),
    "animals 3x3x10 n12 C4 d3": (World(10, 9, d=3.0, animals=3, shared=True), ANIMALS, MEAN),
    "animals 4x3x10 n12 C4 d3": (World(10, 12, d=3.0, animals=4, shared=True), ANIMALS, MEAN),
    "animals 6x3x10 n12 C4 d3": (World(10, 18, d=3.0, animals=6, shared=True), ANIMALS, MEAN),
}


def data_set(world, targets, readout, number):
    """Estimates, these neurons' values, and bounds (target, measure, 2) of one data set."""
    rng = world.rng(number)
    neurons = world.neurons(rng)
    population = world.population(world.record(neurons, rng))
    bounds, estimate = (
        np.full((len(targets), len(MEASURES), 2), np.nan),
        np.full(len(MEASURES), np.nan),
    )
    for k, experiment in enumerate(world.experiments(population, readout, number)):
        outcome = experiment.observe()
        estimate[2 * k : 2 * k + 2] = experiment.average(outcome)[0]
        for i, target in enumerate(targets):
            found = intervals.accuracy(experiment, outcome, target=target, seed=number)
            bounds[i, 2 * k : 2 * k + 2] = np.stack([found.low, found.high], axis=1)
    setting = Setting(
        world.template[0], population, readouts.readout(readout), "resample", 20, None, 0, number
    )
    target, standard = setting.targets()[0], standardised(population, "resample")
    for i, name in enumerate(targets):
        row = parallelism._row(setting, target, standard, "factor", None, "two-sided", name)
        estimate[4] = row["estimate"]
        bounds[i, 4] = row["interval"].low[0], row["interval"].high[0]
    own = np.full(len(MEASURES), np.nan)
    if "recording" in targets:
        own = np.append(world.taught(neurons, rng, readout), world.parallelism(neurons))
    return estimate, own, bounds


def rows_of(name, world, targets, readout, n):
    """One row a target and measure."""
    estimate, own, bounds = (
        np.array(a)
        for a in zip(*(data_set(world, targets, readout, k) for k in range(n)), strict=True)
    )
    mean = np.nanmean(estimate, axis=0)
    mean[4] = world.parallelism(world.neurons(np.random.default_rng(0), 200_000))
    for i, target in enumerate(targets):
        truth = own if target == "recording" else np.broadcast_to(mean, estimate.shape)
        for k, measure in enumerate(MEASURES):
            low, high = bounds[:, i, k].T
            given = np.isfinite(low)
            inside = ((low <= truth[:, k]) & (truth[:, k] <= high))[given]
            width = np.median((high - low)[given]) if given.any() else np.nan
            seen = (
                width,
                truth[:, k].mean(),
                np.nanmean(estimate[:, k]),
                np.nanstd(estimate[:, k]),
            )
            head = (name, target, measure, readout, n, round(1 - given.mean(), 3))
            values = (*head, *covered(inside), *(round(float(v), 4) for v in seen))
            yield dict(zip(COLUMNS, values, strict=True))


def covered(inside):
    """Coverage and its exact (Clopper-Pearson) 95 % limits."""
    from scipy.stats import beta

    n, k = len(inside), int(inside.sum())
    if n == 0:
        return "", "", ""
    low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return tuple(round(float(v), 3) for v in (k / n, low, high))


def read(path):
    """Rows that are there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    """All rows, in the order of the cells."""
    order = {name: i for i, name in enumerate(CELLS)}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda r: order.get(r["cell"], len(order))))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", default="", help="run those with this in their name")
    parser.add_argument("--datasets", type=int, default=500, help="data sets of a cell")
    parser.add_argument("--out", type=Path, default=FINDINGS)
    options = parser.parse_args()
    rows = read(options.out)
    for name, (world, targets, readout) in CELLS.items():
        if options.cells not in name or any(r["cell"] == name for r in rows):
            continue
        start = time.process_time()
        made = list(rows_of(name, world, targets, readout, options.datasets))
        rows += made
        write(options.out, rows)
        for row in made:
            print(*(f"{row[c]}" for c in COLUMNS[:-3] if c != "readout"), sep="  ")
        print(f"{name}: {time.process_time() - start:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
