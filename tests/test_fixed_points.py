"""Fixed points of systems whose fixed points are known, and what running on shows beyond them."""

import warnings

import numpy as np
import pytest
import xarray as xr

from neurogeom.networks.fixed_points import fixed_points, free_run

torch = pytest.importorskip("torch")

ROOT = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]


def starts(n=40, d=6, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal((n, d)))


def map_of(eigenvalues, root=None):
    """h -> W h + u with a symmetric W."""
    root = np.eye(len(eigenvalues)) if root is None else root
    w = torch.as_tensor(root @ np.diag(eigenvalues) @ root.T)
    return lambda h, u: h @ w.T + u.sum(dim=1, keepdim=True)


def line(h, u):
    """A line of fixed points, and five directions that decay."""
    return map_of([1.0, 0.5, 0.4, 0.3, 0.2, 0.1], ROOT)(h, u)


def ring(h, u):
    length = h.norm(dim=1, keepdim=True)
    return h / length * (1 + 0.5 * (length - 1))


def spiral(h, u, modulus=0.9, angle=0.3):
    turn = modulus * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return h @ torch.as_tensor(turn).T + u


def drift(speed):
    return lambda h, u: h + speed * torch.eye(h.shape[1], dtype=h.dtype)[0]


# --- attractors that are known --------------------------------------------------------------------


def test_a_decaying_system_has_one_point_and_its_own_eigenvalues():
    found = fixed_points(spiral, starts(d=2), input=[0.1, 0.0], n_iterations=600)
    assert found.kind.values.tolist() == ["fixed"]
    assert found.n_starts.values.tolist() == [40]
    turn = 0.9 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    np.testing.assert_allclose(
        found.state[0], np.linalg.solve(np.eye(2) - turn, [0.1, 0]), atol=1e-6
    )
    np.testing.assert_allclose(
        np.sort_complex(found.eigenvalue.values[0]), 0.9 * np.exp([-0.3j, 0.3j])
    )
    np.testing.assert_allclose(found.time_constant.values, 1 / -np.log(0.9))
    assert np.isnan(found.variance).all()


def test_a_line_attractor_has_one_eigenvalue_of_1_and_one_component():
    found = fixed_points(line, starts(), input=[0.0], n_iterations=600)
    assert found.sizes["point"] > 20
    assert (found.kind == "fixed").all()
    np.testing.assert_allclose(np.abs(found.eigenvalue.values[:, 0]), 1, atol=1e-12)
    np.testing.assert_allclose(
        found.eigenvalue.values[:, 1:].real, [[0.5, 0.4, 0.3, 0.2, 0.1]] * found.sizes["point"]
    )
    assert (found.time_constant[:, 0] > 1e10).all()
    np.testing.assert_allclose(found.time_constant[:, 1], 1 / np.log(2))
    assert found.variance.values[0] == pytest.approx(1, abs=1e-6)


def test_a_ring_attractor_has_an_eigenvalue_of_1_and_two_components():
    found = fixed_points(ring, starts(100, 2), input=[0.0], n_iterations=600)
    np.testing.assert_allclose(np.linalg.norm(found.state, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(
        found.eigenvalue.values.real, [[1, 0.5]] * found.sizes["point"], atol=1e-3
    )
    assert found.variance.values[1] > 0.3


def test_a_recurrent_module_agrees_with_the_root_and_the_jacobian_of_scipy():
    from scipy.optimize import root

    with torch.random.fork_rng():
        torch.manual_seed(0)
        cell = torch.nn.RNNCell(3, 8).double()
    u = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    found = fixed_points(lambda h, u: cell(u, h), starts(d=8), input=u, n_iterations=600)
    w, v = cell.weight_hh.numpy(force=True), cell.weight_ih.numpy(force=True)
    bias = (cell.bias_hh + cell.bias_ih).numpy(force=True)
    end = root(lambda h: np.tanh(w @ h + v @ u.numpy() + bias) - h, np.zeros(8), tol=1e-12).x
    assert found.sizes["point"] == 1
    np.testing.assert_allclose(found.state[0], end, atol=1e-5)
    own = np.linalg.eigvals(np.diag(1 - end**2) @ w)
    np.testing.assert_allclose(np.abs(found.eigenvalue[0]), np.sort(np.abs(own))[::-1], atol=1e-5)
    assert cell.weight_hh.grad is None


def test_two_wells_are_two_points_and_the_ridge_between_them_is_unstable():
    wells = lambda h, u: h + 0.5 * (h - h**3)  # noqa: E731
    found = fixed_points(wells, starts(60, 1), input=[0.0], n_iterations=600)
    order = np.argsort(found.state.values[:, 0])
    np.testing.assert_allclose(found.state.values[order, 0], [-1, 0, 1], atol=1e-3)
    np.testing.assert_allclose(np.abs(found.eigenvalue.values[order, 0]), [0, 1.5, 0], atol=0.01)
    assert found.n_starts.sum() == 60
    assert found.time_constant.values[order[1], 0] == pytest.approx(1 / np.log(1.5), rel=0.01)


def test_the_clamped_input_moves_the_point():
    half = map_of([0.5, 0.5, 0.5])
    for b, end in ((0.5, 1), (-0.5, -1)):
        found = fixed_points(half, starts(20, 3), input=[b], n_iterations=600)
        np.testing.assert_allclose(found.state, [[end] * 3], atol=1e-3)


# --- slow points ----------------------------------------------------------------------------------


def test_a_steady_drift_is_slow_below_the_threshold_and_nothing_above_it():
    h = starts(20, 3)
    spread = np.sqrt(h.numpy().var(axis=0).sum())
    slow = fixed_points(drift(0.02 * spread), h, input=[0.0], n_iterations=2)
    assert (slow.kind == "slow").all()
    np.testing.assert_allclose(slow.speed, 0.02)
    assert slow.attrs["n_faster"] == 0
    fast = fixed_points(drift(0.06 * spread), h, input=[0.0], n_iterations=2)
    assert fast.sizes["point"] == 0
    assert fast.eigenvalue.shape == (0, 3)
    assert fast.attrs["n_faster"] == 20


def test_a_descent_that_has_not_ended_is_told_from_a_slow_point():
    decay = map_of([0.9, 0.9])
    early, late = (
        fixed_points(decay, starts(20, 2), input=[0.0], n_iterations=n) for n in (20, 600)
    )
    assert early.sizes["point"] > 3
    assert (early.kind == "falling").all()
    assert late.kind.values.tolist() == ["fixed"]
    # The nearest to rest where there is none: h -> h + (0.02, 0.5 times what is off the axis).
    valley = lambda h, u: h + torch.stack([0.02 + 0 * h[:, 0], -0.5 * h[:, 1]], dim=1)  # noqa: E731
    found = fixed_points(valley, starts(20, 2), input=[0.0], n_iterations=600)
    assert (found.kind == "slow").all()
    np.testing.assert_allclose(found.state[:, 1], 0, atol=1e-4)


def test_a_sheet_of_rest_keeps_its_extent_and_a_slow_valley_does_not():
    def extent(modulus, n):
        step = map_of([modulus, 0.4, 0.3, 0.2, 0.1, 0.0], ROOT)
        found = fixed_points(step, starts(), input=[0.0], n_iterations=n)
        return float(found.extent), found.sizes["point"]

    rest, valley = ([extent(m, n) for n in (100, 1500)] for m in (1.0, 0.98))
    assert rest[0][0] > 0.3
    assert rest[1][0] > 0.7 * rest[0][0]
    assert valley[0][0] > 0.3
    assert valley[0][1] > 10
    assert valley[1] == (0.0, 1)


def test_speeds_are_in_spreads_of_the_visited_states():
    h = starts(20, 3)
    wide = fixed_points(drift(0.02), h, input=[0.0], n_iterations=2, visited=10 * h)
    own = fixed_points(drift(0.02), h, input=[0.0], n_iterations=2)
    np.testing.assert_allclose(wide.speed * 10, own.speed.values[0])


def test_points_within_the_radius_are_one_point():
    far = fixed_points(line, starts(), input=[0.0], n_iterations=600, radius=0.5)
    near = fixed_points(line, starts(), input=[0.0], n_iterations=600, radius=0.001)
    assert far.sizes["point"] < 6 < near.sizes["point"]
    distance = np.linalg.norm(far.state.values[:, None] - far.state.values, axis=-1)
    assert distance[np.triu_indices(len(distance), 1)].min() > 0.5 * far.attrs["spread"]
    assert far.n_starts.sum() == near.n_starts.sum() == 40


# --- running on -----------------------------------------------------------------------------------


def latents(n=200, d=2):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (n, d))


def run(step, states, n_steps=20, **options):
    return free_run(
        step,
        torch.as_tensor(states),
        latents(),
        input=[0.0],
        n_steps=n_steps,
        n_evidence=20,
        penalty=1e-12,
        **options,
    )


def test_what_a_line_of_attractors_holds_stays_and_what_decays_is_lost_at_its_rate():
    """r2 of a state that shrinks by a^k is 1 - (1 - a^k)^2 for latents with a mean of 0."""
    x, k = latents(4000), np.arange(21)
    held = free_run(lambda h, u: h, x, x, input=[0.0], n_steps=20, n_evidence=20)
    np.testing.assert_allclose(held.r2, 1, atol=1e-6)
    np.testing.assert_allclose(held.speed, 0)
    lost = free_run(lambda h, u: 0.9 * h, x, x, input=[0.0], n_steps=20, n_evidence=20)
    np.testing.assert_allclose(lost.r2, 1 - (1 - 0.9**k) ** 2, atol=0.005)
    assert lost.speed.values[0] > 5 * lost.speed.values[20] > 0


def test_an_ideal_averager_follows_the_ideal_curve_and_an_attractor_lies_above_it():
    """The state holds the mean of the evidence and how much of it there was; the input says 0."""
    x = latents()
    average = lambda h, u: torch.cat([h[:, :2] * h[:, 2:] / (h[:, 2:] + 1), h[:, 2:] + 1], dim=1)  # noqa: E731
    found = run(average, np.column_stack([x, np.full(len(x), 20.0)]))
    assert found.ideal.values[[0, 5, 20]] == pytest.approx([1, 0.96, 0.75])
    np.testing.assert_allclose(found.r2, found.ideal, atol=0.02)
    assert run(lambda h, u: h, x).r2.values[20] > found.ideal.values[20] + 0.2


def test_the_decoder_is_not_refitted_where_the_code_turns():
    """A quarter turn keeps all that the state holds, and the decoder reads the other latent."""
    quarter = lambda h, u: spiral(h, 0, modulus=1.0, angle=np.pi / 2)  # noqa: E731
    r2 = run(quarter, latents(), n_steps=4).r2.values
    assert r2[[0, 4]] == pytest.approx([1, 1])
    assert r2[[1, 2]] == pytest.approx([-1, -3], abs=0.3)


def test_a_network_that_explodes_is_said_to_diverge():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = free_run(
            lambda h, u: 1e4 * h,
            torch.as_tensor(latents()).float(),
            latents(),
            input=[0.0],
            n_steps=20,
            n_evidence=20,
        )
    at = found.attrs["diverged_at"]
    assert 8 <= at <= 10
    assert np.isnan(found.r2.values[at:]).all()
    assert (found.r2.values[1:at] < -1e6).all()
    assert run(lambda h, u: h, latents()).attrs["diverged_at"] == -1


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_points_are_found_also_where_the_caller_keeps_no_gradients(mode):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cell = torch.nn.RNNCell(2, 4).double()
    options = {"input": torch.zeros(2).double(), "n_iterations": 50, "slow": 1.0}
    found = fixed_points(lambda h, u: cell(u, h), starts(9, 4), **options)
    with getattr(torch, mode)():
        options["input"] = torch.zeros(2).double()
        again = fixed_points(lambda h, u: cell(u, h), 1 * starts(9, 4), **options)
        assert not torch.is_grad_enabled()
    assert found.sizes["point"] > 0
    assert again.identical(found)


def test_states_with_named_dims_may_have_them_in_any_order():
    x = xr.DataArray(latents(2), dims=("trial", "latent"))  # two trials of two latents would fit
    x = xr.concat([x, -x], "trial")
    options = {"input": [0.0], "n_steps": 1, "n_evidence": 1}
    first, turned = (free_run(lambda h, u: h, v, w, **options) for v, w in ((x, x), (x.T, x.T)))
    assert turned.identical(first)


# --- errors ---------------------------------------------------------------------------------------


def quick(step=spiral, h=None, u=(0.0, 0.0), **options):
    return fixed_points(step, starts(5, 2) if h is None else h, input=u, n_iterations=2, **options)


def held(hole=None, **options):
    x = latents()
    if hole is not None:
        x[hole, 1] = np.nan
    options = {"n_steps": 1, "n_evidence": 1} | options
    return free_run(lambda h, u: h, latents(), x, input=[0.0], **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quick(h=np.ones(3)), r"states have shape \(3,\); pass \(state, unit\)"),
        (lambda: quick(h=np.ones((3, 2))), "the states are all alike"),
        (lambda: quick(u=0.0), r"the input has shape \(\); pass \(channel,\)"),
        (lambda: quick(lambda h, u: h[:, :1]), r"states of shape \(5, 1\) out of \(5, 2\)"),
        (lambda: quick(lambda h, u: h.detach()), "step cuts the gradient"),
        (lambda: quick(visited=starts(5, 3)), "visited has 3 units and the starts have 2"),
        (lambda: quick(radius=-1), "radius=-1 is not possible; give a finite number of 0 or more"),
        (lambda: quick(slow=0), "slow=0 is not possible; give a finite number above 0"),
        (lambda: quick(fixed=np.nan), "fixed=nan is not possible; give a finite number above 0"),
        (
            lambda: quick(learning_rate=-0.1),
            "learning_rate=-0.1 is not possible; give a finite number above 0",
        ),
        (
            lambda: fixed_points(spiral, starts(5, 2), input=[0.0, 0.0], n_iterations=-5),
            "n_iterations=-5 is not possible; give a whole number of 0 or more",
        ),
        (
            lambda: run(line, latents(), n_steps=-1),
            "n_steps=-1 is not possible; give a whole number of 0 or more",
        ),
        (
            lambda: held(n_evidence=-1),
            "n_evidence=-1 is not possible; give a finite number above 0",
        ),
        (lambda: held(penalty=-1), "penalty=-1 is not possible; give a finite number of 0 or more"),
        (lambda: held(hole=4), "trial 4 has a latent that is not finite"),
        (lambda: held(hole=5), "trial 5 has a latent that is not finite"),
        (lambda: quick(lambda h, u: h * torch.inf), "no descent ended at a finite state"),
        (
            lambda: free_run(spiral, latents(), latents(9), input=[0.0], n_steps=1, n_evidence=1),
            r"states of shape \(200, 2\) and latents of shape \(9, 2\)",
        ),
        (
            lambda: free_run(
                spiral, latents(), 0 * latents(), input=[0.0], n_steps=1, n_evidence=1
            ),
            "a latent has one value in every other trial",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
