"""Encoders against scikit-learn, closed forms, exhaustive search and each other."""

import numpy as np
import pytest

from neurogeom.features import FISTA, Dictionary


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 8)), Dictionary(rng.standard_normal((16, 8)))


@pytest.mark.parametrize("nonneg", [True, False])
@pytest.mark.parametrize("shape", [(16, 8), (12, 20), (30, 6)])
def test_fista_agrees_with_coordinate_descent(shape, nonneg):
    from sklearn.decomposition import sparse_encode

    rng = np.random.default_rng(1)
    d, x = Dictionary(rng.standard_normal(shape)), rng.standard_normal((40, shape[1]))
    found = FISTA(0.2, 5000, 1e-9, nonneg).solve(x, d)
    codes = sparse_encode(
        x, d.atoms, algorithm="lasso_cd", alpha=0.2, positive=nonneg, max_iter=20_000
    )
    assert (found.objective <= d.objective(x, codes, 0.2) + 1e-9).all()
    np.testing.assert_allclose(found.objective, d.objective(x, found.codes, 0.2), atol=1e-12)
    assert (found.gap <= 1e-9 * found.objective).all()
    np.testing.assert_allclose(
        d.duality_gap(x, found.codes, 0.2, nonneg=nonneg), found.gap, atol=1e-12
    )


def test_torch_takes_the_same_steps(problem):
    x, d = problem
    for nonneg in (True, False):
        ours = FISTA(0.1, 50, 0.0, nonneg).solve(x, d)
        theirs = FISTA(0.1, 50, 0.0, nonneg, "torch", "cpu").solve(x, d)
        np.testing.assert_allclose(theirs.codes, ours.codes, atol=1e-12)
        np.testing.assert_allclose(theirs.gap, ours.gap, atol=1e-12)
