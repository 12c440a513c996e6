"""Generated pairs: which factors move, by what law, and what is seen of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gennorm, ks_2samp, kstest, laplace, norm

from neurogeom import sequences
from neurogeom.formulas.laplace_transition import increment_shape
from neurogeom.sequences import Sprites, laplace_pairs, mixed_pairs, natural_pairs, uniform_pairs


@given(st.integers(0, 10_000), st.lists(st.integers(2, 9), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_uniform_pairs_change_exactly_so_many_factors_each_to_another_level(seed, sizes):
    """B7."""
    for n_changed in range(1, len(sizes) + 1):
        first, second = uniform_pairs(sizes, 200, n_changed=n_changed, seed=seed)
        assert ((first != second).sum(axis=1) == n_changed).all()
        assert (second >= 0).all()
        assert (second < sizes).all()
    free = (np.not_equal(*uniform_pairs(sizes, 200, seed=seed))).sum(axis=1)
    assert set(free) <= set(range(1, len(sizes)))


def test_uniform_pairs_reach_every_other_level_and_every_number_of_factors_alike():
    first, second = uniform_pairs([2, 5, 3, 4], 30_000, seed=1)
    number = np.bincount((first != second).sum(axis=1), minlength=5)[1:4] / 30_000
    np.testing.assert_allclose(number, 1 / 3, atol=4 * np.sqrt(2 / 9 / 30_000))
    moved = (first[:, 1] == 2) & (second[:, 1] != 2)
    share = np.bincount(second[moved, 1], minlength=5) / moved.sum()
    np.testing.assert_allclose(share[[0, 1, 3, 4]], 0.25, atol=4 * 0.44 / np.sqrt(moved.sum()))


@given(st.integers(0, 10_000), st.lists(st.integers(1, 9), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_laplace_pairs_always_move_and_never_a_category(seed, sizes):
    """B7."""
    sizes = [*sizes, 4]
    for rate in (1.0, 30.0, None):
        first, second = laplace_pairs(sizes, 200, categorical=[0], rate=rate, seed=seed)
        moved = first != second
        assert moved.any(axis=1).all()
        assert not moved[:, 0].any()
        assert (second >= 0).all()
        assert (second < sizes).all()
        assert moved[:, -1].any() or rate == 30  # that leaves to finer factors


def test_laplace_pairs_have_the_law_that_is_asked_for_given_that_something_moves():
    n, rate, start = 60_000, 2.0, 1
    first, second = laplace_pairs([5, 3], n, rate=rate, seed=2)
    weight = [np.exp(-np.abs(np.arange(k) - start) * rate / np.log(k)) for k in (5, 3)]
    joint = np.outer(*(w / w.sum() for w in weight))
    joint[start, start] = 0
    here = (first == start).all(axis=1)
    share = np.zeros((5, 3))
    np.add.at(share, tuple(second[here].T), 1 / here.sum())
    np.testing.assert_allclose(share, joint / joint.sum(), atol=4 * 0.5 / np.sqrt(here.sum()))


def test_a_higher_rate_moves_less():
    grids = ([9, 9, 9], 2000)
    far = [
        np.abs(np.subtract(*laplace_pairs(*grids, rate=rate))).mean()
        for rate in (0.5, 1.0, None, 10.0)
    ]
    assert far == sorted(far, reverse=True)


@pytest.mark.parametrize("exponent", [0.4, 0.8, 2.0])
def test_natural_jumps_have_their_exponent_and_stay_inside(exponent):
    first, second = natural_pairs(6000, exponent=exponent, scale=1e-3, seed=3)
    for name in ("row", "column", "area"):
        d = second[name] - first[name]
        assert increment_shape(d) == pytest.approx(exponent, rel=0.15)
        low, high = (0.02, 0.12) if name == "area" else (0.2, 0.8)
        assert (second[name] >= low).all()
        assert (second[name] <= high).all()
    inner = (first["row"] > 0.3) & (first["row"] < 0.7)
    d = (second["row"] - first["row"])[inner]
    if exponent == 2:  # none of these is cut off
        assert kstest(d, gennorm(2, scale=1e-3).cdf).pvalue > 1e-3
    for name in ("shape", "angle"):
        assert (first[name] == second[name]).all()
    np.testing.assert_allclose(np.pi * second["size"] ** 2, second["area"])


def test_jumps_that_hardly_ever_fit_are_drawn_too_and_by_the_same_law():
    """Drawn until they fit, those of so small an exponent had no end."""
    for own in natural_pairs(50, exponent=0.05, scale=100):
        assert (own["row"] >= 0.2).all()
        assert (own["area"] <= 0.12).all()
    room = np.full((2, 4000), [[0.7], [2.0]])
    found = sequences._jumps(np.random.default_rng(0), room, 1.0)
    wanted = laplace.rvs(size=8000, random_state=1)
    assert ks_2samp(found, wanted[(wanted > -0.7) & (wanted < 2)]).pvalue > 0.01


def test_mixed_latents_are_gaussian_at_first_and_move_by_their_laws():
    n, rate = 20_000, 3.0
    laws = {"laplace": laplace(scale=1 / rate), "gaussian": norm(scale=np.sqrt(2) / rate)}
    for name, law in laws.items():
        own = mixed_pairs(3, n, transition=name, rate=rate, seed=4)
        d = own.z1 - own.z0
        assert kstest(d[:, 0], law.cdf).pvalue > 1e-3
        assert kstest(own.z0[:, 1], norm.cdf).pvalue > 1e-3
        assert d.std() == pytest.approx(np.sqrt(2) / rate, rel=0.02)
    own = mixed_pairs(4, n, transition="uniform", seed=4)
    rests = (own.z0 == own.z1).sum(axis=1)
    assert set(rests.tolist()) == {1, 2, 3}
    assert kstest(own.z1[:, 0], norm.cdf).pvalue > 1e-3


def test_a_mixing_can_be_undone_and_more_layers_bend_it():
    for n_layers, linear in ((1, True), (2, False), (3, False)):
        own = mixed_pairs(3, 4000, n_layers=n_layers, seed=5)
        fitted = np.linalg.lstsq(own.x0, own.z0)[0]
        assert np.allclose(own.x0 @ fitted, own.z0) == linear
        x = own.x0
        for i, matrix in reversed(list(enumerate(_matrices(3, n_layers, 5)))):
            x = x @ np.linalg.inv(matrix)
            x = np.where(x > 0, x, x / sequences.SLOPE) if i else x
        np.testing.assert_allclose(x, own.z0, atol=1e-9)
        assert max(map(np.linalg.cond, _matrices(3, n_layers, 5))) < 3
    np.testing.assert_array_equal(mixed_pairs(3, 10, n_layers=0).x1, mixed_pairs(3, 10).z1)


def _matrices(n, n_layers, seed):
    return sequences._mixing(n, n_layers, sequences._rng(seed, 4))


def test_first_layers_of_one_seed_are_the_same_for_every_transition_and_seeds_differ():
    a, b = mixed_pairs(3, 50), mixed_pairs(3, 50, transition="gaussian")
    np.testing.assert_array_equal(a.x0, b.x0)
    assert not np.allclose(a.x0, mixed_pairs(3, 50, seed=1).x0)


def test_sprites_stand_where_their_factors_say():
    grid = Sprites(side=48)
    index = np.array([[1, 0, 0, 0, 7], [1, 5, 0, 7, 0], [2, 3, 0, 4, 4]])
    factors = grid.factors(index)
    assert factors["shape"].tolist() == ["square", "square", "triangle"]
    found = grid.images(index).reshape(3, 48, 48)
    centre = (np.arange(48) + 0.5) / 48
    for i in range(2):
        mass = found[i].sum()
        assert found[i].sum(axis=1) @ centre / mass == pytest.approx(factors["row"][i], abs=0.01)
        assert found[i].sum(axis=0) @ centre / mass == pytest.approx(factors["column"][i], abs=0.01)
        assert mass / 48**2 == pytest.approx(np.pi * factors["size"][i] ** 2, abs=0.02)
    assert Sprites(n_angles=4).factors(np.array([[0, 0, 3, 0, 0]]))["angle"][0] < np.pi / 2


def test_no_two_points_of_a_grid_look_the_same():
    grid = Sprites(n_sizes=3, n_rows=4, n_columns=4)
    every = np.stack(np.meshgrid(*map(np.arange, grid.sizes), indexing="ij"), -1).reshape(-1, 5)
    seen = grid.images(every)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 9 * np.eye(len(seen))
    assert apart.min() > 0.1
    drawn = sequences.drawn(natural_pairs(5)[0], side=20)
    assert drawn.shape == (5, 400)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: laplace_pairs([3, 1], 5, categorical=[0]), "no factor of sizes"),
        (lambda: laplace_pairs([3, 4], 5, categorical=[2]), "positions from 0 to 1"),
        (lambda: laplace_pairs([3, 4], 5, rate=0.0), "rate=0.0 is not possible"),
        (lambda: laplace_pairs([3, 2.5], 5), "number of levels of each factor"),
        (lambda: laplace_pairs([3, 4], 0), "n_pairs=0 is not possible"),
        (lambda: uniform_pairs([3, 1], 5), "a factor of one level cannot change"),
        (lambda: uniform_pairs([3], 5), "of one factor none can rest"),
        (lambda: uniform_pairs([3, 4], 5, n_changed=3), "whole number from 1 to 2"),
        (lambda: mixed_pairs(1, 5, transition="uniform"), "of one factor none can rest"),
        (lambda: mixed_pairs(2, 5, transition="laplacian"), "did you mean 'laplace'"),
        (lambda: natural_pairs(5, exponent=-1.0), "exponent=-1.0 is not possible"),
        (lambda: laplace_pairs([3, 4], 5, categorical=0), "categorical=0 is no list"),
        (lambda: Sprites(shapes="disc"), "shapes='disc' is no list of names"),
        (lambda: Sprites().images(np.zeros((1, 5))), "must be .* whole numbers from 0"),
        (lambda: Sprites(shapes=("disk",)), "did you mean 'disc'"),
        (lambda: Sprites().images(np.array([[0, 0, 1, 0, 0]])), "each below"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
