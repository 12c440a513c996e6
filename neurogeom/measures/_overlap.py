"""Overlap of two subspaces as quantities: halves of the trials against it, and random ones."""

from typing import NamedTuple

import numpy as np

from ..engine import nulls
from ..engine.intervals import refused
from ..engine.quantities import Quantity, missing
from ..engine.resampling import fold_means
from ..formulas import subspaces as formulas

N_SPLITS = 20
MOST_PARTS, LEAST_PARTS = 5, 3
UNUSABLE = 0.1  # overlap of a subspace's own halves beyond chance
CHUNK = 100  # surrogates at a time
N_CHANCE = 500  # random subspaces for the level of chance
METHOD = (
    "random subspaces with the covariance of single trials; keeps each neuron's variance and "
    "correlations, breaks what either subspace owes to the other"
)
NO_INTERVAL = "no interval of an overlap has a known coverage"
WORDS = {
    "mean squared cosine": "1 is one subspace within the other, 0 orthogonal",
    "alignment forward": "1: the first subspace holds all that it could of the second's variance",
    "alignment backward": "1: the second subspace holds all that it could of the first's variance",
    "variance ratio forward": "1: the first subspace holds as much as the second's own",
    "variance ratio backward": "1: the second subspace holds as much as the first's own",
    "first angle": "degrees: 0 is a shared direction, 90 none",
    "chordal distance": "0 is the same subspace, 1 orthogonal",
    "geodesic distance": "degrees: 0 is the same subspace, 90 orthogonal",
}
MOST = {"first angle": 90.0, "geodesic distance": 90.0}
SAME = {"mean squared cosine", "first angle", "chordal distance", "geodesic distance"}


class Data(NamedTuple):
    """Condition means, scaled alike: of all trials, of halves, and of parts.

    means (condition, neuron); halves (split, half, condition, neuron); parts (part, split,
    condition, neuron); halves and parts are None where trials are too few, and why
    factor (sample, neuron), whose square is the covariance of single trials
    """

    standard: nulls.Standardised
    halves: np.ndarray | None
    no_halves: str
    parts: np.ndarray | None
    no_parts: str
    n_neurons: int
    seed: int
    notes: list

    @property
    def means(self):
        """Means of all trials."""
        return self.standard.means


def measured(s) -> Data:
    """What overlaps are made of."""
    p, standard = s.population, nulls.standardised(s.population, s.scale)
    halves, no_halves = _folds(p, 2, s.seed)
    n_parts = int(min(MOST_PARTS, p.counts.min()))
    parts, no_parts = _folds(p, n_parts, s.seed) if n_parts >= LEAST_PARTS else (None, "")
    if n_parts < LEAST_PARTS:
        no_parts = f"{n_parts} trials in a condition are fewer than the {LEAST_PARTS} needed"
    halves, parts = (None if a is None else a * standard.inverse for a in (halves, parts))
    parts = None if parts is None else parts.swapaxes(0, 1)
    notes = [n for n in dict.fromkeys((no_halves, no_parts)) if n]
    n_neurons = p.n_neurons - p.n_constant
    return Data(standard, halves, no_halves, parts, no_parts, n_neurons, s.seed, notes)


def _folds(population, n, seed):
    try:
        return np.array([fold_means(population, n, r, seed) for r in range(N_SPLITS)]), ""
    except ValueError as error:  # blocks that cannot be divided
        return None, str(error)


def quantities(data, pair, label, null):
    """All overlaps of a pair, and the angles to be shown beside them."""
    points = pair.first @ data.means, pair.second @ data.means
    size = [min(d, min(data.n_neurons, len(a) - 1)) for d, a in zip(pair.dims, points, strict=True)]
    spaces = [formulas.basis(a, d) if d == e else None
              for a, d, e in zip(points, pair.dims, size, strict=True)]  # fmt: skip
    if any(u is None or np.isnan(u).any() for u in spaces):
        reason = f"the points of {label} span fewer dimensions than asked for"
        gone = np.full(min(pair.dims), np.nan)
        names = ("angles", "angles_naive", "angles_ceiling", "angles_chance")
        return [missing(n, w, reason) for n, w in WORDS.items()], dict.fromkeys(names, gone)
    naive = statistics(*spaces, *points)
    chance, angles_chance = _chance(data, pair, points)
    corrected, ceiling, why, angles = _corrected(data, pair, label)
    found = []
    for name, words in WORDS.items():
        known = {
            "naive": float(naive[name]),
            "chance": chance[name],
            "least": 0.0,
            "most": MOST.get(name, 1.0),
            "statistic": float(naive[name]),
            "ceiling": ceiling.get(name, np.nan),
            "interval": refused(NO_INTERVAL),
        }
        if null is not None:
            known |= {"null": null[name], "null_method": METHOD}
        if why.get(name):
            found.append(missing(name, words, why[name], **known))
        else:
            found.append(Quantity(name, corrected[name], words, **known))
    angles["angles_naive"] = np.degrees(formulas.principal_angles(*spaces))
    angles["angles_chance"] = angles_chance
    return found, angles


def statistics(first, second, points_1, points_2):
    """Everything at face value, for two bases (..., neuron, dim), as a dict of (...)."""
    angles = formulas.principal_angles(first, second)
    between = formulas.distances(angles)
    own = [formulas.basis(p, b.shape[-1]) for p, b in ((points_1, first), (points_2, second))]
    held = {}
    for way, basis, points, theirs in (
        ("forward", first, points_2, own[1]),
        ("backward", second, points_1, own[0]),
    ):
        held[f"alignment {way}"] = formulas.alignment_index(basis, points)
        held[f"variance ratio {way}"] = _variance_ratio(basis, theirs, points)
    return {
        "mean squared cosine": formulas.mean_squared_cosine(first, second),
        **held,
        "first angle": np.degrees(angles[..., 0]),
        "chordal distance": between["chordal"],
        "geodesic distance": np.degrees(between["geodesic"]),
    }


def _variance_ratio(basis, own, points):
    return formulas.held(basis, points) / formulas.held(own, points)


def _chance(data, pair, points):
    """Expectations for random directions of as many neurons, all alike."""
    n, rng = data.n_neurons, _generator(data.seed, 1)
    d1, d2 = pair.dims
    wide = np.linalg.qr(rng.standard_normal((N_CHANCE, n, d2)))[0]
    angles = formulas.principal_angles(np.eye(n)[:, :d1], wide)
    between = formulas.distances(angles)
    expected = {
        "mean squared cosine": max(d1, d2) / n,
        "first angle": float(np.degrees(angles[:, 0]).mean()),
        "chordal distance": float(between["chordal"].mean()),
        "geodesic distance": float(np.degrees(between["geodesic"]).mean()),
    }
    for way, d, other, p in (("forward", d1, d2, points[1]), ("backward", d2, d1, points[0])):
        variance = np.linalg.svd(p - p.mean(axis=0), compute_uv=False) ** 2
        expected[f"alignment {way}"] = float(d / n * variance.sum() / variance[:d].sum())
        expected[f"variance ratio {way}"] = float(d / n * variance.sum() / variance[:other].sum())
    return expected, np.degrees(angles).mean(axis=0)


def _corrected(data, pair, label):
    """Estimates, ceilings and reasons by name, and the angles between halves."""
    d = min(pair.dims)
    gone = np.full(d, np.nan)
    if data.halves is None:
        return {}, {}, dict.fromkeys(WORDS, data.no_halves), {
            "angles": gone, "angles_ceiling": gone}  # fmt: skip
    points = pair.first @ data.halves, pair.second @ data.halves[:, ::-1]
    a, b = (formulas.basis(p, k) for p, k in zip(points, pair.dims, strict=True))
    angles = formulas.principal_angles(a, b)  # (split, half, angle): of different trials
    own = [formulas.principal_angles(u[:, 0], u[:, 1]) for u in (a, b)]
    shared = float(formulas.mean_squared_cosine(a, b).mean())
    self_1, self_2 = (float((np.cos(t) ** 2).mean()) for t in own)
    estimate, ceiling = _distances(angles), {}
    for name in estimate:
        ceiling[name] = 0.5 * sum(_distances(t)[name] for t in own)
    ceiling["mean squared cosine"] = float(np.sqrt(self_1 * self_2))
    beyond = [
        _beyond(m, k / data.n_neurons) for m, k in zip((self_1, self_2), pair.dims, strict=True)
    ]
    why = _too_noisy(label, min(beyond))
    chance = max(pair.dims) / data.n_neurons
    if not why:
        estimate["mean squared cosine"] = chance + (shared - chance) / float(
            np.sqrt(np.prod(beyond))
        )
    for way, mine, theirs, p in (("forward", a, b, points[1]), ("backward", b, a, points[0])):
        # The other half of the same points: found on the trials on which they are not measured.
        across = formulas.held(mine, p).sum()
        inside = formulas.held(theirs[:, ::-1], p).sum()
        estimate[f"variance ratio {way}"] = float(across / inside)
        ceiling[f"variance ratio {way}"] = float(inside / formulas.held(theirs, p).sum())
    _add_alignment(data, pair, label, estimate, why)
    held = {"angles": np.degrees(angles).mean(axis=(0, 1)), "angles_ceiling": _mean_angles(own, d)}
    return estimate, ceiling, why, held


def _distances(angles):
    """Mean distances of angles (..., angle)."""
    between = formulas.distances(angles)
    return {
        "first angle": float(np.degrees(angles[..., 0]).mean()),
        "chordal distance": float(between["chordal"].mean()),
        "geodesic distance": float(np.degrees(between["geodesic"]).mean()),
    }


def _mean_angles(own, d):
    return np.degrees(np.mean([t.mean(axis=0)[:d] for t in own], axis=0))


def _beyond(overlap, chance):
    """Overlap beyond chance, of what could be: the share of a noisy basis that is its subspace."""
    return (overlap - chance) / (1.0 - chance) if chance < 1.0 else 1.0


def _too_noisy(label, beyond):
    """Reasons where a subspace's own halves hardly overlap, by name."""
    if beyond >= UNUSABLE:
        return {}
    reason = (
        f"halves of the trials do not find the same subspace of {label}: their overlap beyond "
        f"chance is {beyond:.2f}, below {UNUSABLE}"
    )
    return {name: reason for name in WORDS if name not in SAME or name == "mean squared cosine"}


def _add_alignment(data, pair, label, estimate, why):
    names = "alignment forward", "alignment backward"
    if data.parts is None:
        why |= dict.fromkeys(names, data.no_parts)
        return
    points = pair.first @ data.parts, pair.second @ data.parts
    for name, p, dims in zip(
        names, (points, points[::-1]), (pair.dims, pair.dims[::-1]), strict=True
    ):
        top, bottom = formulas.crossvalidated(*p, dims)
        if bottom.mean() > 0:
            estimate[name] = float(top.mean() / bottom.mean())
        else:
            why.setdefault(name, f"trial noise exceeds the signal of {label}")


def random_subspaces(s, data, pairs):
    """Surrogates of every pair: {label: {name: (surrogate,)}}, or None for each without them."""
    usable = [k for k, p in pairs.items() if max(p.dims) <= data.n_neurons]
    found = dict.fromkeys(pairs)
    if not s.n_null or not usable:
        return found
    draw = _Columns(s.population, data.standard, s.seed, max(max(pairs[k].dims) for k in usable))
    points = {k: (pairs[k].first @ data.means, pairs[k].second @ data.means) for k in usable}
    chunks = {k: [] for k in usable}
    for first in range(0, s.n_null, CHUNK):
        n = min(CHUNK, s.n_null - first)
        wide = [formulas.biased_basis(draw(n)) for _ in range(2)]
        for k in usable:
            bases = (w[..., :d] for w, d in zip(wide, pairs[k].dims, strict=True))
            chunks[k].append(statistics(*bases, *points[k]))
    joined = {k: {n: np.concatenate([c[n] for c in chunks[k]]) for n in WORDS} for k in usable}
    return found | joined


class _Columns:
    """Gaussian columns (n, neuron, dim) with the covariance of single trials.

    The sum of the covariance of condition means and of residuals, which is 0 between groups. A
    group's numbers come from its own stream.
    """

    def __init__(self, population, standard, seed, n_dims):
        p, self.n_dims = population, n_dims
        centred = standard.means - standard.means.mean(axis=0)
        self.parts = [(slice(None), centred / np.sqrt(len(centred)), _generator(seed, 2))]
        for g in range(p.n_groups):
            columns = slice(p.column[g], p.column[g] + p.width[g])
            rows = slice(p.trial0[g], p.trial0[g + 1])
            end = p.start[g] + (rows.stop - rows.start) * p.width[g]
            x = p.values[p.start[g] : end].reshape(-1, p.width[g])[p.order[rows]]
            x = x * standard.inverse[columns]
            first = p.bounds[g, :-1]
            mean = np.add.reduceat(x, first, axis=0) / p.counts[g][:, None]
            residual = x - mean[p.condition[rows]]
            factor = residual / np.sqrt(max(len(x) - p.n_conditions, 1))
            self.parts.append((columns, factor, _generator(seed, 3, int(p.keys[g]))))

    def __call__(self, n):
        total = 0.0
        for columns, factor, rng in self.parts:
            made = factor.T @ rng.standard_normal((n, len(factor), self.n_dims))
            if columns == slice(None):
                total = made
            else:
                total[:, columns] += made
        return total


def _generator(seed, *key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(22, *key)))
