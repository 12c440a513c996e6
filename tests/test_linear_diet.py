"""Linear DIET: the closed form against training, against scipy, and against known signals."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh, subspace_angles
from sklearn.covariance import ledoit_wolf_shrinkage

import neurogeom as ng
from neurogeom.features import linear_diet
from neurogeom.formulas.signal_total import moments, shares, shrinkage, signal_total

PLAIN = {"shrinkage": 0.0, "scale": "none", "n_null": 0}


def repeated(seed, n_data=12, n_repeats=6, n_neurons=5, noise=1.0):
    """Rows about random means, and the datum of each."""
    rng = np.random.default_rng(seed)
    datum = np.repeat(np.arange(n_data), n_repeats)
    rows = rng.standard_normal((n_data, n_neurons))[datum]
    return rows + noise * rng.standard_normal(rows.shape), datum


def recorded(rows, datum, **columns):
    return ng.from_arrays(rows, trial={"image": datum, **columns}, session="one")


# --- the closed form ------------------------------------------------------------------------------


def trained(rows, datum, k, seed, n_data):
    """The loss and the features of a linear network with a bias-free head, by LBFGS."""
    x = torch.from_numpy(rows - rows.mean(axis=0))
    y = torch.eye(n_data, dtype=torch.float64)[datum]
    stream = torch.Generator().manual_seed(seed)
    net = [
        (0.01 * torch.randn(shape, generator=stream, dtype=torch.float64)).requires_grad_()
        for shape in ((rows.shape[1], k), (k, n_data))
    ]
    descent = torch.optim.LBFGS(net, max_iter=1000, tolerance_grad=1e-9, tolerance_change=1e-14,
                                history_size=50, line_search_fn="strong_wolfe")  # fmt: skip

    def loss():
        descent.zero_grad()
        value = n_data * (x @ net[0] @ net[1] - y).square().sum(1).mean()  # not too flat to end
        value.backward()
        return value

    descent.step(loss)
    return float(loss().detach()) / n_data, net[0].detach().numpy()


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_the_closed_form_is_what_training_on_the_index_reaches(seed):
    """C1: N = 60, 20 repeats, 12 neurons, 3 components."""
    n_data, k = 60, 3
    rng, datum = np.random.default_rng(seed), np.repeat(np.arange(n_data), 20)
    rows = rng.standard_normal((n_data, 12))[datum] * np.geomspace(3, 0.3, 12)
    rows += rng.standard_normal(rows.shape) + rng.standard_normal((len(rows), 1))
    found = linear_diet(recorded(rows, datum), "image", n_components=k, **PLAIN)
    loss, features = trained(rows, datum, k, seed, n_data)
    assert float(found.loss) == pytest.approx(loss, abs=1e-6)
    assert float(found.loss) == pytest.approx(1 - found.naive.values.sum() / n_data, abs=1e-12)
    assert np.cos(subspace_angles(found.directions.values.T, features)) == pytest.approx(1.0)
    fewer = signal_total(*moments(rows, datum, n_data), k - 1).ratios
    assert 1 - fewer.sum() / n_data > loss + 1e-3


def test_ratios_and_directions_are_those_of_the_generalised_eigenproblem():
    rows, datum = repeated(1)
    rows = rows @ np.diag([1.0, 5.0, 0.2, 1.0, 30.0])
    means, within = moments(rows, datum, 12)
    found = signal_total(means, within)
    between = np.cov(means.T, bias=True)
    value, vector = eigh(between, np.cov(rows.T, bias=True))
    np.testing.assert_allclose(found.ratios, value[::-1], atol=1e-12)
    np.testing.assert_allclose(np.abs(found.directions), np.abs(vector.T[::-1]), atol=1e-9)
    np.testing.assert_allclose(shares(found.directions, means, within), found.ratios)
    total = found.directions @ np.cov(rows.T, bias=True) @ found.directions.T
    np.testing.assert_allclose(total, np.eye(5), atol=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_an_invertible_map_of_neurons_changes_no_ratio_and_more_noise_does(seed):
    rng = np.random.default_rng(seed)
    rows, datum = repeated(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    plain = signal_total(*moments(rows, datum, 12)).ratios
    mapped = (rows @ turn * rng.uniform(0.1, 10, 5)) + 7.0
    np.testing.assert_allclose(signal_total(*moments(mapped, datum, 12)).ratios, plain, atol=1e-8)
    noisier = moments(rows, datum, 12)
    assert (signal_total(noisier.means, 2 * noisier.within).ratios < plain).all()


@pytest.mark.parametrize("spare", ["copy", "silent", "sum"])
def test_a_neuron_that_adds_nothing_does_no_harm(spare):
    rows, datum = repeated(2)
    more = {"copy": rows[:, 0], "silent": np.zeros(len(rows)), "sum": rows.sum(axis=1)}[spare]
    plain, wide = (signal_total(*moments(own, datum, 12))
                   for own in (rows, np.column_stack([rows, more])))  # fmt: skip
    np.testing.assert_allclose(wide.ratios, plain.ratios, atol=1e-9)
    assert np.isfinite(wide.directions).all()


def test_without_shrinkage_neurons_that_outnumber_trials_tell_any_data_apart():
    rng = np.random.default_rng(0)
    rows, datum = rng.standard_normal((24, 40)), np.arange(24) % 6
    means, within = moments(rows, datum, 6)
    assert signal_total(means, within).ratios == pytest.approx(1.0)
    shrunk = 0.5 * within + 0.5 * np.trace(within) / 40 * np.eye(40)
    assert (signal_total(means, shrunk).ratios < 0.9).all()


def test_every_datum_weighs_the_same_whatever_its_repeats():
    rows, datum = repeated(3, n_data=4, n_repeats=5)
    again = np.concatenate([np.arange(len(rows)), *[np.flatnonzero(datum == 2)] * 3])
    few, many = moments(rows, datum, 4), moments(rows[again], datum[again], 4)
    np.testing.assert_allclose(few.means, many.means)
    np.testing.assert_allclose(few.within, many.within)


def test_the_shrinkage_is_that_of_scikit_learn():
    rows, datum = repeated(4, n_neurons=8)
    rows = rows * np.arange(1, 9)
    residual = rows - np.stack([rows[datum == d].mean(axis=0) for d in range(12)])[datum]
    expected = ledoit_wolf_shrinkage(residual, assume_centered=True)
    assert 0.02 < expected < 0.5
    assert shrinkage(rows, datum, 12) == pytest.approx(expected)
    padded = np.column_stack([residual, np.zeros((len(rows), 4))])
    expected = ledoit_wolf_shrinkage(padded, assume_centered=True)
    assert shrinkage(rows, datum, 12, n_neurons=12) == pytest.approx(expected)


def test_no_variance_gives_no_direction():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert signal_total(np.zeros((3, 4)), np.zeros((4, 4))).directions.shape == (0, 4)
        assert np.isnan(shares(np.eye(2), np.zeros((3, 2)), np.zeros((2, 2)))).all()
        assert shrinkage(np.ones((6, 2)), np.arange(6) % 2, 2) == 1.0


@pytest.mark.parametrize(
    ("means", "within", "words"),
    [
        (np.ones((1, 2)), np.eye(2), "two data"),
        (np.ones((3, 2)), np.eye(3), r"\(neuron, neuron\)"),
        (np.full((3, 2), np.nan), np.eye(2), "finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(means, within, words):
    with pytest.raises(ValueError, match=words):
        signal_total(means, within)


# --- recordings -----------------------------------------------------------------------------------


def test_neurons_that_outnumber_trials_are_rotated_and_nothing_is_lost():
    rows, datum = repeated(5, n_data=4, n_repeats=5, n_neurons=30)
    found = linear_diet(recorded(rows, datum), "image", **{**PLAIN, "shrinkage": 0.3})
    rows = rows - np.stack([rows[datum == d].mean(axis=0) for d in range(4)]).mean(axis=0)
    means, within = moments(rows, datum, 4)
    shrunk = 0.7 * within + 0.3 * np.trace(within) / 30 * np.eye(30)
    expected = signal_total(means, shrunk)
    order = np.argsort(found.unit_id.values.astype(int))
    np.testing.assert_allclose(
        np.abs(found.directions.values[:, order]), np.abs(expected.directions), atol=1e-8
    )
    np.testing.assert_allclose(np.abs(found.codes), np.abs(means @ expected.directions.T))
    basis = found.subspace.values
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-12)


def test_held_out_ratios_are_unbiased_and_those_at_face_value_are_not():
    """One neuron, signal variance 1 and noise variance 3: the truth is 1/4."""
    rng = np.random.default_rng(6)
    means = rng.standard_normal(10)
    means = (means - means.mean()) / means.std(ddof=1)
    datum, found = np.repeat(np.arange(10), 4), []
    for _ in range(40):
        rows = means[datum] + np.sqrt(3) * rng.standard_normal(40)
        own = linear_diet(recorded(rows[:, None], datum), "image", **PLAIN)
        found.append([float(own.estimate[0]), float(own.naive[0])])
    (estimate, naive), error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(40)
    assert abs(estimate - 0.25) < 3 * error[0] + 0.01  # a ratio of means: bias of order 1 / data
    assert naive - 0.25 > 10 * error[1]


@pytest.mark.parametrize("n_repeats", [2, 8])
def test_a_signal_is_found_among_noise_and_nothing_where_there_is_none(n_repeats):
    rng = np.random.default_rng(n_repeats)
    datum = np.repeat(np.arange(30), n_repeats)
    axis = rng.standard_normal(12)
    noise = rng.standard_normal((len(datum), 12))
    options = {"n_components": 2, "n_null": 19, "min_trials": 2, "scale": "none"}
    rows = noise + np.outer(rng.standard_normal(30)[datum], axis)
    found = linear_diet(recorded(rows, datum), "image", **options)
    held_out = {2: "data held out", 8: "trials held out"}[n_repeats]
    assert held_out in found.attrs["convention"]
    assert found.p_value.values[0] == 1 / 20
    assert abs(np.corrcoef(found.directions.values[0], axis)[0, 1]) > 0.9
    truth = shares(found.directions.values[:1], np.array([axis, -axis]), np.eye(12))[0]
    assert found.estimate.values[0] == pytest.approx(truth, abs=0.12)
    nothing = linear_diet(recorded(noise, datum), "image", **options)
    assert nothing.p_value.values[0] > 0.05
    assert abs(nothing.estimate.values[0]) < 0.15
    assert nothing.naive.values[0] == pytest.approx(nothing.naive_chance.values[0], abs=0.1)
    assert nothing.naive_chance.values[0] > 0.2


@pytest.mark.slow
def test_p_values_are_uniform_where_data_do_not_differ():
    rng = np.random.default_rng(8)
    datum, p = np.repeat(np.arange(6), 4), []
    for _ in range(40):
        x = recorded(rng.standard_normal((24, 4)), datum)
        found = linear_diet(x, "image", n_components=1, n_null=9, n_splits=1)
        p.append(float(found.p_value[0]))
    low = np.mean(np.array(p) <= 0.2)  # of 0.1, 0.2, ..., 1
    assert abs(low - 0.2) < 3 * np.sqrt(0.2 * 0.8 / 40)
    assert abs(np.mean(p) - 0.55) < 3 * 0.29 / np.sqrt(40)


def test_the_order_of_trials_and_neurons_and_the_workers_change_nothing():
    rows, datum = repeated(9)
    trial, neuron = np.arange(len(rows)), np.arange(5)
    shuffled = np.random.default_rng(0).permutation(len(rows))

    def found(order, columns, n_jobs):
        x = ng.from_arrays(
            rows[order][:, columns],
            trial={"image": datum[order], "trial_id": trial[order]},
            neuron={"unit_id": neuron[columns]},
            session="one",
        )
        return linear_diet(x, "image", n_null=8, n_jobs=n_jobs)

    assert found(trial, neuron, 1).identical(found(shuffled, neuron[::-1], 2))


def test_sessions_recorded_apart_are_one_population_with_independent_noise():
    rng = np.random.default_rng(10)
    means, sessions = rng.standard_normal((8, 20)), []
    for i in range(2):
        datum = np.repeat(np.arange(8), 12 + 4 * i)
        rows = means[datum][:, 10 * i : 10 * i + 10] + rng.standard_normal((len(datum), 10))
        columns = {"image": datum, "half": datum // 4}
        sessions.append(ng.from_arrays(rows, trial=columns, session=f"s{i}"))
    found = linear_diet(sessions, "image", probes=["half"], n_components=3, n_null=0, n_resamples=4)
    one = linear_diet(sessions[0], "image", n_components=3, n_null=0)
    assert not found.attrs["real_trials"]
    assert (found.estimate > one.estimate).all()
    directions = found.directions.values * found.gain.values
    truth = shares(directions, means, np.eye(20))
    np.testing.assert_allclose(found.estimate, truth, atol=0.1)
    assert float(found.accuracy[0, 0]) > 0.8


def test_probes_hold_where_noise_is_what_varies_most():
    """Principal components follow the noise; the index does not, since repeats differ in it."""
    rng = np.random.default_rng(11)
    datum = np.repeat(np.arange(12), 12)
    loud = 8 * rng.standard_normal((len(datum), 3)) @ rng.standard_normal((3, 15))
    side = np.array([-1.0, 1.0, -1.0])[datum % 3]
    rows = rng.standard_normal((len(datum), 15)) + np.outer(side, rng.standard_normal(15)) + loud
    x = recorded(rows, datum, side=np.where(side > 0, "left", "right"))
    found = linear_diet(x, "image", probes="side", n_components=2, n_null=0, scale="none")
    accuracy = found.accuracy.sel(probe="side")
    assert float(found.accuracy_chance[0]) == pytest.approx(2 / 3)
    assert float(accuracy.sel(features="PCA")) < 0.75
    assert float(accuracy.sel(features="linear DIET")) > 0.9


def test_conditions_of_variables_are_data_too_and_empty_ones_are_none():
    rows, datum = repeated(12, n_data=5, n_repeats=6)
    x = recorded(rows, datum, rule=datum % 2, cue=datum // 2)  # 2 x 3 less one
    found = linear_diet(x, ["rule", "cue"], **PLAIN)
    by_column = linear_diet(x, "image", **PLAIN)
    assert found.sizes["datum"] == 5
    np.testing.assert_allclose(found.naive, by_column.naive)


# --- bad input ------------------------------------------------------------------------------------


def test_data_with_too_few_repeats_are_left_out_and_counted():
    rows, datum = repeated(13, n_data=6, n_repeats=5)
    alone = [*np.flatnonzero(datum != 3), 15]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = linear_diet(recorded(rows[alone], datum[alone]), "image", n_null=3)
    assert found.attrs["n_data_dropped"] == 1
    assert found.attrs["notes"][-1].startswith("1 of 6 data have fewer than 4 repeats")
    assert found.datum.values.tolist() == [f"image={d}" for d in (0, 1, 2, 4, 5)]


def test_too_few_data_with_two_repeats_have_directions_and_no_estimate():
    rows, datum = repeated(14, n_data=4, n_repeats=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = linear_diet(recorded(rows, datum), "image", min_trials=2, n_null=3)
    assert np.isnan(found.estimate).all()
    assert np.isfinite(found.directions).all()
    assert "4 repeats" in found.attrs["notes"][0]


def test_a_silent_neuron_has_no_say():
    rows, datum = repeated(15)
    rows[:, 2] = 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = linear_diet(recorded(rows, datum), "image", n_null=3)
    np.testing.assert_allclose(found.directions.values[:, 2], 0, atol=1e-12)
    assert np.isfinite(found.estimate).all()


def test_what_is_not_possible_is_said_in_one_sentence():
    rows, datum = repeated(16, n_data=6, n_repeats=4)
    x = recorded(rows, datum, side=np.arange(24) % 2, one=np.zeros(24))
    once = recorded(rows[:6], np.arange(6))
    wide = ng.from_arrays(np.ones((24, 2, 3)), trial={"image": datum}, time=[0.0, 0.1, 0.2])
    for x_given, options, words in (
        (once, {}, "0 of the 6 data in 'image' have 4 repeats in every session, the most"),
        (x, {"min_trials": 1}, "min_trials=1"),
        (x, {"n_components": 0}, "n_components=0"),
        (x, {"shrinkage": 2}, "shrinkage=2"),
        (x, {"scale": "split"}, "scale='split'"),
        (x, {"probes": ["side"]}, "several values in condition"),
        (x, {"probes": ["one"]}, "one level"),
        (wide, {}, "time bins"),
    ):
        with pytest.raises(ValueError, match=words):
            linear_diet(x_given, "image", **options)
    with pytest.raises(KeyError, match="shape"):
        linear_diet(x, "shape")
    with pytest.raises(TypeError, match="datum=3 is no column of the trials; give its name"):
        linear_diet(x, 3)
    with pytest.raises(TypeError, match=r"probes=\[1\] are no columns of the trials"):
        linear_diet(x, "image", probes=[1])
    with pytest.raises(ValueError, match="two repeats"):
        linear_diet(recorded(rows[::2], datum[::2], half=datum[::2] // 3), "image", min_trials=2,
                    probes=["half"], n_null=0)  # fmt: skip


def test_data_that_do_not_differ_are_refused_and_the_range_holds_what_is_below_0():
    rng = np.random.default_rng(0)
    rows, datum = rng.standard_normal((16, 3)), np.repeat(np.arange(4), 4)
    x = ng.from_arrays(rows, trial={"s": datum}, session="a")
    found = linear_diet(x, "s", n_null=0)
    assert found.estimate.min() < 0 == found.chance
    assert found.attrs["range"] == [-np.inf, 1.0]
    same = x.copy(data=np.tile(rows[:4], (4, 1)))
    for n_null in (0, 9):
        with pytest.raises(ValueError, match="data do not differ along any direction"):
            linear_diet(same, "s", n_null=n_null)
