"""What DIET learns from: rows and their index, how they are varied, and the batch of every step."""

from functools import lru_cache

import numpy as np
import xarray as xr

from .. import options
from ..activity import validate
from ..levels import trial_column

KEY = 83  # of random streams: first weights, batches, augmentations, negatives
OF_ROWS = {"dropout": 0.2, "gain": 0.1, "noise": 0.2}
OF_COUNTS = {"dropout": 0.2, "thin": 0.5}
OF_IMAGES = {"rotate": 20.0, "shift": 0.3, "scale": 0.2, "noise": 0.05}


class Vary:
    """Rows as the network sees them: scaled, and in training augmented by strengths."""

    def __init__(self, function, strengths, centre, spread):
        self.function, self.strengths, self.centre, self.spread = (
            function, strengths, centre, spread)  # fmt: skip

    def __call__(self, x, stream):
        if callable(self.strengths):
            return self.strengths(self.scaled(x), stream)
        return self.function(x.to(self.centre.device), self.strengths, self.centre, self.spread,
                             stream)  # fmt: skip

    def scaled(self, x):
        """In units of sd, or from 0 to 1."""
        return (x.to(self.centre.device) - self.centre) / self.spread

    def unscaled(self, x):
        """Back from there."""
        return x * self.spread + self.centre


class Batches:
    """The batch of a step, which depends on nothing but the step."""

    def __init__(self, torch, rows, index, n_data, batch, vary, seed, n_negatives):
        self.torch, self.rows, self.vary, self.seed = torch, rows, vary, seed
        self.index, self.n_data, self.batch, self.n_negatives = index, n_data, batch, n_negatives
        self.order = lru_cache(1)(self._order)

    def _order(self, epoch):
        return rng(self.seed, 1, epoch).permutation(len(self.index))

    def __call__(self, step):
        torch, device = self.torch, self.rows.device
        epoch, place = divmod(step, len(self.index) // self.batch)
        chosen = self.order(epoch)[place * self.batch : (place + 1) * self.batch]
        target = self.index[chosen]
        x = self.vary(self.rows[torch.from_numpy(chosen).to(device)], stream(torch, self.seed, 2,
                                                                            step))  # fmt: skip
        candidates = None
        if self.n_negatives is not None:
            own = np.unique(target)
            n = min(self.n_data, len(own) + self.n_negatives)
            drawn = rng(self.seed, 3, step).choice(self.n_data, n, replace=False)
            others = drawn[~np.isin(drawn, own)][: self.n_negatives]
            candidates = [torch.from_numpy(a).to(device) for a in (own, others)]
        return x, torch.from_numpy(target).to(device), candidates


def rng(seed, *key):
    """A numpy generator of one use of the seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, *key)))


def stream(torch, seed, *key):
    """A torch generator of one use of the seed."""
    return torch.Generator().manual_seed(int(rng(seed, *key).integers(2**63)))


def indexed_rows(inputs, datum):
    """Rows float32, the index of the datum of each, and how many data there are."""
    if isinstance(inputs, xr.DataArray):
        inputs = validate(inputs)
        datum = trial_column(inputs, datum) if isinstance(datum, str) else datum
        if "time" in inputs.dims:
            raise ValueError("activity has time bins; give one window, as in x.mean('time')")
        inputs = inputs.values
    rows = images_or_rows(inputs)
    if datum is None:
        datum = np.arange(len(rows))
    if np.shape(datum) != (len(rows),):
        raise ValueError(f"datum={options.shown(datum)} does not name the datum of each of the "
                         f"{len(rows)} rows; give one label a row")  # fmt: skip
    names, index = np.unique(np.asarray(datum), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{len(names)} datum has no other to be told from; give two at least")
    return rows, index, len(names)


def images_or_rows(x):
    """float32 (row, feature) or (row, channel, row, column)."""
    rows = np.array(x, np.float32)
    rows = rows[:, None] if rows.ndim == 3 else rows
    if rows.ndim not in (2, 4) or not rows.size:
        raise ValueError(f"inputs of shape {rows.shape}: give (row, feature), (row, side, side) or "
                         "(row, channel, row, column)")  # fmt: skip
    if not np.isfinite(rows).all():
        raise ValueError("inputs are not all finite; leave out rows (or neurons) with NaN")
    return rows


def augmentation(torch, parts, rows, augment, device):
    """What is done to rows; refuses what is unknown or not possible."""
    images = rows.ndim == 4
    counts = bool((rows >= 0).all() and (rows == np.round(rows)).all())
    known = OF_IMAGES if images else OF_ROWS | OF_COUNTS
    usual = OF_IMAGES if images else OF_COUNTS if counts else OF_ROWS
    if augment is None or callable(augment):
        strengths = augment or {}
    elif isinstance(augment, str):
        options.one_of(("default",), augment=augment)
        strengths = usual
    else:
        strengths = dict(augment)
        options.some_of(known, augment=list(strengths))
        options.number(0, **strengths)
        options.number(0, below=1, **{k: v for k, v in strengths.items()
                                      if k in ("dropout", "thin", "scale")})  # fmt: skip
        if strengths.get("thin") and not counts:
            raise ValueError("thin keeps or loses single spikes, and these inputs are no counts; "
                             "give whole numbers of 0 or more, or gain in its place")  # fmt: skip
    if images:
        centre, spread = np.float32(rows.min()), np.float32(np.ptp(rows))
    else:
        centre, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0, spread, np.float32(1))
    scales = [torch.from_numpy(np.asarray(a)).to(device) for a in (centre, spread)]
    return Vary(parts.varied_images if images else parts.varied_rows, strengths, *scales)
