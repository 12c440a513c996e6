"""The amortisation gap and its parts, refinement, and where one pass can be exact (A3, A7)."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurogeom as ng
from neurogeom.features import (
    FISTA,
    Dictionary,
    amortisation_gap,
    exact_weights,
    learn_dictionary,
    refine,
    superposition,
)


class Weights:
    """relu(x W'), the encoder of which the theorem speaks."""

    def __init__(self, weights, bias=0.0):
        self.weights, self.bias = weights, bias

    def encode(self, x, dictionary):
        return np.maximum(dictionary.centred(x) @ self.weights.T + self.bias, 0)


class Least:
    """Least-squares codes, of either sign."""

    def encode(self, x, dictionary):
        return dictionary.centred(x) @ np.linalg.pinv(dictionary.atoms)


def sparse(seed, n=64, k=3):
    """Samples, codes and dictionary: half-normal codes of k of 16 atoms in 8 neurons, no noise."""
    return superposition(n, n_active=k, seed=seed)


def circle(n_atoms):
    angle = 2 * np.pi * np.arange(n_atoms) / n_atoms
    return angle, Dictionary(np.column_stack([np.cos(angle), np.sin(angle), np.ones(n_atoms)]))


def model_of(dictionary, encoder=None):
    return SimpleNamespace(dictionary=dictionary, encoder=encoder or Weights(dictionary.atoms))


# --- the gap --------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.floats(0.01, 0.5))
@settings(max_examples=10, deadline=None)
def test_the_parts_add_up_and_amortisation_costs_whatever_the_encoder(seed, penalty):
    """A7."""
    x, _, true = sparse(seed)
    rng = np.random.default_rng(seed)
    own = Dictionary(rng.standard_normal((12, 8)))
    model = model_of(own, Weights(rng.standard_normal((12, 8)), rng.standard_normal(12)))
    gap = amortisation_gap(model, x, penalty=penalty, reference=true)
    for values in (gap.estimate, *gap.excess.transpose("sample", "part")):
        total, amortisation, dictionary = values.values
        assert total == pytest.approx(amortisation + dictionary, abs=1e-9)
        assert amortisation >= -1e-6
    own_best, reference = (FISTA(penalty, 20_000, 1e-9).solve(x, d).objective for d in (own, true))
    of_encoder = own.objective(x, model.encoder.encode(x, own), penalty)
    expected = [of_encoder - reference, of_encoder - own_best, own_best - reference]
    np.testing.assert_allclose(gap.excess, expected, atol=1e-5)
    np.testing.assert_allclose(gap.estimate, np.mean(expected, axis=1), atol=1e-5)
    error = np.std(expected, axis=1, ddof=1) / 8
    np.testing.assert_allclose(gap.standard_error, error, rtol=1e-3)
    assert gap.attrs["reference"] == "true"


def test_the_best_codes_of_orthogonal_atoms_are_soft_thresholds_and_so_is_the_gap():
    """Closed form: relu(x) in place of relu(x - penalty) loses penalty^2 / 2 a positive value."""
    rng = np.random.default_rng(0)
    dictionary = Dictionary(np.eye(4))
    x = rng.standard_normal((200, 4))
    gap = amortisation_gap(model_of(dictionary), x, penalty=0.3, reference=dictionary)
    over, under = np.maximum(x - 0.3, 0), np.clip(x, 0, 0.3)
    lost = np.where(over > 0, 0.045, 0.3 * under - under**2 / 2)
    np.testing.assert_allclose(gap.excess.sel(part="amortisation"), lost.sum(axis=1), atol=1e-6)
    assert gap.share == pytest.approx(1.0)
    none = amortisation_gap(
        model_of(dictionary, Weights(np.eye(4), -0.3)), x, penalty=0.3, reference=dictionary
    )
    assert abs(none.estimate).max() < 1e-6
    assert np.isnan(none.share)
    assert "no shares" in none.attrs["notes"]


def test_inference_has_no_gap_and_the_reference_over_itself_no_dictionary_part():
    x, _, dictionary = sparse(1)
    model = model_of(dictionary, FISTA(0.05, 20_000, 1e-9))
    gap = amortisation_gap(model, x, penalty=0.05, reference=dictionary)
    assert gap.estimate.sel(part="dictionary") == 0
    assert abs(gap.estimate.sel(part="amortisation")) <= 2 * gap.solver_gap
    few = model_of(dictionary, FISTA(0.05, 3))
    assert amortisation_gap(few, x, penalty=0.05).estimate.sel(part="amortisation") > 0.01


def test_the_gap_is_of_one_penalty_throughout():
    """Codes that are best at one penalty are not at another, and that is the encoder's fault."""
    x, _, dictionary = sparse(2)
    model = model_of(dictionary, FISTA(0.3, 20_000, 1e-9))
    gap = amortisation_gap(model, x, penalty=0.05, reference=dictionary)
    assert gap.estimate.sel(part="amortisation") > 0.01
    assert gap.attrs["penalty"] == 0.05


def test_without_a_reference_the_rest_is_not_estimable_and_a_learnt_one_is_named():
    x, _, dictionary = sparse(3)
    alone = amortisation_gap(model_of(dictionary), x, penalty=0.05)
    assert np.isnan(alone.estimate.sel(part=["total", "dictionary"])).all()
    assert alone.estimate.sel(part="amortisation") > 0
    assert "not estimable" in alone.attrs["notes"]
    assert np.isnan(alone.share)
    found = learn_dictionary(x, 4, penalty=0.05, n_restarts=1)
    learnt = amortisation_gap(model_of(dictionary), x, penalty=0.05, reference=found)
    assert learnt.estimate.sel(part="dictionary") < 0  # four atoms are too few
    assert learnt.attrs["reference"] == "learnt"
    assert "below 0" in learnt.attrs["notes"]


def test_one_silent_sample_is_said_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gap = amortisation_gap(model_of(Dictionary(np.eye(3))), np.zeros((1, 3)), penalty=0.1,
                               reference=Dictionary(np.eye(3)))  # fmt: skip
    assert gap.estimate.values.tolist() == [0, 0, 0]
    assert np.isnan(gap.standard_error).all()


def test_negative_codes_are_compared_with_signed_ones_alone():
    x, _, dictionary = sparse(4)
    model = model_of(dictionary, Least())
    with pytest.raises(ValueError, match="are negative in places; pass nonneg=False"):
        amortisation_gap(model, x, penalty=0.05)
    gap = amortisation_gap(model, x, penalty=0.05, nonneg=False)
    best = FISTA(0.05, 20_000, 1e-9, nonneg=False).solve(x, dictionary).objective.mean()
    expected = dictionary.objective(x, model.encoder.encode(x, dictionary), 0.05).mean() - best
    assert gap.estimate.sel(part="amortisation") == pytest.approx(expected, abs=1e-5)


def test_a_population_and_its_neurons_in_another_order_have_one_gap():
    x, _, dictionary = sparse(5)
    named = ng.from_arrays(x, trial={"rule": ["a", "b"] * 32}, neuron={"unit_id": list("hgfedcba")})
    of = Dictionary(dictionary.atoms, neurons=list("hgfedcba"))
    plain, labelled = (
        amortisation_gap(model_of(d), own, penalty=0.05, reference=d)
        for d, own in ((dictionary, x), (of, named.isel(neuron=slice(None, None, -1))))
    )
    np.testing.assert_allclose(np.sort(plain.excess[1]), np.sort(labelled.excess[1]))
    np.testing.assert_allclose(plain.estimate, labelled.estimate, atol=1e-12)
    codes = refine(model_of(of), named, FISTA(0.05), start="better")
    assert codes.dims == ("trial", "atom")
    plain = refine(model_of(dictionary), x, FISTA(0.05))
    assert sorted(np.round(codes.values.sum(axis=1), 3)) == sorted(np.round(plain.sum(axis=1), 3))


# --- refinement -----------------------------------------------------------------------------------


def test_converged_all_starts_agree_and_the_better_of_two_is_no_worse_than_either():
    x, _, dictionary = sparse(6)
    rng = np.random.default_rng(0)
    model = model_of(dictionary, Weights(0.3 * rng.standard_normal((16, 8))))
    for steps, agree in ((20_000, True), (4, False)):
        solver = FISTA(0.05, steps, 1e-9)
        cold, warm, better = (
            dictionary.objective(x, refine(model, x, solver, start=start), 0.05)
            for start in ("cold", "warm", "better")
        )
        assert np.allclose(cold, warm, atol=1e-6) == agree
        np.testing.assert_array_equal(better, np.minimum(cold, warm))
    assert (better < cold).any()
    assert (better < warm).any()


def test_few_steps_from_a_poor_model_are_worse_than_from_nothing_and_from_a_good_one_better():
    x, _, dictionary = sparse(7)
    best = FISTA(0.05, 20_000, 1e-9).encode(x, dictionary)
    rng = np.random.default_rng(0)

    def after(codes, start):
        fixed = SimpleNamespace(encode=lambda x, dictionary: codes)
        found = refine(model_of(dictionary, fixed), x, FISTA(0.05, 10), start=start)
        return dictionary.objective(x, found, 0.05).mean()

    poor, good = 3 * rng.permuted(best, axis=1), best + 0.01
    assert after(poor, "warm") > after(poor, "cold") == after(good, "cold") > after(good, "warm")
    assert after(poor, "better") <= after(poor, "cold")


def test_a_start_that_has_no_effect_is_refused():
    x, _, dictionary = sparse(8)
    with pytest.raises(ValueError, match="start='warm' has no effect"):
        refine(model_of(dictionary), x, Weights(dictionary.atoms), start="warm")
    with pytest.raises(ValueError, match="start='hot' is unknown"):
        refine(model_of(dictionary), x, FISTA(0.1), start="hot")


def test_from_nothing_a_dictionary_alone_is_enough():
    x, _, dictionary = sparse(8)
    learnt, solver = SimpleNamespace(dictionary=dictionary), FISTA(0.1)
    for model in (dictionary, learnt):
        np.testing.assert_array_equal(refine(model, x, solver), dictionary.encode(x, solver))
    with pytest.raises(TypeError, match="SimpleNamespace has no encoder"):
        refine(learnt, x, solver, start="warm")


# --- where one pass can be exact ------------------------------------------------------------------


def test_weights_on_a_cone_are_the_closed_form_and_exact_for_one_active_atom():
    """A3: sqrt(2) (cos, sin, -cos(2 pi / N)) / (1 - cos(2 pi / N))."""
    angle, dictionary = circle(16)
    c = np.cos(2 * np.pi / 16)
    rows = np.column_stack([np.cos(angle), np.sin(angle), np.full(16, -c)])
    weights = exact_weights(dictionary)
    np.testing.assert_allclose(weights, np.sqrt(2) * rows / (1 - c), atol=1e-9)
    size = np.linspace(0.1, 5, 7)
    x = (size[:, None, None] * dictionary.atoms).reshape(-1, 3)
    codes = (size[:, None, None] * np.eye(16)).reshape(-1, 16)
    for own in (weights, np.sqrt(2) * rows / (1 - c)):
        assert np.abs(np.maximum(x @ own.T, 0) - codes).max() < 1e-10
    both = np.maximum(weights @ (dictionary.atoms[0] + dictionary.atoms[5]), 0)
    true = np.isin(np.arange(16), [0, 5]).astype(float)
    assert np.abs(both - true).max() == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.integers(4, 9))
@settings(max_examples=15, deadline=None)
def test_there_are_exact_weights_where_a_linear_programme_finds_some(seed, n_neurons):
    from scipy.optimize import linprog

    atoms = Dictionary(np.random.default_rng(seed).standard_normal((12, n_neurons))).atoms
    weights = exact_weights(Dictionary(atoms))
    for j, own in enumerate(weights):
        others = np.delete(atoms, j, axis=0)
        found = linprog(
            np.zeros(n_neurons), A_ub=others, b_ub=np.zeros(11), A_eq=atoms[[j]], b_eq=[1.0],
            bounds=[(None, None)] * n_neurons,
        )  # fmt: skip
        assert found.success == np.isfinite(own).all()
        if found.success:
            assert atoms[j] @ own == pytest.approx(1.0)
            assert (others @ own).max() < 1e-9
            assert np.linalg.norm(own) <= np.linalg.norm(found.x) + 1e-9  # the least noise


def test_turning_the_neurons_turns_the_weights_and_an_atom_inside_the_cone_has_none():
    rng = np.random.default_rng(0)
    _, dictionary = circle(5)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turned = exact_weights(Dictionary(dictionary.atoms @ turn))
    np.testing.assert_allclose(turned, exact_weights(dictionary) @ turn, atol=1e-9)
    inside = Dictionary(np.vstack([dictionary.atoms, [[0, 0, 1]]]))
    weights = exact_weights(inside)
    assert np.isnan(weights[5]).all()
    assert np.isfinite(weights[:5]).all()
    assert np.isnan(exact_weights(Dictionary([[1, 0], [1, 0]]))).all()
    np.testing.assert_allclose(exact_weights(Dictionary([[0.6, 0.8]])), [[0.6, 0.8]])


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_no_weights_are_exact_for_two_active_atoms_as_the_rank_says(seed):
    """Products of weights and atoms are the identity at best up to N - M squared, never 0."""
    rng = np.random.default_rng(seed)
    atoms = Dictionary(rng.standard_normal((9, 4))).atoms
    eye = np.eye(9)
    best = np.linalg.pinv(atoms).T  # of least squares
    assert ((best @ atoms.T - eye) ** 2).sum() == pytest.approx(9 - 4)
    other = best + 0.1 * rng.standard_normal(best.shape)
    assert ((other @ atoms.T - eye) ** 2).sum() > 9 - 4
    pairs = [(j, k) for j in range(9) for k in range(9) if j != k]
    x = np.array([atoms[j] + atoms[k] for j, k in pairs])
    codes = np.array([eye[j] + eye[k] for j, k in pairs])
    for weights in (best, other, np.nan_to_num(exact_weights(Dictionary(atoms)))):
        assert np.abs(np.maximum(x @ weights.T, 0) - codes).max() > 0.1
    square = Dictionary(rng.standard_normal((4, 4)))  # as many neurons as atoms: exact
    weights = np.linalg.inv(square.atoms).T
    exact = np.maximum((square.atoms[0] + square.atoms[1]) @ weights.T, 0)
    np.testing.assert_allclose(exact, [1, 1, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("n_neurons", "expected"), [(3, 0.013), (6, 0.194), (8, 0.637), (10, 0.831), (12, 0.991)]
)
def test_random_atoms_are_exactly_solvable_in_the_share_that_was_counted(n_neurons, expected):
    """Of 16 atoms; 20 seeds in the spec and here, three standard errors of their difference."""
    drawn = [np.random.default_rng(seed).standard_normal((16, n_neurons)) for seed in range(60)]
    shares = [np.isfinite(exact_weights(Dictionary(own))[:, 0]).mean() for own in drawn]
    spread = np.std(shares, ddof=1) * np.sqrt(1 / 60 + 1 / 20)
    assert np.mean(shares) == pytest.approx(expected, abs=3 * spread + 1e-3)
