"""What DIET learns from: rows and their index, how they are varied, and the batch of every step."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import xarray as xr

from .. import options
from ..activity import validate
from ..columns import is_missing, plain_column
from ..levels import trial_column

KEY = 83  # of random streams: first weights, batches, augmentations, negatives
OF_ROWS = {"dropout": 0.2, "gain": 0.1, "noise": 0.2}
OF_COUNTS = {"dropout": 0.2, "thin": 0.5}
OF_IMAGES = {"rotate": 20.0, "shift": 0.3, "scale": 0.2, "noise": 0.05}
LARGEST = 1e38  # of single precision 3.4e38: differences and gains have to be held too
MOST_COUNTS = 2**24  # whole numbers up to here are exact in single precision
STRONGEST = 1e6
LOST = 1e-3  # of a feature's sd, the most that single precision may take from it
PLACE = "place in the inputs of diet"


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
    order = slice(None)
    if isinstance(inputs, xr.DataArray):
        inputs, order = of_activity(inputs)
        if isinstance(datum, str):
            datum = trial_column(inputs, datum)[np.argsort(order)]
        inputs = inputs.values
    rows = images_or_rows(inputs, trained=True)
    if isinstance(datum, str):
        raise ValueError(f"datum={options.shown(datum)} names a column of the trials, and inputs "
                         "are no DataArray that has one; give one label a row")  # fmt: skip
    datum = np.arange(len(rows)) if datum is None else plain_column("datum", datum, len(rows),
                                                                    "row")  # fmt: skip
    if (lost := int(is_missing(datum).sum())) > 0:
        raise ValueError(f"datum is missing in {lost} rows; leave those rows out")
    names, index = np.unique(datum[order], return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{len(names)} datum has no other to be told from; give two at least")
    return rows, index, len(names)


def of_activity(x):
    """Its canonical form, whose trials and neurons are sorted, and the place its trials had."""
    if "time" in x.dims:
        raise ValueError("activity has time bins; give one window, as in x.mean('time')")
    if "trial" in x.dims:  # what has none is refused in a moment
        x = x.assign_coords({PLACE: ("trial", np.arange(x.sizes["trial"]))})
    x = validate(x)
    return x.drop_vars(PLACE), x[PLACE].values


def images_or_rows(x, *, trained=False):
    """float32 (row, feature) or (row, channel, row, column); trained: precise beside their sd."""
    rows = np.asarray(x) if getattr(x, "dtype", None) == np.float32 else options.reals("inputs", x)
    rows = rows[:, None] if rows.ndim == 3 else rows
    if rows.ndim not in (2, 4) or not rows.size:
        raise ValueError(f"inputs of shape {rows.shape}: give (row, feature), (row, side, side) or "
                         "(row, channel, row, column)")  # fmt: skip
    if not np.isfinite(rows).all():
        raise ValueError("inputs are not all finite; leave out rows (or neurons) with NaN")
    if (size := np.abs(rows).max()) > LARGEST:
        raise ValueError(f"inputs reach {size:.3g}, more than single precision holds with room to "
                         "spare; give them in larger units")  # fmt: skip
    found = np.array(rows, np.float32)
    if trained and rows.dtype != np.float32:
        error, spread = np.abs(found - rows), rows.std(axis=0)
        if rows.ndim == 4:
            error, spread = error.max(keepdims=True), rows.std(keepdims=True)
        if ((error.max(axis=0) > LOST * spread) & (rows != rows[:1]).any(axis=0)).any():
            raise ValueError("inputs vary by too little for single precision beside their size; "
                             "subtract their mean, or give them in smaller units")  # fmt: skip
    return found


def augmentation(torch, parts, rows, augment, device):
    """What is done to rows; refuses what is unknown or not possible."""
    images = rows.ndim == 4
    counts = bool((rows >= 0).all() and (rows <= MOST_COUNTS).all()
                  and (rows == np.round(rows)).all())  # fmt: skip
    known = OF_IMAGES if images else OF_ROWS | OF_COUNTS
    usual = OF_IMAGES if images else OF_COUNTS if counts else OF_ROWS
    if augment is None or callable(augment):
        strengths = augment or {}
    elif isinstance(augment, str):
        options.one_of(("default",), augment=augment)
        strengths = usual
    elif not isinstance(augment, Mapping):
        raise ValueError(f"augment={options.shown(augment)} is not possible; give 'default', None, "
                         "a callable, or strengths, as {'noise': 0.2}")  # fmt: skip
    else:
        strengths = dict(augment)
        if strengths:
            options.some_of(known, augment=list(strengths))
        options.number(0, STRONGEST, **strengths)
        options.number(0, below=1, **{k: v for k, v in strengths.items()
                                      if k in ("dropout", "thin", "scale")})  # fmt: skip
        if strengths.get("thin") and not counts:
            raise ValueError("thin keeps or loses single spikes, and these inputs are no counts; "
                             "give whole numbers of 0 or more, or gain in its place")  # fmt: skip
    if images:
        centre, spread = rows.min(), np.ptp(rows)
    else:  # squares of large and of small numbers are out of the range of single precision
        centre, spread = rows.mean(axis=0, dtype=float), rows.std(axis=0, dtype=float)
    spread = np.where(spread > 0, spread, 1.0)
    scales = [torch.from_numpy(np.asarray(a, np.float32)).to(device) for a in (centre, spread)]
    return Vary(parts.varied_images if images else parts.varied_rows, strengths, *scales)
