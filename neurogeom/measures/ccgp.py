"""Cross-condition generalisation performance (Bernardi et al. 2020, Cell 183:954)."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..design import Target
from ..engine import by_session, intervals, nulls
from ..engine.answers import add_tests
from ..engine.block_shuffle import few
from ..engine.choice import choose
from ..engine.experiment import Draws, Experiment
from ..engine.held_out import Asked, ask, check
from ..engine.multiplicity import rank_p
from ..engine.setting import NothingToAsk, Setting, over_time, setting


@over_time
def ccgp(
    x,
    variables,
    *,
    held_out="matched",
    across=None,
    readout="svm",
    contrasts=(),
    min_trials=5,
    n_resamples=20,
    n_pseudo=None,
    n_null=999,
    null=None,
    alternative="two-sided",
    target=None,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Does a readout of a variable carry over to conditions that it has never seen?

    A linear readout separates the sides :math:`A, B` of a variable with one condition of each left
    out, and is scored on all trials of that pair:

    .. math::
        \mathrm{CCGP} = \frac{1}{|S|} \sum_{(a, b) \in S}
            \mathrm{accuracy}(\text{train } A \setminus a,\ B \setminus b;\ \text{test } a, b)

    The range is [0, 1]. With ``held_out="matched"`` chance is 0.5; with ``"any"`` it is *not* 0.5
    for a named variable (strongly coded contexts push it below, weakly coded ones above), so read
    the null's mean. A value below chance is a finding: coding vectors point in opposite directions
    in different contexts, as in an exclusive-or code. The mean over all balanced dichotomies and
    ``"any"`` pairs is 0.5 for any data, so what one dichotomy gains the others lose.

    Parameters
    ----------
    x, variables, readout, contrasts, min_trials, n_resamples, n_pseudo, n_null, target, scale,
    empty, seed, n_jobs
        As in :func:`neurogeom.decoding`. Trials are not split, since conditions are: all trials of
        a held-out condition test, and scaling looks at all conditions without their labels.
    held_out : {"matched", "any", "across"}
        Pairs that agree in all other variables (C/2 of them); every pair, as Bernardi et al.; or
        whole levels of the variable ``across``, each in turn.
    across : str
        The variable whose levels are held out with ``held_out="across"``.
    null : {None, "coding_vectors", "flip", "rotate", "swap", "sessions", "geometric", "labels"}
        What is randomised. The default keeps the midpoints of contexts, the lengths of coding
        vectors and the noise, and randomises the directions of coding vectors, by the unit that was
        recorded independently (:mod:`neurogeom.engine.choice`). "geometric" is for comparison with
        the literature, "labels" tests decoding and not abstraction.
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    Dataset
        ``estimate``, ``p_value``, ``p_corrected``, ``interval``, ``null``, ``null_method`` and
        ``contexts`` (variable); ``split_accuracy`` (split) with the conditions held out. Where the
        null is a sign flip over sessions, ``statistic`` is the mean over sessions that it tests.

    Raises
    ------
    KeyError, ValueError
        There is nothing to generalise across; an option is unknown; as in
        :func:`neurogeom.decoding`.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=4.0, n_neurons=40, n_trials=12, n_truth=0, seed=0)
    >>> result = ng.ccgp(x, ["a", "b", "c"], n_null=19)
    >>> bool((result.estimate > 0.7).all())
    True

    Notes
    -----
    Matched pairs of a contrast: it takes the place of the last variable that it can replace, and
    the variables left over (``contexts``) are what a pair agrees in.

    Measured on random geometry at nominal 0.05 two-sided, nearest mean, 20 resamples, 200 data sets
    a cell and 2,000 for one population (``benchmarks/findings``, pooled): matched 0.049 and any
    0.049 for neurons recorded apart, 0.045 and 0.045 in eight sessions, 0.042 and 0.045 in three,
    0.050 and 0.050 in one; with the SVM 0.046 and 0.042 (500 data sets, apart, 4 conditions). No
    cell has an exact 99 % lower limit above 0.05; doubtful cells were given more data sets.
    Conservative, down to 0.036: contexts that are rotated where they are strong and baselines
    unequal; and sign flips over sessions, whose level cannot exceed 0.047.
    Power at a true CCGP of 0.65 and 0.75, matched, two resamples: 0.23 and 0.52 (4 conditions,
    apart), 0.46 and 0.86 (8); 0.08 and 0.12, 0.16 and 0.39 for one population recorded together.
    Sign flips over sessions cost power: 0.34 and 0.71 with 8 conditions, where "any" has 0.46 and
    0.88 (ties not yet broken by the margin).

    The 95 % interval covers, by measure and cell, 0.92-0.98 of 500 data sets with the nearest mean
    and 0.95-0.99 with the SVM. For the population it needs 50 neurons: with fewer it is for the
    recording, and says so.
    """
    s = setting(
        x,
        variables,
        readout=readout,
        contrasts=contrasts,
        min_trials=min_trials,
        n_resamples=n_resamples,
        n_pseudo=n_pseudo,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    check(s.design, held_out, across)
    targets, draws, standard = (
        s.targets(),
        s.draws(split=False),
        nulls.standardised(s.population, scale),
    )
    asked = [ask(s.design, t, held_out, across) for t in targets]
    if not any(a.problems for a in asked):
        raise NothingToAsk(
            f"CCGP has nothing to generalise across: {asked[0].reason}; name another variable"
        )
    options = {"n_jobs": n_jobs, "progress": progress}
    rows = [
        _Row(t, a, s, draws, standard, held_out, alternative, options).answer(null, target)
        for t, a in zip(targets, asked, strict=True)
    ]
    result = _packed(rows, n_null)
    result.attrs = s.attrs(
        "ccgp",
        estimand=(
            f"accuracy of {s.readout} on conditions left out of training, learnt from "
            f"{draws.n_training} trials a condition and "
            f"{s.population.n_neurons} neurons"
        ),
        convention=f"held_out={held_out}" + (f" across={across}" if across else ""),
        chance=None if held_out == "any" else 0.5,  # of a named variable: the mean of its null
        direction="higher generalises better; below chance: opposite coding across contexts",
        failed=sum(r["failed"] for r in rows),
        largest_gap=max(r["gap"] for r in rows),
        alternative=alternative,
        notes=[n for r in rows for n in r["notes"]],
        reasons={r["name"]: r["reason"] for r in rows if r["reason"]},
        **intervals.attrs([r["interval"] for r in rows], [t.name for t in targets]),
    )
    return result


@dataclass(frozen=True)
class _Row:
    """One variable, from its splits to its p-value and interval."""

    target: Target
    asked: Asked
    setting: Setting
    draws: Draws
    standard: nulls.Standardised
    held_out: str
    alternative: str
    options: dict  # of the loop over surrogates

    def answer(self, null, interval_target):
        """All that the result says of this variable."""
        s = self.setting
        row = {
            "name": self.target.name,
            "estimate": np.nan,
            "statistic": np.nan,
            "null": np.full(s.n_null, np.nan),
            "p": np.nan,
            "also": np.nan,
            "method": "",
            "contexts": ", ".join(self.target.contexts),
            "failed": 0,
            "gap": 0.0,
            "notes": [],
            "reason": self.asked.reason,
            "interval": intervals.refused(self.asked.reason),
            "splits": [],
        }
        if self.asked.problems is None:
            return row
        one = np.zeros(len(self.asked.problems), int)
        experiment = Experiment(self.draws, self.asked.problems, one, s.readout)
        outcome = experiment.observe()
        observed, margin = experiment.average(outcome)
        row |= {"estimate": observed[0], "statistic": observed[0]}
        row |= {"failed": outcome.failed, "gap": outcome.gap}
        row["splits"] = self._splits(experiment, outcome)
        row["interval"] = intervals.accuracy(
            experiment, outcome, target=interval_target, seed=s.seed
        )
        if s.n_null:
            test = self._test(experiment, observed, margin, null)
            row |= test | {"failed": row["failed"] + test.get("failed", 0)}
        return row | {"notes": [*row["notes"], *self._reading(row)]}

    def _test(self, experiment, observed, margin, null):
        grid = self.target.grid
        if null == "labels":
            shuffle = self.setting.label_shuffle(split=False)
            found = nulls.of_orders(experiment, shuffle, self.setting.n_null, **self.options)
            test = {
                "method": "labels shuffled among all conditions",
                "notes": [
                    "label shuffles test decoding, not abstraction",
                    *few(shuffle, "the conditions"),
                ],
            }
            return test | self._compared(observed, margin, found)
        if grid is None or len(grid) < 2:
            return {"reason": f"{self.target.name!r} has no matched contexts, hence no null"}
        ratio = nulls.length_ratio(self.standard, grid)
        choice = choose(self.setting.population, grid, ratio, null=null, held_out=self.held_out)
        if choice.kind == "sessions":
            return self._over_sessions(experiment, choice)
        found = self._surrogates(experiment, choice)
        test = {"method": choice.text, "notes": list(choice.notes)}
        test |= self._compared(observed, margin, found)
        if choice.also:
            other = choose(
                self.setting.population, grid, ratio, null=choice.also, held_out=self.held_out
            )
            beside = self._compared(observed, margin, self._surrogates(experiment, other))
            test["also"] = beside["p"]
        return test

    def _compared(self, observed, margin, found):
        p = rank_p(
            observed,
            found.values,
            margin=margin,
            null_margin=found.margins,
            alternative=self.alternative,
        )
        return {"p": p[0], "null": found.values[:, 0], "failed": int(found.failed.sum())}

    def _surrogates(self, experiment, choice):
        s, grid = self.setting, self.target.grid
        if choice.kind == "swap":
            swap = nulls.SwapTrials(s.population, grid, s.seed)
            return nulls.of_orders(experiment, swap, s.n_null, **self.options)
        if choice.kind == "geometric" and s.scale == "split":
            raise ValueError(
                "null='geometric' permutes axes of trials that are scaled once for all training "
                "sets; use scale='resample', or null='coding_vectors' with scale='split'"
            )
        surrogate = nulls.coding_vectors(choice, self.standard, grid, s.seed)
        return nulls.of_moves(experiment, surrogate, s.n_null, **self.options)

    def _over_sessions(self, experiment, choice):
        s = self.setting
        values, margins = by_session.values(s, experiment.problems, experiment.group)
        observed, flipped = by_session.test(values - 0.5, n_null=s.n_null, seed=s.seed)
        margin, null_margin = by_session.test(margins, n_null=s.n_null, seed=s.seed)
        note = (
            f"the p-value is of the mean CCGP over the {len(values)} sessions on their own, "
            "not of the pooled population"
        )
        return {
            "null": 0.5 + flipped[:, 0],
            "statistic": 0.5 + observed[0],
            "p": rank_p(
                observed,
                flipped,
                margin=margin,
                null_margin=null_margin,
                alternative=self.alternative,
            )[0],
            "method": choice.text,
            "notes": [note],
        }

    def _splits(self, experiment, outcome):
        accuracy = iter(experiment.by_problem(outcome.correct.mean(axis=0)))
        name = self.setting.design.name_of
        rows = []
        for side, pairs in self.asked.held:
            for pair in pairs:
                if self.held_out == "across":
                    both = [np.flatnonzero(pair & (side.side == v)) for v in (1, -1)]
                else:
                    both = [[pair[0]], [pair[1]]]
                words = [" / ".join(map(name, members)) for members in both]
                rows.append((self.target.name, *words, next(accuracy)))
        return rows

    def _reading(self, row):
        if not row["p"] <= 0.05 or row["statistic"] >= np.mean(row["null"]):
            return []
        return [
            f"CCGP of {row['name']} is below its chance level: its coding vectors point in "
            "opposite directions in different contexts"
        ]


def _packed(rows, n_null):
    names = [r["name"] for r in rows]
    result = xr.Dataset(
        {"estimate": ("variable", [r["estimate"] for r in rows])}, {"variable": names}
    )
    if n_null:
        statistic = np.array([r["statistic"] for r in rows])
        add_tests(result, rows)
        if (statistic != result.estimate.values).any() and np.isfinite(statistic).any():
            result["statistic"] = "variable", statistic
    result["contexts"] = "variable", [r["contexts"] for r in rows]
    splits = [split for r in rows for split in r["splits"]]
    result["split_accuracy"] = "split", [a for *_, a in splits]
    for i, name in enumerate(("split_variable", "held_out_a", "held_out_b")):
        result[name] = "split", [split[i] for split in splits]
    intervals.add(result, [r["interval"] for r in rows], "variable")
    return result
