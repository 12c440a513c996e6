"""Are neurons of a few kinds? Nearest neighbours and clusters against clouds without kinds.

Every surrogate goes through all that the data went through: centring, whitening, and the search
for the best number of clusters.
"""

from typing import NamedTuple

import numpy as np

from ..formulas import clustering as formulas
from . import parallel

K_NEAREST = 3
MOST_CLUSTERS = 20
MOST_CLUSTERINGS = 99  # surrogates, each clustered for every number of clusters
MOST_ISOTROPIC = 199  # surrogates of a test that is there to compare with the literature
CHUNK = 16
_ISOTROPIC, _MATCHED, _CLUSTERS, _START = range(4)  # parts of the random stream


class Kinds(NamedTuple):
    """value : float; null : float64 (surrogate,); label : int (neuron,) or None"""

    value: float
    null: np.ndarray
    label: np.ndarray | None = None


def unfit(profiles):
    """Why profiles (neuron, condition) have no neighbours worth asking for, or ""."""
    n, d = formulas.scores(profiles).shape if len(profiles) else (0, 0)
    if d < 2:
        return f"{n} selective neurons lie on {d} axis; angles need two, and so three conditions"
    least = max(K_NEAREST + 2, d + 2)
    if n < least:
        return f"{n} selective neurons are fewer than the {least} that {d} axes need"
    return ""


def pairs(profiles, n_null, seed, **options) -> Kinds:
    """Median angle to the nearest neighbours among whitened vectors, against isotropic ones."""
    vectors = formulas.scores(profiles, whiten=True)

    def surrogate(draw):
        drawn = _generator(seed, _ISOTROPIC, draw).standard_normal(vectors.shape)
        return _median_angle(formulas.scores(drawn, whiten=True))

    return Kinds(_median_angle(vectors), _over(surrogate, min(n_null, MOST_ISOTROPIC), options))


def epairs(profiles, n_null, seed, *, permute=False, **options) -> Kinds:
    """Median angle to the nearest neighbours, against a Gaussian cloud of the same covariance.

    Every surrogate has the covariance of the sample itself, not one drawn around it: the test is
    then exact for Gaussian vectors, where surrogates that are elongated once more by chance have
    nearer neighbours than the data.

    permute : each principal component is permuted among neurons instead, which keeps its
    distribution, Gaussian or not.
    """
    vectors = formulas.scores(profiles)

    def surrogate(draw):
        return _median_angle(_cloud(vectors, _generator(seed, _MATCHED, draw), permute))

    return Kinds(_median_angle(vectors), _over(surrogate, n_null, options))


def clusters(profiles, n_null, seed, *, permute=False, **options) -> Kinds:
    """Silhouette of the best clustering, against clouds of the same mean and covariance."""
    mean, vectors = profiles.mean(axis=0), formulas.scores(profiles)
    axes = np.linalg.lstsq(vectors, profiles - mean, rcond=None)[0]
    start = _generator(seed, _START, 0)
    most = min(MOST_CLUSTERS, len(profiles) - 1)
    uniform = [start.random(k) for k in range(2, most + 1)]

    def surrogate(draw):
        drawn = _cloud(vectors, _generator(seed, _CLUSTERS, draw), permute)
        return formulas.best_clustering(mean + drawn @ axes, uniform)[0]

    value, label = formulas.best_clustering(profiles, uniform)
    return Kinds(value, _over(surrogate, min(n_null, MOST_CLUSTERINGS), options), label)


def _cloud(vectors, rng, permute):
    """Vectors without kinds: components permuted, or Gaussian with the very same covariance."""
    if permute:
        return rng.permuted(vectors, axis=0)
    drawn = formulas.scores(rng.standard_normal(vectors.shape), whiten=True)
    return drawn * np.sqrt((vectors**2).sum(axis=0))


def _median_angle(vectors):
    """A vector at the very centre has no direction and takes no part."""
    length = np.linalg.norm(vectors, axis=1)
    return float(np.median(formulas.nearest_angles(vectors[length > 0], K_NEAREST)))


def _over(surrogate, n_null, options):
    if not n_null:
        return np.zeros(0)
    task = lambda draws: (np.array([surrogate(d) for d in draws]),)  # noqa: E731
    return parallel.over(task, n_null, chunk=CHUNK, **options)[0]


def _generator(seed, part, draw):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(21, part, int(draw))))
