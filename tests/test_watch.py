"""What is watched is what the instruments say of each step, and follows what was learnt."""

import warnings

import numpy as np
import pytest
import xarray as xr

import neurogeom as ng

torch = pytest.importorskip("torch")
BITS = ["bit_1", "bit_2"]
QUICK = {"measures": ["ccgp", "parallelism"], "readout": "nearest_mean", "n_resamples": 5}


@pytest.fixture(scope="module")
def nets():
    """Three tanh networks of one hidden layer that learn the first of two bits."""
    task = ng.networks.make_task("input-target", n_bits=2, dim=20)
    tanh = ng.networks.MLP(hidden=(30,), activation="tanh", scale=0.3)
    return ng.networks.train(task, tanh, seeds=3, steps=400, batch=32, keep=[0, 40, 150], every=20,
                             optimizer="sgd", lr=0.3, rate="constant", clip=None)  # fmt: skip


@pytest.fixture(scope="module")
def seen(nets):
    return ng.watch(nets, BITS, **QUICK)


def test_steps_are_those_kept_and_the_end(seen):
    assert seen.step.values.tolist() == [0, 40, 150, 400]
    assert seen.sizes["net"] == 3
    assert seen.seed.values.tolist() == [0, 1, 2]


def test_loss_and_accuracy_are_those_of_the_training(nets, seen):
    for name in ("loss", "accuracy"):
        own = nets.history[name]
        np.testing.assert_array_equal(seen[name].sel(step=150), own.sel(step=140))  # before it
        np.testing.assert_array_equal(seen[name].sel(step=400), own.sel(step=400))
    assert seen.loss.sel(step=0).isnull().all()


@pytest.mark.parametrize("step", [0, 150, 400])
def test_geometry_is_that_of_a_recording_at_that_step(nets, seen, step):
    then = nets if step == 400 else nets.at(step)
    for net, x in enumerate(then.record(n_trials=20, seed=0)):
        own = ng.ccgp(x, BITS, readout="nearest_mean", n_resamples=5, n_null=0, target="none")
        np.testing.assert_array_equal(seen.ccgp.sel(step=step, net=net), own.estimate)


def test_alignment_is_that_of_the_tracker_at_that_step(nets):
    seen = ng.watch(nets, parts="alignment", mode="raw", n_rows=300, seed=4)
    rng = np.random.default_rng(np.random.SeedSequence(4, spawn_key=(61,)))
    trials = nets.task.sample(300, rng)
    inputs, targets = torch.from_numpy(trials.inputs), torch.from_numpy(trials.targets)
    then = nets.at(40).networks
    with ng.networks.track_alignment(then, mode="raw") as tracker:
        outputs = then(inputs)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs, targets.expand(outputs.shape), reduction="none"
        )
        losses.flatten(1).mean(1).sum().backward()
    own = tracker.report()
    found = seen.sel(step=40)
    np.testing.assert_allclose(found.alignment, own.alignment, atol=1e-5)
    np.testing.assert_allclose(found.exponent, own.exponent, atol=1e-4)
    assert "ccgp" not in seen
    assert "kernel_distance" not in seen


def test_distances_are_those_of_richness(nets, seen):
    own = ng.networks.richness(nets, n_trials=2)
    np.testing.assert_array_equal(seen.kernel_distance, own.kernel_distance)
    np.testing.assert_array_equal(seen.conservation_drift.isel(hidden=0),
                                  own.conservation_drift.isel(layer=0))  # fmt: skip
    assert (seen.kernel_distance.sel(step=0) == 0).all()
    assert (seen.kernel_distance.sel(step=400) > 0.05).all()


def test_inputs_have_the_geometry_of_the_inputs_at_every_step(nets):
    seen = ng.watch(nets, BITS, parts="geometry", measures=(), layer="input")
    np.testing.assert_allclose(seen.cka_input, 1.0, atol=1e-9)
    assert (seen.cka_target < 0.8).all()


def test_a_hidden_layer_takes_the_geometry_of_what_is_wanted(seen):
    assert (seen.cka_target.sel(step=400) > 0.95).all()
    assert (seen.cka_target.sel(step=0) < 0.8).all()
    assert (seen.cka_input.sel(step=400) < seen.cka_input.sel(step=0)).all()


def test_variables_are_all_factors_where_none_are_named(nets):
    seen = ng.watch(nets, parts="geometry", measures=["parallelism"])
    assert seen.variable.values.tolist() == list(nets.task.factors)


def test_the_number_of_workers_changes_no_bit(nets, seen):
    again = ng.watch(nets, BITS, parts="geometry", n_jobs=2, **QUICK)
    for name in ("ccgp", "parallelism", "cka_input"):
        np.testing.assert_array_equal(again[name], seen[name])


def test_it_is_watched_step_by_step(nets):
    told = []
    ng.watch(nets, BITS, parts="geometry", measures=(), progress=told.append)
    assert told == [0, 40, 150, 400]


def test_what_was_seen_can_be_kept(seen, tmp_path):
    ng.save(xr.DataTree.from_dict({"watch": seen}), tmp_path / "seen.nc")
    again = ng.load(tmp_path / "seen.nc")["watch"].to_dataset()
    np.testing.assert_array_equal(again.ccgp, seen.ccgp)
    assert again.phase.values.tolist() == seen.phase.values.tolist()


@pytest.mark.parametrize("network", ["gru", "transformer"])
def test_recurrent_networks_and_transformers_are_watched_too(network):
    nets = ng.networks.train("stay-shift", network, seeds=2, steps=2, batch=4, keep=[0], every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = ng.watch(nets, parts=["alignment"], n_rows=20)
    assert seen.alignment.sizes["step"] == 2
    assert "readout" in seen.layer.values.tolist()


def test_what_is_no_training_is_refused():
    with pytest.raises(TypeError, match="pass what neurogeom.networks.train gives"):
        ng.watch(torch.nn.Linear(2, 2))


def test_a_training_of_one_step_is_refused(nets):
    from dataclasses import replace

    with pytest.raises(ValueError, match=r"only step 400 was kept; train with keep"):
        ng.watch(replace(nets, kept={}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_null": 99}, "no surrogates"),
        ({"target": "population"}, "no intervals"),
        ({"parts": "richness", "readout": "svm"}, "'readout' is for measures"),
        ({"measures": (), "readout": "svm"}, "'readout' is for measures"),
        ({"measures": ["ccgp"], "readuot": "svm"}, "no option 'readuot'"),
    ],
)
def test_an_option_without_effect_is_refused(nets, options, words):
    with pytest.raises(TypeError, match=words):
        ng.watch(nets, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": ["geometri"]}, "geometri"),
        ({"measures": ["cgpp"]}, "ccgp"),
        ({"variables": ["bit_9"]}, "bit_9"),
        ({"layer": "cortex"}, "core"),
        ({"n_trials": 0}, "n_trials"),
        ({"window": (7.0, 8.0)}, "no step"),
    ],
)
def test_what_is_unknown_is_named(nets, options, words):
    with pytest.raises((KeyError, ValueError), match=words):
        ng.watch(nets, **options)


def test_a_factor_of_many_levels_is_scored_only_where_it_is_named():
    nets = ng.networks.train("modular", "mlp", seeds=1, steps=2, batch=4, every=1, keep=[0])
    with pytest.raises(ValueError, match="'pair' has 529 levels; name variables"):
        ng.watch(nets)


def test_inputs_count_that_are_gone_when_the_task_is_decided():
    """The cue of a task with a delay: what is held in memory is compared with all that came in."""
    task = ng.networks.make_task("match-to-sample")
    nets = ng.networks.train(task, "gru", seeds=1, steps=2, batch=4, every=1, keep=[0])
    seen = ng.watch(nets, parts="geometry", measures=())
    assert seen.cka_input.notnull().all()


def test_a_layer_that_has_fallen_silent_is_missing_at_that_step_alone(nets):
    from copy import deepcopy
    from dataclasses import replace

    dead = deepcopy(nets.kept[150])
    for name, values in dead.items():
        if name.startswith("core"):
            values[1] = 0.0  # of the second net
    seen = ng.watch(replace(nets, kept={**nets.kept, 150: dead}), BITS, parts="geometry", **QUICK)
    assert seen.ccgp.sel(step=150, net=1).isnull().all()
    assert seen.ccgp.sel(step=150, net=[0, 2]).notnull().all()
    assert seen.cka_target.sel(step=400).notnull().all()


# --- the figure -----------------------------------------------------------------------------------


def test_the_figure_shows_medians_over_nets(seen):
    figure = ng.over_training(seen)
    titles = [a.get_title() for a in figure.axes]
    assert titles[:2] == ["learning", "geometry of core"]
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    np.testing.assert_allclose(
        lines["CCGP"].get_ydata(), seen.ccgp.mean("variable").median("net"), atol=1e-12
    )
    np.testing.assert_array_equal(lines["CCGP"].get_xdata(), seen.step)


def test_the_figure_has_a_panel_for_each_part_alone(nets):
    seen = ng.watch(nets, parts="richness")
    titles = [a.get_title() for a in ng.over_training(seen).axes]
    assert titles == ["learning", "distance from the first step"]
    with pytest.raises(ValueError, match="1 axes for 2 panels"):
        ng.over_training(seen, axes=ng.over_training(seen).axes[:1])


# --- the sweep ------------------------------------------------------------------------------------

SWEEP = {"steps": 150, "seeds": 2, "batch": 32, "lr": 0.3, "weight_decay": [0.0, 0.02]}


@pytest.fixture(scope="module")
def swept(nets):
    network = ng.networks.MLP(hidden=(20,))
    return ng.regimes(nets.task, network, scale=[1.0, 0.1], relative=[1.0, 2.0], **SWEEP)


def test_a_cell_of_the_sweep_is_the_end_of_one_training(nets, swept):
    network = ng.networks.MLP(hidden=(20,), scale=0.1, relative=2.0)
    plain = {"optimizer": "sgd", "rate": "constant", "clip": None, "every": 150, "keep": [0]}
    one = ng.networks.train(nets.task, network, **{**SWEEP, "weight_decay": 0.02}, **plain)
    seen = ng.watch(one, parts=["alignment", "richness"])
    cell = swept.sel(scale=0.1, relative=2.0, weight_decay=0.02)
    np.testing.assert_array_equal(cell.kernel_distance, seen.kernel_distance.isel(step=-1))
    np.testing.assert_array_equal(cell.alignment, seen.alignment.isel(step=-1))
    np.testing.assert_array_equal(cell.initial, seen.alignment.isel(step=0))
    assert cell.phase.values.tolist() == seen.phase.isel(step=-1).values.tolist()


def test_small_first_weights_learn_richly_and_large_ones_lazily(swept):
    far = swept.kernel_distance.sel(weight_decay=0.0)
    assert (far.sel(scale=0.1) > 2 * far.sel(scale=1.0)).all()


def test_axes_are_as_they_were_given(swept):
    assert swept.scale.values.tolist() == [1.0, 0.1]
    assert swept.kernel_distance.dims == ("scale", "relative", "weight_decay", "net")


@pytest.mark.filterwarnings("ignore:the loss of net")
def test_what_diverged_is_missing_and_counted(nets):
    found = ng.regimes(nets.task, scale=[1.0], relative=[1.0], weight_decay=[0.0, 1e3], seeds=1,
                       steps=150, batch=8, lr=0.1)  # fmt: skip
    assert found.attrs["diverged"] == 1
    for name in ("kernel_distance", "parameter_distance", "alignment"):
        assert found[name].sel(weight_decay=1e3).isnull().all()
    assert found.kernel_distance.sel(weight_decay=0.0).notnull().all()


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ("gru", {}, "GRU has no scale"),
        ("mlp", {"scale": [0.0]}, "scale=0"),
        ("mlp", {"scale": ["large"]}, "scale='large'"),
        ("mlp", {"relative": [1.0, 1.0]}, "twice"),
        ("mlp", {"weight_decay": 0.1}, "no list"),
        ("mlp", {"weight_decay": [-1.0]}, "weight_decay=-1"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(nets, network, options, words):
    with pytest.raises(ValueError, match=words):
        ng.regimes(nets.task, network, **options)
