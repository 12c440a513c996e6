"""Populations of known, random geometry for calibration: one cell of the grid, one data set, fast.

A cell says how the neurons were recorded, how many there are and what they code. A data set is
built straight as the engine's Population, without the checks of the container; ``as_activity``
gives the same data through the front door, and the self-check of calibration.py holds the two
against one another.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from zlib import crc32

import numpy as np

import neurogeom as ng
from neurogeom import design as designs
from neurogeom.engine import population as populations

CONTEXT = {"weak": 1 / 3, "equal": 1.0, "strong": 3.0}
WINDOW, RATE, SIGMA = 0.2, 5.0, 1.0  # s; mean and log-sd of the rates (spikes/s)
RANK = 5  # dimensions of the signal of neurons recorded together
SESSIONS = {"sessions8": 8, "sessions3": 3, "one": 1}


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    recording : "apart" (a session a neuron), "sessions8", "sessions3" or "one" (simultaneous
        neurons, signal of rank 5 in each session)
    distance : between the two conditions of a context, in noise sd, root mean square
    context : spread of the midpoints of contexts, times that of random centroids: 1/3, 1 or 3
    baselines : "equal" (Gaussian noise of sd 1) or "lognormal" (Poisson counts in 0.2 s)
    codes : "all", or "contexts" where the tested variable is not coded, or "nothing" (pure noise)
    """

    recording: str = "apart"
    conditions: int = 4
    neurons: int = 40
    trials: int = 20
    distance: float = 4.0
    context: str = "equal"
    baselines: str = "equal"
    codes: str = "all"

    @property
    def name(self):
        """The cell in one line: what --cells looks in and what seeds come from."""
        return (
            f"{self.recording} C{self.conditions} N{self.neurons} n{self.trials} "
            f"d{self.distance:g} {self.context}-context {self.baselines}-baselines "
            f"codes-{self.codes}"
        )

    @property
    def variables(self):
        """Names of the two-level variables; the first is the one that is tested."""
        return ["a", "b", "c"][: int(np.log2(self.conditions))]

    @property
    def widths(self):
        """Neurons of each session."""
        n = SESSIONS.get(self.recording, self.neurons)
        return np.full(n, self.neurons // n) + (np.arange(n) < self.neurons % n)

    def rng(self, number, part):
        """The random stream of one data set, the same whatever else is run."""
        return np.random.default_rng(
            np.random.SeedSequence(crc32(self.name.encode()), spawn_key=(number, part))
        )

    @cached_property
    def template(self):
        """Design and population of this cell with values that are never used."""
        x = as_activity(
            self,
            np.random.default_rng(0).normal(size=(self.conditions * self.trials, self.neurons)),
        )
        design = designs.conditions(x, self.variables)
        return design, populations.population(x, design)


def as_activity(cell, values):
    """Values (trial, neuron), trials sorted by condition, as a list of sessions."""
    levels = np.repeat(list(product([0, 1], repeat=len(cell.variables))), cell.trials, axis=0)
    trial = {v: levels[:, i] for i, v in enumerate(cell.variables)}
    ends = np.cumsum(cell.widths)
    return [
        ng.from_arrays(
            values[:, a:b],
            trial=trial,
            neuron={"unit_id": [f"{i:04d}" for i in range(a, b)]},
            session=f"s{k:04d}",
        )
        for k, (a, b) in enumerate(zip(ends - cell.widths, ends, strict=True))
    ]


def draw(cell, number, *, cosine=0.0, stretch=1.0, part=0):
    """One data set (trial, neuron), trials sorted by condition.

    cosine : mean cosine of the coding vectors of two contexts, 0 at chance
    stretch : times the length of coding vectors
    """
    rng = cell.rng(number, part)
    mean = centroids(cell, rng, cosine, stretch).repeat(cell.trials, axis=0)
    if cell.baselines == "equal":
        return mean + rng.standard_normal(mean.shape)
    rates = RATE * np.exp(SIGMA * rng.standard_normal(cell.neurons) - SIGMA**2 / 2)
    return rng.poisson(WINDOW * rates * np.exp(mean)).astype(float)


def centroids(cell, rng, cosine, stretch):
    """Means (condition, neuron), noise sd or log rates; condition = level * contexts + context."""
    m = cell.conditions // 2
    normal = directions(cell, rng, 2 * m + 1)
    spread = cell.distance / np.sqrt(2 * cell.neurons) * (cell.codes != "nothing")
    middle = normal[:m] * spread * CONTEXT[cell.context] / np.sqrt(2)
    vectors = np.sqrt(cosine) * normal[-1] + np.sqrt(1 - cosine) * normal[m : 2 * m]
    half = vectors * spread * stretch / np.sqrt(2) * (cell.codes == "all")
    return np.concatenate([middle - half, middle + half])


def directions(cell, rng, n):
    """Normal vectors (n, neuron) of variance 1 a neuron, of rank 5 in each session."""
    if cell.recording == "apart":
        return rng.standard_normal((n, cell.neurons))
    parts = []
    for w in cell.widths:
        rank = min(RANK, w)
        basis = np.linalg.qr(rng.standard_normal((w, rank)))[0]
        parts.append(rng.standard_normal((n, rank)) @ basis.T * np.sqrt(w / rank))
    return np.concatenate(parts, axis=1)


def population(cell, values):
    """The engine's Population of a data set, and the design of the cell."""
    design, template = cell.template
    varies = values.max(axis=0) > values.min(axis=0)
    if cell.recording == "apart":
        whole = replace(template, values=values.T.ravel())
        return design, whole if varies.all() else whole.of_units(np.flatnonzero(varies))
    if not varies.all():
        return design, populations.population(as_activity(cell, values), design)
    ends = np.cumsum(cell.widths)
    blocks = [values[:, b - w : b].ravel() for b, w in zip(ends, cell.widths, strict=True)]
    return design, replace(template, values=np.concatenate(blocks))


def grid():
    """The 192 cells of the full grid, and beside them 3 sessions and one session."""
    axes = {
        "recording": ("apart", "sessions8"),
        "conditions": (4, 8),
        "neurons": (40, 200),
        "trials": (5, 20),
        "distance": (1.0, 4.0),
        "context": tuple(CONTEXT),
        "baselines": ("equal", "lognormal"),
    }
    cells = [Cell(*values) for values in product(*axes.values())]
    beside = [("sessions3", 4), ("sessions3", 8), ("one", 4), ("one", 8)]
    for (recording, conditions), n, context, b in product(
        beside, (5, 20), CONTEXT, axes["baselines"]
    ):
        cells.append(Cell(recording, conditions, 40, n, 4.0, context, b))
    return cells


def noise_cells():
    """Nothing to decode: pure noise, or other variables coded strongly and the tested one not."""
    cells = []
    for codes, recording, c, n, b in product(
        ("nothing", "contexts"),
        ("apart", "sessions8", "one"),
        (4, 8),
        (5, 20),
        ("equal", "lognormal"),
    ):
        cells.append(Cell(recording, c, 40, n, 4.0, "strong", b, codes))
    return cells
