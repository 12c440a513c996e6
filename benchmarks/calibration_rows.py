"""Rows of findings/calibration_nulls.csv: one a cell, readout and rule, growing with data sets."""

import csv
import re
from dataclasses import asdict

import calibration_data as data
import numpy as np
from calibration_answers import SURROGATES

LEVEL = 0.05
TARGETS = (0.65, 0.75)  # true CCGP (matched) at which power is measured
COLUMNS = [
    *data.Cell.__dataclass_fields__,
    *(
        "readout",
        "rule",
        "resamples",
        "surrogates",
        "datasets",
        "rejections",
        "rate",
        "low99",
        "high99",
    ),
    *("verdict", "above", "mean_estimate", "sd_estimate", "null_methods"),
    *(f"{w}_{int(100 * t)}" for t in TARGETS for w in ("power", "ccgp", "cosine", "stretch")),
    "power_datasets",
]


def clopper_pearson(k, n, level=0.99):
    """Exact limits of a proportion."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    return float(low), float(beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0)


def fresh(cell, rule, options):
    """A row without data sets."""
    empty = {"datasets": 0, "rejections": 0, "above": 0, "mean_estimate": 0.0, "sd_estimate": 0.0}
    made = {"readout": options.readout, "rule": rule, "resamples": options.resamples}
    return asdict(cell) | made | {"surrogates": SURROGATES, "null_methods": ""} | empty


def extended(row, found):
    """A row with more data sets: found is a list of (estimate, p, method, above)."""
    estimate, rejected = (
        np.array([f[0] for f in found]),
        np.array([rejects(f) for f in found]),
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


def rejects(found):
    """Whether a test of (estimate, p, method, above) rejects, a p-value of exactly 0.05 too."""
    return found[1] <= LEVEL + 1e-12


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


def summary(rows):
    """Lines of a table: the rate over all cells of a recording, number of conditions and rule.

    Cells are pooled, so that what is conservative everywhere shows before any one cell can.
    """
    rows, kinds = list(rows), {}
    for row in rows:
        kind = row["readout"], row["rule"], row["recording"], row["conditions"], row["codes"]
        kinds.setdefault(kind, []).append(row)
    head = "readout rule recording conditions codes | cells | data sets | rate | 99 % | power at"
    lines = [f"{head} {' and '.join(map(str, TARGETS))}"]
    for kind, members in sorted(kinds.items(), key=str):
        k, n = (sum(r[f] for r in members) for f in ("rejections", "datasets"))
        low, high = clopper_pearson(k, n)
        with_power = [r for r in members if r.get("power_datasets")]
        power = [
            f"{np.mean([r[f'power_{int(100 * t)}'] for r in with_power]):.2f}"
            for t in TARGETS
            if with_power
        ]
        text = f"{len(members)} | {n} | {k / n:.3f} | {low:.3f}-{high:.3f} | {' and '.join(power)}"
        lines.append(f"{' '.join(map(str, kind))} | {text}")
    for verdict in ("liberal", "conservative"):
        named = [f"{cell_of(r).name} {r['rule']}" for r in rows if r["verdict"] == verdict]
        lines.append(f"{verdict}: {'; '.join(named) or 'none'}")
    return lines
