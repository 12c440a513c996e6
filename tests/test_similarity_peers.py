"""Distances and comparisons against rsatoolbox, canonical correlations against scikit-learn."""

import numpy as np
import pytest

from neurogeom.formulas import cca, rsa

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def means():
    """92 conditions x 8 runs x 60 neurons, as (fold, condition, neuron), on a large baseline."""
    rng = np.random.default_rng(0)
    return 20 + rng.standard_normal((92, 60)) + rng.standard_normal((8, 92, 60))


@pytest.fixture(scope="module")
def subjects():
    """Distances of six subjects and twelve conditions."""
    return np.random.default_rng(1).gamma(2, size=(6, 66))


@pytest.mark.parametrize("weighted", [False, True])
def test_crossnobis_is_that_of_rsatoolbox(means, weighted):
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm

    run, condition = (i.ravel() for i in np.indices(means.shape[:2]))
    data = Dataset(means.reshape(-1, 60), obs_descriptors={"condition": condition, "run": run})
    root = np.random.default_rng(2).standard_normal((60, 120))
    precision = np.linalg.inv(root @ root.T / 120) if weighted else None
    peer = calc_rdm(
        data, method="crossnobis", descriptor="condition", cv_descriptor="run", noise=precision
    )
    assert rsa.crossnobis(means, precision) == pytest.approx(
        peer.dissimilarities[0], rel=1e-10, abs=1e-10
    )


NAMES = {"cosine": "cosine", "corr": "pearson", "tau-a": "tau_a", "cosine_cov": "whitened_cosine"}


@pytest.mark.parametrize("theirs", NAMES)
def test_comparisons_are_those_of_rsatoolbox(subjects, theirs):
    from rsatoolbox.rdm import RDMs, compare

    peer = compare(RDMs(subjects), RDMs(subjects), method=theirs)
    ours = rsa.COMPARISONS[NAMES[theirs]][0](subjects[:, None], subjects)
    assert ours == pytest.approx(peer, abs=1e-10)


@pytest.mark.parametrize("theirs", ["cosine", "corr", "tau-a"])
@pytest.mark.filterwarnings("ignore:Noise ceiling for tau")
def test_noise_ceilings_are_those_of_rsatoolbox(subjects, theirs):
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs

    peer = boot_noise_ceiling(RDMs(subjects), method=theirs)
    assert rsa.noise_ceiling(subjects, NAMES[theirs]) == pytest.approx(peer, abs=1e-10)


def test_the_whitened_ceiling_of_rsatoolbox_is_exceeded_by_the_mean_of_whitened_rdms(subjects):
    """Its RDMs are normalised for the plain cosine, so that its upper bound is none."""
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs

    peer = boot_noise_ceiling(RDMs(subjects), method="cosine_cov")
    plain = rsa.COMPARISONS["cosine"][1](subjects).mean(axis=0)
    assert rsa.whitened_cosine(plain, subjects).mean() == pytest.approx(peer[1], abs=1e-10)
    assert peer[1] < rsa.noise_ceiling(subjects, "whitened_cosine")[1] < peer[1] + 0.01


def test_canonical_correlations_are_those_of_scikit_learn():
    from sklearn.cross_decomposition import CCA

    rng = np.random.default_rng(3)
    shared = rng.standard_normal((200, 3)) * [2, 1, 0.5]
    x, y = (shared @ rng.standard_normal((3, n)) + rng.standard_normal((200, n)) for n in (6, 5))
    u, v = CCA(5, max_iter=50_000, tol=1e-12).fit(x, y).transform(x, y)
    peer = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(5)]
    assert cca.canonical_correlations(x, y) == pytest.approx(peer, abs=1e-6)
