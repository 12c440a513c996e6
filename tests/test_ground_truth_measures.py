"""Geometries whose scores are known: what the public measures find in simulated recordings.

The formulas themselves are held in test_ground_truth.py. Here each estimate is compared with them,
within four standard errors computed from independent recordings.
"""

import numpy as np
import pytest
from scipy.special import ndtr

import neurogeom as ng
from neurogeom.formulas import expected, geometries

LEVELS = geometries.crossed_levels(3)
PLAIN = {"n_null": 0, "target": "animals"}  # no null, and no interval: there are no animals
NEAREST = {**PLAIN, "readout": "nearest_mean", "scale": "none", "n_resamples": 4}


def estimates(measure, geometry, n_recordings, *, options, variables="abc", **recording):
    """Estimates of independent recordings: (recording, variable) or (recording,)."""
    return np.array(
        [
            measure(
                ng.simulate(geometry, n_truth=0, seed=seed, **recording), list(variables), **options
            ).estimate.values
            for seed in range(n_recordings)
        ]
    )


def within_error(values, truth, *, slack=0.0):
    """Whether means over recordings agree with the truth, and the error is small enough to tell."""
    means = values.mean(axis=tuple(range(1, values.ndim)))  # variables of a recording are one unit
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert error < 0.02
    return abs(means.mean() - truth) < 4 * error + slack


def in_neurons(axes, n_neurons):
    return np.hstack([axes, np.zeros((len(axes), n_neurons - axes.shape[1]))])


@pytest.mark.parametrize(("n_neurons", "n_trials"), [(50, 8), (50, 40), (200, 8), (200, 40)])
def test_cube_with_matched_pairs(n_neurons, n_trials):
    values = estimates(ng.ccgp, "cube", 16, options=NEAREST, n_neurons=n_neurons, n_trials=n_trials)
    means = in_neurons(geometries.cube(LEVELS, 2.0), n_neurons)
    pairs = [[4, 0], [5, 1], [6, 2], [7, 3]]
    truth = expected.ccgp(means, LEVELS[:, 0], pairs, n_trials=n_trials)
    assert within_error(values, truth)


@pytest.mark.parametrize("n_trials", [8, 20, 100])
def test_shattering_of_a_simplex(n_trials):
    """Three quarters of the trials are learnt from."""
    values = estimates(
        ng.shattering, "simplex", 12, options=NEAREST, n_neurons=100, n_trials=n_trials
    )
    means = in_neurons(geometries.simplex(LEVELS, 2.0), 100)
    truth = expected.accuracy(means, LEVELS[:, 0], n_trials=n_trials * 3 // 4)
    assert within_error(values, truth)


@pytest.mark.parametrize("held_out", ["matched", "any"])
@pytest.mark.parametrize(
    ("geometry", "separation"), [("cuboid", (3, 2, 1)), ("cube_nonlinear", 2.0), ("simplex", 2.0)]
)
def test_many_trials_reach_the_population_value(geometry, separation, held_out):
    """Each variable by itself, with 1500 trials a condition in ten neurons."""
    x = ng.simulate(geometry, separation, n_neurons=10, n_trials=1500, n_truth=0, seed=1)
    options = {**PLAIN, "readout": "lda", "scale": "none"}
    result = ng.ccgp(x, list("abc"), held_out=held_out, n_resamples=1, **options)
    truth = np.array(list(x.attrs["truth_population"][f"ccgp_{held_out}"].values()))
    # 12 000 trials are tested, each once (matched) or in four splits (any); the readout's own error
    # adds what 9000 training trials leave.
    np.testing.assert_allclose(result.estimate, truth, atol=4 * np.sqrt(0.25 / 12_000) + 0.005)


@pytest.mark.parametrize(("held_out", "truth"), [("matched", 1 - ndtr(1)), ("any", 0.3293)])
def test_exclusive_or_generalises_to_the_opposite(held_out, truth):
    options = {**NEAREST, "held_out": held_out}
    recording = {"variables": "ab", "n_neurons": 20, "n_trials": 1000}
    values = estimates(ng.ccgp, "xor", 8, options=options, **recording)
    assert within_error(values, truth, slack=0.004)  # 20 neurons, 1000 trials: noise in the means


def test_cube_is_parallel_once_corrected_and_half_so_before():
    recordings = [
        ng.simulate("cube", 2.0, n_neurons=100, n_trials=50, n_truth=0, seed=s) for s in range(24)
    ]
    options = {"n_null": 0, "target": "animals", "scale": "none"}
    results = [ng.parallelism(x, list("abc"), **options) for x in recordings]
    naive, corrected = (
        np.array([r[name].values.mean() for r in results]) for name in ("naive", "estimate")
    )
    error = corrected.std(ddof=1) / np.sqrt(24)
    assert abs(naive.mean() - 0.5) < 0.02
    assert abs(corrected.mean() - 1) < 4 * error + corrected.var()
    assert error < 0.03


def test_svm_on_a_cube_with_any_pair_held_out():
    """0.760 with 50 neurons and 100 trials, from another implementation of the same readout."""
    options = {**PLAIN, "held_out": "any", "n_resamples": 1}
    values = estimates(ng.ccgp, "cube", 4, options=options, n_neurons=50, n_trials=100)
    assert abs(values.mean() - 0.760) < 0.02


def test_noise_in_a_pseudo_population_is_at_chance():
    """Trials drawn again before they are split would be decoded at 0.80."""
    options = {**PLAIN, "n_resamples": 8}
    recording = {"separation": 0.0, "n_neurons": 100, "n_sessions": 10, "n_trials": 15}
    values = estimates(ng.decoding, "cube", 12, options=options, **recording)
    assert within_error(values, 0.5)


def test_neuron_order_and_rotation_change_no_measure():
    """Nearest mean without z-scores and parallelism see angles alone."""
    from scipy.stats import ortho_group

    x = ng.simulate("cube_nonlinear", 2.0, n_neurons=20, n_trials=8, n_truth=0)
    turned = x.copy(data=x.values @ ortho_group.rvs(20, random_state=0))
    shuffled = x.isel(neuron=np.random.default_rng(0).permutation(20))
    names = list("abc")
    plain = {**PLAIN, "scale": "none"}
    for measure, options in [
        (ng.decoding, NEAREST),
        (ng.ccgp, {**NEAREST, "held_out": "any"}),
        (ng.shattering, NEAREST),
        (ng.parallelism, plain),
    ]:
        before = measure(x, names, **options).estimate
        for same in (turned, shuffled):
            after = measure(same, names, **options).estimate
            np.testing.assert_allclose(after, before, atol=1e-8)
