"""Dictionaries: unit atoms, decoding, proofs of optimality, matching, decoders of other tools."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import neurogeom as ng
from neurogeom.features import (
    FISTA,
    NNLS,
    OMP,
    Dictionary,
    ExhaustiveL0,
    amortisation_gap,
    chance_match,
    chance_mcc,
    exact_weights,
    learn_dictionary,
    refine,
    superposition,
)
from neurogeom.formulas.match import mcc

X = np.array([[1.0, 0.0], [0.5, 1.0], [0.0, 2.0]])


@pytest.fixture
def dictionary():
    rng = np.random.default_rng(0)
    return Dictionary(rng.standard_normal((6, 4)), centre=rng.standard_normal(4))


def test_atoms_have_length_one_and_remember_theirs():
    given = np.random.default_rng(1).standard_normal((5, 3))
    d = Dictionary(given)
    np.testing.assert_allclose(np.linalg.norm(d.atoms, axis=1), 1.0)
    np.testing.assert_allclose(d.atoms * d.length[:, None], given)


def test_the_centre_is_taken_off_before_encoding_and_put_back_after(dictionary):
    codes = np.eye(6)
    np.testing.assert_allclose(dictionary.decode(codes) - dictionary.centre, dictionary.atoms)
    np.testing.assert_allclose(dictionary.objective(dictionary.decode(codes), codes, 0.5), 0.5)
    plain = Dictionary(dictionary.atoms)
    x = dictionary.decode(codes)
    np.testing.assert_allclose(
        dictionary.encode(x, FISTA(0.1)), plain.encode(x - dictionary.centre, FISTA(0.1)), atol=1e-4
    )


def test_an_activity_keeps_its_trials_and_its_neurons_find_their_place(dictionary):
    rng = np.random.default_rng(2)
    values = rng.standard_normal((7, 4))
    names = ["n2", "n0", "n3", "n1"]
    x = ng.from_arrays(values, trial={"rule": list("ABABABA")}, neuron={"unit_id": names})
    labelled = Dictionary(dictionary.atoms, neurons=names, centre=dictionary.centre)
    codes = labelled.encode(x, FISTA(0.1))
    assert codes.dims == ("trial", "atom")
    assert codes.rule.values.tolist() == list("ABABABA")
    np.testing.assert_allclose(codes, dictionary.encode(values, FISTA(0.1)))
    with pytest.raises(ValueError, match="differ in their neurons: 4 and 4, of which 3 are shared"):
        Dictionary(dictionary.atoms, neurons=["n0", "n1", "n2", "x"]).encode(x, FISTA(0.1))


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_no_code_is_further_above_the_least_objective_than_its_gap(seed, nonneg):
    rng = np.random.default_rng(seed)
    d, x = Dictionary(rng.standard_normal((7, 5))), rng.standard_normal((9, 5))
    best = FISTA(0.3, 20_000, 1e-9, nonneg).solve(x, d)
    codes = rng.standard_normal((9, 7)) * (rng.random((9, 7)) < 0.3)
    codes = np.abs(codes) if nonneg else codes
    above = d.objective(x, codes, 0.3) - best.objective
    assert (above >= -1e-8).all()
    assert (d.duality_gap(x, codes, 0.3, nonneg=nonneg) >= above - 1e-8).all()
    np.testing.assert_allclose(d.duality_gap(x, best.codes, 0.3, nonneg=nonneg), 0.0, atol=1e-7)


def test_matching_forgives_order_and_forgives_sign_only_where_asked_to(dictionary):
    turned = Dictionary(-3 * dictionary.atoms[::-1])
    assert dictionary.match(turned).value == pytest.approx(1.0)
    assert dictionary.match(turned).found.tolist() == [5, 4, 3, 2, 1, 0]
    assert dictionary.match(turned, signed=True).value < 0.9


def test_coherence_is_the_cosine_of_the_nearest_two_atoms():
    d = Dictionary([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])
    assert d.coherence() == pytest.approx(0.8)
    assert Dictionary(np.eye(3)).coherence() == 0.0
    assert Dictionary([[2.0, 1.0]]).coherence() == 0.0


@pytest.mark.parametrize(
    ("weights", "bias"),
    [
        ("W_dec", "b_dec"),
        ("decoder.weight", "bias"),
        ("decoder.weight", "decoder_bias"),
        ("decoder.weight", "decoder.bias"),
        ("dictionary._weights", None),
    ],
)
def test_decoders_of_other_tools_become_the_same_dictionary(weights, bias):
    import torch

    rng = np.random.default_rng(3)
    decoder, shift = rng.standard_normal((10, 4)), rng.standard_normal(4)
    linear = torch.tensor(decoder.T if weights == "decoder.weight" else decoder, requires_grad=True)
    state = {weights: linear, "encoder.weight": torch.zeros(10, 4)}
    if bias:
        state[bias] = torch.tensor(shift)
    d = Dictionary.from_state(state, neurons=list("abcd"))
    np.testing.assert_allclose(d.atoms * d.length[:, None], decoder)
    np.testing.assert_allclose(d.centre, shift if bias else 0.0)
    assert d.neurons.tolist() == list("abcd")


def test_a_decoder_of_half_precision_is_read_and_a_complex_one_refused():
    import torch

    half = torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.bfloat16)
    d = Dictionary.from_state({"W_dec": half, "b_dec": half[0]})
    np.testing.assert_allclose(d.atoms, [[0.6, 0.8], [0.0, 1.0]])
    assert d.centre.tolist() == [3.0, 4.0]
    with pytest.raises(TypeError, match="W_dec must be an array of real numbers"):
        Dictionary.from_state({"W_dec": half.to(torch.complex64)})


# --- the world and its chance ----------------------------------------------------------------


def test_random_dictionaries_of_16_atoms_in_8_neurons_match_at_0637():
    """Acceptance A6."""
    rng = np.random.default_rng(4)
    one, other = (Dictionary(rng.standard_normal((16, 8))) for _ in range(2))
    chance = chance_match(one, other, n_draws=200)
    assert chance.mean() == pytest.approx(0.637, abs=0.03)
    assert chance.std() == pytest.approx(0.027, abs=0.01)
    assert chance_match(one, other, signed=True, n_draws=50).mean() < chance.mean()


def test_rotation_where_the_data_are_round_is_chance_among_their_large_components():
    rng = np.random.default_rng(5)
    spread = np.array([10.0, 5.0, *[0.1] * 18])
    one, other = (Dictionary(rng.standard_normal((6, 20)) * spread) for _ in range(2))
    isotropic = chance_match(one, other, n_draws=50).mean()
    coloured = chance_match(one, other, covariance=np.diag(spread**2), n_draws=50)
    independent = one.match(other).value  # drawn from that covariance too
    assert isotropic < 0.5 < coloured.mean()
    assert abs(independent - coloured.mean()) < 3 * coloured.std()
    flat = np.diag([*spread[:2] ** 2, *[0.0] * 18])
    assert np.isfinite(chance_match(one, other, covariance=flat, n_draws=2)).all()


def test_codes_of_other_samples_match_as_little_as_their_number_allows():
    z = np.random.default_rng(6).standard_normal((400, 5))
    chance = chance_mcc(z, z @ np.random.default_rng(7).standard_normal((5, 5)))
    assert chance.mean() == pytest.approx(1.4 / np.sqrt(400), abs=0.04)
    assert mcc(z, z).value > 8 * chance.max()


def test_a_world_has_so_many_active_sources_each_as_often_as_others():
    world = superposition(20_000, n_active=3, seed=1)
    assert set((world.sources > 0).sum(axis=1)) == {3}
    share = (world.sources > 0).mean(axis=0)
    np.testing.assert_allclose(share, 3 / 16, atol=5 * np.sqrt(0.15 / 20_000))
    active = world.sources[world.sources > 0]
    assert active.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.02)
    np.testing.assert_allclose(world.x, world.sources @ world.dictionary.atoms, atol=1e-12)


def test_noise_correlation_and_sign_are_what_they_are_called():
    quiet = superposition(20_000, seed=2)
    noisy = superposition(20_000, noise=0.5, seed=2)
    np.testing.assert_array_equal(noisy.sources, quiet.sources)
    np.testing.assert_allclose((noisy.x - quiet.x).std(axis=0), 0.5, rtol=0.03)
    pair = np.corrcoef((quiet.sources > 0).T.astype(float))
    together = superposition(20_000, correlation=0.9, seed=2)
    close = np.corrcoef((together.sources > 0).T.astype(float))
    assert pair[0, 1] < 0.02 < 0.3 < close[0, 1]
    assert close[0, 3] < 0.02
    either = superposition(1000, nonneg=False, seed=2)
    assert (either.sources < 0).mean() == pytest.approx(3 / 32, abs=0.02)


def test_the_dictionary_of_a_world_does_not_depend_on_how_many_samples_are_drawn():
    few, many = superposition(10, seed=3), superposition(100, seed=3)
    np.testing.assert_array_equal(few.dictionary.atoms, many.dictionary.atoms)
    assert not np.array_equal(few.dictionary.atoms, superposition(10, seed=4).dictionary.atoms)
    again = superposition(50, dictionary=few.dictionary, seed=9)
    assert again.dictionary is few.dictionary


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dictionary([[1.0, 0.0], [0.0, 0.0]]), "1 of 2 atoms are zero or not finite"),
        (lambda: Dictionary([[1.0, np.nan]]), "the first is atom 0"),
        (lambda: Dictionary([1.0, 2.0]), r"give \(atom, neuron\)"),
        (lambda: Dictionary([[1.0, 0.0]], neurons=["a"]), "do not label 2 neurons"),
        (lambda: Dictionary([[1.0, 0.0]], neurons=["a", "a"]), "each its own"),
        (lambda: Dictionary([[1.0, 0.0]], centre=[1.0]), "must be 2 finite numbers"),
        (lambda: Dictionary(np.eye(2)).encode([[1.0]], NNLS()), "does not fit a dictionary of 2"),
        (lambda: Dictionary(np.eye(2)).centred([[1.0, np.nan]]), "1 of 1 samples hold NaN"),
        (lambda: Dictionary(np.eye(2)).centred(np.zeros((0, 2))), r"shape \(0, 2\)"),
        (lambda: Dictionary(np.eye(2)).decode([[1.0]]), "do not fit 2 atoms"),
        (
            lambda: Dictionary(np.eye(2)).centred(ng.from_arrays(np.ones((1, 2, 1)), time=[0.0])),
            "time axis",
        ),
        (lambda: Dictionary(np.eye(2)).duality_gap([[1.0, 1.0]], [[-1.0, 0.0]], 0.1), "negative"),
        (lambda: Dictionary(np.eye(2)).objective([[1.0, 1.0]], [[1.0, 0.0]], -1), "penalty=-1"),
        (lambda: Dictionary.from_state({"encoder.weight": 1}), "no decoder of a known layout"),
        (lambda: Dictionary(np.eye(2)).match(Dictionary(np.eye(3))), "the same neurons"),
        (lambda: chance_match(Dictionary(np.eye(2)), Dictionary(np.eye(3))), "the same neurons"),
        (
            lambda: chance_match(*[Dictionary(np.eye(2))] * 2, covariance=np.eye(3)),
            "not that of 2 neurons",
        ),
        (
            lambda: chance_match(*[Dictionary(np.eye(2))] * 2, covariance=np.zeros((2, 2))),
            "no variance",
        ),
        (
            lambda: chance_match(*[Dictionary(np.eye(2))] * 2, covariance=[[1, 0.5], [0, 1]]),
            "not symmetric",
        ),
        (
            lambda: chance_match(*[Dictionary(np.eye(2))] * 2, covariance=np.diag([1.0, -1])),
            "variances below 0",
        ),
        (lambda: Dictionary(np.eye(2), neurons=["a", None]), "do not label 2 neurons"),
        (lambda: chance_mcc(np.eye(3), 3.0), r"give \(sample, true\)"),
        (lambda: superposition(10, n_active=17), "more than the 16 sources"),
        (lambda: superposition(10, correlation=1.0), "correlation=1.0 is not possible"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class _Half:
    """A model that lacks an encoder."""

    dictionary = Dictionary(np.eye(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.match(np.eye(2)), "other must be a Dictionary, not ndarray"),
        (lambda d: chance_match(np.eye(2), d), "true must be a Dictionary"),
        (lambda d: chance_match(d, np.eye(2)), "found must be a Dictionary"),
        (lambda d: learn_dictionary(X, 2, penalty=0.1, start=np.eye(2)), "start must be a Dict"),
        (lambda d: superposition(3, dictionary=np.eye(2)), "dictionary must be a Dictionary"),
        (lambda d: exact_weights(np.eye(2)), "dictionary must be a Dictionary"),
        *((lambda d, e=e: e.encode(X, np.eye(2)), "dictionary must be a Dictionary, not ndarray")
          for e in (FISTA(0.1), OMP(1), NNLS(), ExhaustiveL0(1))),
        (lambda d: amortisation_gap(np.eye(2), X, penalty=0.1), "ndarray has no dictionary"),
        (lambda d: amortisation_gap(_Half(), X, penalty=0.1), "_Half has no encoder"),
        (lambda d: refine(np.eye(2), X, FISTA(0.1)), "model must be a Dictionary, not ndarray"),
        (lambda d: amortisation_gap(SimpleNamespace(dictionary=d, encoder=NNLS()), X, penalty=0.1,
                                    reference=np.eye(2)), "reference must be a Dictionary"),
        *((lambda d, e=e: d.encode(X, e), r"has no encode\(x, dictionary\)")
          for e in (None, "FISTA", FISTA, np.eye(2))),
        (lambda d: learn_dictionary([[1, 2], [3]], 1, penalty=0.1), "rows of different lengths"),
        (lambda d: Dictionary(np.eye(2), neurons=["a", 1]), "holds numbers and text"),
        (lambda d: Dictionary.from_state(None), "state must be a mapping of arrays"),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_said_in_one_sentence(call, message):
    with pytest.raises(TypeError, match=message):
        call(Dictionary(np.eye(2)))


# --- codes beside an activity -----------------------------------------------------------------


def shuffled_trials():
    """Samples as an array, and as an activity with the same trials whose ids are in no order."""
    rng = np.random.default_rng(3)
    x, ids = rng.standard_normal((9, 3)), rng.permutation(9)
    coords = {"trial_id": ("trial", ids), "unit_id": ("neuron", ["a", "b", "c"])}
    d = Dictionary(rng.standard_normal((4, 3)), neurons=["a", "b", "c"])
    return d, x, xr.DataArray(x, coords, ("trial", "neuron"))


def test_codes_follow_the_activity_as_given_or_their_trial_ids():
    d, x, activity = shuffled_trials()
    encoder = FISTA(0.1)
    codes, labelled = encoder.encode(x, d), d.encode(activity, encoder)
    assert labelled.trial_id.values.tolist() == list(range(9))
    np.testing.assert_allclose(encoder.encode(activity, d), codes)
    np.testing.assert_allclose(labelled.values, codes[np.argsort(activity.trial_id.values)])
    wanted = d.objective(x, codes, 0.1)
    for own in (codes, labelled, labelled[::-1], labelled.T):
        np.testing.assert_allclose(d.objective(activity, own, 0.1), wanted)
        assert d.duality_gap(activity, own, 0.1).max() < 1e-5
        start = encoder.solve(activity, d, start=own)
        assert start.n_iterations.max() <= 1


def test_codes_of_other_trials_are_refused():
    d, _, activity = shuffled_trials()
    codes = d.encode(activity, FISTA(0.1))
    with pytest.raises(ValueError, match="of 9 trials .* of which 8 are shared by trial_id"):
        d.objective(activity, codes.assign_coords(trial_id=("trial", np.arange(1, 10))), 0.1)


def test_weights_of_a_network_are_taken_as_they_are():
    import torch

    weights = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.bfloat16))
    d = Dictionary(weights, centre=torch.zeros(2, requires_grad=True))
    assert d.length.tolist() == [5.0, 2.0]
    x = torch.eye(2, requires_grad=True)
    assert (d.encode(x, NNLS()) == NNLS().encode(np.eye(2), d)).all()
    with pytest.raises(TypeError, match="real numbers, not of complex64"):
        Dictionary(weights.to(torch.complex64))
