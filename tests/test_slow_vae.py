"""SlowVAE: its terms, what it recovers and where, what it says of a prior without signal."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from neurogeom.features import _slow_modules as parts  # noqa: E402
from neurogeom.features import slow_vae  # noqa: E402
from neurogeom.formulas import laplace_transition as laplace  # noqa: E402
from neurogeom.formulas.match import mcc  # noqa: E402
from neurogeom.sequences import Sprites, laplace_pairs, mixed_pairs  # noqa: E402

torch.set_num_threads(1)
TINY = {"layers": (8,), "steps": 20, "batch": 32, "n_restarts": 1}
LINEAR = {"layers": (16,), "steps": 400, "batch": 128, "n_restarts": 2, "obs_sd": 0.1, "lr": 1e-2}


def grid(kind=torch.float64):
    d, s = (a.ravel() for a in np.meshgrid([-3.0, -0.2, 0.0, 1e-3, 0.7], [1e-3, 0.1, 1.0, 2.5]))
    return d, s, torch.tensor(d, dtype=kind), torch.tensor(s, dtype=kind)


# --- terms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.5, 6.0])
def test_the_terms_are_those_of_the_formulas(rate):
    d, s, td, ts = grid()
    np.testing.assert_allclose(parts.expected_abs(td, ts), laplace.expected_abs(d, s), atol=1e-12)
    found = parts.cross_entropy(td, ts, rate) - parts.entropy(2 * ts.log())
    np.testing.assert_allclose(found, laplace.kl(d, s, rate), atol=1e-10)
    own = torch.distributions.kl_divergence(
        torch.distributions.Normal(td, ts), torch.distributions.Normal(0.0, 1.0)
    )
    np.testing.assert_allclose(parts.marginal(td, 2 * ts.log()), own, atol=1e-10)


def test_gradients_are_finite_at_rest_and_without_spread():
    """B1."""
    d = torch.tensor([0.0, 0.0, 5.0, 1e-4], requires_grad=True)
    v = torch.tensor([-20.0, 0.0, -20.0, -20.0], requires_grad=True)
    found = parts.cross_entropy(d, (v / 2).exp(), 6.0) - parts.entropy(v)
    found.sum().backward()
    assert d.grad.isfinite().all()
    assert v.grad.isfinite().all()
    assert d.grad[0] == 0
    assert d.grad[2] == pytest.approx(6.0)
    limit = -np.log(3.0) + 6 * 5.0
    far = parts.cross_entropy(d.detach(), (v.detach() / 2).exp(), 6.0)[2]
    assert float(far) == pytest.approx(limit, rel=1e-6)


@pytest.fixture(scope="module")
def tiny():
    """Pairs, and a net that is hardly trained."""
    own = mixed_pairs(2, 300, seed=5)
    return own, slow_vae(own.x0, own.x1, n_latents=2, **TINY)


def batch_of(found, own, noise):
    rows = torch.from_numpy(np.concatenate([own.x0, own.x1]))[None]
    return found.module.seen(rows), found.module.wanted(rows), noise


def posterior(found, own):
    """Means and sds of both moments, numpy."""
    return [found.encode(x) for x in (own.x0, own.x1)]


@pytest.mark.parametrize("kind", ["two_way", "authors", "elbo"])
def test_a_loss_is_its_terms_by_hand(tiny, kind):
    own, found = tiny
    (m0, s0), (m1, s1) = posterior(found, own)
    noise = torch.zeros(1, 600, 2)
    beta, gamma, rate = 0.7, 3.0, 5.0
    with torch.no_grad():
        seen, wanted, _ = batch = batch_of(found, own, noise)
        misfit = float(found.module.surprise(found.module.encode(seen)[0], wanted).mean()) * 2
        value = float(found.module.loss(batch, beta=beta, gamma=gamma, rate=rate, kind=kind))
    ways = laplace.cross_entropy(m1 - m0, s1, rate) + laplace.cross_entropy(m0 - m1, s0, rate)
    each = {
        "two_way": ways - laplace.entropy(s0) - laplace.entropy(s1),
        "authors": ways - (laplace.entropy(s0) + laplace.entropy(s1)) / 2,
        "elbo": laplace.cross_entropy(m1 - m0, s1, rate, s_before=s0) - laplace.entropy(s1),
    }[kind]

    def divergence(m, s):
        return (m**2 + s**2 - 1 - 2 * np.log(s)).sum(axis=1).mean() / 2

    prior = divergence(m0, s0)
    if kind != "elbo":
        prior = (prior + divergence(m1, s1)) / 2
    expected = misfit + beta * prior + gamma * each.sum(axis=1).mean()
    assert value == pytest.approx(expected, rel=1e-5)


def test_the_bound_is_that_of_draws(tiny):
    """-ELBO less the misfit is the divergence of both posteriors from the prior of the pair."""
    own, found = tiny
    posteriors = posterior(found, own)
    rng, n = np.random.default_rng(0), 400
    z = [m + s * rng.standard_normal((n, *m.shape)) for m, s in posteriors]
    log_q = sum(
        -0.5 * ((a - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)
        for a, (m, s) in zip(z, posteriors, strict=True)
    )
    log_p = -0.5 * z[0] ** 2 - 0.5 * np.log(2 * np.pi) + np.log(3.0) - 6 * np.abs(z[1] - z[0])
    drawn = (log_q - log_p).sum(axis=-1).mean(axis=1)  # of each draw, mean over pairs
    noise = torch.zeros(1, 600, 2)
    with torch.no_grad():
        seen, wanted, _ = batch = batch_of(found, own, noise)
        misfit = 2 * float(found.module.surprise(found.module.encode(seen)[0], wanted).mean())
        closed = float(found.module.loss(batch, beta=1.0, gamma=1.0, rate=6.0, kind="elbo"))
    assert closed - misfit == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(n))


@pytest.mark.parametrize(
    ("likelihood", "law"),
    [
        ("poisson", lambda mean: torch.distributions.Poisson(mean)),
        ("bernoulli", lambda mean: torch.distributions.Bernoulli(mean)),
    ],
)
def test_a_likelihood_is_that_of_its_mean(likelihood, law):
    rng = np.random.default_rng(0)
    x = rng.poisson(3.0, (2, 50, 4)) if likelihood == "poisson" else rng.integers(0, 2, (2, 50, 4))
    found = slow_vae(x[0], x[1], n_latents=2, likelihood=likelihood, **TINY)
    z = rng.standard_normal((50, 2))
    mean = torch.from_numpy(found.decode(z))
    wanted = torch.from_numpy(x[0].astype(float))
    with torch.no_grad():
        value = found.module.surprise(torch.from_numpy(z).float()[None], wanted.float()[None])[0]
    np.testing.assert_allclose(value, -law(mean).log_prob(wanted).sum(1), rtol=1e-4)


def test_a_gaussian_likelihood_is_that_of_features_scaled_to_one(tiny):
    own, found = tiny
    z = np.random.default_rng(1).standard_normal((300, 2))
    both = np.concatenate([own.x0, own.x1])
    sd = found.module.log_sd.detach().exp().numpy()[0]
    error = (own.x0 - found.decode(z)) / both.std(axis=0)
    expected = (0.5 * (error / sd) ** 2 + np.log(sd) + 0.5 * np.log(2 * np.pi)).sum(axis=1)
    with torch.no_grad():
        rows = torch.from_numpy(own.x0)[None]
        value = found.module.surprise(torch.from_numpy(z).float()[None], found.module.wanted(rows))
    np.testing.assert_allclose(value[0], expected, rtol=1e-3)


# --- training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def linear():
    """Two latents through a matrix, that move by Laplace laws, and by Gaussian ones."""
    own, other = (mixed_pairs(2, 4000, rate=2.0, n_layers=1, seed=1, transition=law)
                  for law in ("laplace", "gaussian"))  # fmt: skip
    x0, x1 = np.stack([own.x0, other.x0]), np.stack([own.x1, other.x1])
    return own, slow_vae(x0, x1, n_latents=2, **LINEAR)


def test_sparse_moves_tell_the_latents_and_gaussian_ones_are_said_not_to(linear):
    own, found = linear
    best, gaussian = found.results.best.values
    assert mcc(own.z0, found.transform(own.x0, net=best), kind="spearman").value > 0.97
    assert mcc(own.z0, found.transform(own.x0, net=best, aligned=True)).value > 0.98
    shape = found.results.increment_shape
    assert (shape[best] < 1.3).all()
    assert (shape[gaussian] > 1.7).all()
    assert found.results.attrs["notes"] == [
        "2 of 4 latents move by nearly Gaussian steps (exponent 1.7 or more): their axes cannot be "
        "told"
    ]


def test_the_best_net_is_the_one_of_least_loss_of_its_own_data(linear):
    _, found = linear
    loss = found.results.loss.values.reshape(2, 2)
    assert found.results.best.values.tolist() == [loss[0].argmin(), 2 + loss[1].argmin()]
    assert found.results.of_set.values.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="2 data sets were trained; name one"):
        found.transform(np.zeros((1, 2)))


def test_alignment_is_one_turn_of_the_latents_that_makes_their_moves_of_variance_one(linear):
    own, found = linear
    plain = [found.transform(x, net=0) for x in (own.x0, own.x1)]
    turned = [found.transform(x, net=0, aligned=True) for x in (own.x0, own.x1)]
    np.testing.assert_allclose(turned[0], plain[0] @ found.unmixing[0].T)
    moves = turned[1] - turned[0]
    np.testing.assert_allclose(moves.std(axis=0), 1.0, rtol=0.01)
    assert abs(np.corrcoef(moves.T)[0, 1]) < 0.01


def test_a_net_is_the_same_alone_and_among_others(linear):
    own, _ = linear
    options = {**TINY, "n_latents": 2}
    alone = slow_vae(own.x0, own.x1, **options)
    other = slow_vae(np.stack([own.x0, own.x1]), np.stack([own.x1, own.x0]), **options)
    np.testing.assert_allclose(alone.transform(own.x0), other.transform(own.x0, net=0), atol=1e-4)
    assert not np.allclose(alone.transform(own.x0), other.transform(own.x0, net=1), atol=1e-2)


def test_a_seed_repeats_its_bits_and_another_does_not():
    own = mixed_pairs(2, 200)
    first, again, other = (
        slow_vae(own.x0, own.x1, n_latents=2, seed=seed, **TINY).transform(own.x0)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_short_jumps_in_noise_leave_the_prior_without_signal_and_the_result_says_so():
    """E6 (1): moves as long as the posterior is wide."""
    own = mixed_pairs(2, 2000, rate=10.0, n_layers=1)
    found = slow_vae(own.x0, own.x1, n_latents=2, **{**LINEAR, "obs_sd": 0.5})
    assert (found.results.beyond < 0.5).all()
    assert any("seldom move beyond" in note for note in found.results.attrs["notes"])


def test_a_latent_too_many_is_left_unused_and_reported():
    own = mixed_pairs(2, 3000, n_layers=1)
    found = slow_vae(own.x0, own.x1, n_latents=4, **{**LINEAR, "n_restarts": 1})
    assert int(found.results.active.sum()) == 2
    assert any(note.startswith("2 of 4 latents") for note in found.results.attrs["notes"])
    assert found.transform(own.x0, aligned=True).shape == (3000, 2)


def test_the_bound_of_a_trained_net_is_higher_and_the_same_for_other_draws(linear):
    own, found = linear
    net = int(found.results.best[0])
    bound = np.array([found.elbo(own.x0, own.x1, net=net, seed=seed) for seed in range(1, 9)])
    untrained = slow_vae(own.x0, own.x1, n_latents=2, **{**LINEAR, "steps": 1, "n_restarts": 1})
    assert bound.min() > untrained.elbo(own.x0, own.x1) + 1
    assert float(found.results.elbo[net]) == pytest.approx(bound.mean(), abs=4 * bound.std(ddof=1))


def test_images_go_through_convolutions_and_come_back_nearer_than_their_mean():
    grid = Sprites(shapes=("square",), n_sizes=1, n_rows=4, n_columns=4, side=8)
    first, second = laplace_pairs(grid.sizes, 300, categorical=grid.categorical)
    x0, x1 = grid.images(first), grid.images(second)
    found = slow_vae(x0, x1, n_latents=2, network="conv", likelihood="bernoulli", gamma=0,
                     steps=300, batch=32, n_restarts=1, layers=(8, 8, 16), lr=1e-2)  # fmt: skip
    back = found.decode(found.transform(x0))
    assert back.min() > 0
    assert back.max() < 1
    assert np.square(back - x0).mean() < 0.7 * np.square(x0 - x0.mean(axis=0)).mean()


def test_a_net_by_itself_computes_what_it_computes_among_the_others(linear):
    own, found = linear
    rows = torch.from_numpy(own.x0.astype(np.float32))
    with torch.no_grad():
        every = found.module.encode(found.module.seen(rows.expand(4, *rows.shape)))[0]
        alone = found.module.alone(2).encode(found.module.alone(2).seen(rows[None]))[0]
    np.testing.assert_allclose(alone[0], every[2], atol=1e-5)


ROWS = np.random.default_rng(0).standard_normal((20, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood='poisson' takes counts"),
        ({"likelihood": "bernoulli"}, "takes values from 0 to 1"),
        ({"likelihood": "poisson", "obs_sd": 0.1}, "obs_sd=0.1 has no effect"),
        ({"loss": "elbo", "gamma": 0}, "leaves the second moment without a prior"),
        ({"loss": "all"}, "loss='all'"),
        ({"network": "conv", "layers": (4, 4, 4)}, "2 is not a multiple"),
        ({"rate": 0}, "rate=0"),
        ({"n_latents": 0}, "n_latents=0"),
        ({"beta": -1}, "beta=-1"),
        ({"layers": 8}, "layers=8 is no tuple"),
        ({"lag": 7}, "lag=7 has no effect"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        slow_vae(ROWS, ROWS + 1, **{"n_latents": 2, **options})


def test_features_that_never_vary_are_refused():
    with pytest.raises(ValueError, match="no feature varies"):
        slow_vae(np.ones((20, 4)), np.ones((20, 4)), n_latents=2)


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="3 features are no side"):
        slow_vae(ROWS[:, :3], ROWS[:, 1:], n_latents=2, network="conv")


def test_rows_of_another_shape_or_not_finite_are_refused(tiny):
    own, found = tiny
    with pytest.raises(ValueError, match=r"must be \(sample, 2\)"):
        found.transform(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="must be .*all finite"):
        found.transform(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="net=7 is none of the 1"):
        found.transform(own.x0, net=7)


# --- the specification's worlds -------------------------------------------------------------------


def scores(n_latents, steps, seeds, **options):
    """MCC by ranks of 5,000 others, raw and aligned, of one network a world."""
    worlds = [mixed_pairs(n_latents, 20_000, rate=2.0, seed=seed) for seed in seeds]
    x0, x1 = (np.stack([getattr(w, name)[:15_000] for w in worlds]) for name in ("x0", "x1"))
    found = slow_vae(x0, x1, n_latents=n_latents, steps=steps, obs_sd=0.05, n_restarts=1, **options)
    return np.array([
        [mcc(w.z0[15_000:], found.transform(w.x0[15_000:], net=net, aligned=aligned),
             kind="spearman").value for net, w in enumerate(worlds)]
        for aligned in (False, True)
    ])  # fmt: skip


@pytest.mark.slow
def test_two_latents_are_found_where_a_beta_vae_turns_them_by_any_angle():
    """B6, in the median of twelve worlds: not of each, for some have another optimum. The beta-VAE
    is at the 0.900 of a random turn, so that 0.1 more is out of reach for any method."""
    seeds = range(12)
    raw, aligned = scores(2, 1800, seeds, layers=(48, 48))
    beta, _ = scores(2, 1800, seeds, layers=(48, 48), gamma=0)
    assert np.median(raw) >= 0.90
    assert np.median(aligned) >= 0.95
    error = np.hypot(raw.std(ddof=1), beta.std(ddof=1)) / np.sqrt(len(seeds))
    assert np.mean(aligned - beta) > 2 * error
    random = 4 / np.pi * np.sin(np.pi / 4)
    assert abs(beta.mean() - random) < 3 * beta.std(ddof=1) / np.sqrt(len(seeds))


@pytest.mark.slow
def test_four_latents_are_found_once_aligned():
    """B6b."""
    raw, aligned = scores(4, 2500, (0, 1, 2))
    assert (aligned >= 0.93).all()
    assert (aligned > raw).all()


# --- units, and what a trained net takes ----------------------------------------------------------


def test_a_feature_that_never_varies_adds_nothing_and_comes_back_as_it_is(tiny):
    own, _ = tiny
    still = np.full((300, 1), 3e8)
    x = [np.column_stack([a, still]) for a in (own.x0, own.x1)]
    more = slow_vae(*x, n_latents=2, **TINY)
    np.testing.assert_array_equal(more.decode(more.transform(x[0]))[:, -1], 3e8)
    z = torch.zeros(1, 300, 2)
    with torch.no_grad():
        wanted = more.module.wanted(torch.from_numpy(x[0])[None])
        nats = more.module.surprise(z, wanted)
        other = more.module.surprise(z, wanted + torch.tensor([0.0] * (x[0].shape[1] - 1) + [5.0]))
    np.testing.assert_array_equal(nats, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda own, x: own.transform(-x), "takes counts"),
        (lambda own, x: own.transform(x + 0.5), "takes counts"),
        (lambda own, x: own.transform(x[:0]), "must be"),
        (lambda own, x: own.elbo(x, x[:-1]), "20 and 19 rows"),
        (lambda own, x: own.elbo(x, x, seed=None), "seed=None is not possible"),
    ],
)
def test_a_trained_net_takes_what_training_takes(call, message):
    x = np.random.default_rng(0).poisson(3.0, (2, 20, 4)).astype(float)
    found = slow_vae(x[0], x[1], n_latents=1, likelihood="poisson", **TINY, seed=2**70)
    assert np.isfinite(found.elbo(x[0], x[1], seed=2**70))
    with pytest.raises(ValueError, match=message):
        call(found, x[0] + 1)
