"""Several networks in one module: each as torch would have it, none feeling another."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from neurogeom import stacked  # noqa: E402


def made(n_nets=3, **options):
    return stacked.MLP((4, 8, 8, 2), stacked.streams(0, n_nets, 7), **options)


def test_streams_of_uses_seeds_and_nets_are_all_different():
    drawn = {
        tuple(torch.randn(3, generator=g).tolist())
        for seed in (0, 1)
        for key in (1, 2)
        for g in stacked.streams(seed, 3, key)
    }
    assert len(drawn) == 12


def test_a_net_is_the_same_alone_and_among_others():
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    many, one = made(3), made(1)
    np.testing.assert_allclose(many(x)[0].detach(), one(x)[0].detach(), rtol=1e-6)


def as_torch(net, which):
    """Net `which`, of torch's own modules."""
    layers = []
    for i, linear in enumerate(net.maps):
        own = torch.nn.Linear(*linear.weight.shape[1:])
        own.weight.data = linear.weight[which].detach().T.clone()
        own.bias.data = linear.bias[which, 0].detach().clone()
        layers += [own, *([torch.nn.BatchNorm1d(8), torch.nn.ReLU()] if i < 2 else [])]
    return torch.nn.Sequential(*layers)


def test_a_perceptron_is_the_torch_modules_that_it_is_made_of():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    net = made(2, batch_norm=True)
    own = [as_torch(net, which) for which in range(2)]
    for step in range(3):
        expected = torch.stack([o(x + step) for o in own]).detach()
        np.testing.assert_allclose(net(x + step).detach(), expected, atol=1e-5)
    net.eval()  # by running moments
    expected = torch.stack([o.eval()(x) for o in own]).detach()
    np.testing.assert_allclose(net(x).detach(), expected, atol=1e-5)


def test_a_state_comes_back_running_moments_too_and_to_its_own_net():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    net = made(2, batch_norm=True)
    kept, before = net.net_state(0), net.eval()(x).detach()
    net.train()(x + 1)
    assert not np.allclose(net.eval()(x)[0].detach(), before[0])
    moved = net(x)[1].detach()
    net.load_net_state(0, kept)
    np.testing.assert_array_equal(net(x)[0].detach(), before[0])
    np.testing.assert_array_equal(net(x)[1].detach(), moved)


def test_the_gradient_of_each_net_is_clipped_by_itself():
    net = made(2)
    net(torch.ones(5, 4)).square().mean((1, 2)).mul(torch.tensor([1e4, 1e-4])).sum().backward()
    small = [p.grad[1].clone() for p in net.parameters()]
    net.clip_(1.0)
    length = sum(p.grad[0].square().sum() for p in net.parameters()).sqrt()
    assert float(length) == pytest.approx(1.0, rel=1e-4)
    for p, before in zip(net.parameters(), small, strict=True):
        np.testing.assert_array_equal(p.grad[1], before)
