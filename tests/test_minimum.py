"""Finite networks at the minimum of their loss; a findings script holds them against the theory."""

import numpy as np
import pytest

pytest.importorskip("torch")

from neurogeom import networks, theory

SQUARE = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
ONE = np.array([[1.0], [-1.0]])


def test_layers_of_two_widths_have_the_kernels_of_the_deep_theory():
    decays = {"weight_decay": 0.05, "readout_decay": 0.05}
    found = networks.train_to_minimum(np.eye(2), ONE, hidden=(6, 4), steps=1200, seeds=2, **decays)
    closed = theory.deep_abstraction(2, 1, 2, **decays)
    for layer, b in enumerate(closed.b):
        wanted = b * (1 + ONE @ ONE.T)
        assert np.abs(found.kernel.isel(layer=layer) - wanted).max() < 0.01 * np.abs(wanted).max()
    assert found.activity.isnull().sum("unit").values.tolist() == [[[0, 0], [2, 2]]] * 2
    assert (found.loss > closed.loss - 1e-9).all()
    assert (found.loss_before > found.loss + 0.1).all()


def test_a_kernel_is_that_of_the_activity():
    found = networks.train_to_minimum(np.eye(4), SQUARE, hidden=(8,), steps=5, seeds=[3])
    r = found.activity.values[0, 0]
    np.testing.assert_allclose(found.kernel.values[0, 0], r @ r.T)
    assert found.seed.values.tolist() == [3]


def test_each_net_may_have_inputs_of_its_own_in_any_basis():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    both = np.stack([np.eye(4), turn])
    found = networks.train_to_minimum(both, SQUARE, hidden=(16,), steps=2000, seeds=2)
    np.testing.assert_allclose(*found.kernel.values[:, 0], atol=0.02)


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "words"),
    [
        (np.eye(3), SQUARE, {}, "do not fit"),
        (np.stack([np.eye(4)] * 2), SQUARE, {"seeds": 3}, "do not fit 3 nets"),
        (np.full((4, 4), np.nan), SQUARE, {}, "not finite"),
        (np.eye(4), SQUARE, {"bias_power": -1.0}, "bias_power"),
        (np.eye(4), SQUARE, {"hidden": (0,)}, "hidden"),
        (np.eye(4), SQUARE, {"activation": "rely"}, "rely"),
        (np.eye(4), SQUARE, {"steps": 0}, "steps"),
    ],
)
def test_what_cannot_be_trained_is_refused(inputs, targets, options, words):
    with pytest.raises(ValueError, match=words):
        networks.train_to_minimum(inputs, targets, **options)
