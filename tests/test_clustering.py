"""Nearest angles, k-means and silhouettes against loops and scikit-learn; kinds where there are."""

import numpy as np
import pytest

from neurogeom.engine import neuron_kinds as kinds
from neurogeom.formulas import clustering as formulas


def cloud(axes, n, seed):
    """Gaussian vectors with these sd."""
    return np.random.default_rng(seed).standard_normal((n, len(axes))) * np.asarray(axes)


def categorical(n, seed):
    """Every vector on one of four axes, with a little noise."""
    rng = np.random.default_rng(seed)
    return np.eye(4)[rng.integers(4, size=n)] + 0.2 * rng.standard_normal((n, 4))


def test_nearest_angles_are_those_of_a_loop_over_pairs():
    v = cloud([1, 2, 3], 30, 0)
    expected = []
    for i in range(30):
        cosine = [v[i] @ v[j] / np.sqrt(v[i] @ v[i] * (v[j] @ v[j])) for j in range(30) if j != i]
        expected.append(np.mean(np.arccos(np.sort(cosine)[::-1][:3])))
    np.testing.assert_allclose(formulas.nearest_angles(v, 3), expected)


def test_opposite_vectors_are_no_neighbours():
    np.testing.assert_allclose(formulas.nearest_angles([[1.0, 0.0], [-2.0, 0.0]], 1), [np.pi] * 2)


def test_angles_know_no_length_and_no_rotation_but_know_a_stretched_axis():
    v = cloud([1, 1, 1], 20, 0)
    q = np.linalg.qr(cloud([1, 1, 1], 3, 1))[0]
    own = formulas.nearest_angles(v)
    longer = v * np.arange(1, 21)[:, None]
    np.testing.assert_allclose(formulas.nearest_angles(longer @ q), own, atol=1e-9)
    assert not np.allclose(formulas.nearest_angles(v * [5, 1, 1]), own)


def test_too_few_vectors_and_a_vector_without_length_are_named():
    with pytest.raises(ValueError, match="no 3 nearest others"):
        formulas.nearest_angles(np.eye(3))
    with pytest.raises(ValueError, match="no direction"):
        formulas.nearest_angles(np.vstack([np.eye(4), np.zeros(4)]))


def test_silhouettes_are_those_of_scikit_learn():
    from sklearn.metrics import silhouette_score

    v = categorical(40, 0)
    labels = np.random.default_rng(1).integers(3, size=(2, 40))
    expected = [silhouette_score(v, row) for row in labels]
    np.testing.assert_allclose(formulas.silhouette(v, labels), expected)


def test_correlation_space_has_the_distances_of_the_rows_of_the_correlation_matrix():
    from scipy.spatial.distance import pdist

    v = cloud([1, 2, 3, 1], 12, 0) + 1.0
    np.testing.assert_allclose(pdist(formulas.correlation_space(v)), pdist(np.corrcoef(v)))


def test_k_means_ends_where_every_point_is_nearest_to_the_mean_of_its_cluster():
    v = categorical(60, 0)
    label = formulas.kmeans(v, np.random.default_rng(0).random(4))
    centre = np.array([v[label == c].mean(axis=0) for c in range(4)])
    distance = ((v[:, None] - centre) ** 2).sum(axis=2)
    np.testing.assert_array_equal(distance.argmin(axis=1), label)


def test_scores_have_no_axis_without_variance_and_whitened_ones_the_same_length():
    v = np.column_stack([cloud([3, 1], 20, 0), np.ones(20)])
    assert formulas.scores(v).shape == (20, 2)
    np.testing.assert_allclose(formulas.scores(v, whiten=True).std(axis=0), [1 / np.sqrt(20)] * 2)


def test_the_cloud_of_the_null_has_the_covariance_of_the_sample():
    v = formulas.scores(cloud([5, 2, 1], 30, 0))
    drawn = kinds._cloud(v, np.random.default_rng(0), permute=False)
    np.testing.assert_allclose(drawn.T @ drawn, v.T @ v, atol=1e-9)
    permuted = kinds._cloud(v, np.random.default_rng(0), permute=True)
    np.testing.assert_allclose(np.sort(permuted, axis=0), np.sort(v, axis=0))


@pytest.mark.parametrize("axes", [(1, 1, 1, 1), (3, 1, 1, 1)])
def test_epairs_finds_no_kinds_in_round_and_long_clouds(axes):
    p = [ _p(kinds.epairs(cloud(axes, 80, seed), 99, 0)) for seed in range(20) ]  # fmt: skip
    assert np.mean(np.array(p) > 0.05) >= 0.8  # 20 seeds at a level of .05: P(fewer) < .003


def test_pairs_takes_a_long_cloud_of_heavy_tails_for_kinds_where_permuted_components_do_not():
    rng = np.random.default_rng(0)
    v = rng.standard_t(2, (200, 4))
    assert _p(kinds.pairs(v, 99, 0)) < 0.05
    assert _p(kinds.epairs(v, 99, 0, permute=True)) > 0.05


def test_all_find_the_kinds_of_neurons_on_four_axes():
    v = categorical(100, 0)
    for kind in (kinds.pairs, kinds.epairs):
        found = kind(v, 99, 0)
        assert _p(found) == 0.02
        assert formulas.index(found.value, found.null) > 0.2
    found = kinds.clusters(v, 99, 0)
    assert found.label.max() + 1 == 4
    assert _p(found) == 0.02


def _p(found):
    from neurogeom.engine.multiplicity import rank_p

    return float(rank_p(found.value, found.null))
