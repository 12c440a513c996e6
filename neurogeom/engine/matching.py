"""Equal numbers of neurons and of trials, without replacement, so that numbers can be compared.

Accuracies grow with neurons and with trials, so two populations are compared at equal numbers of
both. Who stays is drawn by random streams that are keyed by the session, over ids in their
canonical order: the order of sessions, trials and neurons changes nothing.
"""

from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from .. import activity as container
from ..columns import listed
from ..design import conditions

STREAM = 26  # spawn key of the draws
N_SIZES = 8  # points of a curve where none are named


class Size(NamedTuple):
    """Neurons with enough trials in every condition, and the least trials that any of them has."""

    n_neurons: int
    n_trials: int


def match_to(
    x,
    variables,
    *,
    n_neurons=None,
    n_trials=None,
    like=None,
    min_trials=5,
    empty="error",
    seed=0,
):
    """Subsample activity to so many neurons, and to so many trials in every condition.

    Decoding, CCGP and shattering grow with neurons and with trials: a difference between two
    populations that differ in either says nothing about their geometry. Matching answers "would
    they differ if equally many had been recorded?". It does not make the neurons alike (areas,
    firing rates, noise), and it costs precision: one subsample is one of many, so average over
    several seeds, as :func:`neurogeom.groups.compare_groups` does.

    Parameters
    ----------
    x : DataArray (trial, neuron[, time]) or list of them
    variables : list of str, or mapping name -> {level: values}
        What defines the conditions, as in :func:`neurogeom.decoding`.
    n_neurons : int, optional
        Neurons to keep, of all sessions together; all that have enough trials without it.
    n_trials : int, optional
        Trials to keep in every condition, for every neuron; without it trials stay as they are.
        Neurons that have fewer in some condition are left out.
    like : DataArray or list of them, optional
        Instead of numbers: as many neurons, and trials a condition, as the smaller of `x` and
        `like` has. ``match_to(a, v, like=b)`` and ``match_to(b, v, like=a)`` are equally large.
    min_trials : int
        Without `n_trials`, trials in every condition that a neuron must have to be counted at all.
        One neuron with few trials sets the number for all: raise `min_trials` to lose it instead.
    empty : {"error", "drop"}
        As in :func:`neurogeom.decoding`.
    seed : int

    Returns
    -------
    The same kind as `x`. Neurons of a session that were observed on the same trials keep the same
    trials. A trial that a neuron does not keep is NaN there, and is left out where no neuron keeps
    it; so are sessions without a neuron. ``attrs["dropped"]`` counts trials and neurons by reason,
    ``attrs["matched"]`` holds ``n_neurons`` (of all sessions together), ``n_trials`` (0: as they
    were) and ``sessions_left_out``.

    Raises
    ------
    KeyError, TypeError, ValueError
        No number is given, or both numbers and `like`; there are fewer neurons or trials than
        asked for; `like` has other conditions; a variable is not there.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", n_neurons=30, n_trials=12, n_truth=0)
    >>> matched = ng.match_to(x, ["a", "b", "c"], n_neurons=10, n_trials=8)
    >>> dict(matched.sizes), matched.attrs["dropped"]["neurons"]
    ({'trial': 64, 'neuron': 10}, {'matched to 10 neurons': 20})
    """
    found = container.sessions(x)
    design = conditions(found, variables, empty=empty)
    if like is not None:
        if n_neurons is not None or n_trials is not None:
            raise ValueError("give like, or n_neurons and n_trials, not both")
        sizes = (
            available(found, design, min_trials),
            _size_of_like(like, variables, design, min_trials, empty),
        )
        n_neurons, n_trials = (min(numbers) for numbers in zip(*sizes, strict=True))
        if not n_neurons:
            raise ValueError(
                f"x or like has no neuron with {min_trials} trials in every condition; "
                "lower min_trials or merge levels"
            )
    elif n_neurons is None and n_trials is None:
        raise ValueError("there is nothing to match to; give n_neurons, n_trials or like")
    for name, value in {"n_neurons": n_neurons, "n_trials": n_trials}.items():
        _check_number(name, value)
    kept = subsample(
        found, design, n_neurons=n_neurons, n_trials=n_trials, min_trials=min_trials, seed=seed
    )
    return kept if isinstance(x, list | tuple) else kept[0]


def available(found, design, min_trials) -> Size:
    """What there is to match: neurons with ``min_trials`` in every condition, and their trials.

    found : list of validated sessions; design : Design of them
    """
    fewest = np.concatenate([c.min(axis=0) for c in _counts(found, design)])
    enough = fewest[fewest >= max(min_trials, 1)]
    return Size(len(enough), int(enough.min()) if len(enough) else 0)


def leaves_choice(found, design, *, n_neurons=None, n_trials=None, min_trials=5) -> bool:
    """Whether draws can differ: there are more neurons or trials than are kept."""
    counts = np.concatenate(_counts(found, design), axis=1)
    counts = counts[:, counts.min(axis=0) >= (min_trials if n_trials is None else n_trials)]
    spare_neurons = n_neurons is not None and counts.shape[1] > n_neurons
    return bool(spare_neurons or (n_trials is not None and (counts > n_trials).any()))


def subsample(found, design, *, n_neurons=None, n_trials=None, min_trials=5, seed=0, draw=0):
    """Draw number ``draw`` of the sessions with so many neurons and trials a condition.

    found : list of validated sessions; design : Design of them; arguments as in :func:`match_to`,
    and ``n_trials`` may be one number a condition, int (condition,)
    returns : list of the sessions that keep a neuron
    """
    least = min_trials if n_trials is None else n_trials
    able = [(c >= np.reshape(least, (-1, 1))).all(axis=0) for c in _counts(found, design)]
    n_able = sum(int(a.sum()) for a in able)
    if n_able < (n_neurons or 1):
        raise ValueError(
            f"{n_able} neurons have {_range(least)} trials in every condition, and "
            f"{n_neurons or 1} are asked for; lower n_neurons or n_trials"
        )
    able, chosen = _choose_neurons(found, able, n_neurons, seed, draw)
    parts, left_out = [], []
    for s, condition, mine, kept in zip(found, design.of_trial, able, chosen, strict=True):
        name = str(s.coords["session"].values)
        if not kept.any():
            left_out.append(name)
            continue
        few = f"fewer than {_range(least)} trials in a condition"
        part = container.count_dropped(s.isel(neuron=kept), "neuron", few, int((~mine).sum()))
        spare = f"matched to {n_neurons} neurons"
        part = container.count_dropped(part, "neuron", spare, int((mine & ~kept).sum()))
        if n_trials is not None:
            rank = _generator(seed, draw, name, "trial").random(s.sizes["trial"])
            part = _with_trials(part, condition, rank, n_trials, design)
        parts.append(part)
    matched = {
        "n_neurons": int(sum(kept.sum() for kept in chosen)),
        "n_trials": 0 if n_trials is None else np.asarray(n_trials).tolist(),
        "sessions_left_out": left_out,
    }
    return [part.assign_attrs(matched=matched) for part in parts]


def _counts(found, design):
    """Trials on which each neuron was observed, one int (condition, neuron) a session."""
    every = np.arange(design.n_conditions)[:, None]
    return [
        (every == condition).astype(int) @ _seen(s).astype(int)
        for s, condition in zip(found, design.of_trial, strict=True)
    ]


def _seen(session):
    """Whether a neuron was observed on a trial, in every time bin; bool (trial, neuron)."""
    finite = np.isfinite(session.values)
    return finite.all(axis=2) if finite.ndim == 3 else finite


def _choose_neurons(found, able, n_neurons, seed, draw):
    """Those that may stay and those that do, one bool (neuron,) a session each."""
    if n_neurons is None:
        return able, able
    ranks = [
        np.where(mine, _generator(seed, draw, str(s.coords["session"].values), "neuron")
                 .random(len(mine)), np.inf)
        for s, mine in zip(found, able, strict=True)
    ]  # fmt: skip
    last = np.sort(np.concatenate(ranks))[n_neurons - 1]
    return able, [rank <= last for rank in ranks]


def _with_trials(session, condition, rank, n_trials, design):
    """The first trials of every condition by rank, for each neuron among those that it has."""
    seen = _seen(session)
    order = np.argsort(rank, kind="stable")
    keep = np.zeros(seen.shape, bool)
    for c in range(design.n_conditions):
        rows = order[condition[order] == c]
        most = np.broadcast_to(n_trials, design.n_conditions)[c]
        keep[rows] = seen[rows] & (seen[rows].cumsum(axis=0) <= most)
    used = keep.any(axis=1)
    blank = ~keep[used] if session.ndim == 2 else ~keep[used][:, :, None]
    part = session.isel(trial=used)
    part = part.copy(data=np.where(blank, np.nan, part.values)) if blank.any() else part
    outside = condition < 0
    unlabelled = f"no condition of {listed(design.names)}"
    part = container.count_dropped(part, "trial", unlabelled, int((~used & outside).sum()))
    spare = f"matched to {_range(n_trials)} trials a condition"
    return container.count_dropped(part, "trial", spare, int((~used & ~outside).sum()))


def _range(numbers):
    """As in "7" or "5 to 9"."""
    low, high = np.min(numbers), np.max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _size_of_like(like, variables, design, min_trials, empty):
    """The size of the other activity, refused where its conditions are others."""
    found = container.sessions(like)
    other = conditions(found, variables, empty=empty)
    if other.labels.keys() != design.labels.keys() or any(
        not np.array_equal(other.labels[name], design.labels[name]) for name in design.labels
    ):
        raise ValueError(
            "x and like differ in their conditions; name variables and levels that both have"
        )
    return available(found, other, min_trials)


def _check_number(name, value):
    if value is None:
        return
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is no whole number; give an int")
    if value < 1:
        raise ValueError(f"{name}={value} leaves nothing; give 1 or more")


def _generator(seed, draw, session, dim):
    """The stream of one session and draw, keyed by name."""
    key = int.from_bytes(blake2b(f"{dim}\x1f{session}".encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAM, draw, key)))


def sizes_of_curve(sizes, smallest, start, most, over):
    """Points of a curve as they are named, or in geometric steps from ``start`` to ``most``."""
    if not most:
        raise ValueError("no neuron has enough trials in every condition; lower min_trials")
    if sizes is None:
        return np.unique(np.geomspace(start, most, N_SIZES).round().astype(int)).tolist()
    sizes = sorted(set(sizes))
    for n in sizes:
        if not isinstance(n, int | np.integer) or not smallest <= n <= most:
            raise ValueError(f"size {n} is out of range; give {smallest} to {most} {over}")
    return [int(n) for n in sizes]
