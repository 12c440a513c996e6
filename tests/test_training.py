"""Training: known optima, exact restarts, nets that feel no other, damage that is seen."""

import json
import math
import pickle
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")

from neurogeom import learn, networks  # noqa: E402
from neurogeom.networks import GRU, LSTM, MLP, RNN, work  # noqa: E402
from neurogeom.networks.own import check as check_own  # noqa: E402
from neurogeom.networks.training import _Teacher, build  # noqa: E402
from neurogeom.tensors import load_tensors, save_tensors  # noqa: E402

functional = torch.nn.functional
SMALL = MLP(hidden=(12,))


def linear_task(loss="mse"):
    """y = 2 a - 3 b + 0.5 of two Gaussian inputs, or whether it is above 0."""

    def value(c):
        y = 2 * c["a"] - 3 * c["b"] + 0.5
        return y if loss == "mse" else y > 0

    return networks.Task(
        name="line",
        summary="",
        periods=(networks.Period("only", 100),),
        inputs={"a": 1, "b": 1},
        outputs={"y": 1},
        factors={"side": (0, 1)},
        drives=(
            networks.Drive("a", ("only",), lambda c: c["a"]),
            networks.Drive("b", ("only",), lambda c: c["b"]),
        ),
        targets=(networks.Target("y", ("only",), value),),
        loss=loss,
        latents=lambda g, n: {"a": g.standard_normal(n), "b": g.standard_normal(n)},
        derive=lambda c: {"side": (c["a"] > 0).astype(int)},
    )


def easy(**options):
    return networks.make_task("input-target", **{"dim": 12, "noise": 0.5, **options})


def train(task=None, network=SMALL, **options):
    given = {"seeds": 3, "steps": 20, "batch": 16, "every": 5, "lr": 1e-2}
    return networks.train(task or easy(), network, **{**given, **options})


def same(a, b):
    """Whether two states, or two dicts of them, are equal bit for bit."""
    return a.keys() == b.keys() and all(
        same(a[k], b[k]) if isinstance(a[k], dict) else torch.equal(a[k], b[k]) for k in a
    )


def state(trained):
    return trained.networks.state_dict()


# --- losses and answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bce", "mse", "ce"])
def test_losses_are_means_of_torchs_over_what_is_asked(kind):
    draws = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 6, 5, 3, generator=draws)
    targets = torch.randn(2, 6, 5, 3, generator=draws)
    asked = torch.rand(2, 6, 5, 3, generator=draws) < 0.4
    if kind == "bce":
        targets = (targets > 0).float()
    if kind == "ce":
        targets = functional.one_hot(targets.argmax(-1), 3).float()
        asked = asked[..., :1].expand(asked.shape)
    found = work.loss_of(kind)(lambda x: x, (outputs, targets, asked.float()))
    for net in range(2):
        a, b, m = outputs[net], targets[net], asked[net]
        if kind == "ce":
            wanted = functional.cross_entropy(a[m[..., 0]], b[m[..., 0]].argmax(-1))
        else:
            peers = {"bce": "binary_cross_entropy_with_logits", "mse": "mse_loss"}
            wanted = getattr(functional, peers[kind])(a[m], b[m])
        torch.testing.assert_close(found[net], wanted)


def answered(loss, outputs, targets, mask=None):
    """What `correct` says of one net whose three trials have two decided steps of three."""
    targets = np.asarray(targets, float)
    shape = targets.shape
    decided = np.tile([False, True, True], (len(targets), 1))
    mask = np.ones(shape) if mask is None else mask
    trials = networks.Trials(np.zeros((len(targets), 3, 1)), targets, mask,
                             {"k": np.arange(len(targets))}, decided)  # fmt: skip
    task = networks.Task("t", "", (networks.Period("p", 300),), {"x": 1}, {"y": shape[-1]}, {},
                         (), (), loss=loss)  # fmt: skip
    return work.correct(task, np.asarray(outputs, float)[None], trials)[0]


def test_an_answer_is_the_mean_output_of_the_decided_steps():
    outputs = [[[9.0], [-1.0], [-2.0]], [[0.0], [3.0], [-1.0]], [[0.0], [1.0], [1.0]]]
    targets = [[[1.0]] * 3, [[1.0]] * 3, [[0.0]] * 3]
    np.testing.assert_array_equal(answered("bce", outputs, targets)[:, 0], [0, 1, 0])
    mask = np.ones((3, 3, 1))
    mask[0] = 0
    mask[1, 1] = 0  # judged by its other step
    found = answered("bce", outputs, targets, mask)[:, 0]
    assert np.isnan(found[0])
    np.testing.assert_array_equal(found[1:], [0, 0])


def test_an_answer_in_classes_is_the_likeliest_and_a_number_within_a_tenth_of_the_range():
    outputs = [[[0, 1.0]] * 3, [[2.0, 1.0]] * 3, [[3.0, 1.0]] * 3]
    targets = [[[0, 1.0]] * 3, [[0, 1.0]] * 3, [[1.0, 0]] * 3]
    np.testing.assert_array_equal(answered("ce", outputs, targets), [[1, 1], [0, 0], [1, 1]])
    targets = [[[5.0]] * 3, [[6.0]] * 3, [[7.0]] * 3]
    outputs = [[[5.19]] * 3, [[6.21]] * 3, [[6.81]] * 3]
    np.testing.assert_array_equal(answered("mse", outputs, targets)[:, 0], [1, 0, 1])
    mask = np.ones((3, 3, 1))
    mask[2] = 0  # the range is that of what is asked: 1, and not 2 or 6
    np.testing.assert_array_equal(answered("mse", outputs, targets, mask)[:2, 0], [0, 0])


# --- known optima ---------------------------------------------------------------------------------


def test_a_linear_network_finds_the_line():
    trained = networks.train(linear_task(), lambda seed: torch.nn.Linear(2, 1), seeds=2, steps=300,
                             batch=32, lr=0.1, clip=None)  # fmt: skip
    for net in trained.networks.nets:
        weights = [*net.weight[0].tolist(), net.bias.item()]
        np.testing.assert_allclose(weights, [2, -3, 0.5], atol=1e-3)
    assert (trained.history.loss[:, -1] < 1e-5).all()
    assert (trained.accuracy == 1).all()


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_descent_reaches_the_ridge_solution_of_its_penalty(decay):
    draws = np.random.default_rng(0)
    x, y = draws.standard_normal((40, 3)), draws.standard_normal(40)
    module = torch.nn.Linear(3, 1, bias=False).double()
    batch = torch.from_numpy(x), torch.from_numpy(y)
    found = learn.fit(
        module,
        lambda step: batch,
        lambda m, b: (m(b[0])[:, 0] - b[1]).square().mean()[None],
        steps=400,
        lr=0.2,
        optimizer="sgd",
        weight_decay=decay,
    )
    gram, cross = 2 * x.T @ x / 40 + decay * np.eye(3), 2 * x.T @ y / 40
    np.testing.assert_allclose(module.weight.detach()[0], np.linalg.solve(gram, cross), atol=1e-6)
    assert found.steps.tolist() == [400]
    assert found.stopped == ["trained for 400 steps"]
    assert found.at.tolist() == [100, 200, 300, 400]


def test_a_logistic_problem_reaches_its_maximum():
    from scipy.optimize import minimize

    draws = np.random.default_rng(0)
    x = draws.standard_normal((60, 2))
    y = (draws.random(60) < 1 / (1 + np.exp(-(x @ [1.5, -1.0])))).astype(float)

    def cost(w):
        z = x @ w
        return np.mean(np.logaddexp(0, z) - y * z)

    module = torch.nn.Linear(2, 1, bias=False).double()
    a, b = torch.from_numpy(x), torch.from_numpy(y)[:, None]
    bce = functional.binary_cross_entropy_with_logits
    learn.fit(module, lambda step: 0, lambda m, _: bce(m(a), b)[None], steps=600, lr=0.2,
              rate="one_cycle")  # fmt: skip
    wanted = minimize(cost, np.zeros(2), tol=1e-10).x
    np.testing.assert_allclose(module.weight.detach()[0], wanted, atol=1e-4)


def test_a_one_cycle_rate_rises_and_falls_between_the_shares_it_says():
    rates = np.array([learn.factor("one_cycle", s, 1000) for s in range(1000)])
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.argmax() == 300
    assert rates[300] == 1
    assert (np.diff(rates[:301]) > 0).all()
    assert (np.diff(rates[300:]) < 0).all()
    assert learn.factor("one_cycle", 1000, 1000) == pytest.approx(1e-5)
    assert learn.factor("constant", 17, 20) == 1
    assert all(0 < learn.factor("one_cycle", s, n) <= 1 for n in (1, 2, 3) for s in range(n))


def test_a_cosine_rate_falls_from_its_largest_to_none():
    rates = [learn.factor("cosine", s, 100) for s in (0, 50, 100)]
    np.testing.assert_allclose(rates, [1.0, 0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_only_decoupled_decay_shrinks_what_has_no_gradient_by_its_share(optimizer):
    module = torch.nn.Linear(1, 1, bias=False)
    start = float(module.weight.detach())
    fit = learn.fit(
        module,
        lambda step: None,
        lambda m, batch: (0 * m.weight).sum()[None],
        steps=3,
        lr=0.1,
        optimizer=optimizer,
        weight_decay=0.5,
    )
    left = float(module.weight.detach()) / start
    assert fit.steps.tolist() == [3]
    assert (left == pytest.approx(0.95**3, abs=1e-6)) == (optimizer == "adamw")


def test_the_rate_scales_the_steps():
    module = torch.nn.Linear(1, 1, bias=False)
    seen = []
    learn.fit(
        module,
        lambda step: seen.append(module.weight.item()),
        lambda m, _: m.weight.sum()[None],
        steps=10,
        lr=0.5,
        rate="one_cycle",
        optimizer="sgd",
    )
    moved = -np.diff([*seen, module.weight.item()])
    wanted = [0.5 * learn.factor("one_cycle", s, 10) for s in range(10)]
    np.testing.assert_allclose(moved, wanted, atol=1e-6)


# --- nets by themselves, again and again ----------------------------------------------------------


@pytest.mark.parametrize(
    "network", [SMALL, GRU(hidden=6, noise=0.1), LSTM(hidden=6), RNN(hidden=6, noise=0.1)]
)
def test_a_seed_learns_the_same_alone_and_among_others(network):
    task = networks.make_task("contextual", stimulus=200.0)
    among = train(task, network, seeds=(4, 1, 7))
    alone = train(task, network, seeds=(1,))
    for name, value in state(alone).items():
        torch.testing.assert_close(state(among)[name][1], value[0], atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(among.history.loss[1], alone.history.loss[0], rtol=1e-4)
    np.testing.assert_allclose(among.history.accuracy[1], alone.history.accuracy[0], atol=0.01)
    assert among.history.seed.values.tolist() == [4, 1, 7]
    other = train(task, network, seeds=(2,))
    assert not torch.allclose(state(other)["readout.weight"], state(alone)["readout.weight"])


@pytest.mark.parametrize("network", [SMALL, RNN(hidden=6, noise=0.1), "dropout"])
def test_training_again_gives_the_same_bits_and_leaves_global_streams_alone(network):
    network = dropping if network == "dropout" else network
    torch.manual_seed(1)
    first = train(network=network)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    torch.manual_seed(2)
    again = train(network=network)
    assert same(state(first), state(again))
    xr.testing.assert_equal(first.history, again.history)


def dropping(seed):
    return torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))


def test_seeds_by_number_and_by_name():
    assert same(state(train(seeds=2)), state(train(seeds=(0, 1))))
    assert same(state(train(seeds=np.int64(2))), state(train(seeds=np.arange(2))))


def test_threads_are_what_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    train(steps=1)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


# --- goals, restarts ------------------------------------------------------------------------------

SLOWER = {"lr": 3e-3, "steps": 60, "rate": "constant", "until": 0.9, "every": 4}


def goals(**options):
    """Nets that reach the goal at different steps, and one that does not."""
    return train(easy(n_bits=2, signal=0.3, noise=0.3), seeds=4, **{**SLOWER, **options})


def test_a_net_that_is_done_keeps_its_state_and_the_others_go_on():
    keep = list(range(0, 60, 4))
    trained, endless = goals(keep=keep), goals(until=None, keep=keep)
    n_steps = trained.history.n_steps.values
    assert len(set(n_steps)) > 2  # the case is there
    assert n_steps.min() < 60
    for net, steps in enumerate(n_steps.tolist()):
        wanted = state(endless) if steps == 60 else endless.kept[steps]
        for name, value in state(trained).items():
            assert torch.equal(value[net], wanted[name][net]), (net, name)
        seen = trained.history.accuracy.values[net]
        at = trained.history.step.values
        assert np.isfinite(seen[at <= steps]).all()
        assert np.isnan(seen[at > steps]).all()
        assert np.isnan(trained.history.loss.values[net][at > steps]).all()
        assert (seen[at < steps] < 0.9).all()
        if steps < 60:
            assert trained.accuracy[net] >= 0.9
            assert trained.history.stopped.values[net] == f"reached the goal by step {steps}"
            later = trained.kept[keep[-1]]
            assert torch.equal(later["readout.weight"][net], wanted["readout.weight"][net])
    np.testing.assert_array_equal(trained.history.accuracy[:, 0], endless.history.accuracy[:, 0])


def test_all_nets_done_end_the_run_and_later_steps_keep_what_they_were():
    trained = goals(until=0.3, keep=[2, 50, 60])
    assert trained.history.step.values.tolist() == [4]
    assert sorted(trained.kept) == [0, 2, 50, 60]
    assert same(trained.kept[50], state(trained))
    assert not same(trained.kept[2], state(trained))


class Interrupt(Exception):
    pass


CASES = {
    "plain": {},
    "keep": {"keep": [3, 7, 12, 20]},
    "until": {**SLOWER, "seeds": 4, "keep": [2, 30, 50], "task": "goals"},
    "one cycle": {"rate": "one_cycle", "keep": [20]},
    "constant sgd": {"rate": "constant", "optimizer": "sgd", "weight_decay": 0.1},
    "noise": {"network": RNN(hidden=6, noise=0.2)},
    "samples": {"samples": 40},
    "shuffled": {"shuffled": True},
    "labels": {"schedule": "single_label", "task": "two"},
    "own module": {"network": dropping, "until": 0.75, "keep": [9, 20]},
    "encoder": {"network": GRU(hidden=4, encoder=(5, 3))},
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(case, tmp_path):
    options = dict(CASES[case])
    tasks = {
        "goals": lambda: easy(n_bits=2, signal=0.3, noise=0.3),
        "two": lambda: easy(n_targets=2),
        "": easy,
    }
    task = tasks[options.pop("task", "")]()
    whole = train(task, **options)
    last = whole.history.step.values
    for at in (last[0], last[len(last) // 2], last[-1]):
        path = tmp_path / f"run.{at}"  # a dot in its name

        def interrupt(step, seen, at=at):
            if step > at:
                raise Interrupt

        if at < last[-1]:
            with pytest.raises(Interrupt):
                train(task, checkpoint=path, progress=interrupt, **options)
        else:
            train(task, checkpoint=path, **options)
        steps = []
        went_on = train(
            task, checkpoint=path, progress=lambda s, _, into=steps: into.append(s), **options
        )
        assert steps == [s for s in last.tolist() if s > at]  # it did go on, and not from 0
        assert same(state(went_on), state(whole))
        assert same(went_on.kept, whole.kept)
        xr.testing.assert_equal(went_on.history, whole.history)


def test_a_checkpoint_of_another_run_is_refused_and_says_why(tmp_path):
    path = tmp_path / "run"
    train(checkpoint=path, steps=5)
    for options, what in (
        ({"lr": 0.5}, "lr: 0.01 there, 0.5 here"),
        ({"seeds": 2}, "seeds"),
        ({"network": MLP(hidden=(13,))}, "network"),
        ({"task": easy(noise=0.1)}, "task"),
    ):
        with pytest.raises(ValueError, match=what):
            train(checkpoint=path, **{"steps": 5, **options})
    tensors, notes = load_tensors(path)
    tensors.pop("module/readout.bias")
    save_tensors(path, tensors, notes, overwrite=True)
    with pytest.raises(ValueError, match="run.safetensors holds other networks; repeat that run"):
        train(checkpoint=path, steps=5)


def own(activation=torch.nn.ReLU, width=4):
    """What builds a user's module."""
    return lambda seed: torch.nn.Sequential(
        torch.nn.Linear(12, width), activation(), torch.nn.Linear(width, 1)
    )


@pytest.mark.parametrize(
    ("other", "what"),
    [(own(torch.nn.Tanh), r"module: .*ReLU\(\).* there, .*Tanh\(\)"), (own(width=6), "module: ")],
)
def test_a_checkpoint_of_another_module_of_ones_own_is_refused(other, what, tmp_path):
    options = {"checkpoint": tmp_path / "run", "steps": 5}
    first = train(network=own(), **options)
    assert same(state(train(network=own(), **options)), state(first))
    with pytest.raises(ValueError, match=what) as caught:
        train(network=other, **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"loss": "mse"}, "task loss: 'bce' there, 'mse' here"),
        ({"dt": 50.0}, "task dt: 100.0 there, 50.0 here"),
        ({"derive": lambda c: {"side": (c["a"] > 0).astype(int)}}, None),
        ({"drives": (networks.Drive("a", ("only",), 1.0),)}, "task trials: "),
        (
            {"latents": lambda g, n: {"a": g.random(n), "b": g.standard_normal(n)}},
            "task trials: ",
        ),
    ],
)
def test_a_checkpoint_of_another_task_of_ones_own_is_refused(changes, what, tmp_path):
    task, options = linear_task("bce"), {"checkpoint": tmp_path / "run", "steps": 5}
    first = train(task, **options)
    other = replace(task, **changes)
    if what is None:  # another function that does the same
        assert same(state(train(other, **options)), state(first))
        return
    with pytest.raises(ValueError, match=what):
        train(other, **options)


def test_a_changed_copy_of_a_task_is_ones_own_and_not_the_task_that_make_task_makes(tmp_path):
    task = easy(n_bits=2, signal=0.3)
    assert task.made_by == ("input-target", {"dim": 12, "noise": 0.5, "n_bits": 2, "signal": 0.3})
    changed = replace(task, loss="mse")
    assert changed.made_by is None
    path = train(changed, steps=1).save(tmp_path / "net")
    with pytest.raises(ValueError, match="a task of your own, 'input-target'; pass it as task="):
        networks.load_trained(path)
    assert networks.load_trained(path, task=changed).task.loss == "mse"
    slower = replace(networks.make_task("stay-shift"), dt=50.0)
    with pytest.raises(ValueError, match="was changed after make_task made it"):
        networks.wrong_task(slower)


def test_a_damaged_checkpoint_is_an_error_and_not_a_fresh_start(tmp_path):
    path = tmp_path / "run"
    train(checkpoint=path, steps=5)
    weights = tmp_path / "run.safetensors"
    whole = weights.read_bytes()
    for damage in (whole[:-7], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):
        weights.write_bytes(damage)
        with pytest.raises(OSError, match="run.safetensors is damaged, or of another writing"):
            train(checkpoint=path, steps=5)


WRONG = [
    *[("step", v) for v in ("x", None, -5, 10**6, 4, 5.0, True)],
    *[("history", v) for v in (None, [], {}, {"loss": [[0.0, 0.0, 0.0]] * 2})],
    *[("at", v) for v in (None, [], ["5"], [5, 5], [3])],
    *[("steps", v) for v in (None, [5], "555")],
    *[("stopped", v) for v in (None, ["", ""], [None] * 3)],
    *[("about", v) for v in (None, 5, "x")],
]


def test_notes_of_a_checkpoint_that_cannot_be_are_damage(tmp_path):
    path = tmp_path / "run"
    first = train(checkpoint=path, steps=5)
    text = tmp_path / "run.json"
    notes = json.loads(text.read_text())
    for name, value in WRONG:
        text.write_text(json.dumps({**notes, name: value}))
        with pytest.raises(OSError, match="run.json is damaged") as caught:
            train(checkpoint=path, steps=5)
        assert "\n" not in str(caught.value), (name, value)
    text.write_text(json.dumps(notes))
    assert same(state(train(checkpoint=path, steps=5)), state(first))


# --- what is kept ---------------------------------------------------------------------------------


def test_kept_steps_are_the_networks_before_that_step():
    task = easy()
    trained = train(task, keep=[7, 20], rate="constant")
    assert sorted(trained.kept) == [0, 7, 20]
    fresh = build(task, SMALL, range(3))
    assert same(state(trained.at(0)), fresh.state_dict())
    assert same(state(trained.at(7)), state(train(task, steps=7, rate="constant")))
    assert same(state(trained.at(20)), state(trained))
    assert trained.at(7).history.step.values.tolist() == [5]
    assert np.isnan(trained.at(0).accuracy).all()
    assert same(state(trained), state(train(task, rate="constant")))  # keeping changes nothing
    with pytest.raises(KeyError, match="step 3 was not kept, only .0, 7, 20.; train with keep"):
        trained.at(3)


def test_no_step_is_an_evaluation_of_what_was_drawn():
    trained = train(steps=0, keep=[0])
    assert trained.history.step.values.tolist() == [0]
    assert np.isfinite(trained.accuracy).all()
    assert np.isnan(trained.history.loss).all()
    assert same(state(trained), build(easy(), SMALL, range(3)).state_dict())
    assert trained.history.stopped.values[0] == "trained for 0 steps"


def test_a_fixed_readout_and_encoder_stay_as_they_were_drawn():
    task = networks.make_task("contextual", stimulus=200.0)
    network = RNN(hidden=5, encoder=(4, 3), train_readout=False)
    trained = train(task, network, keep=[0], steps=3)
    before, after = trained.kept[0], state(trained)
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith(("encoder", "readout"))


# --- what is taught -------------------------------------------------------------------------------


def teacher(task, schedule="together", *, samples=None, shuffled=False, steps=30, batch=8):
    return _Teacher(task, [0, 1], batch, steps, schedule, samples, shuffled, "cpu",
                    build(task, SMALL, [0, 1]))  # fmt: skip


def taught(schedule):
    """Which outputs are taught in each step, (step, net, trial, output) bool."""
    own = teacher(easy(n_bits=2, n_targets=3, signal=1.0), schedule)
    return np.stack([own.batch_at(s)[2].numpy().any(axis=2) for s in range(30)])


def test_schedules_teach_what_they_say():
    assert taught("together").all()
    found = taught("interleaved")
    assert (found.sum(axis=-1) == 1).all()
    assert (found == found[:, :, :1]).all()  # one output a step
    share = found[:, :, 0].mean(axis=(0, 1))
    assert (np.abs(share - 1 / 3) < 4.5 * np.sqrt(2 / 9 / 60)).all()
    assert not (found[:, 0] == found[:, 1]).all()  # of each net by itself
    found = taught("blocked")
    np.testing.assert_array_equal(found[:, 0, 0].argmax(axis=1), np.repeat([0, 1, 2], 10))
    assert (found == found[:, :1, :1]).all()
    assert (found.sum(axis=-1) == 1).all()
    found = taught("single_label")
    assert (found.sum(axis=-1) == 1).all()
    assert not (found == found[:, :, :1]).all()
    share = found.mean(axis=(0, 1, 2))
    assert (np.abs(share - 1 / 3) < 4.5 * np.sqrt(2 / 9 / found[..., 0].size)).all()


def test_a_fixed_set_is_gone_through_once_an_epoch_in_ever_another_order():
    own = teacher(easy(), samples=26, batch=8)  # three batches an epoch, two trials left out
    rows = []
    for step in range(12):
        inputs, targets, _ = own.batch_at(step)
        for net in range(2):
            whole = own.fixed[net]
            found = [int(np.flatnonzero((whole.inputs == x).all(axis=(1, 2)))[0])
                     for x in inputs[net].numpy()]  # fmt: skip
            np.testing.assert_array_equal(targets[net].numpy(), whole.targets[found])
            rows.append(found)
    rows = np.array(rows).reshape(4, 3, 2, 8).transpose(2, 0, 1, 3).reshape(2, 4, 24)
    assert all(len(set(epoch)) == 24 for net in rows.tolist() for epoch in net)
    assert not (rows[:, 0] == rows[:, 1]).all()
    assert not (own.fixed[0].inputs == own.fixed[1].inputs).all()


def test_private_noise_is_another_at_every_step_and_the_same_at_the_same():
    task = easy()
    module = build(task, RNN(hidden=5, noise=0.3), [0, 1])
    own = _Teacher(task, [0, 1], 8, 30, "together", None, False, "cpu", module)
    inputs = own.batch_at(0)[0]

    def at(step):
        own.batch_at(step)
        return module(inputs).detach()

    first, second, again = at(0), at(1), at(0)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_shuffled_targets_are_those_of_other_trials_of_the_batch():
    task = easy()
    plain, mixed = (teacher(task, shuffled=s, batch=64) for s in (False, True))
    a, b = plain.batch_at(3), mixed.batch_at(3)
    assert torch.equal(a[0], b[0])
    assert not torch.equal(a[1], b[1])
    assert torch.equal(a[1].sort(dim=1)[0], b[1].sort(dim=1)[0])


def test_shuffled_targets_leave_the_network_at_chance_and_true_ones_do_not():
    options = {"steps": 150, "batch": 64, "every": 50, "seeds": 4}
    assert train(**options).accuracy.min() > 0.95
    # 512 test trials of 4 conditions: a net is right in whole conditions at random
    assert abs(train(shuffled=True, **options).accuracy.mean() - 0.5) < 0.25


def test_tests_are_fresh_trials_and_the_same_for_all_nets():
    own = teacher(easy())
    assert own.test.n_trials == 512
    inputs = own.batch_at(0)[0].numpy()
    assert not np.isin(own.test.inputs, inputs).any()
    longer = teacher(networks.make_task("stay-shift", previous="remembered", length=10))
    assert longer.test.n_trials == 510


def test_the_gradient_of_each_net_is_clipped_by_itself():
    trained = train(steps=1, keep=[0, 1], optimizer="sgd", rate="constant", lr=1.0, clip=1e-3)
    for net in range(3):
        moved = [trained.kept[1][k][net] - trained.kept[0][k][net] for k in trained.kept[0]]
        length = math.sqrt(sum(float(m.square().sum()) for m in moved))
        assert length == pytest.approx(1e-3, rel=1e-2)


def test_outputs_that_a_test_never_asks_for_have_no_accuracy_and_no_warning():
    task = networks.make_task("reversal", context="inferred", length=2, hazard=0.999)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train(task, GRU(hidden=3), seeds=1, steps=1, batch=2)
    assert trained.history.accuracy.shape == (1, 1)


# --- when it goes wrong ---------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_run_with_the_last_good_state():
    options = {"network": lambda seed: torch.nn.Linear(2, 1), "optimizer": "sgd", "clip": None,
               "rate": "constant", "lr": 1e9, "seeds": 2, "keep": [0, 4]}  # fmt: skip
    with pytest.warns(UserWarning, match="of net 0 is not finite at step 2; .* lower lr") as caught:
        trained = train(linear_task(), **options)
    assert len(caught) == 1
    before = train(linear_task(), **{**options, "steps": 1, "keep": [1]})
    assert same(state(trained), state(before))
    assert all(v.isfinite().all() for v in state(trained).values())
    assert trained.history.n_steps.values.tolist() == [1, 1]
    assert "not finite at step 2" in trained.history.stopped.values[1]
    assert sorted(trained.kept) == [0]
    np.testing.assert_array_equal(trained.accuracy, before.accuracy)


class Numbers(torch.nn.Module):
    """Two nets of one number each."""

    n_nets = 2

    def __init__(self, *values):
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor(values))

    def net_state(self, i):
        return {"x": self.x[i].detach().clone()}

    def load_net_state(self, i, own):
        with torch.no_grad():
            self.x[i] = own["x"]


def test_a_last_step_that_breaks_the_network_is_taken_back():
    module = Numbers(1.0, 0.0)  # the root has an infinite slope at 0
    with pytest.warns(UserWarning, match="the state of net 1 is not finite at step 1"):
        found = learn.fit(module, lambda s: s, lambda m, _: m.x.sqrt(), steps=1, optimizer="sgd")
    assert module.x.tolist() == [1.0, 0.0]
    assert found.steps.tolist() == [0, 0]
    assert np.isnan(found.history["loss"]).all()


def test_divergence_right_after_an_evaluation_takes_that_evaluation_back():
    module = Numbers(1.0, 2.0)

    def loss(m, step):
        return m.x * torch.tensor([1.0, math.nan if step == 4 else 1.0])

    def evaluate(step):
        return {"at": np.full(2, float(step))}

    with pytest.warns(UserWarning, match="the loss of net 1 is not finite at step 4"):
        found = learn.fit(module, lambda s: s, loss, steps=9, lr=0.1, optimizer="sgd", every=2,
                          evaluate=evaluate, keep=[3, 4])  # fmt: skip
    np.testing.assert_allclose(module.x.detach(), [0.7, 1.7], rtol=1e-6)
    assert found.at.tolist() == [2, 3, 4]
    np.testing.assert_array_equal(found.history["at"], [[2, 3, np.nan]] * 2)
    assert sorted(found.kept) == [0, 3]


def test_a_loss_that_is_not_finite_at_the_start_keeps_the_start():
    module = Numbers(1.0, math.nan)
    with pytest.warns(UserWarning, match="net 1 is not finite at step 0"):
        found = learn.fit(module, lambda s: s, lambda m, _: m.x, steps=5, keep=[0])
    assert module.x[0].item() == 1
    assert sorted(found.kept) == [0]


def test_a_net_that_is_done_cannot_end_the_run_of_others():
    module = Numbers(1.0, 5.0)

    def loss(m, step):
        return m.x * torch.tensor([math.nan if step >= 3 else 1.0, 1.0])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = learn.fit(module, lambda s: s, loss, steps=10, lr=0.1, optimizer="sgd", every=1,
                          stop=lambda seen: np.array([True, False]))  # fmt: skip
    np.testing.assert_allclose(module.x.detach(), [0.9, 4.0], rtol=1e-6)
    assert found.steps.tolist() == [1, 10]


def test_a_restart_after_a_good_step_diverges_as_the_whole_run(tmp_path):
    def loss(m, step):
        return m.x * torch.tensor([1.0, math.nan if step == 4 else 1.0])

    def run(steps_seen, **options):
        module = Numbers(1.0, 2.0)

        def progress(step, seen):
            if step > steps_seen:
                raise Interrupt

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                learn.fit(module, lambda s: s, loss, steps=9, lr=0.1, every=2, progress=progress,
                          **options)  # fmt: skip
        except Interrupt:
            pass
        return module.x.tolist()

    whole = run(99)
    for seen in (2, 4):
        run(seen, checkpoint=tmp_path / str(seen))
        assert run(99, checkpoint=tmp_path / str(seen)) == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "odd"}, "schedule='odd' is unknown"),
        *[
            ({"seeds": v}, f"seeds={re.escape(repr(v))}: ask for so many nets")
            for v in (0, -1, True, 2.0, "ab", (), (-1,), [1.5], [0, 0], [True, 2])
        ],
        *[({"batch": v}, f"batch={v}: ask for 1 trial") for v in (0, 2.5, True)],
        *[({"steps": v}, f"steps={v}, every=5: ask for") for v in (-1, 2.5, True)],
        *[({"every": v}, f"every={v}: ask for") for v in (0, 2.5)],
        *[({"lr": v}, f"lr={v!r}: give a finite") for v in (math.inf, math.nan, -1, "a")],
        ({"weight_decay": -1}, "weight_decay=-1: give a finite"),
        *[({"clip": v}, f"clip={v}: give a norm above 0") for v in (-1, 0, math.nan)],
        *[({"until": v}, f"until={v!r}: give an accuracy") for v in (2, -1, math.nan, "a")],
        *[({"shuffled": v}, f"shuffled={v!r}: give True or False") for v in ("no", 1)],
        ({"rate": "odd"}, "rate='odd' is unknown"),
        ({"optimizer": "lion"}, "optimizer='lion' is unknown"),
        *[({"samples": v}, f"samples={v} is less than a batch of 16, or") for v in (3, 20.5)],
        *[({"keep": v}, "choose steps from 0 to 20") for v in ([21], [-1], [1.5], 3, "a")],
        *[({"device": v}, f"device {v!r} is not here; choose from .'cpu'") for v in ("foo", 3)],
        ({"task": 5}, "task=5 is no task; give what make_task makes"),
        ({"task": "evidense"}, "no task 'evidense'; did you mean 'evidence'"),
        ({"network": "GRU"}, "network 'GRU' is unknown; did you mean 'gru'"),
        ({"network": 5}, "network 5 is unknown; choose from"),
        ({"network": GRU}, r"is the class of an architecture; give GRU\(\), with"),
        ({"network": torch.nn.Linear(12, 1)}, "one Linear that is built already; give what builds"),
        ({"network": lambda s: 3}, "makes a int of seed 0; let it return a torch module"),
        ({"network": lambda s: torch.nn.GRU(12, 1)}, "answers with tuple where task"),
        ({"network": lambda s: torch.nn.Linear(12, 3)}, r"shape \(2, 1, 3\) where"),
        ({"network": lambda s: torch.nn.Linear(11, 1)}, "fails on inputs of shape"),
        ({"network": lambda s: torch.nn.Linear(2, 1), "task": "free-response"}, "asks for one"),
        (
            {
                "task": networks.make_task("multitasking", labelled="one"),
                "schedule": "single_label",
            },
            "one label a trial would leave some with none",
        ),
        ({"network": "odd"}, "network 'odd' is unknown"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        train(**options)
    assert "\n" not in str(caught.value)


def test_a_network_that_cannot_learn_is_refused():
    frozen = torch.nn.Linear(12, 1).requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter of this network can be trained"):
        train(network=lambda seed: frozen)


def test_a_device_that_this_machine_lacks_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="device 'cuda' is not here; choose from .'cpu'"):
        train(device="cuda")


def test_a_task_may_be_named():
    named, made = (
        train(t, GRU(hidden=3), steps=2, seeds=1)
        for t in ("stay-shift", networks.make_task("stay-shift"))
    )
    assert same(state(named), state(made))
    assert named.settings == made.settings


def test_asking_a_network_what_it_answers_changes_nothing_in_it():
    module = build(easy(), lambda seed: torch.nn.Sequential(
        torch.nn.Linear(12, 6), torch.nn.BatchNorm1d(1), torch.nn.Dropout(0.5),
        torch.nn.Linear(6, 1)), [0, 1])  # fmt: skip
    before = {k: v.clone() for k, v in module.state_dict().items()}
    stream = torch.get_rng_state()
    check_own(module, easy(), easy().sample(4, np.random.default_rng(0)))
    assert same(module.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), stream)


def test_classes_are_taught_together():
    with pytest.raises(ValueError, match="classes of one answer"):
        train(linear_task(loss="ce"), schedule="interleaved")


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    trained = train(network=MLP(hidden=(5, 4)), keep=[7], until=0.99)
    return trained, trained.save(tmp_path / "net")


def test_networks_are_the_same_after_a_file(saved):
    trained, path = saved
    assert path.name == "net.safetensors"
    for name in (path, path.with_suffix(".json"), path.with_suffix("")):
        found = networks.load_trained(name)
        assert same(state(found), state(trained))
        assert same(found.kept, trained.kept)
        xr.testing.assert_identical(found.history, trained.history)
        assert found.settings == trained.settings
        assert found.networks.architecture == trained.networks.architecture
        assert found.networks.seeds == trained.networks.seeds
        trials = trained.task.enumerate(2)
        np.testing.assert_array_equal(found.task.enumerate(2).inputs, trials.inputs)
        np.testing.assert_array_equal(found.outputs(trials), trained.outputs(trials))
        assert same(state(found.at(7)), state(trained.at(7)))


def test_options_of_a_task_come_back_as_they_were(tmp_path):
    task = networks.make_task("perceptual", coherences=np.array([5.0, 50.0]))
    train(task, GRU(hidden=3), steps=1, seeds=1).save(tmp_path / "net")
    assert networks.load_trained(tmp_path / "net").task.factors == task.factors


def test_files_are_not_written_over_unless_asked(saved):
    trained, path = saved
    with pytest.raises(FileExistsError, match="overwrite=True"):
        trained.save(path)
    assert trained.save(path, overwrite=True) == path


def test_damage_is_seen(saved, tmp_path):
    _, path = saved
    text = path.with_suffix(".json")
    whole, notes = path.read_bytes(), text.read_text()

    def refused(error, message):
        with pytest.raises(error, match=message) as caught:
            networks.load_trained(path)
        assert "\n" not in str(caught.value)

    flipped = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    for damaged in (whole[:-10], whole[:20], b"", flipped):
        path.write_bytes(damaged)
        refused(OSError, "net.safetensors is damaged, or of another writing than net.json")
    path.write_bytes(whole)
    for damaged in (notes[:-30], "[]", "{}", '{"format": 1}', '{"format": "x", "hash": "y"}'):
        text.write_text(damaged)
        refused(OSError, "net.json is damaged or not of neurogeom")
    later = {**json.loads(notes), "format": 2}
    text.write_text(json.dumps(later))
    refused(ValueError, "written by a later neurogeom")
    other = {**json.loads(notes), "hash": "0"}
    text.write_text(json.dumps(other))
    refused(OSError, "of another writing")
    short = {k: v for k, v in json.loads(notes).items() if k != "architecture"}
    text.write_text(json.dumps(short))
    refused(OSError, "does not hold trained networks")
    smaller = json.loads(notes)
    smaller["architecture"]["hidden"] = [5, 3]
    text.write_text(json.dumps(smaller))
    refused(OSError, "holds other tensors than its JSON says")
    text.unlink()
    refused(FileNotFoundError, "there is no file .*net.json")
    text.write_text(notes)
    networks.load_trained(path)  # as it was
    train(seeds=2).save(tmp_path / "other")
    (tmp_path / "other.safetensors").rename(path)
    refused(OSError, "of another writing")


SAID = [
    *[(("seeds",), v) for v in (None, "ab", [], 5, [0.5, 1, 2], [0, 1])],
    *[(("architecture", "activation"), v) for v in (5, "thanh")],
    *[(("architecture", "hidden"), v) for v in (1e12, [10**12, 4], [], "a")],
    *[(("architecture",), v) for v in ([], {}, {"name": ["MLP"]})],
    *[(("task",), v) for v in ([["a"], {}], ["odd", {}], ["input-target", []], 5, None)],
    (("task",), ["input-target", {"nois": 1}]),
    *[(("settings",), v) for v in ({}, [], None)],
    (("settings", "network"), "mlp"),
    *[(("history",), v) for v in ([], {}, None)],
    (("history", "data_vars", "accuracy", "data"), [[0.0]]),
    *[(("shape",), v) for v in ([12, 1], [12, 1, "a"], [12, 1, 99], [12.0, 1, 0], None)],
]


def test_notes_that_cannot_be_are_damage_and_one_sentence(saved):
    _, path = saved
    text = path.with_suffix(".json")
    whole = text.read_text()
    for place, value in SAID:
        notes = json.loads(whole)
        inner = notes
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        if place == ("task",):  # which stands there twice
            notes["settings"]["task"] = value
        text.write_text(json.dumps(notes))
        with pytest.raises(OSError, match="net.json is damaged") as caught:
            networks.load_trained(path)
        assert "\n" not in str(caught.value), (place, value)
        assert len(str(caught.value)) < 600
    text.write_text(whole)
    networks.load_trained(path)


def test_a_checkpoint_is_no_trained_network(tmp_path):
    train(checkpoint=tmp_path / "run", steps=5)
    with pytest.raises(OSError, match="does not hold trained networks; give what train saved"):
        networks.load_trained(tmp_path / "run")


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["net.pt", "net.PTH", "net.pkl", "net.ckpt"])
def test_a_pickle_is_never_opened(name, tmp_path):
    sprung = tmp_path / "sprung"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(ValueError, match="the name of a pickle, which can run any code"):
        networks.load_trained(tmp_path / name)
    with pytest.raises(ValueError, match="the name of a pickle"):
        train(checkpoint=tmp_path / name)
    save_tensors(tmp_path / "net", {}, {})
    (tmp_path / name).rename(tmp_path / "net.safetensors")  # under a name that is read
    with pytest.raises(OSError, match="net.safetensors is damaged"):
        networks.load_trained(tmp_path / "net")
    digest = blake2b((tmp_path / "net.safetensors").read_bytes(), digest_size=16).hexdigest()
    (tmp_path / "net.json").write_text(json.dumps({"format": 1, "hash": digest}))
    with pytest.raises(OSError, match="net.safetensors is no safetensors file"):
        networks.load_trained(tmp_path / "net")
    assert not sprung.exists()
    pickle.loads((tmp_path / "net.safetensors").read_bytes()).close()
    assert sprung.exists()  # the trap works


def test_tasks_and_modules_of_a_user_in_files(tmp_path):
    train(linear_task("bce"), SMALL, steps=1).save(tmp_path / "net")
    with pytest.raises(ValueError, match="a task of your own, 'line'; pass it as task="):
        networks.load_trained(tmp_path / "net")
    found = networks.load_trained(tmp_path / "net", task=linear_task("bce"))
    assert found.outputs(found.task.enumerate(1)).shape == (3, 2, 1, 1)
    with pytest.raises(ValueError, match="was trained on 2 inputs and 1 outputs"):
        networks.load_trained(tmp_path / "net", task=easy())
    own = train(network=dropping, steps=1)
    with pytest.raises(ValueError, match="your own modules; save their state_dict yourself"):
        own.save(tmp_path / "own")


# --- activity -------------------------------------------------------------------------------------


def test_activity_stands_beside_the_conditions_that_made_it():
    task = networks.make_task("reversal")
    trained = train(task, GRU(hidden=5), seeds=2, steps=1)
    trials = task.enumerate(3, seed=4)
    found = trained.record(n_trials=3, seed=4, name="net")
    with torch.inference_mode():
        states = trained.networks.core(torch.from_numpy(trials.inputs).expand(2, -1, -1, -1))
    assert [str(x.session.values) for x in found] == ["net-0", "net-1"]
    for net, x in enumerate(found):
        assert x.dims == ("trial", "neuron", "time")
        np.testing.assert_allclose(x.time, task.time())
        np.testing.assert_allclose(x, states[net].permute(0, 2, 1), atol=1e-6)
        np.testing.assert_array_equal(x.stimulus, trials.conditions["stimulus"])
        assert x.attrs["seed"] == net
    delay = trained.record(n_trials=3, seed=4, window="delay")[1]
    inside = (task.time() > 0.5) & (task.time() < 1.4)
    np.testing.assert_allclose(delay, states[1][:, inside].mean(dim=1), atol=1e-6)
    assert delay.dims == ("trial", "neuron")
    with pytest.raises(ValueError, match=r"window \(9, 10\) holds no step"):
        trained.record(n_trials=3, window=(9, 10))


def test_trials_of_a_sequence_are_cut_apart_and_stay_blocks():
    task = networks.make_task("stay-shift", previous="remembered", length=4)
    trained = train(task, RNN(hidden=3), seeds=1, steps=1, batch=2)
    trials = task.sample(5, np.random.default_rng(0))
    (x,) = trained.record(trials=trials)
    with torch.inference_mode():
        states = trained.networks.core(torch.from_numpy(trials.inputs)[None])[0]
    assert x.shape == (20, 3, 26)
    for trial in (0, 5, 19):
        own = states[trial // 4, 26 * (trial % 4) : 26 * (trial % 4 + 1)]
        np.testing.assert_allclose(x[trial], own.T, atol=1e-6)
    np.testing.assert_array_equal(x.block, np.repeat(np.arange(5), 4))


def test_wrong_answers_are_left_out_and_counted():
    trained = train(easy(noise=2.0), seeds=2, steps=1)
    trials = trained.task.enumerate(10, seed=3)
    right = work.correct(trained.task, trained.outputs(trials), trials)[..., 0] > 0
    for net, x in enumerate(trained.record(n_trials=10, seed=3, correct_only=True)):
        assert x.sizes["trial"] == right[net].sum() < 40
        assert x.attrs["dropped"]["trials"]["wrong answer"] == (~right[net]).sum()
        np.testing.assert_array_equal(x.bit_1, trials.conditions["bit_1"][right[net]])


def test_one_task_of_a_shared_network_is_recorded_in_its_own_time():
    from dataclasses import replace

    both = networks.share([networks.make_task("perceptual"), networks.make_task("stay-shift")])
    trained = train(both, RNN(hidden=3), seeds=1, steps=1)
    only = replace(trained, task=both.only("perceptual"))
    (x,) = only.record(n_trials=1, window="decision")
    assert set(x.direction.values) == {"left", "right"}
    assert x.shape == (12, 3)
    (x,) = only.record(n_trials=1)
    assert x.time[0] == pytest.approx(-0.25)


# --- without torch --------------------------------------------------------------------------------


def test_without_torch_tasks_work_and_training_says_what_is_missing():
    code = """
import sys
sys.modules["torch"] = None
import neurogeom
from neurogeom import networks
assert len(networks.tasks()) > 10
assert networks.make_task("reversal").enumerate(1).inputs.shape == (8, 24, 7)
assert networks.activation("relu")(1.0) == 1.0
calls = [
    lambda: networks.train(networks.make_task("reversal")),
    lambda: networks.GRU(hidden=3).build(3, 2),
    lambda: networks.load_trained("nothing"),
]
for call in calls:
    try:
        call()
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == (
        "networks need torch, which is not installed: pip install 'neurogeom[networks]'\n" * 3
    )


def test_without_safetensors_files_are_refused_before_the_work(saved, monkeypatch, tmp_path):
    trained, path = saved
    for name in [name for name in sys.modules if name.split(".")[0] == "safetensors"]:
        monkeypatch.setitem(sys.modules, name, None)

    def worked(step, seen):
        raise AssertionError("trained first")

    for call in (
        lambda: networks.load_trained(path),
        lambda: trained.save(tmp_path / "other"),
        lambda: train(checkpoint=tmp_path / "run", progress=worked),
    ):
        with pytest.raises(ImportError, match="need safetensors, which is not installed: pip"):
            call()


# --- what trained networks are like (multitask.md, test 10) ---------------------------------------


def test_recorded_trials_say_what_each_net_answered():
    task = networks.make_task("stay-shift")
    trained = networks.train(task, networks.GRU(hidden=8), seeds=2, steps=3, batch=8)
    trials = task.enumerate(6, seed=3)
    outputs = trained.outputs(trials)[..., 0]
    judged = outputs[:, :, trials.decided[0]].mean(axis=2) > 0
    every = trained.record(trials=trials)
    kept = trained.record(trials=trials, correct_only=True)
    for net, (x, right) in enumerate(zip(every, kept, strict=True)):
        np.testing.assert_array_equal(x.answer, judged[net])
        np.testing.assert_array_equal(x.correct, judged[net] == (x.response == "B").values)
        wrong = int((~x.correct).sum())
        assert right.attrs["dropped"]["trials"] == {"wrong answer": wrong}
        assert right.sizes["trial"] == x.sizes["trial"] - wrong
        assert 0 < wrong < 48


def test_private_noise_is_there_in_what_is_recorded_and_in_what_is_answered():
    task = networks.make_task("stay-shift", noise=0.0)
    quiet, noisy = (
        networks.train(task, networks.RNN(hidden=8, noise=sd), seeds=2, steps=0) for sd in (0, 0.3)
    )
    trials = task.enumerate(40)
    first, again = (noisy.record(trials=trials, seed=1) for _ in range(2))
    for x, y, z in zip(first, again, quiet.record(trials=trials), strict=True):
        np.testing.assert_array_equal(x.values, y.values)
        added = x.values[..., 0] - z.values[..., 0]  # of the first step, nothing before it
        assert abs(added.std() - 0.3) < 4 * 0.3 / (2 * added.size) ** 0.5
    other = noisy.record(trials=trials, seed=2)[0]
    assert not np.allclose(first[0].values, other.values)
    readout = noisy.networks.readout
    said = np.einsum("tuk,u->tk", first[0].values, readout.weight[0, :, 0].detach().numpy())
    said += float(readout.bias[0, 0, 0].detach())
    np.testing.assert_array_equal(first[0].trial_id, np.arange(trials.n_trials))
    judged = said[:, trials.decided[0]].mean(axis=1)
    clear = np.abs(judged) > 1e-5
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(first[0].answer.values[clear], (judged > 0)[clear])
    assert (noisy.outputs(trials, seed=1) == noisy.outputs(trials, seed=1)).all()
    assert not np.allclose(noisy.outputs(trials, seed=1), noisy.outputs(trials, seed=2))


@pytest.mark.slow
def test_a_network_abstracts_what_it_must_tell_and_not_the_context_that_it_can_forget():
    """The prototype: short periods, gates that forget; pairs held out as in Bernardi et al.

    Action and outcome put the conditions in four clusters of one from each context. Where any pair
    is held out, the partner of a held-out condition stays in training with the other label, so that
    a context that is hardly coded turns round; where whole clusters are held out ("matched") what
    is left of its cue generalises, from .5 to .95 by seed.
    """
    import neurogeom as ng

    whole = networks.make_task("reversal")
    short = {"cue": 200, "wait": 0, "stimulus": 200, "delay": 400, "response": 200}
    periods = tuple(networks.Period(p.name, short[p.name]) for p in whole.periods)
    task = replace(whole, periods=periods)
    network = networks.GRU(memory=0.0)
    trained = networks.train(task, network, seeds=5, steps=700, batch=32, lr=5e-3)
    assert np.median(trained.accuracy) >= 0.98
    stop = task.window("delay")[1]
    variables = ["context", "action", "outcome"]
    options = {"n_null": 0, "target": "none", "n_resamples": 4}
    found = trained.record(n_trials=20, window=(stop - 0.1, stop))
    ccgp = [ng.ccgp(x, variables, held_out="any", **options).estimate for x in found]
    context, action, outcome = np.median(ccgp, axis=0)
    assert action >= 0.9
    assert outcome >= 0.9
    assert context < 0.6
    assert np.median([ng.shattering(x, variables, **options).estimate for x in found]) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("network", ["gru", "lstm"])
def test_stay_shift_is_learnt(network):
    task = networks.make_task("stay-shift")
    trained = networks.train(task, network, seeds=3, steps=600, batch=32)
    assert trained.accuracy.min() >= 0.95
