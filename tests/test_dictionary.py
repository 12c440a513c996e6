"""Dictionaries: unit atoms, decoding, proofs of optimality, matching, decoders of other tools."""

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.features import FISTA, Dictionary


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
