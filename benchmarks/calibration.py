"""False-positive rate and power of the default nulls of CCGP, parallelism and decoding.

    python benchmarks/calibration.py --self-check
    python benchmarks/calibration.py --datasets 2000                    # nearest mean, full grid
    python benchmarks/calibration.py --datasets 500 --readout svm
    python benchmarks/calibration.py --measure decoding --datasets 2000
    python benchmarks/calibration.py --measure familywise --datasets 2000
    python benchmarks/calibration.py --power-datasets 200               # true CCGP 0.65 and 0.75
    python benchmarks/calibration.py --summary                          # what the file says

Random geometry, nominal 0.05 two-sided, 199 surrogates. Results go to
findings/calibration_nulls.csv, one row a cell, readout and rule. A run goes on where the file ends:
data sets that are there are not made again, and data set number k is the same whenever it is made.
What is run is the engine's own choice of null, surrogates and ranks; --self-check holds that
against the public measures.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import calibration_data as data
import numpy as np
from calibration_answers import MEASURES, SURROGATES, DataSet, chunk, decoding_of, nulls_of
from calibration_rows import TARGETS, extended, fresh, key, read, rejects, summary, write

import neurogeom as ng

FINDINGS = Path(__file__).resolve().parent / "findings" / "calibration_nulls.csv"


def code_for(cell, target, resamples, n_datasets=120):
    """How parallel a code must be for a true CCGP (nearest mean, matched) of ``target``.

    Coding vectors are turned towards one another at the cell's distance, and lengthened where
    parallel ones do not suffice. Bisection on the mean over data sets, the same ones at every step.
    """

    def reached(code):
        one = (
            DataSet(cell, data.draw(cell, k, part=1, **code), k, "nearest_mean", resamples)
            for k in range(n_datasets)
        )
        return np.mean([d.estimate(d.setting.targets()[0]) for d in one]) >= target

    low, high = (0.0, 1.0) if reached({"cosine": 1.0}) else (1.0, 8.0)
    make = (lambda v: {"cosine": v}) if high == 1.0 else (lambda v: {"cosine": 1.0, "stretch": v})
    for _ in range(7):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(make(middle)) else (middle, high)
    return {"cosine": 1.0, "stretch": 1.0} | make(0.5 * (low + high))


def add_power(rows, cell, options, pool):
    """Rejections at each true CCGP into the rows of a cell."""
    for target in TARGETS:
        code = code_for(cell, target, options.resamples)
        numbers = list(range(options.power_datasets))
        found = over(pool, "nulls", cell, numbers, options, {**code, "part": 2})
        mean = np.mean([f["matched"][0] for f in found])
        for row in rows:
            tag = str(int(100 * target))
            row[f"power_{tag}"] = round(float(np.mean([rejects(f[row["rule"]]) for f in found])), 4)
            row[f"ccgp_{tag}"] = round(float(mean), 4)
            row[f"cosine_{tag}"], row[f"stretch_{tag}"] = (
                round(code["cosine"], 3),
                round(code["stretch"], 3),
            )
    for row in rows:
        row["power_datasets"] = options.power_datasets


def over(pool, measure, cell, numbers, options, code):
    """Data sets in parallel, in order."""
    size = max(1, min(25, len(numbers) // (4 * options.jobs) or 1))
    parts = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    task = pool.map if pool else map
    same = [[v] * len(parts) for v in (options.readout, options.resamples, code)]
    done = task(chunk, [measure] * len(parts), [cell] * len(parts), parts, *same)
    return [f for part in done for f in part]


def wanted(options, rows):
    """Cells of a run that match all words of --cells, and whose rates are doubtful if asked for."""
    cells = {"nulls": data.grid, "decoding": data.noise_cells, "familywise": familywise_cells}[
        options.measure
    ]()
    cells = [c for c in cells if all(w in c.name.split() for w in options.cells.split())]
    if options.doubtful is None:
        return cells
    rates = {}
    for (name, readout, rule, resamples), r in rows.items():
        same = (readout, resamples) == (options.readout, options.resamples)
        if same and of(options.measure, rule):
            rates.setdefault(name, []).append(r["rate"])
    return [c for c in cells if max(rates.get(c.name, [0.0])) >= options.doubtful]


def familywise_cells():
    """Random geometry of all variables, and pure noise for decoding."""
    recordings = [("apart", 4), ("apart", 8), ("sessions8", 4), ("sessions8", 8), ("one", 8)]
    return [
        data.Cell(r, c, 40, 20, 4.0, "equal", "equal", k)
        for k in ("all", "nothing")
        for r, c in recordings
    ]


def run_cell(cell, rows, options, pool):
    """Bring the rows of one cell up to the number of data sets that is asked for."""
    mine = [
        k
        for k in rows
        if (k[0], k[1], k[3]) == (cell.name, options.readout, options.resamples)
        and of(options.measure, k[2])
    ]
    start = min((rows[k]["datasets"] for k in mine), default=0)
    if start < options.datasets:
        found = over(pool, options.measure, cell, list(range(start, options.datasets)), options, {})
        for rule in dict.fromkeys(rule for f in found for rule in f):
            at = key(cell, rule, options.readout, options.resamples)
            more = [f[rule] for f in found if rule in f]
            rows[at] = extended(rows.get(at) or fresh(cell, rule, options), more)
            mine.append(at)
    missing = [
        rows[k]
        for k in dict.fromkeys(mine)
        if (rows[k].get("power_datasets") or 0) < options.power_datasets
    ]
    if missing and options.measure == "nulls":
        add_power(missing, cell, options, pool)


def of(measure, rule):
    """Whether a rule belongs to a measure."""
    return measure == (
        "decoding"
        if rule == "decoding"
        else "familywise"
        if rule.startswith("familywise")
        else "nulls"
    )


def run(options):
    """All cells in turn, the file written after each."""
    rows, began = read(options.out), time.time()
    cells = wanted(options, rows)
    pool = ProcessPoolExecutor(options.jobs) if options.jobs > 1 else None
    for i, cell in enumerate(cells):
        if time.time() - began > options.seconds:
            print(f"stopped after {i} of {len(cells)} cells; run again to go on", file=sys.stderr)
            break
        began_cell = time.time()
        run_cell(cell, rows, options, pool)
        write(rows, options.out)
        show(cell, rows, options, time.time() - began_cell)
    if pool:
        pool.shutdown()


def show(cell, rows, options, seconds):
    """One line a cell on stderr."""
    mine = [
        r
        for k, r in rows.items()
        if k[0] == cell.name and k[1] == options.readout and of(options.measure, k[2])
    ]
    text = "  ".join(
        f"{r['rule']} {r['rate']:.3f} [{r['low99']:.3f}, {r['high99']:.3f}]" for r in mine
    )
    print(f"{cell.name}: {text}  ({seconds:.1f} s)", file=sys.stderr, flush=True)


def self_check():
    """A few data sets through the public measures: the same estimates and p-values."""
    cells = [
        data.Cell("apart", 4, 12, 5),
        data.Cell("apart", 8, 30, 5, 1.0, "weak", "lognormal"),
        data.Cell("sessions8", 4, 40, 5, 4.0, "strong"),
        data.Cell("sessions8", 8, 64, 5, 4.0, "equal", "lognormal"),
        data.Cell("sessions3", 8, 15, 6),
        data.Cell("one", 4, 10, 6),
        data.Cell("one", 8, 10, 6),
    ]
    for cell in cells:
        for number in range(3):
            x = data.as_activity(cell, data.draw(cell, number))
            shared = {"n_null": SURROGATES, "seed": number}
            readout = {"readout": "nearest_mean", "n_resamples": 3}
            public = {
                h: ng.ccgp(x, cell.variables, held_out=h, **readout, **shared)
                for h in ("matched", "any")
            }
            public["parallelism"] = ng.parallelism(x, cell.variables, **shared)
            mine = nulls_of(cell, number, "nearest_mean", 3)
            if number == 0:
                public["decoding"] = ng.decoding(x, cell.variables, **readout, **shared)
                mine |= decoding_of(cell, number, "nearest_mean", 3)
            for rule, result in public.items():
                estimate, p, method, _ = mine[rule]
                theirs = result.get("statistic", result.estimate).values[0]
                assert np.isclose(theirs, estimate, rtol=0, atol=1e-9), (
                    cell.name,
                    rule,
                    theirs,
                    estimate,
                )
                assert np.isclose(result.p_value.values[0], p), (
                    cell.name,
                    rule,
                    result.p_value.values[0],
                    p,
                )
                assert rule == "decoding" or result.null_method.values[0] == method, (
                    cell.name,
                    rule,
                    method,
                )
            assert np.isclose(public["matched"].estimate[0], pooled(cell, number)), cell.name
    print(f"{len(cells)} cells, 3 data sets each: estimates and p-values as the public measures")


def pooled(cell, number):
    """Matched CCGP of the pooled population."""
    one = DataSet(cell, data.draw(cell, number), number, "nearest_mean", 3)
    return one.estimate(one.setting.targets()[0])


def main():
    """Words in, rows out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--self-check", action="store_true", help="hold this file against the public measures"
    )
    parser.add_argument("--summary", action="store_true", help="rates over cells of a kind")
    parser.add_argument("--measure", choices=list(MEASURES), default="nulls")
    parser.add_argument(
        "--cells", default="", help="words that a cell's name must have, such as 'apart C4 n20'"
    )
    parser.add_argument("--doubtful", type=float, help="only cells with a rate of at least this")
    parser.add_argument("--datasets", type=int, default=0, help="data sets a cell in all")
    parser.add_argument(
        "--power-datasets", type=int, default=0, help="data sets a cell and true CCGP"
    )
    parser.add_argument("--readout", default="nearest_mean")
    parser.add_argument("--resamples", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=np.inf, help="start no cell after this long"
    )
    parser.add_argument("--out", type=Path, default=FINDINGS)
    options = parser.parse_args()
    if options.summary:
        print("\n".join(summary(read(options.out).values())))
    elif options.self_check:
        self_check()
    else:
        run(options)


if __name__ == "__main__":
    main()
