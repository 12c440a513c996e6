"""Demixed PCA of recordings: known geometries, slow twins of every number, chance, and itself."""

import warnings

import numpy as np
import pytest
from made_population import crossed, embedded, gathered, recording, unstructured
from scipy.stats import ortho_group

import neurogeom as ng
from neurogeom.activity import from_arrays, sessions
from neurogeom.design import conditions
from neurogeom.engine import bins
from neurogeom.engine.resampling import resamples
from neurogeom.formulas.demixing import contrasts
from neurogeom.measures.demixed import GRID, dpca

SIGN = 2.0 * crossed(2, 2) - 1
NAMES = ["a", "b"]
PLAIN = {"n_null": 0, "scale": "none"}
FRACTION, EXPLAINED, ACCURACY = "fraction of variance", "explained variance", "accuracy"


def timed(parts, n_trials, *, seed=0, n_neurons=9, noise=1.0, levels=(2, 2), keep=0.0, n_times=5):
    """One session whose means have a random pattern for each named set of factors.

    parts : {factors: size}; the last factor is time; keep : how much of the noise of a bin is that
    of the bin before; n_trials : int or a list, one a condition
    returns : activity, true means (condition, neuron, bin)
    """
    means = np.zeros((int(np.prod(levels)) * n_times, n_neurons))
    for factors, size in parts.items():
        patterns = contrasts((*levels, n_times), factors)
        rng = np.random.default_rng([7, *factors])
        means += size * patterns @ rng.standard_normal((patterns.shape[1], n_neurons))
    means = means.reshape(-1, n_times, n_neurons).transpose(0, 2, 1)
    counts = np.broadcast_to(n_trials, len(means))
    rng = np.random.default_rng(seed)
    condition = rng.permutation(np.repeat(np.arange(len(means)), counts))
    residual = noise * rng.standard_normal((len(condition), n_neurons, n_times))
    for t in range(1, n_times):
        residual[..., t] = keep * residual[..., t - 1] + np.sqrt(1 - keep**2) * residual[..., t]
    trial = dict(zip("abc", crossed(*levels)[condition].T, strict=False))
    time = 0.1 * np.arange(n_times)
    return from_arrays(means[condition] + residual, trial=trial, time=time, session="s"), means


def of(result, quantity, value="estimate"):
    """One number of every marginalisation."""
    return result[value].sel(quantity=quantity).values


def cells(x, n_levels=2):
    """Condition of every trial, of variables a and b."""
    return x.a.values * n_levels + x.b.values


# --- truth --------------------------------------------------------------------------------------


def test_a_noise_free_code_is_demixed_exactly():
    axes = np.random.default_rng(0).standard_normal((3, 12))  # neither of one length nor orthogonal
    axes[1] += axes[0]
    x = recording(np.column_stack([SIGN, SIGN.prod(axis=1)]) @ axes, 6, noise=0.0)
    found = dpca(x, NAMES, regularisation=0.0, **PLAIN)
    share = (axes**2).sum(axis=1) / (axes**2).sum()
    for value in ("estimate", "naive"):
        np.testing.assert_allclose(of(found, FRACTION, value), share, atol=1e-9)
        np.testing.assert_allclose(of(found, EXPLAINED, value), share, atol=1e-9)
    np.testing.assert_allclose(of(found, ACCURACY)[:2], 1)
    assert 0.25 <= of(found, ACCURACY)[2] <= 0.75  # two of four classes are told apart, ties aside
    cosine = np.einsum("cn,cn->c", found.encoder, axes) / np.linalg.norm(axes, axis=1)
    np.testing.assert_allclose(np.abs(cosine), 1.0)
    levels = np.abs(found.projection.values)
    np.testing.assert_allclose(levels, np.linalg.norm(axes, axis=1)[:, None] * np.ones(4))


def test_time_is_a_factor_and_its_interactions_belong_to_their_parents():
    parts = {(2,): 3.0, (0,): 1.0, (0, 2): 1.0, (0, 1, 2): 1.0}
    x, means = timed(parts, 4, n_neurons=60, noise=0.0)
    found = dpca(x, NAMES, min_trials=4, regularisation=0.0, **PLAIN)
    assert found.marginalisation.values.tolist() == ["a", "b", "time", "a:b"]
    centred = means - means.mean(axis=(0, 2), keepdims=True)
    over_time = centred.mean(axis=0, keepdims=True)
    high, low = means[2:].mean(axis=0), means[:2].mean(axis=0)
    expected = np.array([((high - low) ** 2).sum(), 0, 4 * (over_time**2).sum()])
    found_share = of(found, FRACTION)
    np.testing.assert_allclose(found_share[:3], expected / (centred**2).sum(), atol=1e-9)
    assert found_share.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(of(found, EXPLAINED), found_share, atol=1e-9)
    assert found.projection.dims == ("component", "condition", "time")
    shown = found.projection.values[found.component_marginalisation.values == "time"]
    np.testing.assert_allclose(shown, shown[:, :1] * np.ones((1, 4, 1)), atol=1e-9)


def test_noise_alone_has_a_seventh_in_every_part_and_no_variance_when_corrected():
    """Row 25 of the ground truth, through the measure."""
    found = [dpca(recording(np.zeros((8, 20)), 6, seed=s), list("abc"), n_resamples=1, **PLAIN)
             for s in range(60)]  # fmt: skip
    naive = np.mean([of(f, FRACTION, "naive") for f in found], axis=0)
    np.testing.assert_allclose(naive, 1 / 7, atol=0.02)
    variance = np.array([f.variance.values for f in found])
    error = variance.std(axis=0, ddof=1) / np.sqrt(60)
    assert (np.abs(variance.mean(axis=0)) < 3.5 * error).all()
    raw = np.array([f.variance_naive.values for f in found]).mean(axis=0)
    assert (raw > 10 * error).all()


@pytest.mark.parametrize("n_trials", [pytest.param(7, marks=pytest.mark.slow), [5, 9, 6, 12]])
def test_corrected_fractions_are_right_on_average_with_noise_that_goes_on_over_time(n_trials):
    """The noise of a bin is that of the bin before at 0.8: averages over time keep most of it."""
    parts = {(0,): 2.0, (2,): 2.0, (0, 2): 0.5, (1, 2): 0.5}
    found = []
    for seed in range(80):
        x, _ = timed(parts, n_trials, seed=seed, keep=0.8)
        found.append(dpca(x, NAMES, n_resamples=1, regularisation=0.1, **PLAIN).variance.values)
    x, _ = timed(parts, 5, noise=0.0)
    truth = dpca(x, NAMES, n_resamples=1, regularisation=0.1, **PLAIN).variance.values
    error = np.std(found, axis=0, ddof=1) / np.sqrt(80)
    assert (np.abs(np.mean(found, axis=0) - truth) < 3.5 * error).all()
    assert (error < 0.06 * truth.sum()).all()


def test_what_is_explained_in_new_trials_is_the_variance_less_the_noise_of_the_components():
    """With all axes and no penalty the reconstruction is the training mean: |X|^2 - |noise|^2."""
    n_neurons, n_trials = 12, 8
    axes = np.column_stack([SIGN, SIGN.prod(axis=1)]) * [1.5, 1.0, 0.5]
    found = []
    for seed in range(80):
        x = recording(embedded(axes, n_neurons), n_trials, seed=seed)
        result = dpca(x, NAMES, regularisation=0.0, **PLAIN)
        found.append(of(result, EXPLAINED) * result.variance.values.sum())
    expected = 4 * np.array([1.5, 1.0, 0.5]) ** 2 - n_neurons / (0.75 * n_trials)
    error = np.nanstd(found, axis=0, ddof=1) / np.sqrt(80)
    assert np.isfinite(found).all()
    # No penalty still leaves the scatter of trials, which shrinks what is learnt.
    assert (np.nanmean(found, axis=0) - expected > -4 * error).all()
    assert (np.nanmean(found, axis=0) < 4 * np.array([1.5, 1.0, 0.5]) ** 2).all()


# --- a second opinion ---------------------------------------------------------------------------


def axes_by_hand(trials, labels, penalty, b, n):
    """Least squares on the matrix of all trials; every condition has as many of them.

    trials : (trial, neuron, bin); labels : (trial,); b : patterns (point, pattern)
    returns : encoder times decoder (neuron, neuron), means (neuron, point)
    """
    n_neurons, conditions = trials.shape[1], np.unique(labels)
    each = np.array([trials[labels == c] for c in conditions])  # (condition, trial, neuron, bin)
    each = each - each.mean(axis=(0, 1, 3), keepdims=True)
    x = each.mean(axis=1).transpose(1, 0, 2).reshape(n_neurons, -1)
    n_trials = each.shape[1]
    points = each.transpose(2, 1, 0, 3).reshape(n_neurons, n_trials, -1)
    full = np.hstack([points.reshape(n_neurons, -1),
                      np.sqrt(penalty * (x**2).sum() * n_trials) * np.eye(n_neurons)])  # fmt: skip
    target = np.tile(x @ b @ b.T, n_trials)
    target = np.hstack([target, np.zeros((n_neurons, n_neurons))])
    slope = np.linalg.lstsq(full.T, target.T, rcond=None)[0].T
    u = np.linalg.svd(slope @ full, full_matrices=False)[0][:, :n]
    return u @ u.T @ slope, x


def scaled(x):
    """Values (trial, neuron, bin), each neuron in units of its sd about its mean."""
    values = x.values if x.ndim == 3 else x.values[:, :, None]
    centre = values.mean(axis=(0, 2), keepdims=True)
    return (values - centre) / values.std(axis=(0, 2), keepdims=True)


@pytest.mark.parametrize("scale", ["none", "resample"])
@pytest.mark.parametrize("penalty", [0.0, 0.05])
def test_axes_are_least_squares_on_single_trials_with_all_their_bins(scale, penalty):
    x, _ = timed({(0,): 2.0, (2,): 2.0, (0, 1, 2): 1.0}, 6, keep=0.5)
    options = {**PLAIN, "scale": scale}
    found = dpca(x, NAMES, regularisation=penalty, n_components=2, n_resamples=1, **options)
    trials = x.values if scale == "none" else scaled(x)
    patterns = {
        "a": [(0,), (0, 2)],
        "b": [(1,), (1, 2)],
        "time": [(2,)],
        "a:b": [(0, 1), (0, 1, 2)],
    }
    for name, sets in patterns.items():
        b = np.hstack([contrasts((2, 2, 5), f) for f in sets])
        both, means = axes_by_hand(trials, cells(x), penalty, b, 2)
        mine = found.component_marginalisation.values == name
        encoder, decoder = found.encoder.values[mine].T, found.decoder.values[mine]
        np.testing.assert_allclose(encoder @ decoder, both, atol=1e-8)
        part, guess = means @ b @ b.T, both @ means
        explained = ((part**2).sum() - ((part - guess) ** 2).sum()) / (means**2).sum()
        assert of(found, EXPLAINED, "naive")[list(patterns).index(name)] == pytest.approx(explained)
        np.testing.assert_allclose(
            found.projection.values[mine].reshape(mine.sum(), -1), decoder @ means, atol=1e-8
        )


def test_neurons_recorded_apart_share_no_noise():
    """Two sessions of two neurons: least squares on every pairing of their trials."""
    parts = [recording(unstructured(4, 2, s), 3, seed=s, session=f"s{s}") for s in range(2)]
    found = dpca(parts, NAMES, min_trials=3, regularisation=0.02, n_resamples=1, **PLAIN)
    both = [s.values[np.argsort(cells(s), kind="stable")].reshape(4, 3, 2) for s in sessions(parts)]
    pairs = [[np.append(u, v) for u in one for v in two] for one, two in zip(*both, strict=True)]
    trials = np.array(pairs).reshape(-1, 4, 1)
    for i, (name, f) in enumerate({"a": (0,), "b": (1,), "a:b": (0, 1)}.items()):
        expected, _ = axes_by_hand(trials, np.repeat(range(4), 9), 0.02, contrasts((2, 2), f), 1)
        assert found.component_marginalisation[i] == name
        product = np.outer(found.encoder[i], found.decoder[i])
        np.testing.assert_allclose(product, expected, atol=1e-9)
    real = from_arrays(trials[..., 0], trial=dict(zip("ab", crossed(2, 2).repeat(9, 0).T,
                       strict=True)), session="s")  # fmt: skip
    other = dpca(real, NAMES, regularisation=0.02, n_resamples=1, **PLAIN)
    np.testing.assert_allclose(found.decoder, other.decoder, atol=1e-9)


def by_hand(x, penalty, *, seed=0, n_resamples=4):
    """Held-out error, explained length and accuracy of a, b and a:b, by loops over single trials.

    x : one session without time, conditions with 8 trials each, unscaled
    """
    _, p = gathered(x, NAMES)
    trials = p.values.reshape(-1, p.n_neurons)
    error, explained, accuracy = [], [], []
    for r in resamples(p, n_resamples=n_resamples, n_pseudo=None, seed=seed, split=True):
        train, left, label = r.chosen, ~r.chosen, p.condition
        total, lengths, hits, misfit = 0.0, [], [], 0.0
        centre = np.array([trials[train & (label == c)].mean(axis=0) for c in range(4)]).mean(
            axis=0
        )
        for f in [(0,), (1,), (0, 1)]:
            b = contrasts((2, 2), f)
            both, means = axes_by_hand(trials[train][:, :, None], label[train], penalty, b, 1)
            test = np.array([trials[left & (label == c)].mean(axis=0) for c in range(4)]).T
            part, guess = test @ b @ b.T, both @ means
            lengths.append((part**2).sum() - ((part - guess) ** 2).sum())
            total = (means**2).sum()
            target = means @ b @ b.T
            for c in range(4):
                own = trials[left & (label == c)] - centre
                misfit += np.mean([((target[:, c] - both @ t) ** 2).sum() for t in own])
            own_class = np.unique(crossed(2, 2)[:, f], axis=0, return_inverse=True)[1].ravel()
            shown = [np.mean([both @ means[:, c] for c in range(4) if own_class[c] == k], axis=0)
                     for k in range(own_class.max() + 1)]  # fmt: skip
            right = []
            for c in range(4):
                near = [np.argmin([np.sum((both @ (t - centre) - m) ** 2) for m in shown])
                        for t in trials[left & (label == c)]]  # fmt: skip
                right.append(np.mean(np.array(near) == own_class[c]))
            hits.append(np.mean(right))
        error.append(misfit / total)
        explained.append(lengths)
        accuracy.append(hits)
    return np.mean(error), np.mean(explained, axis=0), np.mean(accuracy, axis=0)


def test_held_out_numbers_agree_with_loops_over_single_trials():
    x = recording(embedded(np.column_stack([SIGN, SIGN.prod(axis=1)]) * 0.9, 7), 8)
    found = dpca(x, NAMES, seed=3, **PLAIN)
    at = int(np.flatnonzero(found.penalty == found.regularisation)[0])
    error, explained, accuracy = by_hand(x, float(found.regularisation), seed=3)
    assert found.held_out_error[at] == pytest.approx(error)
    total = found.variance.sum().item()
    np.testing.assert_allclose(of(found, EXPLAINED) * total, explained, rtol=1e-9)
    np.testing.assert_allclose(of(found, ACCURACY), accuracy)
    others = [by_hand(x, float(GRID[i]), seed=3)[0] for i in (0, at - 1, at + 1)]
    np.testing.assert_allclose(found.held_out_error[[0, at - 1, at + 1]], others)
    assert min(others) > error


@pytest.mark.peers
@pytest.mark.parametrize("regularisation", [0.0, 0.01])
def test_the_reference_package_finds_the_same_axes(regularisation):
    """dPCA 1.0.5 knows means alone: a recording whose trials do not differ."""
    import dPCA.dPCA as peer

    parts = {(0,): 2.0, (1,): 1.0, (2,): 2.0, (0, 2): 1.0, (0, 1): 1.0}
    x, means = timed(parts, 4, n_neurons=30, noise=0.0)
    found = dpca(x, NAMES, n_components=2, regularisation=regularisation, min_trials=4,
                 n_resamples=1, **PLAIN)  # fmt: skip
    cube = means.reshape(2, 2, 30, 5).transpose(2, 0, 1, 3)[found.unit_id.values.astype(int)]
    total = ((cube - cube.mean(axis=(1, 2, 3), keepdims=True)) ** 2).sum()
    join = {"a": ["a", "at"], "b": ["b", "bt"], "ab": ["ab", "abt"]}
    other = peer.dPCA("abt", n_components=2, join=join, n_iter=20,
                      regularizer=np.sqrt(regularisation / total))  # fmt: skip
    other.fit(cube)
    names = {"a": "a", "b": "b", "time": "t", "a:b": "ab"}
    for name, key in names.items():
        mine = found.component_marginalisation.values == name
        n = mine.sum()
        ours = found.encoder.values[mine].T @ found.decoder.values[mine]
        np.testing.assert_allclose(ours, other.P[key][:, :n] @ other.D[key][:, :n].T, atol=1e-6)


# --- chance -------------------------------------------------------------------------------------


def test_labels_change_places_within_the_levels_of_all_other_variables():
    """Two levels of a, three of b: the context of a is b, of b is a, of both together nothing."""
    x = recording(np.zeros((6, 4)), 4, sizes=(2, 3))
    design = conditions([x], ["a", "b"])
    parts = bins.Parts.of(design, 1)
    table = {name: design.table[:, i] for i, name in enumerate(("a", "b"))}
    for name, other in (("a", "b"), ("b", "a")):
        own, context = parts.classes(name)
        np.testing.assert_array_equal(own, table[name])
        np.testing.assert_array_equal(context, table[other])
    own, context = parts.classes("a:b")
    assert len(set(own)) == 6
    assert set(context) == {0}


@pytest.mark.slow
def test_levels_that_are_not_coded_are_rejected_as_often_as_stated():
    """40 data sets; a is coded, b and the interaction are not."""
    p = []
    for seed in range(40):
        x = recording(embedded(SIGN * [1.2, 0.0], 12, seed=seed), 6, seed=seed)
        found = dpca(x, NAMES, n_null=19, regularisation=0.01, n_components=1)
        p.append(of(found, ACCURACY, "p_value"))
    low = (np.array(p) <= 0.2 + 1e-9).mean(axis=0)
    assert low[0] > 0.5
    limit = 0.2 + 4 * np.sqrt(0.2 * 0.8 / 40)
    assert (low[1:] < limit).all()


def test_what_is_coded_in_some_bins_is_significant_there_and_not_before():
    rng = np.random.default_rng(0)
    side = np.tile([0, 1], 24)
    values = rng.standard_normal((48, 15, 4))
    values[:, :, 2:] += (side[:, None, None] - 0.5) * rng.standard_normal((1, 15, 1)) * 2
    trial = {"a": side, "b": np.repeat([0, 1], 24)}
    x = from_arrays(values, trial=trial, time=[0.0, 0.1, 0.2, 0.3], session="s")
    found = dpca(x, NAMES, n_null=99)
    p = found.accuracy_p_corrected.sel(marginalisation="a")
    assert (p[2:] < 0.05).all()
    assert (p[:2] > 0.05).all()
    assert (found.accuracy_p_corrected >= found.accuracy_p_value)[:2].all()


# --- itself -------------------------------------------------------------------------------------


def test_turning_the_neurons_changes_no_number_without_z_scores_and_some_with_them():
    x = recording(embedded(SIGN * [2.0, 1.0], 8), 8)
    turned = x.copy(data=x.values @ ortho_group.rvs(8, random_state=0))
    one, other = (dpca(d, NAMES, **PLAIN) for d in (x, turned))
    np.testing.assert_allclose(one.estimate, other.estimate, atol=1e-6)
    one, other = (dpca(d, NAMES, n_null=0) for d in (x, turned))
    assert np.abs(one.estimate - other.estimate).max() > 1e-3


def test_the_order_of_trials_and_neurons_changes_no_bit_and_the_seed_does():
    x = recording(embedded(SIGN, 8), 8)
    rng = np.random.default_rng(0)
    mixed = x.isel(trial=rng.permutation(32), neuron=rng.permutation(8))
    one, other = (dpca(d, NAMES, n_null=9) for d in (x, mixed))
    np.testing.assert_array_equal(one.estimate, other.estimate)
    np.testing.assert_array_equal(one.null, other.null)
    workers = dpca(x, NAMES, n_null=9, n_jobs=2)
    np.testing.assert_array_equal(one.null, workers.null)
    assert (dpca(x, NAMES, n_null=9, seed=1).null != one.null).any()


def test_a_silent_neuron_has_no_say():
    x = recording(embedded(SIGN * 2.0, 8), 8)
    values = np.column_stack([x.values, np.zeros(32)])
    trial = {"a": x.a.values, "b": x.b.values}
    silent = from_arrays(values, trial=trial, session="s1")
    one, other = (dpca(d, NAMES, **PLAIN) for d in (x, silent))
    np.testing.assert_allclose(of(one, FRACTION), of(other, FRACTION), atol=1e-9)
    assert (other.encoder.values[:, -1] == 0).all()


# --- where it ends ------------------------------------------------------------------------------


def test_noise_alone_and_two_trials_have_no_shares_a_reason_and_an_accuracy():
    for n_trials in (8, 2):
        x = recording(np.zeros((4, 20)), n_trials)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = dpca(x, NAMES, n_null=9, min_trials=2)
        assert np.isnan(of(found, FRACTION)).all()
        assert "is not trial noise" in found.attrs["reasons"]["fraction of variance of a"]
        assert np.isfinite(of(found, ACCURACY)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components=0 is no number of them; give at least 1"),
        ({"regularisation": -1.0}, "regularisation=-1.0 is no penalty"),
        ({"null": "flip"}, "null='flip' is unknown for dpca"),
        ({"combine": {"x": ["c"]}}, "none of the marginalisations"),
        ({"combine": {"x": ["a"], "y": ["a"]}}, "named twice"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        dpca(recording(SIGN, 6), NAMES, **{"n_null": 0, **options})


def test_a_condition_without_trials_is_refused():
    with pytest.raises(ValueError, match="no trial has a=1, b=1"):
        dpca(recording(SIGN, [6, 6, 6, 0]), NAMES)


def test_the_result_is_saved_and_loaded(tmp_path):
    found = dpca(recording(SIGN, 6), NAMES, n_null=9)
    ng.save(found, tmp_path / "d.nc")
    np.testing.assert_array_equal(ng.load(tmp_path / "d.nc").estimate, found.estimate)
