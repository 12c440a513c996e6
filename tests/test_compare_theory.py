"""A theory beside recording and networks: in every form, at the recording's size and decoding."""

import numpy as np
import pytest
import xarray as xr

import neurogeom as ng
from neurogeom.design import conditions
from neurogeom.ideal import MEASURES
from neurogeom.theory import AbstractionProblem, column_generation

NAMES = ["a", "b", "c"]
QUICK = {"readout": "nearest_mean", "n_resamples": 4, "n_null": 99, "scores": (), "target": "none"}
SHORT = {**QUICK, "measures": ["decoding", "ccgp", "parallelism"]}


def recorded(geometry="cube", separation=2.0, seed=0):
    sizes = {"n_neurons": 40, "n_trials": 20, "n_truth": 0}
    return ng.simulate(geometry, separation, seed=seed, **sizes)


@pytest.fixture(scope="module")
def cube():
    return recorded()


@pytest.fixture(scope="module")
def net():
    return recorded("simplex", 6.0, seed=5).assign_coords(session="net")


@pytest.fixture(scope="module")
def predicted(cube):
    """A cube, of which all three variables are wanted."""
    options = {**QUICK, "measures": MEASURES[:4], "n_starts": 40}
    return ng.predict(cube, NAMES, targets=NAMES, **options)


@pytest.fixture(scope="module")
def beside(cube, net):
    """The cube, a network that is a simplex, and the theory of all three variables."""
    y = 2.0 * conditions([cube], NAMES).table - 1
    solution = column_generation(AbstractionProblem(np.eye(8), y @ y.T))
    options = {**QUICK, "controls": (), "n_draws": 1, "scores": ["cka"]}
    options["measures"] = [*MEASURES, "target_alignment"]
    return solution, ng.compare(cube, net, NAMES, theory=solution, **options)


def test_theory_stands_beside_recording_and_networks(beside, predicted):
    _, tree = beside
    assert tree.attrs["systems"] == ["recording", "network", "theory"]
    for measure in ("decoding", "ccgp", "shattering", "parallelism"):
        mine, theirs = (t[measure].estimate.sel(system="theory") for t in (tree, predicted))
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
        assert np.isnan(tree[measure].interval.sel(system="theory")).all()
        assert int(tree[measure].n_nets.sel(system="theory")) == 0
    assert float(tree["similarity"].estimate.sel(system="theory", quantity="cka")) > 0.9
    assert np.isnan(tree["target_alignment"].estimate.sel(system="theory")).all()
    assert "theory: target_alignment has no closed form" in tree.attrs["notes"]
    ratio = tree["dimensionality"].estimate.sel(system="theory")
    assert float(ratio.sel(quantity="participation_ratio")) == pytest.approx(3, abs=0.01)
    assert np.isnan(ratio.sel(quantity="rank"))


def test_a_theory_is_taken_in_every_form_that_says_the_same(cube, net, beside, predicted):
    solution, tree = beside
    y = 2.0 * conditions([cube], NAMES).table - 1
    value, axis = np.linalg.eigh(solution.kernel)
    means = axis * np.sqrt(np.maximum(value, 0))
    options = {**SHORT, "controls": (), "n_draws": 1, "measures": ["decoding", "ccgp"]}
    for theory in (AbstractionProblem(np.eye(8), y @ y.T), means, predicted):
        found = ng.compare(cube, net, NAMES, theory=theory, **options)
        for measure in options["measures"]:
            xr.testing.assert_allclose(
                found[measure].estimate.sel(system="theory"),
                tree[measure].estimate.sel(system="theory"), atol=1e-4,
            )  # fmt: skip


def test_conditions_of_a_prediction_are_found_by_their_labels(cube, net):
    """Only a and b are wanted, so that an order that is not undone would show."""
    options = {**SHORT, "measures": ["decoding", "parallelism"]}
    tree = ng.predict(cube, ["c", "b", "a"], targets=["a", "b"], n_starts=40, **options)
    found = ng.compare(cube, net, NAMES, theory=tree, controls=(), n_draws=1, **options)
    decoding = found["decoding"].estimate.sel(system="theory")
    assert float(decoding.sel(variable="c")) == pytest.approx(0.5, abs=1e-3)
    assert float(decoding.sel(variable="a")) > 0.7


def test_a_theory_of_other_conditions_is_refused_and_without_noise_not_guessed(
    cube, net, predicted
):
    options = {**SHORT, "controls": (), "n_draws": 1, "measures": ["decoding", "parallelism"]}
    with pytest.raises(ValueError, match="the theory has 4 conditions and the recording 8"):
        ng.compare(cube, net, NAMES, theory=np.eye(4), **options)
    with pytest.raises(ValueError, match="differ in the condition"):
        ng.compare(cube, net, ["a", "b"], theory=predicted, **options)
    with pytest.raises(ValueError, match="'theory' is a system of its own"):
        ng.compare(cube, {"theory": net}, NAMES, **options)
    tree = ng.compare(cube, net, NAMES, theory=predicted, match=("neurons",), **options)
    assert np.isnan(tree["decoding"].estimate.sel(system="theory")).all()
    np.testing.assert_allclose(tree["parallelism"].estimate.sel(system="theory"), 1, atol=1e-3)
    assert "readouts are not known" in " ".join(tree.attrs["notes"])
