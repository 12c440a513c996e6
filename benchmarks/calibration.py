"""False-positive rate and power of the default nulls of CCGP, parallelism and decoding.

    python benchmarks/calibration.py --self-check
    python benchmarks/calibration.py --datasets 2000                    # nearest mean, full grid
    python benchmarks/calibration.py --datasets 500 --readout svm
    python benchmarks/calibration.py --measure decoding --datasets 2000
    python benchmarks/calibration.py --measure familywise --datasets 2000
    python benchmarks/calibration.py --power-datasets 200               # true CCGP 0.65 and 0.75

Random geometry, nominal 0.05 two-sided, 199 surrogates. Results go to
findings/calibration_nulls.csv, one row a cell, readout and rule. A run goes on where the file ends:
data sets that are there are not made again, and data set number k is the same whenever it is made.
What is run is the engine's own choice of null, surrogates and ranks; --self-check holds that against
the public measures.
"""

import argparse
import csv
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import calibration_data as data
import numpy as np

import neurogeom as ng
from neurogeom.engine import by_session, nulls
from neurogeom.engine.choice import choose
from neurogeom.engine.experiment import Experiment
from neurogeom.engine.multiplicity import max_statistic, rank_p
from neurogeom.engine.problems import Problems, held_out_pairs, within
from neurogeom.engine.readouts import readout as named_readout
from neurogeom.engine.setting import Setting
from neurogeom.measures import decoding, parallelism

LEVEL, SURROGATES = 0.05, 199
SEEDS = 50  # seeds of surrogates go round, so that their random signs and matrices are drawn once
TARGETS = (0.65, 0.75)  # true CCGP (matched) at which power is measured
FINDINGS = Path(__file__).resolve().parent / "findings" / "calibration_nulls.csv"
COLUMNS = [
    *data.Cell.__dataclass_fields__, "readout", "rule", "resamples", "surrogates", "datasets", "rejections", "rate",
    "low99", "high99", "verdict", "above", "mean_estimate", "sd_estimate", "null_methods",
    *(f"{what}_{int(100 * t)}" for t in TARGETS for what in ("power", "true", "cosine", "stretch")), "power_datasets",
]  # fmt: skip


@lru_cache(maxsize=2 * SEEDS)
def drawn(kind, n_contexts, n_units, seed):
    """Signs (surrogate, context, unit), or matrices (surrogate, unit, context, context)."""
    streams = (nulls.generator(seed, d) for d in range(SURROGATES))
    if kind == "rotate":
        return np.stack([nulls.haar(n_contexts, n_units, rng) for rng in streams])
    return np.stack([rng.integers(0, 2, (n_contexts, n_units)) * 2.0 - 1.0 for rng in streams])


class Kept:
    """All shifts of nulls.CodingVectors at once, used for every rule."""

    def __init__(self, kind, unit, means, grid, seed):
        levels = means[grid]
        d = levels - levels.mean(axis=1, keepdims=True)  # (context, level, neuron)
        random = drawn(kind, len(grid), int(unit.max()) + 1, seed)
        self.all = np.zeros((SURROGATES, *means.shape))
        if kind == "flip":
            self.all[:, grid] = d * (random[:, :, unit] - 1.0)[:, :, None]
            return
        moved = np.empty((SURROGATES, *d.shape))
        for u in range(random.shape[1]):
            moved[..., unit == u] = np.tensordot(random[:, u], d[..., unit == u], axes=1)
        self.all[:, grid] = moved - d

    def shift(self, draw):
        """Moved means less means, (condition, neuron)."""
        return self.all[draw]


class DataSet:
    """One data set: population, setting and what the rules share."""

    def __init__(self, cell, values, number, readout, resamples):
        seed = number % SEEDS
        design, population = data.population(cell, values)
        self.setting = Setting(
            design,
            population,
            named_readout(readout),
            "resample",
            resamples,
            None,
            SURROGATES,
            seed,
        )
        self.standard = nulls.standardised(population, "resample")
        self._draws, self._kept = None, {}

    @property
    def draws(self):
        """Resamples with conditions held out."""
        if self._draws is None:
            self._draws = self.setting.draws(split=False)
        return self._draws

    def kept(self, choice, target):
        """Shifts of the surrogate that a choice names."""
        key = choice.kind, target.name
        if key not in self._kept:
            self._kept[key] = Kept(
                choice.kind, choice.unit, self.standard.means, target.grid, self.setting.seed
            )
        return self._kept[key]

    def choices(self, target):
        """The default null of either rule."""
        ratio = nulls.length_ratio(self.standard, target.grid)
        return {
            h: choose(self.setting.population, target.grid, ratio, held_out=h)
            for h in ("matched", "any")
        }

    def ccgp(self, target, choices):
        """{rule: (estimate, null, p, method)}, rules with the same surrogates solved together."""
        joint = [h for h, c in choices.items() if c.kind != "sessions"]
        found = {}
        if len({choices[h].kind for h in joint}) == 1:
            found |= self._moved(target, joint, choices[joint[0]])
        else:
            for h in joint:
                found |= self._moved(target, [h], choices[h])
        if "matched" not in joint:
            found["matched"] = self._by_session(target, choices["matched"])
        return found

    def _experiment(self, target, rules, draws):
        parts = [held_out_pairs(target.sides[0].side, pairs(target, h)) for h in rules]
        group = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
        return Experiment(draws, Problems.joined(parts), group, self.setting.readout)

    def estimate(self, target):
        """CCGP (matched) of the pooled population, without a null."""
        experiment = self._experiment(target, ["matched"], self.draws)
        return experiment.average(experiment.observe())[0][0]

    def _moved(self, target, rules, choice):
        experiment = self._experiment(target, rules, self.draws)
        observed, margin = experiment.average(experiment.observe())
        values, margins = nulls.of_moves(experiment, self.kept(choice, target), SURROGATES)
        p = rank_p(observed, values, margin=margin, null_margin=margins)
        return {h: (observed[i], values[:, i], p[i], choice.text) for i, h in enumerate(rules)}

    def _by_session(self, target, choice):
        problems = held_out_pairs(target.sides[0].side, pairs(target, "matched"))
        values = by_session.values(self.setting, problems, np.zeros(len(problems), int))
        observed, flipped = by_session.test(values - 0.5, n_null=SURROGATES, seed=self.setting.seed)
        p = rank_p(observed, flipped)[0]
        return 0.5 + observed[0], 0.5 + flipped[:, 0], p, choice.text

    def parallelism(self, target, choice):
        """(statistic, null, p, method) of the parallelism score."""
        groups = [target.grid[:, [0, 1]]]
        if choice.kind == "sessions":
            out = parallelism._over_sessions(
                self.setting, self.standard, groups, choice, "two-sided"
            )
            return out["statistic"], out["null"], out["p"], out["method"]
        means = self.standard.means
        moved = means[:, None] + self.kept(choice, target).all.transpose(1, 0, 2)
        observed, values = scores(means[:, None], groups)[0], scores(moved, groups)
        return observed, values, float(rank_p(observed, values)), choice.text

    def all_rules(self, target):
        """CCGP by both rules and parallelism."""
        choices = self.choices(target)
        return {
            **self.ccgp(target, choices),
            "parallelism": self.parallelism(target, choices["matched"]),
        }

    def decoding(self, target):
        """(estimate, null, p, method) of decoding."""
        s, side = self.setting, target.sides[0].side
        experiment = Experiment(self.draws_split, within(side[None]), np.zeros(1, int), s.readout)
        observed, margin = experiment.average(experiment.observe())
        surrogate = nulls.LabelShuffle(
            s.population, decoding._classes(s.design, target, None), s.seed
        )
        values, margins = nulls.of_orders(experiment, surrogate, SURROGATES)
        p = rank_p(observed, values, margin=margin, null_margin=margins)[0]
        return (
            observed[0],
            values[:, 0],
            p,
            "labels shuffled within group and within the levels of the other variables",
        )

    @property
    def draws_split(self):
        """Resamples with trials split into training and test."""
        return self.setting.draws(split=True)


def pairs(target, rule):
    """Held-out pairs (high, low) of a two-level variable."""
    if rule == "matched":
        return [(row[1], row[0]) for row in target.grid]
    return [(a, b) for a in target.grid[:, 1] for b in target.grid[:, 0]]


def scores(means, groups):
    """Numerator over raw denominator for means (condition, surrogate, neuron), (surrogate,)."""
    n_conditions, n_null, n_neurons = means.shape
    flat = means.reshape(n_conditions, -1)
    top, _, raw = parallelism.contributions(flat, np.zeros_like(flat), groups)
    return top.reshape(n_null, n_neurons).sum(axis=1) / raw.reshape(n_null, n_neurons).sum(axis=1)


# ------------------------------------------------------------------------------------ data sets


def nulls_of(cell, number, readout, resamples, **code):
    """{rule: (estimate, p, method, above)} of one data set."""
    one = DataSet(cell, data.draw(cell, number, **code), number, readout, resamples)
    target = one.setting.targets()[0]
    return {rule: summary(*found) for rule, found in one.all_rules(target).items()}


def decoding_of(cell, number, readout, resamples, **code):
    """{rule: ...} of decoding."""
    one = DataSet(cell, data.draw(cell, number, **code), number, readout, resamples)
    return {"decoding": summary(*one.decoding(one.setting.targets()[0]))}


def familywise_of(cell, number, readout, resamples, **code):
    """{rule: ...} where p is the smallest corrected p over all variables."""
    one = DataSet(cell, data.draw(cell, number, **code), number, readout, resamples)
    if cell.codes == "nothing":
        found = [{"decoding": one.decoding(t)} for t in one.setting.targets()]
    else:
        found = [one.all_rules(t) for t in one.setting.targets()]
    out = {}
    for rule in found[0]:
        rows = [f[rule] for f in found]
        observed = np.array([r[0] for r in rows])
        if len({len(r[1]) for r in rows}) > 1:
            continue
        p = max_statistic(observed, np.stack([r[1] for r in rows], axis=1))
        out[f"familywise {rule}"] = (
            observed.mean(),
            p.min(),
            " and ".join(sorted({r[3] for r in rows})),
            False,
        )
    return out


def summary(observed, null, p, method):
    """What is kept of a test."""
    return observed, p, method, bool(observed > np.mean(null))


MEASURES = {"nulls": nulls_of, "decoding": decoding_of, "familywise": familywise_of}


def chunk(measure, cell, numbers, readout, resamples, code):
    """Several data sets, as a list of dictionaries, on one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return [MEASURES[measure](cell, k, readout, resamples, **code) for k in numbers]


# ---------------------------------------------------------------------------------------- power


def code_for(cell, target, resamples, n_datasets=60):
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
            row[f"power_{tag}"] = round(
                float(np.mean([f[row["rule"]][1] <= LEVEL for f in found])), 4
            )
            row[f"true_{tag}"] = round(float(mean), 4)
            row[f"cosine_{tag}"], row[f"stretch_{tag}"] = (
                round(code["cosine"], 3),
                round(code["stretch"], 3),
            )
    for row in rows:
        row["power_datasets"] = options.power_datasets


# --------------------------------------------------------------------------------- rows and file


def clopper_pearson(k, n, level=0.99):
    """Exact limits of a proportion."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    return float(low), float(beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0)


def fresh(cell, rule, options):
    """A row without data sets."""
    return asdict(cell) | {
        "readout": options.readout, "rule": rule, "resamples": options.resamples, "surrogates": SURROGATES,
        "datasets": 0, "rejections": 0, "above": 0, "mean_estimate": 0.0, "sd_estimate": 0.0, "null_methods": "",
    }  # fmt: skip


def extended(row, found):
    """A row with more data sets: found is a list of (estimate, p, method, above)."""
    estimate, rejected = (
        np.array([f[0] for f in found]),
        np.array([f[1] <= LEVEL + 1e-12 for f in found]),
    )
    n, more = row["datasets"], len(found)
    squares = n * (row["sd_estimate"] ** 2 + row["mean_estimate"] ** 2) + np.sum(estimate**2)
    mean = (n * row["mean_estimate"] + estimate.sum()) / (n + more)
    methods = counted(row["null_methods"], [f[2] for f in found], rejected)
    row = row | {
        "datasets": n + more,
        "rejections": row["rejections"] + int(rejected.sum()),
        "null_methods": methods,
    }
    row["above"] += int(np.sum(rejected & np.array([f[3] for f in found])))
    row |= {
        "mean_estimate": float(mean),
        "sd_estimate": float(np.sqrt(max(squares / (n + more) - mean**2, 0.0))),
    }
    return row | limits(row)


def limits(row):
    """Rate, its exact 99 % limits, and the verdict."""
    low, high = clopper_pearson(row["rejections"], row["datasets"])
    verdict = "liberal" if low > LEVEL else "conservative" if high < LEVEL else "not rejected"
    return {
        "rate": row["rejections"] / row["datasets"],
        "low99": low,
        "high99": high,
        "verdict": verdict,
    }


def counted(text, methods, rejected):
    """Rejections and data sets of each null: "3/200 coding vectors flipped, by session; ..."."""
    counts = {m: [int(a), int(b)] for a, b, m in re.findall(r"(\d+)/(\d+) ([^;]+)", text)}
    for m, r in zip(methods, rejected, strict=True):
        both = counts.setdefault(m.replace(";", ","), [0, 0])
        both[0], both[1] = both[0] + int(r), both[1] + 1
    return "; ".join(
        f"{a}/{b} {m}" for m, (a, b) in sorted(counts.items(), key=lambda item: -item[1][1])
    )


def read(path):
    """Rows of the file by (cell name, readout, rule, resamples)."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{k: parsed(v) for k, v in row.items()} for row in csv.DictReader(file)]
    return {key(cell_of(r), r["rule"], r["readout"], r["resamples"]): r for r in rows}


def key(cell, rule, readout, resamples):
    """What a row is found by."""
    return cell.name, readout, rule, resamples


def cell_of(row):
    """The cell that a row belongs to."""
    return data.Cell(**{f: row[f] for f in data.Cell.__dataclass_fields__})


def parsed(text):
    """A number where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def write(rows, path):
    """All rows, through a temporary file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows.values():
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    part.replace(path)


# ------------------------------------------------------------------------------------------ runs


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
    for (name, readout, _, resamples), r in rows.items():
        if (readout, resamples) == (options.readout, options.resamples):
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
        data.Cell("apart", 4, 12, 5), data.Cell("apart", 8, 30, 5, 1.0, "weak", "lognormal"),
        data.Cell("sessions8", 4, 40, 5, 4.0, "strong"), data.Cell("sessions8", 8, 64, 5, 4.0, "equal", "lognormal"),
        data.Cell("sessions3", 8, 15, 6), data.Cell("one", 4, 10, 6), data.Cell("one", 8, 10, 6),
    ]  # fmt: skip
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
    print(
        f"{len(cells)} cells, 3 data sets each: the same estimates and p-values as the public measures"
    )


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
    self_check() if options.self_check else run(options)


if __name__ == "__main__":
    main()
