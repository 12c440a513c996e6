"""False-positive rate, power and coverage of the measures beyond readouts.

    python benchmarks/calibration_portrait.py --datasets 500                      # every cell
    python benchmarks/calibration_portrait.py --family subspaces --datasets 2000
    python benchmarks/calibration_portrait.py --cells "one session" --jobs 2
    python benchmarks/calibration_portrait.py --summary                         # what the file says

The cells are in portrait_cells/, one file a family: each draws a data set whose truth is known and
runs the public measure on it. In a cell of kind "null" the hypothesis of every p is true, and the
rate of p <= 0.05 is the false-positive rate; in one of kind "effect" it is false, and the rate is
the power. Where the truth of a quantity is known, the coverage of its interval is counted, and how
often the interval is refused. Results go to findings/calibration_portrait.csv, one row a cell and
quantity; a run goes on where the file ends, and data set number k is the same whenever it is made.
"""

import argparse
import csv
import importlib.util
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
from calibration_rows import LEVEL, clopper_pearson, parsed

HERE = Path(__file__).resolve().parent
FINDINGS = HERE / "findings" / "calibration_portrait.csv"
COUNTS = ("datasets", "tested", "rejections", "bounded", "covered", "estimated", "sum", "squares")
COLUMNS = (
    *("family", "cell", "kind", "quantity", *COUNTS),
    *("rate", "low99", "high99", "coverage", "coverage_low95", "coverage_high95", "refused"),
    *("mean_estimate", "sd_estimate", "mean_truth"),
)


@cache
def cells(family):
    """{name: (kind, answer)} of one family."""
    spec = importlib.util.spec_from_file_location(
        f"portrait_cells_{family}", HERE / "portrait_cells" / f"{family}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CELLS


def families():
    """Names of the files of cells."""
    return sorted(p.stem for p in (HERE / "portrait_cells").glob("[a-z]*.py"))


def answers(family, name, numbers):
    """{quantity: (estimate, p, low, high, truth)} of each of these data sets."""
    answer = cells(family)[name][1]
    return [answer(number) for number in numbers]


def made(family, name, numbers, pool, jobs):
    """Data sets, in order, shared among workers."""
    parts = [numbers[i :: 4 * jobs] for i in range(4 * jobs)] if pool else [numbers]
    found = (pool.map if pool else map)(partial(answers, family, name), parts)
    return [one for part in found for one in part]


def extended(row, found):
    """A row with more data sets: found is an array (data set, 5) of answers."""
    estimate, p, low, high, truth = np.asarray(found, float).T
    known, tested = np.isfinite(truth), np.isfinite(p)
    bounded = known & np.isfinite(low) & np.isfinite(high)
    inside = bounded & (low <= truth) & (truth <= high)
    given = np.isfinite(estimate)
    more = (
        *(len(p), tested.sum(), np.sum(p[tested] <= LEVEL + 1e-12), bounded.sum(), inside.sum()),
        *(given.sum(), estimate[given].sum(), np.sum(estimate[given] ** 2)),
    )
    row = row | {c: row.get(c, 0) + float(m) for c, m in zip(COUNTS, more, strict=True)}
    row |= {c: int(row[c]) for c in COUNTS[:6]}
    return row | derived(row) | ({"mean_truth": np.mean(truth[known])} if known.any() else {})


def derived(row):
    """Rates with their exact limits, and the moments of the estimates."""
    found = {}
    if row["tested"]:
        low, high = clopper_pearson(row["rejections"], row["tested"])
        found |= {"rate": row["rejections"] / row["tested"], "low99": low, "high99": high}
    if row["bounded"]:
        low, high = clopper_pearson(row["covered"], row["bounded"], 0.95)
        found |= {"coverage": row["covered"] / row["bounded"]}
        found |= {"coverage_low95": low, "coverage_high95": high}
    found["refused"] = 1 - row["bounded"] / row["datasets"]
    if n := row["estimated"]:
        mean = row["sum"] / n
        found |= {"mean_estimate": mean, "sd_estimate": max(row["squares"] / n - mean**2, 0) ** 0.5}
    return found


def read(path):
    """Rows of the file by (family, cell, quantity)."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{k: parsed(v) for k, v in row.items() if v != ""} for row in csv.DictReader(file)]
    return {(r["family"], r["cell"], r["quantity"]): r for r in rows}


def write(rows, path):
    """All rows, through a temporary file."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for _, row in sorted(rows.items()):
            writer.writerow({k: f"{v:.8g}" if isinstance(v, float) else v for k, v in row.items()})
    part.replace(path)


def run_cell(family, name, rows, options, pool):
    """Bring the rows of a cell up to the number of data sets that is asked for."""
    there = [r["datasets"] for (f, c, _), r in rows.items() if (f, c) == (family, name)]
    start = min(there, default=0)
    if start >= options.datasets:
        return
    numbers = list(range(start, options.datasets))
    found = made(family, name, numbers, pool, options.jobs)
    for quantity in dict.fromkeys(q for one in found for q in one):
        at = family, name, quantity
        head = {"family": family, "cell": name, "kind": cells(family)[name][0]}
        row = rows.get(at, head | {"quantity": quantity})
        rows[at] = extended(row, [one[quantity] for one in found if quantity in one])


def line(row):
    """A row in words."""
    text = f"{row['kind']}  {row['family']}: {row['cell']}: {row['quantity']}: {row['datasets']}"
    if "rate" in row:
        text += f"  rate {row['rate']:.3f} [{row['low99']:.3f}, {row['high99']:.3f}]"
    if "coverage" in row:
        limits = f"[{row['coverage_low95']:.3f}, {row['coverage_high95']:.3f}]"
        text += f"  coverage {row['coverage']:.3f} {limits} refused {row['refused']:.2f}"
    return text


def doubtful(row):
    """A null that rejects too often, or an interval that covers too little or too much."""
    liberal = row["kind"] == "null" and row.get("low99", 0) > LEVEL
    covers = row.get("coverage", 0.95)
    return liberal or not 0.92 <= covers <= 0.98


def main():
    """Words in, rows out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=families(), help="one file of cells")
    parser.add_argument("--cells", default="", help="cells with this in their name")
    parser.add_argument("--datasets", type=int, default=500, help="data sets a cell in all")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=np.inf, help="start no cell after this")
    parser.add_argument("--summary", action="store_true", help="print the rows of the file")
    parser.add_argument("--out", type=Path, default=FINDINGS)
    options = parser.parse_args()
    rows, began = read(options.out), time.time()
    if options.summary:
        for _, row in sorted(rows.items()):
            print(f"{'DOUBTFUL ' if doubtful(row) else ''}{line(row)}")
        return
    pool = ProcessPoolExecutor(options.jobs) if options.jobs > 1 else None
    for family in [options.family] if options.family else families():
        for name in cells(family):
            if options.cells not in name or time.time() - began > options.seconds:
                continue
            start = time.time()
            run_cell(family, name, rows, options, pool)
            write(rows, options.out)
            for at, row in rows.items():
                if at[:2] == (family, name):
                    print(line(row))
            print(f"  {time.time() - start:.0f} s", flush=True)
    if pool:
        pool.shutdown()


if __name__ == "__main__":
    main()
