"""What gradient flow conserves, against flows followed step by step."""

import copy
import warnings
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from neurogeom.networks import (  # noqa: E402
    GRU,
    MLP,
    RNN,
    Convolutional,
    Transformer,
    conservation_drift,
    conserved_quantities,
    two_layer,
)
from neurogeom.networks.modules import Several  # noqa: E402

torch.set_num_threads(1)
TOOLKIT = {
    "linear": (MLP(hidden=(5, 4), activation="linear"), 3, ["matrix", "matrix"]),
    "relu": (MLP(hidden=(5, 4)), 3, ["neuron", "neuron"]),
    "leaky": (MLP(hidden=(5,), activation="leaky"), 3, ["neuron"]),
    "rnn": (RNN(hidden=4), 3, ["neuron"]),
    "leaky rnn": (RNN(hidden=4, alpha=0.3), 3, ["neuron"]),
    "integrating rnn": (RNN(hidden=4, alpha=0.3, leaky=False), 3, ["neuron"]),
    "linear rnn": (RNN(hidden=4, activation="linear"), 3, ["matrix"]),
    "conv": (Convolutional(channels=(2, 3), hidden=4), 25, ["neuron"] * 3),
    "linear conv": (Convolutional(channels=(2, 3), hidden=4, activation="linear"), 25,
                    ["matrix"] * 3),
    "tanh": (MLP(hidden=(5,), activation="tanh"), 3, ["none"]),
}  # fmt: skip


def tensor(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def sequential(*, bend=nn.ReLU, bias=True, seed=0, sizes=(4, 6, 5, 2)):
    torch.manual_seed(seed)
    parts = []
    for n_in, n_out in pairwise(sizes):
        parts += [nn.Linear(n_in, n_out, bias=bias), bend()]
    return nn.Sequential(*parts[:-1]).double()


def slope(module, x, y, rates, decay):
    """Where every parameter goes."""
    outputs = module(x)
    gradients = torch.autograd.grad(((outputs - y) ** 2).sum() / len(x), [*module.parameters()])
    named = dict(module.named_parameters())
    return [
        -rates.get(name, 1.0) * g - decay * p.detach()
        for (name, p), g in zip(named.items(), gradients, strict=True)
    ]


def flown(module, x, y, *, time=0.05, n_steps=50, rates=(), decay=0.0):
    """Gradient flow by Runge-Kutta steps of fourth order; the parameters afterwards.

    Times are so short that no relu is crossed: the order is lost at a kink.
    """
    end, rates, h = copy.deepcopy(module), dict(rates), time / n_steps
    for _ in range(n_steps):
        start = [p.detach().clone() for p in end.parameters()]
        slopes = []
        for share in (0, 0.5, 0.5, 1):
            with torch.no_grad():
                for i, p in enumerate(end.parameters()):
                    p.copy_(start[i] + (share * h * slopes[-1][i] if slopes else 0))
            slopes.append(slope(end, x, y, rates, decay))
        with torch.no_grad():
            for i, p in enumerate(end.parameters()):
                k = [s[i] for s in slopes]
                p.copy_(start[i] + h / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3]))
    return end


def moved(before, after):
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


# --- truth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOOLKIT)
def test_flow_conserves_what_it_should_in_the_networks_of_this_toolkit(kind):
    architecture, n_in, kinds = TOOLKIT[kind]
    module = architecture.build(n_in, 2, seeds=(0, 1)).double()
    steps = 1 if n_in == 25 else 4
    x, y = tensor(4, steps, n_in), tensor(2, 4, steps, 2, seed=1)
    end = flown(module, x, y, time=0.003, n_steps=15)
    assert moved(module, end) > 5e-4
    found = conservation_drift(module, end)
    assert found.kind.values.tolist() == kinds
    assert found.relative.dims == ("layer", "net")
    if kinds != ["none"]:
        assert float(found.relative.max()) < 1e-10


def test_the_diagonal_of_relu_units_is_conserved_and_their_matrix_is_not():
    module = MLP(hidden=(5,)).build(3, 2).double()
    end = flown(module, tensor(8, 1, 3), tensor(1, 8, 1, 2, seed=1))

    def matrix(net):
        into, out = net.core.layers[0].linear, net.readout.weight[0].detach()
        w = torch.cat([into.weight[0], into.bias[0]]).detach()  # (input and bias, unit)
        return (out @ out.T - w.T @ w).numpy()

    change = matrix(end) - matrix(module)
    np.testing.assert_allclose(np.diag(change), 0, atol=1e-10)
    assert np.abs(change).max() > 1e-3
    np.testing.assert_allclose(
        conserved_quantities(module)["core.layers.0"].conserved[0], np.diag(matrix(module))
    )


@pytest.mark.parametrize("bend", [nn.ReLU, nn.LeakyReLU, nn.Identity, nn.PReLU])
def test_flow_conserves_it_in_a_sequential_module_with_biases_at_rates_of_their_own(bend):
    """R7 and its kin: eta_in O O' - eta_out I I', a bias in I at its own rate."""
    module, x, y = sequential(bend=bend), tensor(9, 4), tensor(9, 2, seed=1)
    names = [n for n, _ in module.named_parameters()]
    rates = {n: r for n, r in zip(names, np.geomspace(0.5, 2, len(names)), strict=True)}
    end = flown(module, x, y, rates=rates)
    assert float(conservation_drift(module, end, rates=rates).relative.max()) < 1e-10
    assert float(conservation_drift(module, end).relative.max()) > 1e-5


def test_convolutions_and_dense_layers_behind_them_are_tied_channel_by_channel():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2),
                           nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 4), nn.ReLU(),
                           nn.Linear(4, 1)).double()  # fmt: skip
    end = flown(module, tensor(5, 1, 8, 8), tensor(5, 1, seed=1), time=0.01)
    found = conservation_drift(module, end)
    assert found.kind.values.tolist() == ["neuron", "matrix", "neuron"]
    assert float(found.relative.max()) < 1e-10 < moved(module, end)


def test_one_unit_has_the_delta_of_the_paper():
    """delta = eta_w a^2 - eta_a |w|^2."""
    net = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Linear(1, 1, bias=False)).double()
    w, a = net[0].weight.detach().numpy(), float(net[1].weight.detach())
    found = conserved_quantities(net, rates={"0.weight": 0.2, "1.weight": 5.0})["0"]
    np.testing.assert_allclose(found.conserved, [[0.2 * a**2 - 5 * (w**2).sum()]])


# --- decay, descent -------------------------------------------------------------------------------


@pytest.mark.parametrize("bend", [nn.ReLU, nn.Identity])
def test_with_weight_decay_it_shrinks_by_a_factor_that_no_data_can_change(bend):
    module = sequential(bend=bend)
    for seed in (1, 2):
        x, y = tensor(9, 4, seed=seed), tensor(9, 2, seed=seed + 10)
        end = flown(module, x, y, decay=0.7, time=0.01)
        found = conservation_drift(module, end, weight_decay=0.7, time=0.01)
        assert float(found.relative.max()) < 1e-10
        assert float(conservation_drift(module, end).relative.max()) > 1e-3
        start, last = (conserved_quantities(m)["0"].conserved for m in (module, end))
        np.testing.assert_allclose(last, np.exp(-2 * 0.7 * 0.01) * start, atol=1e-9)


def descended(module, x, y, *, lr, time, optimizer=torch.optim.SGD, **options):
    end = copy.deepcopy(module)
    steps = optimizer(end.parameters(), lr=lr, **options)
    for _ in range(round(time / lr)):
        steps.zero_grad()
        (((end(x) - y) ** 2).sum() / len(x)).backward()
        steps.step()
    return end


def test_gradient_descent_drifts_by_the_learning_rate():
    module, x, y = sequential(), tensor(9, 4), tensor(9, 2, seed=1)
    drifts = [
        float(conservation_drift(module, descended(module, x, y, lr=lr, time=0.4)).drift.max())
        for lr in (0.02, 0.01, 0.005)
    ]
    ratios = np.array(drifts[:-1]) / drifts[1:]
    np.testing.assert_allclose(ratios, 2, atol=0.2)


def test_adam_conserves_nothing():
    module, x, y = sequential(), tensor(9, 4), tensor(9, 2, seed=1)
    gradient = descended(module, x, y, lr=0.001, time=0.3)
    adam = descended(module, x, y, lr=0.001, time=0.3, optimizer=torch.optim.Adam)
    small, large = (
        float(conservation_drift(module, end).relative.max()) for end in (gradient, adam)
    )
    assert small < 1e-3
    assert large > 30 * small


# --- what is not conserved is said to be so -------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (sequential(bend=nn.Tanh), "Tanh behind it is not homogeneous in each unit"),
        (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)),
         "BatchNorm1d behind it is not homogeneous in each unit"),
        (nn.Sequential(nn.Conv2d(2, 4, 1, groups=2), nn.Conv2d(4, 1, 1)),
         "it is a convolution in groups"),
        (MLP(activation="clipped_relu").build(3, 1), "its activation clipped_relu is not homogen"),
        (MLP(train_readout=False).build(3, 1), "readout.weight does not learn"),
        (RNN(noise=0.1).build(3, 1), "its units have private noise of a fixed size"),
        (GRU().build(3, 1), "the symmetries of a GRU are not known here"),
        (Transformer().build(3, 1), "the symmetries of a Transformer are not known here"),
    ],
)  # fmt: skip
def test_nothing_is_conserved_for_a_reason(module, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = next(iter(conserved_quantities(module).values()))
        drift = conservation_drift(module, module)
    assert found.kind == "none"
    assert found.reason.startswith(reason)
    assert np.isnan(found.conserved).all()
    assert np.isnan(drift.relative).all()


def test_a_shared_weight_is_tied_to_nothing_else():
    net = sequential(bias=False, sizes=(4, 4, 4, 4))
    net[2].weight = net[0].weight
    assert conserved_quantities(net)["0"].reason == "0.weight is shared with another layer"


def test_dead_and_zero_networks_have_zeros_and_no_relative_drift():
    net = two_layer(3, 4, tau=1.0, delta=0.0)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = conservation_drift(net, net)
    assert found.drift.values.tolist() == [0]
    assert np.isnan(found.relative).all()


# --- which modules --------------------------------------------------------------------------------


def test_layers_that_are_named_are_those_of_the_sequential_module():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Linear(6, 2), nn.Linear(4, 6)

        def forward(self, x):
            return self.last(torch.relu(self.first(x)))

    own = Own()
    same = nn.Sequential(own.first, nn.ReLU(), own.last)
    found = conserved_quantities(own, layers=("first", "relu", "last"))
    np.testing.assert_array_equal(
        found["first"].conserved, conserved_quantities(same)["0"].conserved
    )
    linear = conserved_quantities(own, layers=("first", "last"))["first"].conserved
    assert linear.dims == ("unit", "unit_2")


def test_ones_own_modules_stand_side_by_side():
    nets = [sequential(seed=s) for s in range(3)]
    found = conserved_quantities(Several(nets))["2"]
    assert found.conserved.dims == ("net", "unit")
    np.testing.assert_array_equal(found.conserved[1], conserved_quantities(nets[1])["2"].conserved)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: conserved_quantities(nn.Bilinear(2, 2, 1)), ValueError, "name them: layers="),
        (lambda: conserved_quantities(sequential(), layers=("0", "1", "9")), KeyError,
         "'9' is neither a layer nor an activation"),
        (lambda: conserved_quantities(sequential(), rates={"1.*": 1.0}), KeyError, "is named '1"),
        (lambda: conservation_drift(sequential(), sequential(sizes=(4, 3, 2))), ValueError,
         "different hidden layers; give two of one module"),
        (lambda: conservation_drift(nn.Sequential(nn.Linear(1, 1)), nn.Sequential(nn.Linear(1, 1))),
         ValueError, "has no hidden layer"),
        (lambda: conservation_drift(sequential(), sequential(), rates={"*": 2.0}, weight_decay=1.0),
         ValueError, "leave rates out, and give the one rate in time"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
