"""The fixture of a peer, decodanda 0.8.6, in its conventions; and the peer itself on the same data.

Its conventions: rows are drawn with replacement for each condition from the training and from the
test side (as many as the largest condition has), nothing is scaled, pairs differ in one variable,
and coding vectors are compared by Pearson's correlation.
"""

from itertools import product

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.design import conditions
from neurogeom.engine import resampling
from neurogeom.engine.experiment import Draws, Experiment
from neurogeom.engine.population import population
from neurogeom.engine.problems import held_out_pairs, within

pytestmark = pytest.mark.peers

LEVELS = np.array(list(product([0, 1], repeat=2)))
N_ROWS = 20
# Mean and sd over five seeds of the peer, as it was measured.
PUBLISHED = {
    "decode v0": (0.821, 0.012),
    "decode xor": (0.425, 0.026),
    "ccgp v0": (0.832, 0.008),
    "ps pearson": (0.613, 0.024),
    "ps cosine": (0.571, 0.057),
}


@pytest.fixture(scope="module")
def rows():
    """Activity (80 rows, 60 neurons) and the condition of every row."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(2, 60)) * 0.3
    rng.normal(size=(4, 60))
    which = np.repeat(np.arange(4), N_ROWS)
    return np.array([(2 * LEVELS[c] - 1) @ axes + 1.5 * rng.normal(size=60) for c in which]), which


@pytest.fixture(scope="module")
def recorded(rows):
    x, which = rows
    return ng.from_arrays(x, trial={"v0": LEVELS[which, 0], "v1": LEVELS[which, 1]}, session="peer")


def estimates(recorded):
    """Decoding of v0 and of the exclusive or, CCGP of v0: means over 200 folds or draws.

    The expectation is that of the peer's 20, and its own Monte-Carlo noise is small beside theirs.
    """
    design = conditions([recorded], ["v0", "v1"])
    people = population([recorded], design)
    v0, v1 = (2 * design.table - 1).T.astype(np.int8)
    folds = [resampling._split(people, r, N_ROWS, 0) for r in range(200)]
    drawn = resampling._unsplit(people, 200, N_ROWS, 0)
    decode = Experiment(Draws(people, folds, "none"), within([v0, v0 * v1]), np.arange(2), ng.SVM())
    pairs = [(2, 0), (3, 1)]
    ccgp = Experiment(
        Draws(people, drawn, "none"), held_out_pairs(v0, pairs), np.zeros(2, int), ng.SVM()
    )
    (dec, xor), (transfer,) = (e.average(e.observe())[0] for e in (decode, ccgp))
    return {"decode v0": dec, "decode xor": xor, "ccgp v0": transfer}


def parallelism(rows, similarity, n_repeats=200):
    """Two coding vectors, each of means over 40 rows drawn with replacement, compared."""
    x, which = rows
    rng = np.random.default_rng(1)
    values = []
    for _ in range(n_repeats):
        mean = [
            x[rng.choice(np.flatnonzero(which == c), 2 * N_ROWS)].mean(axis=0) for c in range(4)
        ]
        values.append(similarity(mean[2] - mean[0], mean[3] - mean[1]))
    return np.mean(values)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("quantity", ["decode v0", "decode xor", "ccgp v0"])
def test_readouts_reproduce_what_the_peer_was_measured_to_give(recorded, quantity):
    mean, sd = PUBLISHED[quantity]
    assert abs(estimates(recorded)[quantity] - mean) < 3 * sd


@pytest.mark.parametrize(
    ("quantity", "similarity"),
    [("ps pearson", lambda a, b: np.corrcoef(a, b)[0, 1]), ("ps cosine", cosine)],
)
def test_coding_vectors_reproduce_what_the_peer_was_measured_to_give(rows, quantity, similarity):
    mean, sd = PUBLISHED[quantity]
    assert abs(parallelism(rows, similarity) - mean) < 3 * sd


def test_the_peer_itself_agrees_on_the_same_rows(rows, recorded):
    """Decoding and CCGP over five seeds of the peer; the tolerance is three sd over its seeds."""
    from decodanda import Decodanda

    x, which = rows
    data = {"raster": x, "trial": np.arange(len(x)), "v0": LEVELS[which, 0], "v1": LEVELS[which, 1]}
    found = {"decode v0": [], "ccgp v0": []}
    for seed in range(5):
        np.random.seed(seed)  # noqa: NPY002, TID251  the peer has no other seed
        peer = Decodanda(data=data, conditions={"v0": [0, 1], "v1": [0, 1]}, verbose=False)
        found["decode v0"].append(
            peer.decode(training_fraction=0.75, cross_validations=20, nshuffles=1)[0]["v0"]
        )
        found["ccgp v0"].append(peer.CCGP(resamplings=20, nshuffles=1)[0]["v0"])
    ours = estimates(recorded)
    for quantity, values in found.items():
        assert abs(ours[quantity] - np.mean(values)) < 3 * max(
            np.std(values, ddof=1), PUBLISHED[quantity][1]
        )


def test_naive_parallelism_of_the_same_rows_is_below_the_corrected_one(recorded):
    """The peer draws with replacement and so adds noise: what it calls 0.57 is nearer to 1."""
    score = ng.parallelism(recorded, ["v0", "v1"], n_null=0, scale="none").sel(variable="v0")
    assert score.naive < score.estimate
