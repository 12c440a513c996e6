"""The bootstrap of neurons against scipy's, where plain percentiles are wrong."""

import numpy as np
from scipy.stats import bootstrap

from neurogeom.engine import ratio_intervals


def test_bounds_of_a_skewed_mean_are_those_of_scipy_and_not_percentiles():
    """Sixty neurons of a gamma distribution; noise of draws is that of scipy's runs."""
    top = np.random.default_rng(0).standard_gamma(0.3, size=60)
    ours = np.ravel(ratio_intervals.bca(top, np.ones(60), seed=0))
    options = {"n_resamples": ratio_intervals.N_BOOTSTRAP, "vectorized": True}
    runs = {
        method: [
            bootstrap((top,), np.mean, method=method, rng=np.random.default_rng(s), **options)
            for s in range(12)
        ]
        for method in ("BCa", "percentile")
    }
    bounds = {
        m: np.array([list(r.confidence_interval) for r in found]) for m, found in runs.items()
    }
    mean, spread = bounds["BCa"].mean(axis=0), bounds["BCa"].std(axis=0, ddof=1)
    assert (np.abs(ours - mean) < 4 * spread).all()
    assert (ours > bounds["percentile"].max(axis=0)).all()  # both bounds move up with the skew
