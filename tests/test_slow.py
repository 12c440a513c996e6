"""Slow factors of recordings: which moments make a pair, what is held out, what is said."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

torch = pytest.importorskip("torch")

import neurogeom as ng  # noqa: E402
from neurogeom.features import slow_factors, slow_population  # noqa: E402
from neurogeom.features._slow_series import factor_arrays, increments, series  # noqa: E402
from neurogeom.features.slow import _mean_bound  # noqa: E402

torch.set_num_threads(1)
SMALL = {"n_latents": 3, "steps": 300, "n_restarts": 1, "layers": (24,), "lr": 5e-3, "batch": 64}


def recorded(values, units="a.u.", width=0.1, **trial):
    """An activity of (trial, time, neuron)."""
    values = np.asarray(values, float).transpose(0, 2, 1)
    time = np.arange(values.shape[2]) * width
    return ng.from_arrays(values, trial=trial, time=time, units=units, session="s")


def numbered(n_trials, n_bins):
    """Each moment bears its trial and its bin."""
    trial, time = np.indices((n_trials, n_bins))
    return np.stack([trial, time], axis=-1)


# --- pairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [1, 3])
def test_pairs_are_a_lag_apart_and_never_of_two_trials_and_held_out_ones_of_other_trials(lag):
    own = series(recorded(numbered(20, 8)), lag, 0)
    train, test = (own.pairs(own.values, lag, held_out=held) for held in (False, True))
    for first, second in (train, test):
        np.testing.assert_array_equal(first[:, 0], second[:, 0])
        assert set(second[:, 1] - first[:, 1]) == {lag}
    assert not set(train[0][:, 0]) & set(test[0][:, 0])
    assert len(train[0]) + len(test[0]) == 20 * (8 - lag)
    assert len(set(test[0][:, 0])) == 4


def test_blocks_are_held_out_whole():
    block = np.repeat(np.arange(10), 3)
    own = series(recorded(numbered(30, 5), block=block), 1, 0)
    held = own.held_out[:, 0]
    assert {b for b in block if held[block == b].all()} == set(block[held])
    assert own.kept_apart == "blocks"


def test_stretches_of_time_are_held_out_of_few_trials_and_no_pair_crosses_their_edge():
    own = series(recorded(numbered(2, 400)), 2, 0)
    first, second = (
        np.concatenate(both)
        for both in zip(*(own.pairs(own.values, 2, held_out=h) for h in (False, True)), strict=True)
    )
    np.testing.assert_array_equal(first[:, 1] // 40, second[:, 1] // 40)
    assert own.held_out.sum() == 4 * 40
    assert own.kept_apart == "stretches of time"


def test_what_is_left_out_is_counted():
    x = numbered(12, 6).astype(float)
    x = np.concatenate([x, np.zeros((12, 6, 1)), x[..., :1]], axis=2)  # one silent, one more
    x[3] = np.nan
    x[5, 2, 3] = np.nan
    own = series(recorded(x), 1, 0)
    assert own.dropped == {
        "n_trials_dropped": 1, "n_neurons_dropped": 1, "n_neurons_constant": 1,
        "n_pairs_across_gaps": 0,
    }  # fmt: skip
    assert own.values.shape == (11, 6, 2)


def test_rates_of_whole_counts_are_counts_and_others_are_not():
    counts = np.random.default_rng(0).poisson(2.0, (12, 6, 3))
    own = series(recorded(counts / 0.1, "spikes/s"), 1, 0)
    assert own.counts
    np.testing.assert_array_equal(own.values, counts)
    assert not series(recorded(counts / 0.1 + 0.3, "spikes/s"), 1, 0).counts
    assert not series(recorded(counts, "dF/F"), 1, 0).counts


# --- how noisy moves are --------------------------------------------------------------------------


def test_a_random_walk_in_noise_has_the_share_of_noise_that_it_was_given():
    """Moves of variance q + 2 r, of which 2 r are noise."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.standard_normal((40, 300, 1)), axis=1)
    x = walk + np.sqrt(0.5) * rng.standard_normal(walk.shape)
    share = increments(series(recorded(x), 1, 0), 1, 1)[1]
    draws = np.square(rng.standard_normal((200, 32 * 299))).mean(axis=1)  # of the two variances
    assert share == pytest.approx(0.5, abs=4 * 3 * draws.std())
    still = increments(series(recorded(walk), 1, 0), 1, 1)[1]
    assert still < 12 * draws.std()


def test_moves_of_poisson_counts_without_change_are_all_noise():
    x = np.random.default_rng(2).poisson(3.0, (100, 60, 5))
    own = series(recorded(x, "spikes"), 1, 0)
    moves, share = increments(own, 5, 1)
    assert moves.shape == (80 * 59, 5)
    assert share > 1 - 4 * np.sqrt(3 / len(moves))  # relative error of a variance of moves


# --- what is found --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    """Two latents that jump, and a trial column that they do not know."""
    own = slow_population(2, 30, n_trials=40, n_bins=30, gain=1.0, seed=4)
    side = np.random.default_rng(0).integers(0, 2, 40).astype(str)
    x = own.activity.assign_coords(side=("trial", side))
    truth = {"first": own.latents[..., 0], "second": own.latents[..., 1]}
    return x, own.latents, slow_factors(x, truth, lag=2, **SMALL)


def test_latents_that_jump_are_found_in_held_out_trials(found):
    _, latents, own = found
    assert own.mcc.sel(model="slow", form="aligned") > 0.85
    assert own.mcc_p_value.sel(model="slow", form="aligned") == 0.01
    assert own.estimate.sel(model="slow") > 5
    assert own.attrs["held_out"] == "8 of 40 trials"
    assert (own.attrs["n_pairs"], own.attrs["n_pairs_held_out"]) == (32 * 28, 8 * 28)
    held = own.held_out.values
    score = ng.features.disentanglement(
        own.latents.values[:, held].T, {"a": latents[held][:, 0], "b": latents[held][:, 1]},
        scores=("mcc",), n_null=0, n_rotations=0,
    )  # fmt: skip
    assert float(own.mcc.sel(model="slow", form="raw")) == pytest.approx(float(score.estimate[0]))


def test_a_column_of_trials_that_latents_do_not_know_is_not_said_to_be_known(found):
    x, _, _ = found
    own = slow_factors(x, ["side"], lag=2, **SMALL | {"steps": 100})
    assert (own.mcc_p_value > 0.05).all()
    assert own.factor.values.tolist() == ["side"]


def test_every_moment_has_latents_and_aligned_ones_move_by_variance_one(found):
    _, _, own = found
    assert own.latents.shape == (3, 40, 30)
    used = np.isfinite(own.aligned).all(("trial", "time"))
    moves = own.aligned[used].diff("time", 1).values
    assert int(used.sum()) == int(own.active.sum())
    assert moves.var() < 1  # of one bin; of the two of a pair it is 1 in what was learnt from
    two = own.aligned.values[used][:, ~own.held_out.values[:, 0]]
    np.testing.assert_allclose((two[..., 2:] - two[..., :-2]).std(axis=(1, 2)), 1, rtol=0.02)


def test_gaussian_moves_are_said_to_have_no_axes():
    own = slow_population(2, 30, transition="gaussian", n_trials=40, n_bins=30, gain=1.0)
    notes = slow_factors(own.activity, lag=2, **SMALL).attrs["notes"]
    assert any("do not expect axes" in note or "cannot be told" in note for note in notes)


def test_noise_alone_predicts_nothing_and_the_result_says_so():
    x = np.random.default_rng(3).poisson(1.0, (30, 20, 12))
    found = slow_factors(recorded(x, "spikes"), **SMALL)
    assert (found.estimate < 1).all()
    notes = " ".join(found.attrs["notes"])
    assert "no better than the means" in notes
    assert "is noise of single bins" in notes


@pytest.mark.parametrize("likelihood", ["poisson", "gaussian"])
def test_what_latents_are_held_against_is_the_likelihood_of_the_means(likelihood):
    rng = np.random.default_rng(5)
    train, test = rng.poisson(2.0, (200, 3)), rng.poisson(2.0, (2, 50, 3))
    value = _mean_bound(train, test, likelihood)
    if likelihood == "poisson":
        each = stats.poisson(train.mean(axis=0)).logpmf(test)
    else:
        each = stats.norm().logpdf((test - train.mean(axis=0)) / train.std(axis=0))
    assert value == pytest.approx(each.sum(axis=(0, 2)).mean())


def test_a_seed_repeats_its_bits():
    x = slow_population(2, 10, n_trials=20, n_bins=20).activity
    options = SMALL | {"steps": 20}
    first, again, other = (slow_factors(x, seed=seed, **options) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.latents, again.latents)
    assert not np.array_equal(first.held_out, other.held_out)


def test_the_simulated_latents_have_the_autocorrelation_that_was_asked_for():
    for law in ("jumps", "gaussian"):
        z = slow_population(2, 4, transition=law, n_trials=300, n_bins=20, rest=0.8).latents
        rows = (z[:, 1:] * z[:, :-1]).mean(axis=(1, 2))
        assert rows.mean() == pytest.approx(0.8, abs=4 * rows.std() / np.sqrt(300))
        rests = (z[:, 1:] == z[:, :-1]).mean()
        assert rests == (0 if law == "gaussian" else pytest.approx(0.8, abs=0.02))


# --- what is refused ------------------------------------------------------------------------------


def test_factors_come_as_columns_as_time_and_as_arrays_of_trials_or_bins():
    x = recorded(numbered(12, 6), side=["a", "b"] * 6)
    own = series(x, 1, 0)
    found = factor_arrays({"one": np.arange(12), "two": np.arange(6), "both": np.ones((12, 6))},
                          own)  # fmt: skip
    np.testing.assert_array_equal(found["one"], np.indices((12, 6))[0])
    np.testing.assert_array_equal(found["two"], np.indices((12, 6))[1])
    named = factor_arrays(["side", "time"], own)
    assert named["side"][1].tolist() == ["b"] * 6
    np.testing.assert_allclose(named["time"][5], np.arange(6) * 0.1)
    with pytest.raises(TypeError, match="factors=5 must be a list of names"):
        factor_arrays(5, own)
    with pytest.raises(ValueError, match="factor 'odd' has shape"):
        factor_arrays({"odd": np.ones((6, 12))}, own)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: slow_factors(x.isel(time=0, drop=True)), "has 1 time bins"),
        (lambda x: slow_factors([x, x]), "2 sessions share no moments"),
        (lambda x: slow_factors(x.isel(trial=slice(3))), "leave none to hold out"),
        (lambda x: slow_factors(x.isel(time=slice(3))), "held out are too few"),
        (lambda x: slow_factors(x, likelihood="poisson"), "likelihood='poisson' takes counts"),
        (lambda x: slow_factors(x, likelihood="bernoulli"), "likelihood='bernoulli'"),
        (lambda x: slow_factors(x, lag=0), "lag=0"),
        (lambda x: slow_factors(x * np.nan), "no neuron was observed on any of the trials"),
        (lambda x: slow_factors(x * 0), "none of the 4 neurons .* varies"),
        (
            lambda x: slow_factors(x.where((x.trial_id < 7) == (x.unit_id == 1))),
            "on all 12 trials, in all bins; the longest, unit_id 1, was on 7, with 0 others of 4",
        ),
        (lambda x: slow_factors(x, kinds="circular"), "have no effect without factors"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(call, message):
    x = recorded(np.random.default_rng(0).standard_normal((12, 30, 4)))
    with pytest.raises(ValueError, match=message):
        call(x)


def test_labelled_factors_follow_their_trial_ids():
    x = recorded(numbered(20, 12)).isel(trial=np.random.default_rng(0).permutation(20))
    labelled = x.trial_id.sortby("trial_id").rename("own")
    found = factor_arrays({"own": labelled, "bare": x.trial_id.values}, series(x, 1, 0))
    np.testing.assert_array_equal(found["own"], found["bare"])


def test_columns_of_as_many_trials_as_bins_are_of_trials_and_bare_arrays_are_refused():
    rule = np.arange(20) % 2
    own = series(recorded(numbered(20, 20), rule=rule), 1, 0)
    found = factor_arrays(["rule", "time"], own)
    np.testing.assert_array_equal(found["rule"], np.broadcast_to(rule[:, None], (20, 20)))
    np.testing.assert_allclose(found["time"], np.broadcast_to(np.arange(20) * 0.1, (20, 20)))
    with pytest.raises(ValueError, match=r"20 each; give \(trial, time\)"):
        factor_arrays({"own": rule}, own)


def test_a_loss_that_is_not_finite_stands_in_the_notes():
    own = slow_population(1, 3, n_trials=10, n_bins=40)
    with pytest.warns(UserWarning, match="not finite"):
        found = slow_factors(own.activity, **SMALL | {"steps": 9, "lr": 1e20}, n_null=0)
    assert "is not finite at step" in found.attrs["notes"][0]


def test_fewer_neurons_than_latents_have_fewer_components():
    own = slow_population(2, 2, n_trials=30, n_bins=20)
    found = slow_factors(own.activity, **SMALL | {"steps": 20}, n_null=0)
    assert np.isfinite(found.input_increment_shape.values).tolist() == [True, True, False]


@pytest.mark.slow
def test_neurons_of_the_human_medial_temporal_lobe_tell_no_slow_factors_of_clips(recordings):
    """35 neurons, 4 s of each of 90 clips: a result, printed with -s, and that it is said."""
    file = next((recordings / "human_boundaries").glob("*.nwb"))
    x = ng.read_nwb(file, "start_time", (0, 4), bin_width=0.2, table="encoding_table")
    result = slow_factors(x)
    print(result.estimate, result.noise_share, result.increment_shape, result.attrs["notes"])
    assert result.attrs["n_pairs"] + result.attrs["n_pairs_held_out"] == 90 * 19
    assert float(result.estimate.sel(model="slow")) < 0
    assert result.attrs["notes"][0].startswith("latents predict held-out moments no better")
    assert float(result.noise_share) > 0.5


# --- order and gaps -------------------------------------------------------------------------------


def test_arrays_of_factors_follow_the_trials_as_they_were_given():
    """Trials are put in order of trial_id, and arrays with them; a dropped trial is among them."""
    values = numbered(12, 6).astype(float)
    values[4] = np.nan
    x = recorded(values)
    order = np.random.default_rng(0).permutation(12)
    bins = np.arange(72.0).reshape(12, 6)
    own, other = series(x, 1, 0), series(x.isel(trial=order), 1, 0)
    one = factor_arrays({"bin": bins, "trial": np.arange(12)}, own)
    two = factor_arrays({"bin": bins[order], "trial": order}, other)
    np.testing.assert_array_equal(own.values, other.values)
    for name, given in one.items():
        np.testing.assert_array_equal(given, two[name])
    np.testing.assert_array_equal(one["trial"][:, 0], own.values[:, 0, 0])


def test_dims_of_labelled_factors_say_what_is_of_trials_and_what_of_bins():
    """Of as many trials as bins, where shapes tell nothing."""
    x = recorded(numbered(20, 20))
    own = series(x, 1, 0)
    bins = xr.DataArray(np.arange(400.0).reshape(20, 20), dims=("trial", "time"))
    given = {"bin": bins.T, "trial": bins[:, 0], "time": bins[0]}
    found = factor_arrays(given, own)
    np.testing.assert_array_equal(found["bin"], bins)
    np.testing.assert_array_equal(found["trial"], bins.values[:, :1].repeat(20, 1))
    np.testing.assert_array_equal(found["time"], bins.values[:1].repeat(20, 0))
    with pytest.raises(ValueError, match="2 trials have no block"):
        series(x.assign_coords(block=("trial", np.r_[np.nan, np.nan, np.arange(18) // 3])), 1, 0)
    with pytest.raises(ValueError, match="has 19 values of time, and the activity .* 20"):
        factor_arrays({"few": bins[0, 1:]}, own)
    back, other = (
        bins.assign_coords(trial_id=("trial", i)) for i in (np.arange(20)[::-1], range(1, 21))
    )
    np.testing.assert_array_equal(factor_arrays({"bin": back}, own)["bin"], bins[::-1])
    with pytest.raises(ValueError, match="of which 19 are shared by trial_id"):
        factor_arrays({"other": other}, own)


def test_one_block_that_is_held_out_is_shifted_and_moments_without_a_factor_are_counted():
    """Rows that change places would make of any two slow series a relation."""
    own = slow_population(1, 4, n_trials=10, n_bins=60, seed=1)
    x = own.activity.assign_coords(block=("trial", np.repeat(np.arange(5), 2)))
    drift = np.cumsum(np.random.default_rng(0).standard_normal((10, 60)), axis=1)
    drift[:, 0] = np.nan
    some = SMALL | {"steps": 5, "n_latents": 1}
    found = slow_factors(x, {"drift": drift}, **some, n_null=99)
    assert found.attrs["held_out"] == "1 of 5 blocks"
    assert found.attrs["n_moments_compared"] == 2 * 59
    assert found.attrs["n_moments_without_factor"] == 2
    assert float(found.mcc_chance.mean()) > 0.11  # of rows that change places it is 0.07


@pytest.mark.parametrize("lag", [1, 2])
def test_no_pair_crosses_a_gap_of_the_time_axis_and_those_are_counted(lag):
    x = recorded(numbered(20, 9)).drop_isel(time=4)
    own = series(x, lag, 0)
    first, second = own.pairs(own.values, lag, held_out=False)
    assert set(second[:, 1] - first[:, 1]) == {lag}
    assert own.dropped["n_pairs_across_gaps"] == 20 * lag
    assert len(first) == 16 * (8 - 2 * lag)


def test_what_is_found_does_not_hang_on_the_units_of_neurons():
    """Rates in another unit, on an offset or beyond single precision, are the same population."""
    own = slow_population(2, 8, n_trials=25, n_bins=20, gain=1.0, seed=1)
    x = recorded(own.activity.values.transpose(0, 2, 1) ** 0.5)
    options = {"n_latents": 2, "steps": 20, "n_restarts": 1, "layers": (8,)}
    one = slow_factors(x, **options)
    for factor, offset in ((1e-7, 0.0), (1e39, 0.0), (1.0, 1e8)):
        other = slow_factors(x * factor + offset, **options)
        np.testing.assert_allclose(other.estimate, one.estimate, atol=1e-3)
        np.testing.assert_allclose(other.noise_share, one.noise_share, atol=1e-5)


def test_noise_in_small_units_predicts_nothing():
    x = recorded(1e-7 * np.random.default_rng(0).standard_normal((25, 20, 6)))
    found = slow_factors(x, n_latents=2, steps=60, n_restarts=1, layers=(8,))
    assert (found.estimate < 0).all()
