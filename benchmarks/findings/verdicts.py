"""Has a published finding come out? The rule of the answer, the rows of networks, the controls.

A script in this folder states at its top, before it is first run in full, what would count:

    RULE = Rule("r2 out of distribution, 24 tasks less 2 tasks", threshold=0.1)
    FINDINGS = [
        Finding("ood_rises", "r2 rises with the number of tasks", "Vafidis et al. 2025", RULE,
                lambda t: t["24 tasks", "ood"] - t["2 tasks", "ood"],
                {"shuffled labels": lambda t: t["24 shuffled", "ood"] - t["2 shuffled", "ood"]}),
    ]
    CONDITIONS = ["24 tasks", "2 tasks", "24 shuffled", "2 shuffled"]

    def measure(condition, seeds, quick):    # rows of one condition: train, record, score
        return [Row(seed, "ood", value, accuracy), ...]

    if __name__ == "__main__":
        sys.exit(main(__file__, FINDINGS, CONDITIONS, measure))

`main` fills SCRIPT.csv condition by condition (a run goes on where the file ends), prints medians
over seeds with their range, the verdict of each finding and of its controls. Exit status: 0; 1
where a control came out as anything but "not reproduced"; 2 where conditions are still missing.
A full run is refused while the script differs from what git has: the rule comes first.
"""

import argparse
import csv
import math
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

COLUMNS = ("finding", "condition", "seed", "statistic", "value", "accuracy", "seconds")
VERDICTS = ("reproduced", "not reproduced", "undecided")
LEVEL = 0.05
QUICK_SEEDS = 2


@dataclass(frozen=True)
class Rule:
    """A statistic of each seed, and the threshold that it should reach.

    The answer is a one-sided sign test at 0.05 of each side: "reproduced" where so many seeds reach
    the threshold that the median of all seeds that there could be reaches it, "not reproduced"
    where so many miss it, "undecided" between, and where a seed has no value. Of 5 seeds all must
    agree, of 8 seven, of 10 nine.

    statistic : what it is, in words; threshold : it is reached from there on up
    seeds : how many, 5 at least: four that agree are no evidence at this level
    """

    statistic: str
    threshold: float
    seeds: int = 5

    def __post_init__(self):
        """Refuse what cannot decide."""
        if self.seeds < 5:
            raise ValueError(f"{self.seeds} seeds cannot decide at {LEVEL}; ask for 5 or more")

    def verdict(self, effects) -> str:
        """One of VERDICTS, from the statistic of every seed, (seed,).

        Examples
        --------
        >>> rule = Rule("gain", threshold=0.1)
        >>> rule.verdict([0.2, 0.3, 0.1, 0.2, 0.5]), rule.verdict([0.2, 0.3, 0.05, 0.2, 0.5])
        ('reproduced', 'undecided')
        >>> rule.verdict([0.0, 0.05, -0.1, 0.0, 0.09])
        'not reproduced'
        """
        effects = np.asarray(effects, dtype=float)
        if len(effects) < self.seeds or not np.isfinite(effects).all():
            return "undecided"
        reached = int(np.sum(effects >= self.threshold))
        if _at_least(reached, len(effects)) <= LEVEL:
            return "reproduced"
        if _at_least(len(effects) - reached, len(effects)) <= LEVEL:
            return "not reproduced"
        return "undecided"


def _at_least(k, n):
    """Probability of k or more heads of n coins."""
    return sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n


@dataclass(frozen=True)
class Row:
    """One number of one network: `accuracy` is that of its task, NaN where it has none."""

    seed: int
    statistic: str
    value: float
    accuracy: float = math.nan


Effect = Callable[["Table"], np.ndarray]


@dataclass(frozen=True)
class Finding:
    """What is claimed, by whom, and how it is judged.

    effect : function of a Table to the statistic of every seed, (seed,)
    controls : {name: function of a Table to the same statistic of a control}: each must come out
    "not reproduced"
    """

    name: str
    claim: str
    source: str
    rule: Rule
    effect: Effect
    controls: Mapping[str, Effect] = field(default_factory=dict)

    def __post_init__(self):
        """A finding without a control shows nothing."""
        if not self.controls:
            raise ValueError(f"finding {self.name!r} has no control; give it at least one")

    @property
    def needs(self) -> list[str]:
        """Conditions that the effect and the controls look up."""
        table = Table([], self.rule.seeds)
        for effect in (self.effect, *self.controls.values()):
            effect(table)
        return list(dict.fromkeys(condition for condition, _ in table.asked))


class Table:
    """table[condition, statistic]: the values of seeds 0, 1, ..., NaN where there is none."""

    def __init__(self, rows: Sequence[Mapping], n_seeds: int):
        self.n_seeds, self.asked = n_seeds, []
        self.values = {
            (r["condition"], r["statistic"], int(r["seed"])): float(r["value"]) for r in rows
        }

    def __getitem__(self, key: tuple[str, str]) -> np.ndarray:
        """(seed,)"""
        self.asked.append(key)
        return np.array([self.values.get((*key, s), np.nan) for s in range(self.n_seeds)])

    def every(self, condition: str, statistic: str) -> np.ndarray:
        """(seed,) with all seeds that the condition has, where `measure` gave more of it."""
        more = [k[2] for k in self.values if k[:2] == (condition, statistic)]
        return Table.__getitem__(self.up_to(max(more, default=0) + 1), (condition, statistic))

    def up_to(self, n_seeds: int) -> "Table":
        """The same with more seeds."""
        other = copy(self)
        other.n_seeds = max(n_seeds, self.n_seeds)
        return other


def judged(finding: Finding, rows: Sequence[Mapping]) -> dict[str, tuple[str, np.ndarray]]:
    """{"finding" or name of a control: (verdict, statistic of every seed)}.

    A finding is not reproduced where what must not come out does: it is undecided then.
    """
    table = Table(rows, finding.rule.seeds)
    found = {}
    for name, effect in {"finding": finding.effect, **finding.controls}.items():
        effects = np.asarray(effect(table), float)
        ran = np.isfinite(effects).any()
        found[name] = (finding.rule.verdict(effects) if ran else "not run", effects)
    if found["finding"][0] == "reproduced" and _failed(finding, found):
        found["finding"] = ("undecided", found["finding"][1])  # the rule lets nothing pass too
    return found


def failed_controls(finding: Finding, rows: Sequence[Mapping]) -> list[str]:
    """Controls that ran and came out as anything but "not reproduced"."""
    return _failed(finding, judged(finding, rows))


def _failed(finding, found):
    return [n for n in finding.controls if found[n][0] not in ("not reproduced", "not run")]


def main(
    script: str,
    findings: Sequence[Finding],
    conditions: Sequence[str],
    measure: Callable[[str, Sequence[int], bool], Sequence[Row]],
    argv: Sequence[str] | None = None,
) -> int:
    """Run what is missing of a script's conditions, print the verdicts; the exit status.

    Parameters
    ----------
    script : its __file__
    findings : what is judged
    conditions : names, in the order in which they are run
    measure : callable(condition, seeds, quick) to rows; importable by name, for --jobs
    """
    options = _options(script, argv)
    path = Path(options.out) if options.out else Path(script).with_suffix(".csv")
    chosen = _chosen(findings, options.only)
    if options.only:
        needed = {c for f in chosen for c in f.needs}
        conditions = [c for c in conditions if c in needed]
    keep = bool(options.out) or not options.quick
    rows = read(path) if keep else []
    n_seeds = _seeds(conditions, chosen, options.quick)
    if not options.summary:
        if not options.quick:
            _refuse_uncommitted(script)
        rows = _run(script, conditions, measure, n_seeds, rows, path if keep else None, options)
    print_values(rows)
    if options.quick:
        print(f"{QUICK_SEEDS} seeds of short trainings: no verdict")
        return 0
    print_verdicts(chosen, rows)
    if any(failed_controls(f, rows) for f in chosen):
        return 1
    return 2 if any(_missing(c, n_seeds[c], rows) for c in conditions) else 0


def read(path: Path) -> list[dict]:
    """The rows of a CSV file, none where there is no file."""
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Sequence[Mapping]) -> None:
    """All rows, or the file as it was: a run that is cut short loses nothing."""
    part = Path(path).with_suffix(".part")
    with open(part, "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    os.replace(part, path)


def spread(values) -> str:
    """Median and range, as in "0.91 (0.88 to 0.93, n = 5)"."""
    values = np.asarray(values, float)
    known = values[np.isfinite(values)]
    if not len(known):
        return "nan (n = 0)"
    low, middle, high = (_short(v) for v in (known.min(), np.median(known), known.max()))
    return f"{middle} ({low} to {high}, n = {len(known)})"


def print_values(rows: Sequence[Mapping]) -> None:
    """Every condition and statistic: median and range over seeds."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        key = row["condition"], row["statistic"]
        values.setdefault(key, []).append(float(row["value"]))
    for (condition, statistic), found in values.items():
        print(f"{condition:44s} {statistic:26s} {spread(found)}")


def print_verdicts(findings: Sequence[Finding], rows: Sequence[Mapping]) -> None:
    """A table in markdown: finding, rule, statistic over seeds, verdict; controls below each."""
    print("\n| finding | statistic, threshold | median (range over seeds) | verdict |")
    print("|---|---|---|---|")
    for finding in findings:
        for name, (verdict, effects) in judged(finding, rows).items():
            own = name == "finding"
            title = f"`{finding.name}`: {finding.claim}" if own else f"control: {name}"
            rule = f"{finding.rule.statistic}, >= {finding.rule.threshold:g}" if own else "same"
            wrong = "" if own or verdict in ("not reproduced", "not run") else " (control FAILED)"
            print(f"| {title} | {rule} | {spread(effects)} | {verdict}{wrong} |")


def _short(value):
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _options(script, argv):
    doc = f"Findings of {Path(script).name}; see verdicts.py."
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--quick", action="store_true", help="two seeds, short trainings, no file")
    parser.add_argument("--jobs", type=int, default=1, help="conditions at once")
    parser.add_argument("--only", nargs="+", default=[], metavar="FINDING")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing after")
    parser.add_argument("--summary", action="store_true", help="run nothing")
    parser.add_argument("--out", help="another file than SCRIPT.csv")
    return parser.parse_args(argv)


def _chosen(findings, only):
    names = [f.name for f in findings]
    for name in only:
        if name not in names:
            raise SystemExit(f"no finding is named {name!r}; choose from {names}")
    return [f for f in findings if not only or f.name in only]


def _seeds(conditions, findings, quick):
    """{condition: as many as the findings need that look it up}."""
    fewest = min(f.rule.seeds for f in findings)
    needed = {c: [f.rule.seeds for f in findings if c in f.needs] for c in conditions}
    return {c: QUICK_SEEDS if quick else max([fewest, *needed[c]]) for c in conditions}


def _missing(condition, n_seeds, rows):
    have = {int(r["seed"]) for r in rows if r["condition"] == condition}
    return [s for s in range(n_seeds) if s not in have]


def _run(script, conditions, measure, n_seeds, rows, path, options):
    """The rows that there were and those of the conditions that were missing."""
    begun, going = time.monotonic(), {}
    waiting = [(c, s) for c in conditions if (s := _missing(c, n_seeds[c], rows))]
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    with ProcessPoolExecutor(options.jobs, mp_context=spawn) as pool:
        submit = pool.submit if options.jobs > 1 else _now
        while waiting or going:
            in_time = time.monotonic() - begun <= 60 * options.minutes
            while waiting and in_time and len(going) < options.jobs:
                condition, seeds = waiting.pop(0)
                going[submit(_timed, measure, condition, seeds, options.quick)] = condition
            if not going:
                break
            for done in wait(going, return_when=FIRST_COMPLETED).done:
                rows = _added(script, rows, going.pop(done), *done.result(), path)
    return rows


def _now(work, *arguments):
    """What pool.submit gives, of work that is done in this process."""
    done = Future()
    done.set_result(work(*arguments))
    return done


def _timed(measure, condition, seeds, quick):
    from threadpoolctl import threadpool_limits

    begun = time.monotonic()
    with threadpool_limits(1):  # matrices are small, and other processes have the other cores
        found = list(measure(condition, tuple(seeds), quick))
    return found, (time.monotonic() - begun) / len(seeds)


def _added(script, rows, condition, found, seconds, path):
    """With the rows of one condition more, also in the file; `seconds` is of one network."""
    name = Path(script).stem
    new = [
        dict(zip(COLUMNS, (name, condition, r.seed, r.statistic, f"{r.value:.6g}",
                           f"{r.accuracy:.6g}", f"{seconds:.2f}"), strict=True))
        for r in found
    ]  # fmt: skip
    rows = [*rows, *new]
    if path is not None:
        write(path, rows)
    print(f"{condition}: {len(new)} rows, {seconds:.1f} s a network", flush=True)
    return rows


def _refuse_uncommitted(script):
    """The rule of a verdict is in git before the first full run; without git nothing is asked."""
    folder = Path(script).resolve().parent
    try:
        git = ["git", "-C", str(folder), "status", "--porcelain", "--", Path(script).name]
        found = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return
    if found.stdout.strip():
        raise SystemExit(
            f"{Path(script).name} is not committed as it stands; commit its rule first"
        )
