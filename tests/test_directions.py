"""Directions of superposed features: found again, held out, against chance, in recordings."""

import warnings

import numpy as np
import pytest
from made_textures import seen
from scipy.spatial.distance import cdist

import neurogeom as ng
from neurogeom.features import compare_bases, find_directions, interpretability
from neurogeom.formulas.match import cosine

METHODS = ("kmeans", "pca", "ica", "sparse", "random", "neurons")


def activity(values, **trial):
    return ng.from_arrays(values, trial)


@pytest.fixture(scope="module")
def compared():
    world = seen()
    return compare_bases(activity(world.responses), world.embedding, n=24, n_null=99)


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_vectors_have_length_one_and_codes_come_in_the_container(method):
    h = np.abs(np.random.default_rng(0).standard_normal((200, 6)))
    n = None if method == "neurons" else 4
    found = find_directions(activity(h), method=method, n=n)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1.0)
    codes = found.transform(activity(h))
    assert codes.dims == ("trial", "neuron")
    assert codes.shape == (200, n or 6)
    again = find_directions(activity(h), method=method, n=n)
    assert (again.vectors.values == found.vectors.values).all()


def test_projections_of_rows_of_length_one_rank_as_distances_do():
    h = seen().responses
    a, b = (find_directions(activity(h), n=8, code=c) for c in ("projection", "distance"))
    codes = [d.transform(activity(h)).values for d in (a, b)]
    np.testing.assert_array_equal(*(np.argsort(c, axis=0)[-9:] for c in codes))
    rows = h / np.linalg.norm(h, axis=1, keepdims=True)
    assert np.abs(b.vectors.values - a.vectors.values).max() == 0
    nearest = codes[1].max(axis=1)
    assert nearest.min() > -cdist(rows, rows).max()


def test_kmeans_by_strength_without_normalising():
    """Two directions at two strengths: four clusters of responses, two of directions."""
    rng = np.random.default_rng(1)
    strength = np.repeat([1.0, 10.0], 100)[:, None]
    h = strength * np.eye(2)[rng.integers(0, 2, 200)] + 0.01 * rng.standard_normal((200, 2))
    raw = find_directions(activity(h), n=4, normalise=False).vectors.values
    one = find_directions(activity(h), n=2).vectors.values
    assert cosine(raw, one).max(axis=1).min() > 0.999
    assert cosine(one, one)[0, 1] < 0.1


def test_principal_components_are_those_of_the_covariance_and_skewed_up():
    rng = np.random.default_rng(2)
    h = rng.exponential(size=(300, 5)) @ rng.standard_normal((5, 5))
    found = find_directions(activity(h), method="pca", normalise=False)
    axes = np.linalg.eigh(np.cov(h.T))[1].T[::-1]
    np.testing.assert_allclose(cosine(found.vectors.values, axes).diagonal(), 1.0)
    for own in (h, -h):
        codes = find_directions(activity(own), method="pca").transform(activity(own)).values
        np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-9)
        assert ((codes**3).mean(axis=0) > 0).all()


def test_independent_components_of_a_square_mixing_are_its_columns():
    rng = np.random.default_rng(3)
    mixing = rng.standard_normal((4, 4))
    h = rng.exponential(size=(3000, 4)) @ mixing.T
    found = find_directions(activity(h), method="ica").vectors.values
    along = found @ (mixing / np.linalg.norm(mixing, axis=0))
    assert along.max(axis=0).min() > 0.98  # with their sign


def test_a_function_of_responses_is_a_method():
    h = np.random.default_rng(4).random((50, 3))

    def first(rows, n, seed):
        return 5 * np.eye(3)[:n]

    found = find_directions(activity(h), method=first, n=2, normalise=False)
    assert found.vectors.values.tolist() == np.eye(3)[:2].tolist()
    np.testing.assert_array_equal(found.transform(activity(h)), h[:, :2])


def of_rank_five():
    """Six neurons of 40 stimuli, and of fewer, whose responses span five dimensions."""
    h = np.random.default_rng(20).random((40, 6))
    copied, constant = h.copy(), h.copy()
    copied[:, 3], constant[:, 2] = 2 * h[:, 1] + 1000, 0.1  # whose sd is rounding
    return {"a copy": copied, "silent": h * [1, 1, 0, 1, 1, 1], "constant": constant, "few": h[:6]}


@pytest.mark.parametrize("kind", of_rank_five())
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("method", ["pca", "ica"])
def test_components_are_as_many_as_the_rank_and_none_is_rounding(kind, normalise, method):
    x = activity(of_rank_five()[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find_directions(x, method=method, normalise=normalise)
    codes = found.transform(x).values
    assert codes.shape[1] == 5
    assert codes.std(axis=0).min() > 0.05
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1.0)
    with pytest.raises(ValueError, match=r"centred responses of rank 5; give at most 5"):
        find_directions(x, method=method, normalise=normalise, n=6)


def test_bases_of_dependent_responses_have_fewer_components():
    x = activity(of_rank_five()["silent"])
    found = compare_bases(x, np.eye(40), methods=["pca", "ica"], n=6, n_exciting=3, n_null=0)
    assert found.n_directions.values.tolist() == [6, 5, 5]


def test_clusters_are_no_more_than_the_responses_that_differ():
    strength = np.arange(1.0, 21)[:, None]
    h = np.where(np.arange(20)[:, None] % 2, strength * [1, 2, 3], strength * [3, 1, 0.1])
    for method in ("kmeans", "sparse"):
        assert find_directions(activity(h), method=method).vectors.shape == (2, 3)
        with pytest.raises(ValueError, match="with 2 different responses; give at most 2"):
            find_directions(activity(h), method=method, n=3)
    assert find_directions(activity(h), normalise=False, n=20).vectors.shape == (20, 3)
    h[:3] = 0  # a cluster and no atom
    for method, n in (("kmeans", 3), ("sparse", 2)):
        assert len(find_directions(activity(h), method=method).vectors) == n


# --- superposition (A1, A4) ----------------------------------------------------------------------


def test_kmeans_finds_features_again_that_neurons_mix(compared):
    """A1 at half of its images."""
    estimate = compared.estimate.sel(basis=["neurons", "kmeans"]).values
    assert estimate[1] - estimate[0] >= 0.25
    assert estimate[1] >= -0.12
    world = seen()
    vectors = find_directions(activity(world.responses), n=24).vectors.values
    assert cosine(world.mixing.T, vectors).max(axis=1).mean() >= 0.97


def test_a_gain_is_tested_and_random_directions_have_none(compared):
    p = compared.p_unpaired.sel(basis=["kmeans", "random"]).values
    assert p[0] < 0.001 < 0.05 < p[1]
    p = compared.p_paired.sel(basis=["kmeans", "random"]).values
    assert p[0] < 0.01 < p[1]
    assert np.isnan(compared.p_paired.sel(basis="neurons"))
    assert compared.gain.sel(basis="neurons") == 0
    assert compared.n_directions.values.tolist() == [12, 24, 12, 12, 24]


def test_of_noise_no_basis_is_above_chance_and_the_best_is_held_against_the_best():
    rng = np.random.default_rng(5)
    h, e = rng.standard_normal((600, 10)), rng.standard_normal((600, 8))
    found = compare_bases(activity(h), e, n=60, methods=("kmeans", "random"), n_null=99)
    assert found.p_value.values.min() > 0.02
    assert found.p_best.values.min() > 0.02
    one = found["index"].sel(basis="kmeans").values
    assert found.best.sel(basis="kmeans") == one.max()
    assert found.null_best.sel(basis="kmeans").mean() > found.null.sel(basis="kmeans").mean()


def test_copies_of_one_unit_are_no_better_read_by_kmeans():
    """A4: k-means of noise about one direction gains nothing."""
    world = seen()
    rng = np.random.default_rng(6)
    h = world.features[:, [0]] + 0.05 * rng.standard_normal((1200, 12))
    found = compare_bases(activity(h), world.embedding, n=24, methods=("kmeans",), n_null=0)
    assert found.gain.sel(basis="kmeans") < 0.1


def test_directions_are_scored_on_stimuli_that_did_not_make_them(monkeypatch):
    """A method that finds only its own stimuli gains where it is scored on them, and not here."""
    from neurogeom.features import bases

    world = seen()
    fitted_to, scored = [], []
    original, index = bases.fitted, bases.Index

    def fitted(h, *rest, **options):
        fitted_to.append(h)
        return original(h, *rest, **options)

    def made(task, values, percept, seed):
        scored.append((len(values), percept))
        return index(task, values, percept, seed)

    monkeypatch.setattr(bases, "fitted", fitted)
    monkeypatch.setattr(bases, "Index", made)
    compare_bases(
        activity(world.responses), world.embedding, methods=["pca"], n_null=0, n_exciting=5
    )
    rows = {tuple(row) for row in fitted_to[0]}
    held_out = [i for i, row in enumerate(world.responses) if tuple(row) not in rows]
    assert len(held_out) == 600
    assert (scored[0][1].embedding == world.embedding[held_out]).all()


# --- recordings ----------------------------------------------------------------------------------


def recorded(noise=1.0, repeats=8):
    """60 stimuli, three features in four neurons, and a fifth that is noise."""
    rng = np.random.default_rng(7)
    features = np.eye(3)[rng.integers(0, 3, 60)]
    mixing = np.array([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0], [2, 2, 0], [0, 0, 0]])
    means = np.repeat(features @ mixing.T, repeats, axis=0)
    x = means + noise * rng.standard_normal(means.shape)
    return activity(x, image=np.repeat(np.arange(60), repeats)), features, mixing


def test_directions_of_a_recording_leave_out_what_is_noise_and_carry_over():
    x, features, mixing = recorded()
    found = find_directions(x, n=3, stimulus="image")
    assert found.vectors.unit_id.values.tolist() == ["0", "1", "2", "3"]
    assert found.vectors.attrs["n_neurons_unreliable"] == 1
    wanted = mixing[:4].T / np.linalg.norm(mixing[:4].T, axis=1, keepdims=True)
    assert cosine(wanted, found.vectors.values).max(axis=1).min() > 0.97
    codes = found.transform(x)
    assert codes.image.values.tolist() == list(range(60))
    index = interpretability(
        codes, features, stimulus="image", least_reliability=None, n_exciting=5, n_null=0
    )
    assert index.estimate.values.tolist() == [0.0, 0.0, 0.0]
    some = x.isel(trial=x.image.values < 30)
    np.testing.assert_allclose(found.transform(some), codes[:30])


def test_a_neuron_that_was_left_out_may_lack_responses():
    x = recorded()[0]
    lost = x.copy()
    lost[x.image.values == 7, 1] = np.nan
    found = find_directions(lost, n=2, stimulus="image")
    assert found.vectors.unit_id.values.tolist() == ["0", "2", "3"]
    codes = found.transform(lost)
    without = x.isel(neuron=[3, 2, 0]).assign_coords(session="another day")
    np.testing.assert_array_equal(codes, found.transform(without))
    other = lost.isel(neuron=[1]).assign_coords(session="second")
    both = find_directions([lost.assign_coords(session="first"), other], n=2, stimulus="image")
    sessions = [other, lost.assign_coords(session="first")]
    np.testing.assert_array_equal(both.transform(sessions), codes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: find_directions(x, method="kmean"), "did you mean 'kmeans'"),
        (lambda x: find_directions(x, method="pca", n=7), "give at most 6"),
        (lambda x: find_directions(x, n=41), "give at most 40"),
        (lambda x: find_directions(x, n=0), "1 or more"),
        (lambda x: find_directions(x, method="neurons", n=6), "n=6 has no effect on method"),
        (lambda x: find_directions(activity(np.ones((40, 6))), n=2), "no neuron responds"),
        (lambda x: find_directions(x, method="pca", code="distance"), "has no effect on method"),
        (lambda x: find_directions(x, penalty=0.1), "penalty has no effect"),
        (lambda x: find_directions(x, method=lambda h, n, s: np.eye(3)), "return finite"),
        (lambda x: find_directions(recorded(noise=1e3)[0], stimulus="image", n=2,
                                   least_reliability=0.9), "no neuron is reliable"),
        (lambda x: find_directions(x, n=2).transform(x.isel(neuron=slice(3))),
         "neuron 3 of the directions is not in this activity"),
        (lambda x: compare_bases(x, np.eye(40), methods="kmeans"), "is no list"),
        (lambda x: compare_bases(x, np.eye(40), kind="2afc"), "20 stimuli are fewer than"),
    ],
)  # fmt: skip
def test_what_has_no_directions_is_refused(call, message):
    x = activity(np.random.default_rng(8).random((40, 6)))
    with pytest.raises(ValueError, match=message):
        call(x)


@pytest.mark.parametrize("method", METHODS)
def test_silent_neurons_and_stimuli_warn_of_nothing(method):
    h = np.abs(np.random.default_rng(9).standard_normal((60, 6)))
    h[:, 2], h[:5] = 0.0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find_directions(activity(h), method=method, n=None if method == "neurons" else 3)
    assert np.isfinite(found.vectors.values).all()
    assert np.isfinite(found.transform(activity(h)).values).all()


# --- acceptance at full size ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_at_full_size_kmeans_gains_in_superposition_and_in_nothing_else(seed):
    """A1 and A4: gain 0.25, level -0.12, cosine 0.97; copies of one unit and shuffles gain none."""
    world = seen(2400, seed)
    rng = np.random.default_rng(seed)
    options = {"n": 24, "methods": ("kmeans", "random"), "n_null": 0}
    found = compare_bases(activity(world.responses), world.embedding, **options)
    assert found.gain.sel(basis="kmeans") >= 0.25
    assert found.estimate.sel(basis="kmeans") >= -0.12
    vectors = find_directions(activity(world.responses), n=24).vectors.values
    assert cosine(world.mixing.T, vectors).max(axis=1).mean() >= 0.97
    copies = world.features[:, [0]] + 0.05 * rng.standard_normal((2400, 12))
    of_copies = compare_bases(activity(copies), world.embedding, **options)
    assert of_copies.gain.sel(basis="kmeans") < 0.1
    shuffled = compare_bases(activity(world.responses), rng.permutation(world.embedding), **options)
    assert shuffled.gain.sel(basis="kmeans") < 0.1
    assert shuffled.estimate.max() < -0.6


def test_responses_of_length_1_are_the_same_in_any_units():
    values = np.random.default_rng(0).random((30, 4))
    values[3] = 0.0  # a stimulus that nobody answers
    x = activity(values)
    for method in ("kmeans", "sparse"):
        one, tiny = (find_directions(own, method=method, n=3) for own in (x, x * 2.0**-30))
        np.testing.assert_allclose(tiny.vectors, one.vectors, atol=1e-9)
        np.testing.assert_allclose(tiny.transform(x * 2.0**-30), one.transform(x), atol=1e-9)


def test_sessions_that_share_too_few_stimuli_are_refused_with_what_to_do():
    stimulus = np.arange(60) // 3
    pair = [
        ng.from_arrays(np.ones((60, 1)), {"image": stimulus + i}, session=str(i)) for i in range(2)
    ]
    with pytest.raises(ValueError, match="none of 2 sessions has 2 trials of each of the 21"):
        find_directions(pair, stimulus="image")
