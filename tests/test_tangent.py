"""Tangent kernels against gradients taken one by one, closed forms, and what outputs do."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from neurogeom.networks import (  # noqa: E402
    GRU,
    LSTM,
    MLP,
    RNN,
    Convolutional,
    Transformer,
    empirical_ntk,
    kernel_distance,
    train,
)
from neurogeom.networks.modules import Several  # noqa: E402
from neurogeom.networks.registry import make_task  # noqa: E402

torch.set_num_threads(1)
KINDS = {
    "mlp": (MLP(hidden=(7, 5)), 4),
    "rnn": (RNN(hidden=6), 4),
    "gru": (GRU(hidden=6), 4),
    "lstm": (LSTM(hidden=6), 4),
    "transformer": (Transformer(hidden=8, heads=2), 4),
    "conv": (Convolutional(channels=(3, 4), hidden=6), 25),
}


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def relu_net(d=5, h=9, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(d, h, bias=False), nn.ReLU(), nn.Linear(h, 1, bias=False)).to(
        dtype
    )


def one_by_one(module, outputs):
    """Every gradient of every output by itself: (output, parameter)."""
    learns = [p for p in module.parameters() if p.requires_grad]
    rows = []
    for o in outputs.flatten():
        found = torch.autograd.grad(o, learns, retain_graph=True, allow_unused=True)
        parts = [
            torch.zeros_like(p) if g is None else g for p, g in zip(learns, found, strict=True)
        ]
        rows.append(torch.cat([g.flatten() for g in parts]).double())
    return torch.stack(rows).numpy()


# --- truth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize(("eta_w", "eta_a"), [(1.0, 1.0), (0.3, 2.5)])
def test_the_kernel_of_a_two_layer_relu_network_is_its_formula(dtype, tolerance, eta_w, eta_a):
    """R11: sum_k c_ki c_kj x_i' M_k x_j, M_k = eta_w a_k^2 I + eta_a w_k w_k'."""
    net, x = relu_net(dtype=dtype), drawn(12, 5)
    w, a = (net[i].weight.detach().double().numpy() for i in (0, 2))
    active = x @ w.T > 0
    expected = np.zeros((12, 12))
    for k in range(len(w)):
        m = eta_w * a[0, k] ** 2 * np.eye(5) + eta_a * np.outer(w[k], w[k])
        expected += np.outer(active[:, k], active[:, k]) * (x @ m @ x.T)
    found = empirical_ntk(net, x, rates={"0.weight": eta_w, "2.*": eta_a})
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_outputs_move_by_the_kernel_with_the_rates_that_they_learn_at():
    """A small step of gradient descent, each layer at its own rate: df = -K dL/df."""
    net, x, y = relu_net(), torch.from_numpy(drawn(10, 5)), torch.from_numpy(drawn(10, 1, seed=1))
    kernel = empirical_ntk(net, x, rates={"0.*": 0.5, "2.*": 3.0})
    before, step = net(x), 1e-6
    (0.5 * (before - y) ** 2).sum().backward()
    with torch.no_grad():
        for layer, rate in ((net[0], 0.5), (net[2], 3.0)):
            layer.weight -= step * rate * layer.weight.grad
    moved = (net(x) - before).detach().numpy()[:, 0] / step
    expected = -kernel @ (before - y).detach().numpy()[:, 0]
    np.testing.assert_allclose(moved, expected, atol=1e-4 * np.abs(expected).max())
    plain = -empirical_ntk(net, x) @ (before - y).detach().numpy()[:, 0]
    assert np.abs(moved - plain).max() > 0.1 * np.abs(expected).max()


# --- a second opinion -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_net_of_this_toolkit_has_the_kernel_that_its_gradients_make_one_by_one(kind):
    architecture, n_in = KINDS[kind]
    module = architecture.build(n_in, 2, seeds=(0, 3)).double()
    x = torch.from_numpy(drawn(5, 3, n_in))
    found, each = empirical_ntk(module, x, chunk=2), empirical_ntk(module, x, outputs="each")
    assert found.shape == (2, 5, 5)
    assert each.shape == (2, 3, 2, 5, 5)
    for net in range(2):
        alone = module.member(net).double()
        j = one_by_one(alone, alone(x)[0]).reshape(5, 6, -1)  # (trial, step and output, parameter)
        expected = np.einsum("iop,jop->ij", j, j)
        np.testing.assert_allclose(found[net], expected, atol=1e-10 * expected.max())
        np.testing.assert_allclose(
            each[net].reshape(6, 5, 5), np.einsum("iop,jop->oij", j, j), atol=1e-10 * expected.max()
        )


def test_other_modules_too_whatever_they_are_made_of():
    torch.manual_seed(0)
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True),
                                nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten(),
                                nn.Linear(18, 3)).double()  # fmt: skip

    class Last(nn.Module):  # torch cannot batch its gradients
        def __init__(self):
            super().__init__()
            self.core, self.readout = nn.GRU(4, 3, batch_first=True), nn.Linear(3, 2)

        def forward(self, x):
            return self.readout(self.core(x)[0][:, -1])

    for net, x in ((convolution, drawn(5, 1, 8, 8)), (Last().double(), drawn(5, 6, 4))):
        net.train()
        found = empirical_ntk(net, x, chunk=3)
        assert net.training
        net.eval()
        outputs = net(torch.from_numpy(x))
        j = one_by_one(net, outputs).reshape(5, outputs.shape[1], -1)
        np.testing.assert_allclose(found, np.einsum("iop,jop->ij", j, j), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_the_chunk_changes_nothing(chunk):
    net, x = relu_net(), drawn(7, 5)
    np.testing.assert_allclose(
        empirical_ntk(net, x, chunk=chunk), empirical_ntk(net, x), rtol=1e-12, atol=1e-13
    )


# --- what counts ----------------------------------------------------------------------------------


def test_only_what_learns_counts():
    net, x = relu_net(), drawn(6, 5)
    w = net[0].weight.detach().numpy()
    net[0].weight.requires_grad_(False)
    h = np.maximum(x @ w.T, 0)
    np.testing.assert_allclose(empirical_ntk(net, x), h @ h.T, atol=1e-12)


def test_nets_may_have_inputs_of_their_own_and_be_modules_of_ones_own():
    x = drawn(2, 4, 1, 5)
    batched = MLP(hidden=(6,)).build(5, 1, seeds=(1, 2)).double()
    found = empirical_ntk(batched, x)
    for i in range(2):
        alone = empirical_ntk(batched.member(i).double(), x[i])
        np.testing.assert_allclose(found[i], alone[0], rtol=1e-12)
    nets = [relu_net(seed=s) for s in (1, 2)]
    found = empirical_ntk(Several(nets), x)
    for i in range(2):
        np.testing.assert_allclose(found[i], empirical_ntk(nets[i], x[i]), rtol=1e-12)
    assert np.abs(found[0] - found[1]).max() > 0


def test_half_precision_is_computed_in_single():
    net, x = relu_net(dtype=torch.float16), drawn(6, 5).astype(np.float16)
    expected = empirical_ntk(copy.deepcopy(net).double(), x.astype(float))
    found = empirical_ntk(net, x)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
    assert net[0].weight.dtype == torch.float16


# --- kernel distance ------------------------------------------------------------------------------


def test_scale_is_no_distance_and_a_turn_is():
    a = drawn(6, 9) @ drawn(6, 9).T
    other = drawn(6, 9, seed=1) @ drawn(6, 9, seed=1).T
    assert kernel_distance(a, 1e200 * a) < 1e-30
    cosine = (a * other).sum() / np.linalg.norm(a) / np.linalg.norm(other)
    np.testing.assert_allclose(kernel_distance(a, other), 1 - cosine, rtol=1e-12)
    np.testing.assert_allclose(kernel_distance(np.diag([1.0, 0]), np.diag([0, 1.0])), 1)


def test_a_small_distance_is_not_lost_in_rounding():
    turned = np.array([[1, 1e-9], [1e-9, 0]])
    found = kernel_distance(np.diag([1.0, 0]), turned)
    np.testing.assert_allclose(found, 1e-18, rtol=1e-6)  # tan^2 / 2 with tan = sqrt(2) 1e-9


def test_no_kernel_has_no_distance_and_many_have_one_each():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kernel_distance(np.stack([np.eye(2), np.zeros((2, 2)), np.full((2, 2), np.inf)]),
                                np.stack([np.ones((2, 2))] * 3))  # fmt: skip
    np.testing.assert_allclose(found, [1 - 1 / np.sqrt(2), np.nan, np.nan])


def test_the_kernels_of_trained_networks_turn_and_those_of_untrained_ones_are_where_they_were():
    task = make_task("input-target", dim=8)
    trained = train(task, MLP(hidden=(10,)), seeds=2, steps=30, keep=[30])
    x = task.enumerate(2, seed=0).inputs
    start, again, end = (empirical_ntk(trained.at(s).networks, x) for s in (0, 0, 30))
    assert (kernel_distance(start, again) == 0).all()
    assert (kernel_distance(start, end) > 1e-4).all()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "options", "error", "message"),
    [
        (relu_net(), {"rates": {"readout": 2.0}}, KeyError, "no trained parameter is named 'read"),
        (relu_net(), {"rates": {"0.*": 0.0}}, ValueError, "no learning rate; give a number above"),
        (relu_net(), {"outputs": "sum"}, ValueError, "choose from .'trace', 'each'."),
        (relu_net(), {"chunk": 0}, ValueError, "1 trial or more"),
        (nn.GRU(5, 3), {}, ValueError, "takes .step, trial, unit.; set batch_first"),
        (relu_net().requires_grad_(False), {}, ValueError, "no parameter of this module learns"),
        (nn.Sequential(nn.Linear(5, 2), nn.Flatten(0)), {}, ValueError, "first axis is trials"),
    ],
)
def test_errors(module, options, error, message):
    with pytest.raises(error, match=message):
        empirical_ntk(module, drawn(3, 5), **options)


def test_kernels_of_other_trials_are_refused():
    with pytest.raises(ValueError, match="give both for the same trials"):
        kernel_distance(np.eye(2), np.eye(3))
