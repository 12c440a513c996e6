"""Labels of neurons where two dictionaries, or a dictionary and an encoder, meet."""

from types import SimpleNamespace

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.features import (
    FISTA,
    Dictionary,
    LinearReLU,
    amortisation_gap,
    chance_match,
    learn_dictionary,
    train_autoencoder,
)

RNG = np.random.default_rng(0)
ORDER = [2, 1, 3, 0]
X = RNG.standard_normal((20, 4))
ONE = Dictionary(RNG.standard_normal((6, 4)), neurons=list("dbac"), centre=[1.0, 2.0, 3.0, 4.0])
MOVED = Dictionary(
    (ONE.atoms * ONE.length[:, None])[:, ORDER],
    neurons=ONE.neurons[ORDER],
    centre=ONE.centre[ORDER],
)
OTHERS = Dictionary(ONE.atoms, neurons=list("dbax"))
PLAIN = Dictionary(ONE.atoms)
NAMED = ng.from_arrays(X, neuron={"unit_id": list("dbac")})
DIFFER = "differ in their neurons: 4 and 4, of which 3 are shared"


def test_a_dictionary_is_put_in_the_order_of_other_labels_and_keeps_its_lengths():
    back = MOVED.ordered_as(ONE.neurons)
    np.testing.assert_allclose(back.atoms, ONE.atoms)
    np.testing.assert_allclose(back.length, ONE.length)
    np.testing.assert_array_equal(back.centre, ONE.centre)
    assert back.neurons.tolist() == ONE.neurons.tolist()
    assert ONE.ordered_as(list("dbac")) is ONE
    assert ONE.ordered_as(None) is ONE
    assert PLAIN.ordered_as(ONE.neurons) is PLAIN


def test_atoms_are_matched_neuron_by_neuron_and_without_labels_in_the_order_given():
    assert ONE.match(MOVED, signed=True).value == pytest.approx(1.0)
    assert ONE.match(PLAIN, signed=True).value == pytest.approx(1.0)
    assert MOVED.match(PLAIN).value < 0.95
    covariance = np.diag([4.0, 3.0, 2.0, 1.0])
    one, other = (chance_match(ONE, d, covariance=covariance, n_draws=2) for d in (ONE, MOVED))
    np.testing.assert_allclose(one, other)


def test_a_dictionary_begins_from_the_start_neuron_by_neuron_about_its_centre():
    one, other = (
        learn_dictionary(NAMED, 6, penalty=0.1, start=d, n_rounds=1).dictionary
        for d in (ONE, MOVED)
    )
    np.testing.assert_allclose(one.atoms, other.atoms)
    assert one.neurons.tolist() == other.neurons.tolist() == list("abcd")
    np.testing.assert_array_equal(one.centre, [3.0, 2.0, 4.0, 1.0])
    bare = learn_dictionary(X, 6, penalty=0.1, start=ONE, n_rounds=1).dictionary
    assert bare.neurons.tolist() == list("dbac")
    np.testing.assert_allclose(bare.ordered_as(one.neurons).atoms, one.atoms)
    same = learn_dictionary(X, 6, penalty=0.1, start=ONE, centre=ONE.centre, n_rounds=1)
    np.testing.assert_array_equal(same.dictionary.atoms, bare.atoms)
    given = learn_dictionary(X, 6, penalty=0.1, start=PLAIN, centre=ONE.centre, n_rounds=1)
    np.testing.assert_array_equal(given.dictionary.centre, ONE.centre)
    with pytest.raises(ValueError, match="centre= and the centre of start differ"):
        learn_dictionary(X, 6, penalty=0.1, start=ONE, centre=np.zeros(4))


def test_a_gap_has_its_reference_in_the_order_of_the_model():
    model = SimpleNamespace(dictionary=ONE, encoder=FISTA(0.1, 3))
    one, other = (amortisation_gap(model, X, penalty=0.1, reference=d) for d in (ONE, MOVED))
    np.testing.assert_allclose(one.estimate, other.estimate, atol=1e-9)


@pytest.mark.parametrize("tied", [False, True])
def test_a_trained_encoder_knows_its_neurons(tied):
    pytest.importorskip("torch")
    how = {"penalty": 0.1, "steps": 2, "n_restarts": 1}
    encoder = train_autoencoder(X, 6, LinearReLU(tied=tied), dictionary=ONE, **how).encoder
    codes = encoder.encode(X, ONE)
    np.testing.assert_allclose(encoder.encode(X[:, ORDER], MOVED), codes)
    np.testing.assert_allclose(encoder.encode(NAMED, MOVED), codes)
    with pytest.raises(ValueError, match=DIFFER):
        encoder.encode(X, OTHERS)
    turned = NAMED.transpose("neuron", "trial")
    one, other = (train_autoencoder(x, 2, LinearReLU(), **how) for x in (NAMED, turned))
    np.testing.assert_array_equal(one.dictionary.atoms, other.dictionary.atoms)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ONE.ordered_as(OTHERS.neurons),
        lambda: ONE.match(OTHERS),
        lambda: chance_match(ONE, OTHERS, n_draws=1),
        lambda: learn_dictionary(NAMED, 6, penalty=0.1, start=OTHERS),
        lambda: amortisation_gap(
            SimpleNamespace(dictionary=ONE, encoder=FISTA(0.1)), X, penalty=0.1, reference=OTHERS
        ),
    ],
)
def test_other_neurons_are_refused_in_one_sentence(call):
    with pytest.raises(ValueError, match=DIFFER):
        call()
