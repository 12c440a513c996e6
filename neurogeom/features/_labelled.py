"""What a classifier is trained on: samples with labels, some of them held out.

Worlds and trials offer the same: ``at(step)`` gives a batch (world, sample, channel) and its labels
int (world, sample), ``held_out()`` those that are scored, and the least loss there can be;
``deciding()`` those that decide which start is kept, None where it is the same ones; ``chance()``
the cross-entropy and accuracy of what knows the labels' frequencies alone; ``n_labels``; ``keys``,
a number a world that its random streams hang on; ``several``, whether results have a dim ``world``.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..activity import from_arrays, validate
from ..columns import plain_column, plain_values
from ..engine.setting import setting
from ..options import is_whole, number, one_of, reals, whole
from ._given import beside
from .clustered import LABELS

KEY = 85  # of random streams
N_HELD_OUT = 8192  # samples of a world
FLOOR = {"world": 1e-6, "trials": 1e-2}  # of whitening, as a share of the mean variance
LARGE = 0.1  # nats above the Bayes risk
ROUNDING = 1e-13  # spread of a constant, as a share of its size
DECIDING = 5  # one in so many training trials of a label decides between starts


class Worlds:
    """Fresh samples of worlds, or always the same ones."""

    floor = FLOOR["world"]

    def __init__(self, worlds, labels, batch, fixed, several):
        one_of(LABELS, labels=labels)
        first = worlds[0]
        sizes = {(w.n_latents, w.n_classes, w.n_labels) for w in worlds}
        if len(sizes) > 1:
            raise ValueError(f"worlds of different (latents, classes, labels) {sorted(sizes)} do "
                             "not fit in one module; classify them one by one")  # fmt: skip
        self.worlds, self.labels, self.batch = worlds, labels, batch
        self.several = several
        self.n_labels = first.n_classes if labels == "class" else first.n_labels
        self.keys = [w.seed for w in worlds]
        self.fixed = None if fixed is None else [self._pair(w.at(0, fixed)) for w in worlds]

    def _pair(self, batch):
        y = batch.classes if self.labels == "class" else batch.index
        return batch.observations, y

    def to_whiten(self):
        if self.fixed is not None:
            return [x for x, _ in self.fixed]
        return [w.at(0, N_HELD_OUT).observations for w in self.worlds]

    def at(self, step):
        if self.fixed is None:
            pairs = [self._pair(w.at(step, self.batch)) for w in self.worlds]
        else:
            pairs = [
                _some(x, y, self.batch, w.seed, step)
                for w, (x, y) in zip(self.worlds, self.fixed, strict=True)
            ]
        return tuple(np.stack(own) for own in zip(*pairs, strict=True))

    def held_out(self):
        """Observations, labels, and the loss of the ideal classifier (world,)."""
        batches = [w.at(0, N_HELD_OUT, held_out=True) for w in self.worlds]
        bayes = [
            w.bayes_loss(b, self.labels).mean() for w, b in zip(self.worlds, batches, strict=True)
        ]
        x, y = (np.stack(own) for own in zip(*map(self._pair, batches), strict=True))
        return x, y, np.array(bayes)

    def deciding(self):
        """None: of so many samples the least of a few losses is the loss itself."""

    def chance(self):
        """Of labels drawn as this world draws them."""
        n = self.worlds[0].n_labels
        share = np.bincount(np.arange(n) % self.n_labels) / n
        return -np.sum(share * np.log(share)), share.max()

    def notes(self, gap):
        """What should not be overlooked."""
        first, found = self.worlds[0], []
        if first.n_classes < first.n_latents + 1:
            found.append(f"{first.n_classes} classes cannot identify {first.n_latents} latents: at "
                         f"least {first.n_latents + 1} are needed")  # fmt: skip
        if self.fixed is not None:
            found.append(f"the same {len(self.fixed[0][0])} samples were used again and again: "
                         "what they teach is not the latents")  # fmt: skip
        if (gap > LARGE).any():
            linear = first.power is None and not first.label_noise
            why = "" if linear else ", or no linear map of the latents is ideal in this world"
            found.append(f"the cross-entropy is {gap.max():.2f} nats above the least there can be: "
                         f"a local optimum, or too few steps{why}; raise n_restarts or "
                         "steps")  # fmt: skip
        return found


class Trials:
    """Trials of a recording: some train, some of these decide, the others are held out."""

    floor, several = FLOOR["trials"], False

    def __init__(self, x, labels, batch, min_trials, seed, n_restarts):
        if isinstance(labels, str):
            variables = {labels: None}
        elif isinstance(x, xr.DataArray):
            labels = plain_column("labels", beside(labels, x), validate(x).sizes["trial"], "trial")
            x, variables = x.assign_coords(label=("trial", labels)), {"label": None}
        else:
            x, variables = from_arrays(x, trial={"label": labels}), {"label": None}
        s = setting(x, variables, min_trials=min_trials, n_resamples=1, n_null=0, scale="none",
                    seed=seed)  # fmt: skip
        sample = next(iter(s.draws(split=True).samples))
        seen = sample.train, sample.condition_of
        left = _one_in(DECIDING, seen[1], seed)
        left &= n_restarts > 1  # of one start nothing is decided
        self.train = tuple(own[~left] for own in seen)
        self.decide = tuple(own[left] for own in seen) if left.any() else self.train
        self.share = np.bincount(seen[1], minlength=s.design.n_conditions) / len(seen[1])
        self.test = sample.test, sample.test_condition_of
        self.n_labels, self.keys = s.design.n_conditions, [0]
        self.batch, self.seed = min(batch, len(self.train[0])), seed
        self.attrs = s.attrs("classify", readout="none")

    def to_whiten(self):
        return [self.train[0]]

    def at(self, step):
        return tuple(own[None] for own in _some(*self.train, self.batch, self.seed, step))

    def held_out(self):
        x, y = self.test
        return x[None], y[None], np.array([np.nan])

    def deciding(self):
        """Trials set aside from training, or those trained on where none can be spared."""
        return tuple(own[None] for own in self.decide)

    def chance(self):
        """Of the training trials' frequencies, on the held-out trials; of equals the mean."""
        tested = np.bincount(self.test[1], minlength=self.n_labels) / len(self.test[1])
        most = self.share == self.share.max()
        return -np.sum(tested * np.log(self.share)), tested[most].mean()

    def notes(self, gap):
        return list(self.attrs["notes"])


def _some(x, y, n, seed, step):
    """A batch of a fixed set, without repeats."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 1, step)))
    rows = rng.permutation(len(x))[:n]
    return x[rows], y[rows]


def _one_in(n, y, seed):
    """One in `n` samples of each label, of two samples one: bool (sample,)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 2)))
    chosen = np.zeros(len(y), bool)
    for label in np.unique(y):
        own = rng.permutation(np.flatnonzero(y == label))
        chosen[own[: min(max(1, len(own) // n), len(own) - 1)]] = True
    return chosen


def whitening(x: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean (1, channel) and matrix (channel, component) that make x - mean white.

    floor : added to each variance, as a share of the mean variance: components far below it shrink
    to nothing instead of being blown up.

    Examples
    --------
    >>> x = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 6.0], [2.0, 6.0]])
    >>> mean, matrix = whitening(x, 1e-12)
    >>> (((x - mean) @ matrix) ** 2).mean(axis=0).round(6).tolist()
    [1.0, 1.0]
    """
    mean = x.mean(axis=0, keepdims=True)
    apart, most = x - mean, np.abs(x).max()
    if np.abs(apart).max() <= ROUNDING * most:  # nothing varies
        apart = np.zeros_like(apart)
    size = np.ldexp(1.0, np.frexp(np.abs(apart).max() or most)[1] - 1)  # a square may not be held
    variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(apart / size, rowvar=False, bias=True)))
    variance = np.maximum(variance, 0)
    return mean, axes / np.sqrt(variance + (floor * variance.mean() or 1.0)) / size


def checked(x, labels, n_worlds, n_channels, n_labels):
    """Samples (world, sample, channel) and the numbers of their labels, or why they are none."""
    x, y = reals("x", x), plain_values("labels", labels)
    if x.ndim != 3 or x.shape != (n_worlds, x.shape[1] or 1, n_channels):
        raise ValueError(f"x of shape {x.shape} does not fit what was trained; give "
                         f"({n_worlds}, sample, {n_channels})")  # fmt: skip
    if y.dtype.kind not in "iu" or y.shape != x.shape[:2] or not ((y >= 0) & (y < n_labels)).all():
        raise ValueError(f"labels of shape {y.shape} must be {x.shape[:2]} whole numbers from 0 to "
                         f"{n_labels - 1}, those of the labels that were trained")  # fmt: skip
    return x, y


def check(hidden, n_components, steps, batch, lr, n_restarts, fixed, seed):
    """Refuse options of classify that are not possible."""
    if not isinstance(hidden, tuple | list) or not all(is_whole(n, 1) for n in hidden):
        raise ValueError(f"hidden={hidden!r} is not possible; give the units of each hidden layer, "
                         "as (128, 128)")  # fmt: skip
    whole(0, steps=steps, seed=seed)
    whole(2, batch=batch)
    whole(1, n_restarts=n_restarts)
    for name, value in {"n_components": n_components, "fixed": fixed}.items():
        if value is not None:
            whole(2 if name == "fixed" else 1, **{name: value})
    number(above=0, lr=lr)
