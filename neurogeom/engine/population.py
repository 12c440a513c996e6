"""Sessions into one population: groups of neurons recorded together, and what was left out."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np

from ..columns import is_missing
from ..kernels import resampling


@dataclass(frozen=True)
class Population:
    """Neurons of all sessions with the trials on which they were observed, sorted by condition.

    values : float64, flat; group g is a block (trial, neuron) from ``start[g]``
    start, width, column : int64 (group,), place in ``values``, neurons, first column
    trial0 : int64 (group + 1,), first flat trial of each group
    bounds : int64 (group, condition + 1), rows of each condition
    keys : uint64 (group,), a hash of session and units: what random streams are keyed by
    block : int64 (flat trial,), trials that stay together (unique numbers where none were given)
    order : int64 (flat trial,), the row that stands at each position
    session, animal : (group,) names; unit : int64 (neuron,), which unit of independence
    recorded : str (neuron, 2), session and unit_id
    dropped : {reason: neurons}; kept_at : {least trials: neurons left}
    n_constant : neurons that are kept but do not vary, and so have no say
    """

    values: np.ndarray
    start: np.ndarray
    width: np.ndarray
    column: np.ndarray
    trial0: np.ndarray
    bounds: np.ndarray
    keys: np.ndarray
    block: np.ndarray
    has_blocks: bool
    order: np.ndarray
    session: tuple
    animal: tuple
    unit: np.ndarray
    recorded: np.ndarray
    dropped: dict = field(default_factory=dict)
    kept_at: dict = field(default_factory=dict)
    n_constant: int = 0

    @property
    def n_groups(self):
        """Groups of neurons with the same observed trials."""
        return len(self.width)

    @property
    def n_neurons(self):
        """Neurons in all groups."""
        return int(self.width.sum())

    @property
    def n_conditions(self):
        """Conditions."""
        return self.bounds.shape[1] - 1

    @property
    def real_trials(self):
        """One group in all: trials are used as they were recorded, none is drawn twice."""
        return self.n_groups == 1

    @property
    def counts(self):
        """Trials of each group and condition, int (group, condition)."""
        return np.diff(self.bounds, axis=1)

    @cached_property
    def counts_by_neuron(self):
        """Trials of each condition and neuron, int (condition, neuron)."""
        return np.repeat(self.counts, self.width, axis=0).T

    @property
    def n_observed(self):
        """Neuron-trials that are used."""
        return int((self.width * np.diff(self.trial0)).sum())

    @property
    def condition(self):
        """Condition of every position, int (flat trial,)."""
        return np.concatenate([np.repeat(np.arange(self.n_conditions), n) for n in self.counts])

    @property
    def n_units(self):
        """Units recorded independently of one another."""
        return int(self.unit.max()) + 1

    def of_units(self, units):
        """The population of some units of independence alone."""
        keep = np.flatnonzero(np.isin(self.unit[self.column], units))
        trials = [np.arange(self.trial0[g], self.trial0[g + 1]) for g in keep]
        ends = self.start + np.diff(self.trial0) * self.width
        columns = np.concatenate(
            [np.arange(self.column[g], self.column[g] + self.width[g]) for g in keep]
        )
        sizes = ends[keep] - self.start[keep]
        flat = np.concatenate(trials)
        return replace(
            self,
            values=np.concatenate([self.values[self.start[g] : ends[g]] for g in keep]),
            start=np.cumsum(sizes) - sizes,
            width=self.width[keep],
            column=np.cumsum(self.width[keep]) - self.width[keep],
            trial0=np.concatenate([[0], np.cumsum([len(t) for t in trials])]),
            bounds=self.bounds[keep],
            keys=self.keys[keep],
            block=self.block[flat],
            order=self.order[flat],
            session=tuple(self.session[g] for g in keep),
            animal=tuple(self.animal[g] for g in keep),
            unit=np.unique(self.unit[columns], return_inverse=True)[1],
            recorded=self.recorded[columns],
        )

    def with_order(self, order):
        """The same population with other rows at its positions."""
        return replace(self, order=order)

    def relabelled(self, condition):
        """The same trials in other conditions, int (flat trial,)."""
        group = np.repeat(np.arange(self.n_groups), np.diff(self.trial0))
        sort = np.lexsort((condition, group))
        counts = np.zeros((self.n_groups, self.n_conditions), np.int64)
        np.add.at(counts, (group, condition), 1)
        bounds = np.concatenate([np.zeros((self.n_groups, 1), np.int64), counts.cumsum(1)], axis=1)
        return replace(self, order=self.order[sort], block=self.block[sort], bounds=bounds)

    def shifted(self, shift):
        """The same trials with their condition means moved by ``shift`` (condition, neuron)."""
        values, condition = self.values.copy(), self.condition
        for g in range(self.n_groups):
            columns = slice(self.column[g], self.column[g] + self.width[g])
            at = condition[self.trial0[g] : self.trial0[g + 1]]
            end = self.start[g] + len(at) * self.width[g]
            values[self.start[g] : end] += shift[at, columns].ravel()
        return replace(self, values=values)

    def shuffled_neurons(self, rng):
        """Trials permuted within condition, for every neuron of the one group on its own."""
        x = self.values.reshape(-1, self.n_neurons).copy()
        for a, b in zip(self.bounds[0, :-1], self.bounds[0, 1:], strict=True):
            x[a:b] = rng.permuted(x[a:b], axis=0)
        return replace(self, values=x.ravel())

    def gather(self, rows, centre=None, inverse=None):
        """Trials (row, neuron) for rows int64 (group, row), centred and scaled where asked for."""
        centre = np.zeros(self.n_neurons) if centre is None else centre
        inverse = np.ones(self.n_neurons) if inverse is None else inverse
        place = (self.values, self.start, self.width, self.column, self.trial0, self.order)
        return resampling.gather(*place, rows, centre, inverse)

    def moments(self, chosen):
        """Condition means and mean squares (condition, neuron) over chosen bool (flat trial,)."""
        return resampling.moments(
            self.values,
            self.start,
            self.width,
            self.column,
            self.trial0,
            self.bounds,
            self.order,
            chosen,
        )

    def everything(self):
        """All trials, bool (flat trial,)."""
        return np.ones(self.trial0[-1], bool)


def population(sessions, design, *, min_trials=5) -> Population:
    """Gather the neurons that were observed often enough in every condition.

    Parameters
    ----------
    sessions : list of DataArray (trial, neuron)
        Validated and sorted by session, as :func:`neurogeom.activity.sessions` gives them.
    design : Design
        Conditions of every trial.
    min_trials : int
        Trials that a neuron must have in every condition, at least 2.

    Raises
    ------
    ValueError
        ``min_trials`` is below 2; a condition has too few trials; no neuron is left.
    """
    if min_trials < 2:
        raise ValueError(f"min_trials={min_trials} leaves nothing to hold out; give at least 2")
    blocks = [
        b
        for s, c in zip(sessions, design.of_trial, strict=True)
        for b in _groups(s, c, design.n_conditions)
    ]
    counts = (
        np.concatenate([np.repeat(b.counts[None], b.x.shape[1], axis=0) for b in blocks])
        if blocks
        else np.zeros((0, design.n_conditions))
    )
    fewest = counts.min(axis=1) if len(counts) else np.zeros(0)
    dropped = {}
    few = int((fewest < min_trials).sum())
    if few:
        dropped[f"fewer than {min_trials} trials in a condition"] = few
    kept = [b for b in blocks if b.counts.min() >= min_trials]
    if not kept:
        scarce = int(np.argmin(counts.max(axis=0))) if len(counts) else 0
        most = int(counts[:, scarce].max()) if len(counts) else 0
        raise ValueError(
            f"no neuron has {min_trials} trials in every condition; the scarcest is "
            f"{design.name_of(scarce)}, with at most {most} trials for a neuron; "
            "lower min_trials (--min-trials) or merge levels"
        )
    constant = sum(int((b.x.max(axis=0) == b.x.min(axis=0)).sum()) for b in kept)
    if constant == sum(b.x.shape[1] for b in kept):
        raise ValueError(
            "every neuron has the same activity on every trial; check the window and the signal"
        )
    kept_at = {str(k): int((fewest >= k).sum()) for k in (5, 8, 10, 15)}
    return _packed(kept, dropped, kept_at, constant)


@dataclass(frozen=True)
class _Group:
    """One session's neurons with the same observed trials, sorted by condition."""

    x: np.ndarray
    counts: np.ndarray
    trials: np.ndarray
    block: np.ndarray
    has_blocks: bool
    session: str
    animal: str
    units: np.ndarray


def _groups(session, condition, n_conditions):
    used = np.flatnonzero(condition >= 0)
    used = used[np.argsort(condition[used], kind="stable")]
    x = session.values[used]
    observed = np.isfinite(x)
    alike: dict = {}
    for neuron, pattern in enumerate(np.packbits(observed, axis=0).T):
        alike.setdefault(pattern.tobytes(), []).append(neuron)
    name = str(session.coords["session"].values)
    animal = str(session.coords["animal"].values) if "animal" in session.coords else ""
    has_blocks = "block" in session.coords
    if has_blocks and (lost := int(is_missing(session.coords["block"].values[used]).sum())):
        raise ValueError(
            f"{lost} trials of session {name!r} have no value in the block coordinate; "
            "drop them (where=) or the coordinate"
        )
    block = (
        np.unique(session.coords["block"].values, return_inverse=True)[1]
        if has_blocks
        else np.arange(len(condition))
    )
    groups = []
    for neurons in alike.values():
        seen = np.flatnonzero(observed[:, neurons[0]])
        trials = used[seen]
        groups.append(
            _Group(
                np.ascontiguousarray(x[np.ix_(seen, neurons)], dtype=float),
                np.bincount(condition[trials], minlength=n_conditions),
                trials,
                block[trials],
                has_blocks,
                name,
                animal,
                session.coords["unit_id"].values[neurons].astype(str),
            )
        )
    return sorted(groups, key=lambda g: tuple(g.units))


def _packed(groups, dropped, kept_at, n_constant):
    width = np.array([g.x.shape[1] for g in groups], np.int64)
    sizes = np.array([g.x.size for g in groups], np.int64)
    trials = np.array([len(g.trials) for g in groups], np.int64)
    first_block = np.cumsum([0, *(g.block.max() + 1 for g in groups)])
    recorded = np.array([(g.session, u) for g in groups for u in g.units], dtype=str)
    return Population(
        values=np.concatenate([g.x.ravel() for g in groups]),
        start=np.cumsum(sizes) - sizes,
        width=width,
        column=np.cumsum(width) - width,
        trial0=np.concatenate([[0], np.cumsum(trials)]),
        bounds=np.array([np.concatenate([[0], np.cumsum(g.counts)]) for g in groups], np.int64),
        keys=np.array([_key(g) for g in groups], np.uint64),
        block=np.concatenate([g.block + b for g, b in zip(groups, first_block, strict=False)]),
        has_blocks=any(g.has_blocks for g in groups),
        order=np.concatenate([np.arange(n) for n in trials]),
        session=tuple(g.session for g in groups),
        animal=tuple(g.animal for g in groups),
        unit=np.repeat(_units(groups), width),
        recorded=recorded,
        dropped=dropped,
        kept_at=kept_at,
        n_constant=n_constant,
    )


def _key(group):
    text = "\x1f".join((group.session, *group.units)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def _units(groups):
    """Number of the unit of independence of every group, int (group,).

    Groups of one session that share more than half of their trials were recorded together (a neuron
    lost half way through is still one of its session); the others were recorded apart.
    """
    if len(groups) == 1:
        return np.zeros(1, int)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    sessions = {name: i for i, name in enumerate(dict.fromkeys(g.session for g in groups))}
    longest = max(int(g.trials.max(initial=0)) for g in groups) + 1
    column = np.concatenate([sessions[g.session] * longest + g.trials for g in groups])
    row = np.repeat(np.arange(len(groups)), [len(g.trials) for g in groups])
    observed = csr_array((np.ones(len(row)), (row, column)), (len(groups), len(sessions) * longest))
    shared = (observed @ observed.T).tocoo()
    size = np.array([len(g.trials) for g in groups])
    together = 2 * shared.data > np.minimum(size[shared.row], size[shared.col])
    # A stored zero would count as a link.
    link = csr_array(
        (np.ones(together.sum()), (shared.row[together], shared.col[together])), shared.shape
    )
    unit = connected_components(link, directed=False)[1]
    return np.unique(unit, return_inverse=True)[1]
