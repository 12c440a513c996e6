"""Dictionaries learnt from samples: known ones recovered, objectives, restarts, degenerate data."""

import warnings

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.features import FISTA, Dictionary, learn_dictionary, superposition
from neurogeom.formulas.match import mcc
from neurogeom.kernels.sparse import update_atoms


@pytest.fixture(scope="module")
def world():
    return superposition(400, n_sources=8, n_neurons=8, n_active=2, seed=0)


@pytest.fixture(scope="module")
def learned(world):
    return learn_dictionary(world.x, 8, penalty=0.05, n_restarts=3)


def test_sources_are_found_with_their_sign(world, learned):
    assert world.dictionary.match(learned.dictionary, signed=True).value > 0.99
    codes = FISTA(0.01).encode(world.x, learned.dictionary)
    assert mcc(world.sources, codes).value > 0.98


def test_the_lowest_objective_is_that_of_the_dictionary_and_below_that_of_the_truth(world, learned):
    best = FISTA(0.05, 5000).solve(world.x, learned.dictionary).objective.mean()
    assert learned.objective.min() == pytest.approx(best, rel=1e-5)
    assert best <= FISTA(0.05, 5000).solve(world.x, world.dictionary).objective.mean()
    assert learned.dictionary is learned.dictionaries[np.argmin(learned.objective)]


def test_restarts_are_what_they_are_alone_and_with_any_number_of_workers(world, learned):
    shared = learn_dictionary(world.x, 8, penalty=0.05, n_restarts=3, n_jobs=2)
    one = learn_dictionary(world.x, 8, penalty=0.05, n_restarts=1)
    np.testing.assert_array_equal(shared.dictionary.atoms, learned.dictionary.atoms)
    np.testing.assert_array_equal(one.dictionary.atoms, learned.dictionaries[0].atoms)
    assert not np.array_equal(*[d.atoms for d in learned.dictionaries[:2]])


def test_more_rounds_never_raise_the_objective(world):
    found = [
        learn_dictionary(world.x, 8, penalty=0.05, n_restarts=1, n_rounds=n, tolerance=0.0)
        for n in (1, 2, 4, 8, 16)
    ]
    assert (np.diff([f.objective[0] for f in found]) <= 1e-9).all()
    assert [f.n_rounds[0] for f in found] == [1, 2, 4, 8, 16]


def test_a_dictionary_to_begin_with_is_kept_where_it_is_best(world, learned):
    again = learn_dictionary(world.x, 8, penalty=0.05, start=learned.dictionary)
    assert again.n_rounds[0] < learned.n_rounds.min() / 4
    assert again.objective.shape == (1,)
    assert again.dictionary.match(learned.dictionary, signed=True).value > 0.999


def test_signed_codes_find_directions_whose_sign_means_nothing():
    world = superposition(400, n_sources=6, n_neurons=8, n_active=2, nonneg=False, seed=1)
    found = learn_dictionary(world.x, 6, penalty=0.05, nonneg=False, n_restarts=3).dictionary
    assert world.dictionary.match(found).value > 0.99


def test_an_atom_is_the_least_squares_direction_given_the_others():
    rng = np.random.default_rng(2)
    x, codes = rng.standard_normal((50, 4)), rng.random((50, 3))
    atoms = Dictionary(rng.standard_normal((3, 4))).atoms
    codes[:, 1] = 0.0
    updated = atoms.copy()
    update_atoms(updated, codes.T @ codes, codes.T @ x)
    first = codes[:, 0] @ (x - codes[:, 1:] @ atoms[1:])
    np.testing.assert_allclose(updated[0], first / np.linalg.norm(first))
    np.testing.assert_array_equal(updated[1], atoms[1])
    last = codes[:, 2] @ (x - codes[:, :2] @ updated[:2])
    np.testing.assert_allclose(updated[2], last / np.linalg.norm(last))


def test_atoms_that_no_sample_uses_begin_anew_from_what_is_reconstructed_worst():
    """Three groups of samples, and a start that knows two directions: the third is found."""
    x = np.repeat(np.eye(3), 20, axis=0) * np.linspace(1, 2, 60)[:, None]
    start = Dictionary([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 0.0]])
    found = learn_dictionary(x, 3, penalty=0.1, start=start)
    assert Dictionary(np.eye(3)).match(found.dictionary, signed=True).value == pytest.approx(1.0)


def test_neurons_and_centre_of_an_activity_stay_with_the_dictionary(world):
    names = [f"n{7 - i}" for i in range(8)]
    x = ng.from_arrays(world.x, neuron={"unit_id": names})
    centre = world.x.mean(axis=0)[::-1]  # in order of the names
    found = learn_dictionary(x, 8, penalty=0.05, centre=centre, n_restarts=1, n_rounds=5)
    assert found.dictionary.neurons.tolist() == sorted(names)
    np.testing.assert_array_equal(found.dictionary.centre, centre)
    plain = learn_dictionary(
        world.x[:, ::-1], 8, penalty=0.05, centre=centre, n_restarts=1, n_rounds=5
    )
    np.testing.assert_array_equal(found.dictionary.atoms, plain.dictionary.atoms)


def test_degenerate_samples_are_learnt_in_silence():
    x = np.vstack([np.zeros((5, 3)), np.tile([1.0, 2.0, 2.0], (10, 1))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = learn_dictionary(x, 2, penalty=0.1, n_restarts=2)
        everything = learn_dictionary(x, 2, penalty=1e3, n_restarts=1)
    assert found.dictionary.match(Dictionary([[1.0, 2.0, 2.0]])).value == pytest.approx(0.5)
    assert everything.n_used.tolist() == [0]
    assert (found.n_used >= 1).all()
    assert np.isfinite(everything.objective).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_atoms": 0}, "n_atoms=0 is not possible"),
        ({"n_atoms": 500}, "400 samples that are not 0 cannot begin 500 atoms"),
        ({"penalty": 0}, "penalty=0 is not possible"),
        ({"n_restarts": 0}, "n_restarts=0 is not possible"),
        ({"tolerance": -1e-3}, "tolerance=-0.001 is not possible"),
        ({"nonneg": "yes"}, "nonneg='yes' is not possible"),
        ({"centre": [0.0]}, "must be 8 finite numbers"),
        ({"start": Dictionary(np.eye(8)[:5])}, r"start has atoms of shape \(5, 8\), not \(8, 8\)"),
    ],
)
def test_what_cannot_be_learnt_is_said_in_one_sentence(world, options, message):
    with pytest.raises(ValueError, match=message):
        learn_dictionary(world.x, **({"n_atoms": 8, "penalty": 0.05} | options))
    with pytest.raises(ValueError, match=r"give \(sample, neuron\)"):
        learn_dictionary(world.x[0], 8, penalty=0.05)


# --- the setting of the paper: 16 sources in 8 neurons, 3 active, 1024 + 1024 samples ----------


def _learnt(seed, penalty, n_restarts=5, n=1024, **size):
    """Signed match of atoms of the chosen restart, and of latents of other samples."""
    world = superposition(2 * n, seed=seed, **size)
    n_atoms = world.dictionary.n_atoms
    found = learn_dictionary(world.x[:n], n_atoms, penalty=penalty, n_restarts=n_restarts)
    codes = FISTA(0.0025).encode(world.x[n:], found.dictionary)
    atoms = world.dictionary.match(found.dictionary, signed=True).value
    return atoms, mcc(world.sources[n:], codes).value


@pytest.mark.slow
def test_sources_in_superposition_are_recovered_without_knowing_the_dictionary():
    """Acceptance A5: the median over worlds, restarts chosen by the objective."""
    atoms, latents = np.median([_learnt(seed, 0.02) for seed in range(3)], axis=0)
    assert atoms >= 0.995
    assert latents >= 0.98


@pytest.mark.slow
def test_with_the_small_penalty_of_the_paper_restarts_end_above_a_minimum_that_is_near_the_truth():
    """Section 1.5 blames 0.0025 itself; what fails is the descent. More starts often mend it.

    A mean objective is above the least one of its dictionary by the mean gap at most.
    """
    solver = FISTA(0.0025, 20_000, 1e-6)
    for seed in range(3):
        world = superposition(2048, seed=seed)
        x, true = world.x[:1024], world.dictionary
        found = learn_dictionary(x, 16, penalty=0.0025, n_restarts=3)
        stuck = [solver.solve(x, d) for d in found.dictionaries]
        of_truth = solver.solve(x, true).objective.mean()
        assert min(s.objective.mean() - s.gap.mean() for s in stuck) > of_truth
        assert true.match(found.dictionary, signed=True).value < 0.95
        begun = learn_dictionary(x, 16, penalty=0.0025, start=true)
        assert begun.objective[0] <= of_truth
        assert true.match(begun.dictionary, signed=True).value > 0.999


@pytest.mark.slow
def test_a_large_penalty_recovers_the_atoms_too():
    atoms, latents = np.median([_learnt(seed, 0.1) for seed in range(3)], axis=0)
    assert atoms >= 0.99
    assert latents >= 0.95


@pytest.mark.slow
def test_64_sources_in_16_neurons_are_recovered():
    size = {"n_sources": 64, "n_neurons": 16, "n": 4096}
    atoms, latents = np.median([_learnt(s, 0.05, n_restarts=3, **size) for s in range(3)], axis=0)
    assert atoms >= 0.995
    assert latents >= 0.98
