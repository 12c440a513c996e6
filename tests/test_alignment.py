"""The alignment tracker: identities, streaming, minima, balance, emergence (C1-C4, C6, C9)."""

import gc
import warnings
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from neurogeom.formulas.polynomial_alignment import exponents
from neurogeom.networks import modules
from neurogeom.networks.alignment import neural_feature_ansatz, track_alignment
from neurogeom.networks.architectures import MLP, Convolutional
from neurogeom.networks.fluctuation_dissipation import fluctuation_dissipation
from neurogeom.networks.moments import CrossMoments, Moments, projection

SHAPES = ("H_a", "G_a", "H_b", "G_b")


@pytest.fixture(autouse=True)
def _one_thread_and_one_seed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def perceptron(*sizes, bias=True, dtype=torch.float64, act=nn.Tanh):
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, bias=bias, dtype=dtype), act()]
    return nn.Sequential(*layers[:-1])


def half_square(outputs, targets):
    """A mean over trials."""
    return 0.5 * (outputs - targets).square().sum(dim=-1).mean()


def followed(tracker, layer, mode="raw"):
    """(map, n, n) of H_a, G_a, H_b, G_b."""
    names = [own.name for own in tracker.maps]
    return tracker.seen[names.index(layer)].matrices(mode == "normcov", mode)


def rel(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


class Attention(nn.Module):
    """Linear layers within a transformer block."""

    def __init__(self, width, dtype):
        super().__init__()
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, dtype=dtype) for _ in range(4)
        )
        self.widen = nn.Linear(width, 2 * width, dtype=dtype)
        self.narrow = nn.Linear(2 * width, width, dtype=dtype)

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v))
        return x + self.narrow(functional.gelu(self.widen(x)))


def convolution(dtype):
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1, stride=2, groups=2, dtype=dtype),
        nn.Tanh(),
        nn.Conv2d(6, 5, 2, padding="same", padding_mode="reflect", dilation=1, dtype=dtype),
        nn.Tanh(),
        nn.Conv2d(5, 4, 3, padding=(0, 1), dilation=(1, 2), dtype=dtype),
    )


WORLDS = {
    "perceptron": (lambda d: perceptron(5, 7, 7, 3, dtype=d), (40, 5)),
    "convolution": (convolution, (6, 4, 12, 12)),
    "transformer": (lambda d: Attention(6, d), (8, 5, 6)),
}


# --- identities (C1) ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@pytest.mark.parametrize("world", [*WORLDS])
def test_what_leaves_a_layer_is_what_enters_through_its_weights(world, dtype, tolerance):
    make, shape = WORLDS[world]
    net, x = make(dtype), torch.randn(shape, dtype=dtype)
    with track_alignment(net, mode="cov") as tracker:
        net(x).square().sum(dim=-1).mean().backward()
    for own in tracker.maps:
        seen = tracker.seen[tracker.maps.index(own)]
        for i, W in enumerate(seen.weight):
            H_a, G_a, H_b, G_b = (followed(tracker, own.name, "cov")[n][i] for n in SHAPES)
            assert rel(W @ H_a @ W.T, H_b) < tolerance
            assert rel(W.T @ G_b @ W, G_a) < tolerance
        # E[g_b h_a'] is minus the gradient of a loss that is a mean: rows are counted in.
        grad = own.kind.matrices(own.module, own.module.weight.grad).double().numpy()
        assert rel(seen.cross.value(), -grad) < tolerance


def test_moments_of_convolutions_are_those_of_patches_cut_by_hand():
    net, x = (
        nn.Conv2d(2, 3, (3, 2), stride=(2, 1), dtype=torch.float64),
        torch.randn(4, 2, 7, 6).double(),
    )
    with track_alignment(net, mode="raw") as tracker:
        net(x).square().sum().backward()
    rows = [
        x[b, :, i : i + 3, j : j + 2].reshape(-1).numpy()
        for b in range(4)
        for i in range(0, 5, 2)
        for j in range(5)
    ]
    np.testing.assert_allclose(
        followed(tracker, "output")["H_a"][0], np.transpose(rows) @ rows / len(rows), atol=1e-12
    )


def test_moments_are_those_of_rows_and_gradients_taken_by_autograd():
    """An independent way: every activation and gradient kept, then averaged."""
    net, x = perceptron(4, 6, 3), torch.randn(30, 4).double()
    hidden = net[0](x)
    act = torch.tanh(hidden)
    out = net[2](act)
    loss = half_square(out, torch.ones(30, 3))
    grads = torch.autograd.grad(loss, (hidden, act, out))
    g_hidden, g_act, g_out = (30 * g.numpy() for g in grads)
    rows = {
        "0": (x, g_hidden @ net[0].weight.detach().numpy(), hidden, g_hidden),
        "2": (act, g_act, out, g_out),
    }
    for mode in ("raw", "cov", "normcov"):
        with track_alignment(net, mode=mode) as tracker:
            half_square(net(x), torch.ones(30, 3)).backward()
        for layer, values in rows.items():
            for name, v in zip(SHAPES, values, strict=True):
                v = v.detach().numpy() if isinstance(v, torch.Tensor) else v
                if mode == "normcov":
                    v = v / np.linalg.norm(v, axis=1, keepdims=True)
                wanted = v.T @ v / 30 if mode == "raw" else np.cov(v.T, bias=True)
                assert rel(followed(tracker, layer, mode)[name][0], wanted) < 1e-12


def test_a_nonlinearity_within_the_layer_is_taken_off():
    """Convolutions of this toolkit: what is followed is before the function, net by net."""
    module = Convolutional(channels=(3, 2), hidden=5).build(64, 4, seeds=[0, 1]).double()
    x = torch.randn(6, 1, 64).double()
    with track_alignment(module, mode="cov") as tracker:
        module(x).square().sum().backward()
    assert tracker.report().sizes["net"] == 2
    for own, seen in zip(tracker.maps, tracker.seen, strict=True):
        known = seen.matrices(False, "cov")
        for i, W in enumerate(seen.weight):
            assert rel(W @ known["H_a"][i] @ W.T, known["H_b"][i]) < 1e-10
        grad = own.kind.matrices(own.module, own.module.weight.grad).numpy()
        n = seen.n_rows[0]
        assert rel(n * seen.cross.value() / seen.factor(n), grad) < 1e-10


def test_each_net_is_as_it_is_alone():
    module = MLP(hidden=(6, 5), activation="tanh").build(4, 3, seeds=[3, 4]).double()
    x = torch.randn(20, 1, 4).double()

    def report(net):
        with track_alignment(net) as tracker:
            net(x).square().mean().backward()
        return tracker.report()

    both, alone = report(module), report(module.member(1).double())
    np.testing.assert_allclose(both.alignment.isel(net=1), alone.alignment.isel(net=0), atol=1e-12)
    assert np.abs(both.alignment.isel(net=0) - both.alignment.isel(net=1)).max() > 1e-3


# --- streaming (C2) -------------------------------------------------------------------------------


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_eight_batches_and_two_workers_give_what_one_batch_gives(normalised, offset):
    rows = np.random.default_rng(0).standard_normal((64, 5)) + offset
    once, first, second = (Moments(5, normalised=normalised) for _ in range(3))
    once.add(rows)
    for i, part in enumerate(np.split(rows, 8)):
        (first if i < 3 else second).add(part)
    first.merge(second)
    scale = np.abs(once.raw()).max()
    np.testing.assert_allclose(first.raw() / scale, once.raw() / scale, rtol=0, atol=1e-12)
    found, wanted = first.covariance(), once.covariance()
    assert rel(found, wanted) < (1e-12 if offset == 0 else 1e-8)
    direct = rows / np.linalg.norm(rows, axis=1, keepdims=True) if normalised else rows
    assert rel(wanted[0], np.cov(direct.T, bias=True)) < (1e-12 if offset == 0 else 1e-8)


def test_streams_of_a_tracker_agree_with_one_pass_and_with_merged_trackers():
    net, x = perceptron(5, 7, 3), torch.randn(64, 5).double()

    def track(parts):
        with track_alignment(net) as tracker:
            for part in parts:
                net(part).square().sum(dim=1).mean().backward()
        return tracker

    whole, streamed = track([x]), track(x.split(8))
    merged = track(x[:24].split(8))
    merged.merge(track(x[24:].split(8)))
    for other in (streamed, merged):
        # the loss is a mean: gradients of eight rows are eight times too large, all alike
        for name in ("alignment", "cross", "exponent", "participation_ratio"):
            np.testing.assert_allclose(
                other.report()[name], whole.report()[name], rtol=0, atol=1e-10
            )


def test_memory_does_not_grow_with_batches():
    net = perceptron(6, 8, 4)

    def size(tracker):
        arrays = [v for s in tracker.seen for m in s.moments.values() for v in vars(m).values()]
        return sum(v.nbytes for v in arrays if isinstance(v, np.ndarray))

    with track_alignment(net) as tracker:
        net(torch.randn(10, 6).double()).sum().backward()
        before = size(tracker)
        for _ in range(50):
            net(torch.randn(10, 6).double()).sum().backward()
        assert size(tracker) == before


def test_tensors_are_freed_when_the_graph_is():
    net = perceptron(6, 8, 4)
    with track_alignment(net):
        gc.disable()
        try:
            out = net[0](torch.randn(10, 6).double())
            watch = weakref.ref(out)
            out.sum().backward()
            del out
            assert watch() is None
        finally:
            gc.enable()


def test_rows_of_length_zero_have_no_direction():
    rows = np.random.default_rng(0).standard_normal((20, 3))
    some, all_of_them = Moments(3, normalised=True), Moments(3, normalised=True)
    some.add(rows)
    all_of_them.add(np.concatenate([rows, np.zeros((5, 3))]))
    assert all_of_them.count == some.count == 20
    np.testing.assert_allclose(all_of_them.covariance(), some.covariance(), atol=1e-15)
    plain = Moments(3)
    plain.add(np.concatenate([rows, np.zeros((5, 3))]))
    assert plain.count == 25


def test_moments_refuse_what_is_not_theirs():
    with pytest.raises(ValueError, match=r"pass \(map, row, n\)"):
        Moments(3).add(np.ones((4, 2)))
    with pytest.raises(ValueError, match="not finite"):
        Moments(2).add([[1.0, np.inf]])
    with pytest.raises(ValueError, match="make them alike"):
        Moments(2).merge(Moments(2, normalised=True))
    assert np.isnan(Moments(2).raw()).all()
    assert np.isnan(CrossMoments(2, 3).value()).all()


def test_projected_alignment_stays_beside_that_of_the_whole():
    net, x = perceptron(600, 300, 3), torch.randn(400, 600).double()
    x[:, :20] *= 5

    def report(**options):
        with track_alignment(net, layers="0", mode="cov", **options) as tracker:
            net(x).square().sum(dim=1).mean().backward()
        return tracker.report().isel(layer=0)

    whole, seen = report(), report(project=200)
    for name in ("alignment", "chance", "traceless"):
        np.testing.assert_allclose(seen[name], whole[name], atol=0.1)
    assert whole.alignment.max() - whole.alignment.min() > 0.3
    assert np.isnan(seen.exponent).all()
    assert "projected" in str(seen.reason.item())
    np.testing.assert_allclose(seen.participation_ratio, whole.participation_ratio, rtol=0.25)


def test_a_projection_keeps_squared_lengths_on_average():
    x = np.random.default_rng(0).standard_normal((500, 100))
    found = np.square(x @ projection(100, 50, seed=1).T).sum() / np.square(x).sum()
    assert found == pytest.approx(1, abs=0.1)
    assert not np.array_equal(projection(100, 50, seed=1), projection(100, 50, seed=2))


def test_some_rows_stand_for_all():
    net, x = perceptron(5, 7, 3), torch.randn(4000, 5).double()

    def report(**options):
        with track_alignment(net, **options) as tracker:
            net(x).square().sum(dim=1).mean().backward()
        return tracker.report()

    whole, some = report(), report(max_rows=1000)
    assert some.n_rows.values.tolist() == [1000, 1000]
    np.testing.assert_allclose(some.alignment, whole.alignment, atol=0.1)


# --- stationarity (C3), balance (C4), the linear network (C6) -------------------------------------


def minimum(sizes, n):
    """A tanh network at a minimum with weight decay, its data and the decay."""
    net, gamma = perceptron(*sizes, bias=False), 1e-2
    x = torch.randn(n, sizes[0]).double()
    y = torch.tanh(x[:, :3] * 1.5) + 0.3 * torch.randn(n, 3).double()
    weights = list(net.parameters())

    def loss(flat):
        parts = flat.split([w.numel() for w in weights])
        h = x
        for i, (w, part) in enumerate(zip(weights, parts, strict=True)):
            h = (torch.tanh(h) if i else h) @ part.view_as(w).T
        return half_square(h, y) + gamma / 2 * flat.square().sum()

    flat = torch.cat([w.detach().flatten() for w in weights]).requires_grad_()
    descent = torch.optim.LBFGS([flat], max_iter=800, history_size=50, tolerance_grad=1e-6,
                                tolerance_change=0, line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        descent.zero_grad()
        value = loss(flat)
        value.backward()
        return value

    descent.step(closure)
    point = flat.detach()
    for _ in range(8):  # Newton's steps: the last digits
        where = point.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(where), where)
        values, axes = torch.linalg.eigh(torch.autograd.functional.hessian(loss, point))
        point = point - axes @ ((axes.T @ slope) / values.abs().clamp_min(1e-9))
    torch.nn.utils.vector_to_parameters(point, weights)
    return net, x, y, gamma


@pytest.mark.parametrize(
    ("sizes", "n"),
    [((4, 5, 3), 60), pytest.param((7, 11, 11, 3), 500, marks=pytest.mark.slow)],
)
def test_at_a_minimum_gradients_are_held_by_weight_decay(sizes, n):
    net, x, y, gamma = minimum(sizes, n)

    def track(parts, **options):
        with track_alignment(net, **options) as tracker:
            for part in parts:
                half_square(net(x[part]), y[part]).backward()
        return tracker

    tracker = track([slice(0, 20), slice(20, n)])  # unequal batches: the scale counts
    assert tracker.stationarity(gamma).max() < 1e-5
    np.testing.assert_allclose(tracker.report().cross, 1, atol=1e-6)
    assert tracker.stationarity(2 * gamma).min() > 0.4
    assert track([slice(0, n)], scale=1.0).stationarity(gamma).min() > 0.9
    assert track([slice(0, n)], scale=float(n)).stationarity(gamma).max() < 1e-5


def noisy(net, x, y, steps, lr, gamma, *, monitor_from, batch=1, noise=0.3, **options):
    """Stochastic descent of (net, trial, step, unit) modules; the monitor of its last part."""
    descent = torch.optim.SGD(net.parameters(), lr=lr, weight_decay=gamma, foreach=False, **options)
    monitor = fluctuation_dissipation(net, descent)
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.integers(0, len(x), (steps, batch)))
    drawn = torch.from_numpy(noise * rng.standard_normal((steps, batch, 1, y.shape[-1])))
    for t in range(steps):
        if t == monitor_from:
            monitor.__enter__()
        descent.zero_grad()
        targets = y[rows[t]] + drawn[t]
        loss = 0.5 * (net(x[rows[t]]) - targets).square().sum(dim=-1).mean(dim=1).sum()
        loss.backward()
        descent.step()
    monitor.__exit__(None, None, None)
    return monitor.report()


def tanh_nets(n_nets=1):
    net = MLP(hidden=(11, 11), activation="tanh").build(7, 3, seeds=list(range(n_nets))).double()
    for part in net.modules():
        if isinstance(part, modules.Linear):
            part.bias.data.zero_()
            part.bias.requires_grad_(False)
    x = torch.randn(500, 1, 7).double()
    return net, x, torch.tanh(1.5 * x[..., :3])


def test_the_balance_is_exact_at_any_time_once_what_moved_is_counted():
    net, x, y = tanh_nets(2)
    report = noisy(net, x, y, 200, 0.05, 0.01, monitor_from=50, batch=4)
    assert report.unexplained.max() < 1e-9
    assert report.residual.min() > 0.01  # not stationary yet
    assert report.attrs["n_steps"] == 150
    assert report.attrs["holds_for"].startswith("SGD")


def test_momentum_and_adam_are_not_asserted():
    net, x, y = tanh_nets()
    report = noisy(net, x, y, 100, 0.05, 0.01, monitor_from=0, batch=4, momentum=0.9)
    assert report.attrs["holds_for"].startswith("nothing: momentum")
    assert report.unexplained.max() > 0.01
    adam = torch.optim.Adam(net.parameters(), weight_decay=0.01)
    with fluctuation_dissipation(net, adam) as monitor:
        net(x).square().sum().backward()
        adam.step()
    assert "Adam has no balance" in monitor.report().attrs["holds_for"]


@pytest.mark.slow
def test_noise_and_decay_balance_once_training_is_stationary():
    """C4, of five nets at once: batch 1, 4e4 steps of burn-in, 1.6e5 of average."""
    net, x, y = tanh_nets(5)
    report = noisy(net, x, y, 200_000, 0.05, 0.01, monitor_from=40_000)
    assert report.residual.max() < 0.01
    assert report.noise.min() > 0.1
    assert report.drift.min() > 0.3


def test_a_linear_network_with_weight_decay_has_the_exponents_of_its_two_phases():
    """C6: whitened inputs, targets of known singular values, gradient descent to the end."""
    s, gamma, n = np.array([3, 2.2, 1.6, 1.1, 0.7, 0.4]), 0.05, 96
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.standard_normal((n, 8 + 6)))[0] * np.sqrt(n)
    x, noise = q[:, :8], 0.3 * q[:, 8:]  # exactly white, exactly orthogonal
    U, V = (
        np.linalg.qr(rng.standard_normal((6, 6)))[0],
        np.linalg.qr(rng.standard_normal((8, 6)))[0],
    )
    M = U * s @ V.T
    W1, W2 = 0.3 * rng.standard_normal((12, 8)), 0.3 * rng.standard_normal((6, 12))
    for _ in range(60_000):
        error = W2 @ W1 - M
        W1, W2 = W1 - 0.05 * (W2.T @ error + gamma * W1), W2 - 0.05 * (error @ W1.T + gamma * W2)
    net = perceptron(8, 12, 6, bias=False, act=nn.Identity)
    net[0].weight.data, net[2].weight.data = torch.from_numpy(W1), torch.from_numpy(W2)
    with track_alignment(net, mode="raw") as tracker:
        half_square(net(torch.from_numpy(x)), torch.from_numpy(x @ M.T + noise)).backward()
    report = tracker.report()
    for W in (W1, W2):
        np.testing.assert_allclose(np.linalg.svd(W)[1][:6] ** 2, s - gamma, atol=1e-3)
    white = exponents(W1, followed(tracker, "0")["H_a"][0], None)
    assert white.estimate[0] == pytest.approx(0, abs=1e-3)
    assert report.exponent.sel(layer="0", power="p") == pytest.approx(0, abs=1e-3)
    assert report.exponent.sel(layer="2", power="p") == pytest.approx(1, abs=1e-3)
    # the residual gradient is gamma^2 Z of the layer before, beside white label noise
    with track_alignment(net, mode="raw") as tracker:
        half_square(net(torch.from_numpy(x)), torch.from_numpy(x @ M.T)).backward()
    report = tracker.report()
    np.testing.assert_allclose(report.exponent, [[0, 1], [1, 0]], atol=1e-3)
    assert report.phase.values.tolist() == ["b-RGA + b-RWA + b-GWA", "a-RGA + a-RWA + a-GWA"]
    assert tracker.stationarity(gamma).max() < 1e-5


# --- emergence (C9) -------------------------------------------------------------------------------


def emergence(decay, seeds, steps, *, widths=(40, 40, 40), n_in=20, batch=16, n_test=4000):
    """Reference experiment of five layers' sizes: the reports before and after (ours, I.7)."""
    rng = np.random.default_rng(100)
    U = torch.from_numpy(rng.standard_normal((5, n_in)) / np.sqrt(n_in)).float()
    V = torch.from_numpy(rng.standard_normal((5, 5)) / np.sqrt(5)).float()
    net = MLP(hidden=widths, activation="tanh", init="normal").build(n_in, 5, seeds=seeds)
    for part in net.modules():
        if isinstance(part, modules.Linear):
            part.bias.data.zero_()
            part.bias.requires_grad_(False)
    weights = [p for p in net.parameters() if p.requires_grad]
    stream = torch.Generator().manual_seed(1)

    def trials(n):
        x = torch.randn(n, 1, n_in, generator=stream)
        return x, torch.tanh(2 * x @ U.T) @ V.T

    test = trials(n_test)
    tracker = track_alignment(net)

    def measured():
        with tracker:
            loss = 0.5 * (net(test[0]) - test[1]).square().sum(dim=-1).mean(dim=1).sum()
            torch.autograd.grad(loss, weights)
        return tracker.report()

    before = measured()
    descent = torch.optim.SGD(weights, lr=0.05, weight_decay=decay)
    for _ in range(steps):
        x, y = trials(batch)
        descent.zero_grad()
        (0.5 * (net(x) - y).square().sum(dim=-1).mean(dim=1).sum()).backward()
        descent.step()
    return before, measured()


def interior(report, name="alignment"):
    """Mean over relations or sides and over the layers between the first and last, (net,)."""
    values = report[name].isel(layer=slice(1, -1))
    return values.mean([d for d in values.dims if d not in ("net",)]).values


def test_weight_decay_brings_the_six_alignments_in_a_small_network():
    sizes = {"widths": (12, 12, 12), "n_in": 8, "n_test": 500}
    _, without = emergence(0.0, list(range(5)), 600, **sizes)
    before, decayed = emergence(2e-2, list(range(5)), 600, **sizes)
    assert np.median(interior(decayed)) > 0.7
    assert np.median(interior(decayed) - interior(without)) > 0.1
    assert np.median(interior(decayed) - interior(before)) > 0.25
    np.testing.assert_array_equal(before.initial, before.alignment)
    np.testing.assert_array_equal(decayed.initial, before.alignment)


@pytest.mark.slow
def test_weight_decay_brings_the_six_alignments():
    """C9, medians over five seeds."""
    before, decayed = emergence(5e-3, list(range(5)), 20_000)
    _, without = emergence(0.0, list(range(5)), 20_000)
    assert np.median(interior(decayed)) >= 0.70
    assert np.median(interior(decayed) - interior(without)) >= 0.20
    assert np.median(interior(decayed) - interior(before)) >= 0.35
    assert np.median(interior(decayed, "cross")) >= 0.4
    assert np.median(interior(without, "cross")) <= 0.1


# --- special cases --------------------------------------------------------------------------------


def test_the_feature_ansatz_is_the_gradient_outer_product_by_hand():
    net, x = perceptron(4, 6, 3), torch.randn(25, 4).double()
    found = neural_feature_ansatz(net, x, batch=10)
    J = torch.stack([torch.autograd.functional.jacobian(net, row) for row in x])
    agop = torch.einsum("nki,nkj->ij", J, J).numpy()
    Z = (net[0].weight.T @ net[0].weight).detach().numpy()
    wanted = np.corrcoef(agop.ravel(), Z.ravel())[0, 1]
    assert found.alignment.sel(layer="0").item() == pytest.approx(wanted, abs=1e-12)
    assert all(p.grad is None for p in net.parameters())
    assert net.training


def test_the_feature_ansatz_changes_with_the_outputs_and_gwa_does_not():
    net, x, y = perceptron(4, 6, 3), torch.randn(50, 4).double(), torch.randn(50, 3).double()
    Z = torch.diag(torch.tensor([1.0, 4.0, 0.2], dtype=torch.float64))
    other = nn.Sequential(net, nn.Linear(3, 3, bias=False, dtype=torch.float64))
    other[1].weight.data = Z

    def gwa(module, loss_of, layer):
        with track_alignment(module, layers=layer) as tracker:
            loss_of(module(x)).backward()
        return tracker.report().alignment.sel(relation="a-GWA").item()

    same = gwa(net, lambda f: half_square(f, y), "0")
    redefined = gwa(other, lambda f: half_square(f @ torch.inverse(Z), y), "0.0")
    assert redefined == pytest.approx(same, abs=1e-10)
    first = neural_feature_ansatz(net, x, "0").alignment.item()
    assert abs(neural_feature_ansatz(other, x, "0.0").alignment.item() - first) > 0.01


def test_a_collapsed_classifier_is_seen_as_one():
    """Unconstrained features of four classes, trained to the end with decay of both."""
    k, n = 4, 80
    label = torch.arange(n) % k
    features = nn.Linear(n, 6, bias=False, dtype=torch.float64)  # one column a trial
    net = nn.Sequential(features, nn.Linear(6, k, bias=False, dtype=torch.float64))
    eye = torch.eye(n, dtype=torch.float64)

    def collapse():
        with track_alignment(net, mode="cov") as tracker:
            functional.cross_entropy(net(eye), label).backward()
        return tracker.neural_collapse("1")

    start = collapse()
    descent = torch.optim.LBFGS(net.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def closure():
        descent.zero_grad()
        decay = 1e-3 * net[1].weight.square().sum() + 1e-3 / 20 * features.weight.square().sum()
        loss = functional.cross_entropy(net(eye), label) + decay
        loss.backward()
        return loss

    descent.step(closure)
    np.testing.assert_allclose(np.concatenate(collapse()), 1, atol=1e-3)
    assert min(start)[0] < 0.9


# --- pitfalls -------------------------------------------------------------------------------------


def test_relu_in_place_changes_nothing():
    torch.manual_seed(3)
    apart = perceptron(5, 7, 3, act=nn.ReLU)
    in_place = perceptron(5, 7, 3, act=lambda: nn.ReLU(inplace=True))
    in_place.load_state_dict(apart.state_dict())
    x = torch.randn(30, 5).double()
    reports = []
    for net in (apart, in_place):
        with track_alignment(net) as tracker:
            net(x).square().sum(dim=1).mean().backward()
        reports.append(tracker.report())
    np.testing.assert_array_equal(reports[0].alignment, reports[1].alignment)


def test_frozen_weights_are_followed_and_layers_without_gradient_say_so():
    net, x = perceptron(5, 7, 6, 3), torch.randn(30, 5).double()
    net[0].requires_grad_(False)
    net[4].requires_grad_(False)
    with track_alignment(net) as tracker:
        net(x).square().sum(dim=1).mean().backward()
    report = tracker.report()
    assert report.reason.values.tolist() == ["no gradient reached it", "", ""]
    assert np.isnan(report.alignment.sel(layer="0")).all()
    assert np.isfinite(report.alignment.sel(layer="4")).all()
    assert report.n_rows.values.tolist() == [0, 30, 30]


def test_total_gradients_are_those_of_all_branches():
    net, x = Attention(6, torch.float64), torch.randn(8, 5, 6).double().requires_grad_()
    with track_alignment(
        net, layers=["query", "key", "widen"], mode="raw", grad="total"
    ) as tracker:
        net(x).square().sum(dim=-1).mean().backward()
    g = 40 * x.grad.reshape(-1, 6).numpy()
    for layer in ("query", "key"):
        assert rel(followed(tracker, layer)["G_a"][0], g.T @ g / 40) < 1e-12
    seen = tracker.seen[0]
    W, G_b = seen.weight[0], followed(tracker, "query")["G_b"][0]
    assert rel(followed(tracker, "query")["G_a"][0], W.T @ G_b @ W) > 0.1
    with track_alignment(net, layers="query", grad="total") as tracker:
        net(x.detach()).square().sum().backward()
    assert "its input has no gradient" in tracker.report().reason.item()


def test_tied_layers_pool_their_calls():
    layer = nn.Linear(4, 4, dtype=torch.float64)
    x = torch.randn(10, 4).double()
    with track_alignment(layer) as tracker:
        layer(torch.tanh(layer(x))).square().sum().backward()
    assert tracker.report().n_rows.item() == 20


def test_attention_that_never_runs_is_refused_by_name():
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    with pytest.raises(ValueError, match=r"'self_attn' is nn.MultiheadAttention.*linear1, linear2"):
        track_alignment(net)
    with pytest.raises(ValueError, match="made of nn.Linear"):
        track_alignment(net, layers=["self_attn.out_proj"])
    with track_alignment(net, layers="linear*") as tracker:
        net(torch.randn(4, 3, 8)).square().sum().backward()
    assert tracker.report().layer.values.tolist() == ["linear1", "linear2"]


def test_what_is_no_linear_map_or_not_there_is_refused():
    net = nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"'0' is no linear map .*LSTM.*name some of 1"):
        track_alignment(net, layers="0")
    with pytest.raises(KeyError, match="no layer '3'"):
        track_alignment(net, layers="3")
    with pytest.raises(ValueError, match="nothing to track"):
        track_alignment(nn.ReLU())
    for wrong in (
        {"mode": "norm"},
        {"grad": "all"},
        {"every": 0},
        {"scale": "sum"},
        {"project": 1},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            track_alignment(net, **wrong)


def test_no_hook_is_left_after_an_error_and_late_gradients_are_no_data():
    net, x = perceptron(5, 7, 3), torch.randn(30, 5).double()
    tracker = track_alignment(net)
    losses = []

    def run():
        with tracker:
            losses.append(net(x).sum())
            net(x[:, :4])

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run()
    losses[0].backward()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    with pytest.raises(ValueError, match="no gradient has reached"):
        tracker.report()


def test_passes_without_gradients_are_no_data_and_every_skips():
    net, x = perceptron(5, 7, 3), torch.randn(30, 5).double()
    with track_alignment(net, every=3) as tracker:
        for _ in range(7):
            with torch.no_grad():
                net(x)
            net(x).sum().backward()
        with pytest.raises(RuntimeError, match="at work"):
            tracker.__enter__()
    report = tracker.report()
    assert report.n_rows.values.tolist() == [90, 90]
    assert report.attrs["n_passes"] == 7


def test_weights_that_moved_are_told():
    net, x = perceptron(5, 7, 3), torch.randn(30, 5).double()
    with track_alignment(net) as tracker:
        net(x).sum().backward()
        net(x).sum().backward()
        assert not tracker.report().weights_moved.any()
        with torch.no_grad():
            net[0].weight.mul_(1.1)
        net(x).sum().backward()
    assert tracker.report().weights_moved.values.tolist() == [True, False]


def test_layers_that_differ_in_training_are_told():
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 2))
    for flag, names in ((True, ["1", "2"]), (False, [])):
        net.train(flag)
        with track_alignment(net) as tracker:
            net(torch.randn(10, 4)).sum().backward()
        assert tracker.report().attrs["training_mode"] == names


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_accumulated_in_double(dtype):
    net, x = perceptron(5, 7, 3, dtype=torch.float32), torch.randn(200, 5)
    half = perceptron(5, 7, 3, dtype=dtype)
    half.load_state_dict({k: v.to(dtype) for k, v in net.state_dict().items()})
    reports = []
    for own in (net, half):
        with track_alignment(own) as tracker:
            own(x.to(own[0].weight.dtype)).square().sum(dim=1).mean().backward()
        assert tracker.seen[0].moments["H_a", True].scatter.dtype == np.float64
        reports.append(tracker.report())
    np.testing.assert_allclose(reports[1].alignment, reports[0].alignment, atol=0.02)


def test_rows_that_are_not_finite_are_counted_and_left_out():
    net, x = perceptron(5, 7, 3), torch.randn(30, 5).double()

    def report(rows):
        with track_alignment(net, scale=1.0) as tracker:
            net(rows).square().sum().backward()
        return tracker.report()

    broken = torch.cat([x, torch.full((2, 5), torch.inf).double() * torch.tensor([[1.0], [-1.0]])])
    broken[-1, 0] = torch.nan
    found = report(broken)
    assert found.n_dropped.sel(layer="0") == 2
    np.testing.assert_allclose(
        found.alignment.sel(layer="0"), report(x).alignment.sel(layer="0"), atol=1e-12
    )


def test_silent_layers_give_nan_and_no_warning():
    net, x = perceptron(5, 7, 3, act=nn.ReLU), torch.randn(30, 5).double()
    net[0].bias.data.fill_(-100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mode in ("normcov", "cov", "raw"):
            with track_alignment(net, mode=mode) as tracker:
                net(x).square().sum().backward()
            report = tracker.report()
            assert np.isnan(report.alignment.sel(layer="2", relation="a-RWA"))
            assert np.isnan(report.exponent.sel(layer="2", power="p"))
            tracker.stationarity(0.1)


def test_constant_activity_has_a_second_moment_and_no_covariance():
    net = perceptron(3, 4, 2, bias=False)
    x = torch.ones(20, 3).double() * 7
    for mode, known in (("raw", True), ("cov", False), ("normcov", False)):
        with track_alignment(net, layers="2", mode=mode) as tracker:
            net(x).square().sum().backward()
        found = tracker.report().alignment.sel(relation=["a-RWA", "b-RWA"])
        assert np.isfinite(found).all() == known


def test_the_report_is_saved_as_it_is(tmp_path):
    net, x = perceptron(5, 7, 3), torch.randn(30, 5).double()
    with track_alignment(net) as tracker:
        net(x).sum().backward()
    path = tmp_path / "report.nc"
    report = tracker.report()
    report.to_netcdf(path, engine="h5netcdf")
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as back:
        np.testing.assert_array_equal(back.alignment, report.alignment)
        assert back.phase.values.tolist() == report.phase.values.tolist()
