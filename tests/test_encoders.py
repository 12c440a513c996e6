"""Encoders against scikit-learn, closed forms, exhaustive search and each other."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurogeom.features import FISTA, NNLS, OMP, Dictionary, ExhaustiveL0, superposition
from neurogeom.features._fista import BATCH, gram_form
from neurogeom.formulas.match import mcc
from neurogeom.kernels import sparse as kernels


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 8)), Dictionary(rng.standard_normal((16, 8)))


@pytest.fixture(scope="module")
def wide():
    """More atoms than samples may use: 160 in 40 neurons."""
    return superposition(80, n_sources=160, n_neurons=40, n_active=4, noise=0.05, seed=0)


@pytest.mark.parametrize("nonneg", [True, False])
@pytest.mark.parametrize("shape", [(16, 8), (12, 20), (30, 6)])
def test_fista_agrees_with_coordinate_descent(shape, nonneg):
    from sklearn.decomposition import sparse_encode

    rng = np.random.default_rng(1)
    d, x = Dictionary(rng.standard_normal(shape)), rng.standard_normal((40, shape[1]))
    for sets in (False, True):
        found = FISTA(0.2, 5000, 1e-9, nonneg, working_set=sets).solve(x, d)
        codes = sparse_encode(
            x, d.atoms, algorithm="lasso_cd", alpha=0.2, positive=nonneg, max_iter=20_000
        )
        assert (found.objective <= d.objective(x, codes, 0.2) + 1e-9).all()
        np.testing.assert_allclose(found.objective, d.objective(x, found.codes, 0.2), atol=1e-12)
        assert (found.gap <= 1e-9 * found.objective).all()
        assert (found.n_iterations < 5000).all()
        gap = d.duality_gap(x, found.codes, 0.2, nonneg=nonneg)
        np.testing.assert_allclose(gap, found.gap, atol=1e-12)


@pytest.mark.parametrize("penalty", [0.0025, 0.02, 0.1])
def test_known_dictionary_is_encoded_as_by_scikit_learn_to_1e8(penalty):
    """Acceptance A2, at 1024 samples of 3 of 16 sources in 8 neurons."""
    from sklearn.decomposition import sparse_encode

    x, _, d = superposition(256, seed=20240625)
    found = FISTA(penalty, 20_000, 1e-8).solve(x, d)
    codes = sparse_encode(
        x, d.atoms, algorithm="lasso_cd", alpha=penalty, positive=True, max_iter=100_000
    )
    best = d.objective(x, codes, penalty)
    np.testing.assert_allclose(np.minimum(found.objective, best), best, atol=1e-8)
    assert (found.objective <= best + 1e-8).all()


def test_a_thousand_steps_recover_the_sources_of_a_known_dictionary():
    """Acceptance A2 over five worlds, each 0.982 to 0.997; loss of the paper at l1 = 0.01."""
    worlds = [superposition(1024, seed=seed) for seed in range(5)]
    codes = [FISTA(0.0025).encode(w.x, w.dictionary) for w in worlds]
    found = [mcc(w.sources, c).value for w, c in zip(worlds, codes, strict=True)]
    assert np.median(found) == pytest.approx(0.992, abs=0.003)
    loss = [
        ((w.x - w.dictionary.decode(c)) ** 2).mean() + 0.01 * np.abs(c).mean()
        for w, c in zip(worlds, codes, strict=True)
    ]
    assert np.median(loss) <= 0.00153


def test_the_objective_never_rises_with_more_steps(problem):
    x, d = problem
    for nonneg in (True, False):
        before = np.inf
        for n in range(1, 60):
            now = FISTA(0.05, n, 0.0, nonneg).solve(x, d).objective
            assert (now <= before + 1e-12).all()
            before = now


def test_the_weight_of_the_paper_is_this_penalty_times_two_over_the_neurons(problem):
    """Acceptance A9: mean squares + l1 mean |s| is 2/M times the objective at l1 M / (2 N)."""
    x, d = problem
    l1, (n, m) = 0.04, d.atoms.shape
    penalty = l1 * m / (2 * n)
    for codes in (FISTA(penalty).encode(x, d), np.random.default_rng(2).random((60, 16))):
        paper = ((x - d.decode(codes)) ** 2).mean() + l1 * np.abs(codes).mean()
        assert paper == pytest.approx(2 / m * d.objective(x, codes, penalty).mean())


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_order_and_length_of_atoms_change_no_match_and_copies_raise_none(seed):
    """Acceptance A10."""
    rng = np.random.default_rng(seed)
    world = superposition(64, seed=seed)
    order, length = rng.permutation(16), rng.uniform(0.1, 9, (16, 1))
    moved = Dictionary(world.dictionary.atoms[order] * length)
    codes = FISTA(0.02, 5000, 1e-9).encode(world.x, world.dictionary)
    again = FISTA(0.02, 5000, 1e-9).encode(world.x, moved)
    whole = mcc(world.sources, codes).value
    assert mcc(world.sources, again).value == pytest.approx(whole, abs=1e-3)
    assert mcc(world.sources, np.hstack([codes, codes])).value == pytest.approx(whole)
    assert mcc(world.sources, codes[:, order[:8]]).value < whole


def test_a_warm_start_ends_where_a_cold_one_does_and_begins_lower(problem):
    x, d = problem
    cold = FISTA(0.1, 5000, 1e-10).solve(x, d)
    start = np.random.default_rng(3).random((60, 16))
    for sets in (False, True):
        warm = FISTA(0.1, 5000, 1e-10, working_set=sets).solve(x, d, start=start)
        np.testing.assert_allclose(warm.objective, cold.objective, rtol=1e-9)
    assert FISTA(0.1).solve(x, d, start=cold.codes).n_iterations.max() == 0
    one = FISTA(0.1, 1, 0.0).solve(x, d, start=cold.codes)
    assert (one.objective < FISTA(0.1, 1, 0.0).solve(x, d).objective).all()


@pytest.mark.parametrize("nonneg", [True, False])
def test_working_sets_end_where_steps_over_all_atoms_do(wide, nonneg):
    x, _, d = wide
    for penalty in (0.3, 0.02, 0.002):  # few atoms a sample; many; more than a half at some time
        over_all = FISTA(penalty, 20_000, 1e-9, nonneg, working_set=False).solve(x, d)
        on_sets = FISTA(penalty, 20_000, 1e-9, nonneg).solve(x, d)
        assert (on_sets.gap <= 1e-9 * on_sets.objective).all()
        np.testing.assert_allclose(on_sets.objective, over_all.objective, rtol=2e-9)
    assert (on_sets.codes != 0).sum(axis=1).max() > 20


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
@settings(max_examples=30, deadline=None)
def test_a_value_of_a_rank_is_that_of_the_sorted_values(values, data):
    rank = data.draw(st.integers(0, len(values) - 1))
    found = kernels._ranked.py_func(np.array(values, float), rank)
    assert found == sorted(values, reverse=True)[rank]


def test_penalties_above_the_largest_drive_leave_nothing_and_no_warning(wide):
    x, _, d = wide
    x = np.vstack([x, np.zeros(40)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sets in (False, True):
            found = FISTA(100.0, working_set=sets).solve(x, d)
            assert not found.codes.any()
            assert found.n_iterations.max() == 0
            np.testing.assert_allclose(found.gap, 0.0, atol=1e-15)
        assert not OMP(2).encode(x[-1:], d).any()
        assert not NNLS().encode(x[-1:], d).any()


def test_torch_takes_the_same_steps(problem):
    x, d = problem
    assert [gram_form(8, 16), gram_form(8, 18)] == [True, False]  # one product a step, and two
    wide = Dictionary(np.random.default_rng(4).standard_normal((18, 8)))
    for dictionary in (d, wide):
        for nonneg in (True, False):
            ours = FISTA(0.1, 20, 0.0, nonneg).solve(x, dictionary)
            theirs = FISTA(0.1, 20, 0.0, nonneg, "torch", "cpu").solve(x, dictionary)
            np.testing.assert_allclose(theirs.codes, ours.codes, atol=1e-12)
            np.testing.assert_allclose(theirs.gap, ours.gap, atol=1e-12)
    ours = FISTA(0.1, 5000, 1e-9).solve(x, d, start=np.ones((60, 16)))
    theirs = FISTA(0.1, 5000, 1e-9, backend="torch").solve(x, d, start=np.ones((60, 16)))
    np.testing.assert_allclose(theirs.objective, ours.objective, rtol=1e-9)
    assert (theirs.gap <= 1e-9 * theirs.objective).all()


def test_no_bit_depends_on_the_number_of_workers():
    world = superposition(2 * BATCH + 7, seed=5)
    alone = FISTA(0.05).solve(world.x, world.dictionary)
    shared = FISTA(0.05).solve(world.x, world.dictionary, n_jobs=2)
    for a, b in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(16, 8), (18, 8)])
def test_operations_are_those_that_torch_counts(shape):
    """Acceptance A8: the matrix products; 7 more a step and atom are sums and comparisons."""
    from torch.utils.flop_counter import FlopCounterMode

    rng = np.random.default_rng(6)
    d, x = Dictionary(rng.standard_normal(shape)), rng.standard_normal((50, shape[1]))
    encoder = FISTA(0.05, 30, 0.0, backend="torch", device="cpu")
    with FlopCounterMode(display=False) as counter:
        encoder.encode(x, d)
    n, m = shape
    other = 50 * 30 * (7 * n + (0 if gram_form(m, n) else m))
    assert encoder.flops(50, m, n) - other == counter.get_total_flops()


def test_steps_over_sets_count_where_all_atoms_are_needed_in_the_end(monkeypatch):
    """A sample took up to twice as many as allowed, and the later ones alone were told of."""
    world = superposition(5, n_sources=200, n_neurons=20, n_active=10, seed=0)
    made, step = [], kernels.fista_step
    monkeypatch.setattr(kernels, "fista_step", lambda *a: made.append(len(a[0])) or step(*a))
    found = FISTA(1e-6, 60).solve(world.x, world.dictionary)
    assert (found.n_iterations == 60).all()
    assert 0 < len(made) < 60  # the sets took the others


@pytest.mark.parametrize("encoder", [OMP(3), NNLS(), ExhaustiveL0(2)], ids=str)
@pytest.mark.parametrize("size", [2.0**-50, 2.0**50])
def test_codes_are_the_same_in_any_units(problem, encoder, size):
    """scikit-learn's pursuit takes drives below 1.5e-8 for nothing."""
    x, d = problem
    np.testing.assert_allclose(encoder.encode(size * x[:5], d) / size, encoder.encode(x[:5], d))


@pytest.mark.parametrize("kind", [OMP, ExhaustiveL0])
def test_no_more_atoms_are_charged_than_a_code_holds(kind):
    assert kind(8).flops(3, 8, 16) == kind(50).flops(3, 8, 16) > kind(7).flops(3, 8, 16)
    assert kind(4).flops(3, 8, 4) == kind(50).flops(3, 8, 4)


@pytest.mark.parametrize("encoder", [FISTA(0.1), OMP(1), NNLS(), ExhaustiveL0(1)], ids=str)
def test_operations_are_of_whole_numbers(encoder):
    with pytest.raises(ValueError, match="n_neurons=2.5 is not possible"):
        encoder.flops(1, 2.5, 3)
    with pytest.raises(ValueError, match="n_samples=-1 is not possible"):
        encoder.flops(-1, 2, 3)


def test_a_step_over_8_neurons_and_16_atoms_costs_624_operations():
    one, two = (FISTA(0.1, n).flops(1, 8, 16) for n in (1, 2))
    assert two - one == 624


# --- other encoders --------------------------------------------------------------------------


def test_exhaustive_search_finds_every_source():
    """Acceptance A1."""
    world = superposition(1024, seed=20240625)
    codes = ExhaustiveL0(3).encode(world.x, world.dictionary)
    assert mcc(world.sources, codes).value >= 0.999
    np.testing.assert_array_equal(codes > 1e-9, world.sources > 1e-9)


def test_exhaustive_search_is_as_good_as_non_negative_least_squares_on_any_choice(problem):
    from itertools import combinations

    x, d = problem
    codes = ExhaustiveL0(2).encode(x[:10], d)
    assert (codes >= 0).all()
    assert ((codes > 0).sum(axis=1) <= 2).all()
    fits = [
        ((x[:10] - NNLS().encode(x[:10], Dictionary(d.atoms[list(c)])) @ d.atoms[list(c)]) ** 2)
        for c in combinations(range(16), 2)
    ]
    best = np.min([f.sum(axis=1) for f in fits], axis=0)
    np.testing.assert_allclose(((x[:10] - d.decode(codes)) ** 2).sum(axis=1), best)


def test_matching_pursuit_finds_orthogonal_atoms_of_either_sign():
    d = Dictionary(np.eye(5))
    x = np.array([[3.0, 0.0, -2.0, 0.0, 1.0]])
    assert OMP(2).encode(x, d).tolist() == [[3.0, 0.0, -2.0, 0.0, 0.0]]
    assert OMP(9).encode(x, d).tolist() == x.tolist()
    assert NNLS().encode(x, d).tolist() == [[3.0, 0.0, 0.0, 0.0, 1.0]]


def test_least_squares_without_a_penalty_is_where_small_penalties_lead(problem):
    x, d = problem
    few = Dictionary(d.atoms[:6])  # so that codes are unique
    small = FISTA(1e-7, 50_000, 1e-9).encode(x, few)
    np.testing.assert_allclose(NNLS().encode(x, few), small, atol=1e-5)


def test_one_linear_layer_reads_one_source_exactly_and_never_two():
    """Acceptance A3: atoms on a cone, which the encoder in closed form undoes."""
    angle = 2 * np.pi * np.arange(16) / 16
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    d = Dictionary(np.column_stack([ring, np.ones(16)]))
    c = np.cos(2 * np.pi / 16)
    weights = np.sqrt(2) * np.column_stack([ring, np.full(16, -c)]) / (1 - c)

    class Relu:
        def encode(self, x, dictionary):
            return np.maximum(dictionary.centred(x) @ weights.T, 0.0)

    one = np.diag(np.random.default_rng(7).uniform(0.1, 3, 16))
    np.testing.assert_allclose(d.encode(d.decode(one), Relu()), one, atol=1e-10)
    two = np.zeros((1, 16))
    two[0, [0, 2]] = 1.0, 0.7
    assert np.abs(d.encode(d.decode(two), Relu()) - two).max() >= 0.5
    np.testing.assert_allclose(d.encode(d.decode(two), ExhaustiveL0(2)), two, atol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d, x: FISTA(0.0), "penalty=0.0 is not possible"),
        (lambda d, x: FISTA(0.1, 0), "n_iterations=0 is not possible"),
        (lambda d, x: FISTA(0.1, tolerance=-1), "tolerance=-1 is not possible"),
        (lambda d, x: FISTA(0.1, nonneg=1), "nonneg=1 is not possible"),
        (lambda d, x: FISTA(0.1, backend="jax"), "backend='jax' is unknown"),
        (lambda d, x: FISTA(0.1, device="cpu"), "has no effect"),
        (lambda d, x: FISTA(0.1, backend="torch", working_set=True), "backend='numba'"),
        (lambda d, x: FISTA(0.1, tolerance=0.0, working_set=True), "a tolerance above 0"),
        (lambda d, x: FISTA(0.1, backend="torch", device="tpu").encode(x, d), "is not here"),
        (lambda d, x: FISTA(0.1).encode(x, d, start=x), "do not fit 16 atoms"),
        (lambda d, x: FISTA(0.1).encode(x, d, start=-np.ones((60, 16))), "none below 0"),
        (lambda d, x: FISTA(0.1).encode(x, d, start=np.ones((6, 16))), "codes of the 60 samples"),
        (lambda d, x: FISTA(0.1).encode(x, d, start=np.full((60, 16), np.nan)), "finite codes"),
        (lambda d, x: FISTA(0.1).encode(x, d, n_jobs="a"), "n_jobs='a' is not possible"),
        (lambda d, x: FISTA(0.1).encode(np.full((2, 8), np.nan), d), "hold NaN"),
        (lambda d, x: d.duality_gap(x, np.ones((6, 16)), 0.1), "each of 60 samples"),
        (lambda d, x: d.objective(x, np.ones((1, 16)), 0.1), "each of 60 samples"),
        (lambda d, x: OMP(0), "n_nonzero=0 is not possible"),
        (lambda d, x: ExhaustiveL0(2.5), "n_nonzero=2.5 is not possible"),
        (
            lambda d, x: ExhaustiveL0(8).encode(np.zeros((1, 20)), Dictionary(np.eye(20, 20))),
            "8 of 20 atoms can be chosen in 2.64e.05 ways, more than 100000",
        ),
    ],
)
def test_what_cannot_be_encoded_is_said_in_one_sentence(problem, call, message):
    x, d = problem
    with pytest.raises(ValueError, match=message):
        call(d, x)


@pytest.mark.parametrize(
    "call",
    [
        lambda d, x: Dictionary(1j * d.atoms),
        lambda d, x: Dictionary(d.atoms, centre=np.full(8, "a")),
        lambda d, x: OMP(1).encode(1j * x, d),
        lambda d, x: d.decode(1j * np.ones((1, 16))),
        lambda d, x: mcc(1j * x, x),
        lambda d, x: d.encode([[1.0, 2.0], [3.0]], OMP(1)),
    ],
)
def test_numbers_that_are_not_real_are_no_activity(problem, call):
    x, d = problem
    with pytest.raises(TypeError, match="must be an array of real numbers, not"):
        call(d, x)


def test_the_best_choice_holds_no_dependent_atoms_and_none_for_rounding():
    atoms = np.random.default_rng(4).standard_normal((4, 4))
    atoms[2] = atoms[0] + atoms[1]
    d = Dictionary(atoms)
    code = ExhaustiveL0(3).encode([2 * d.atoms[0] + d.atoms[3]], d)
    np.testing.assert_allclose(code, [[2, 0, 0, 1]], atol=1e-10)
    world = superposition(200, n_active=1, seed=3)
    assert (np.count_nonzero(ExhaustiveL0(3).encode(world.x, world.dictionary), axis=1) == 1).all()


def test_the_table_of_known_dictionaries_holds_over_worlds():
    """Section 1.5 of the specification, medians over five worlds of half its size."""
    worlds = [superposition(512, seed=seed) for seed in range(5)]

    def found(encoder):
        codes = (w.dictionary.encode(w.x, encoder) for w in worlds)
        return np.median([mcc(w.sources, c).value for w, c in zip(worlds, codes, strict=True)])

    steps = [found(FISTA(0.0025, n, 0.0)) for n in (10, 30, 100, 300)]
    np.testing.assert_allclose(steps, [0.869, 0.915, 0.972, 0.991], atol=0.02)
    penalties = [found(FISTA(p, 3000)) for p in (2.5e-4, 0.025, 0.25)]
    np.testing.assert_allclose(penalties, [0.993, 0.988, 0.942], atol=0.02)
    assert found(NNLS()) == pytest.approx(0.954, abs=0.03)
    assert found(OMP(3)) == pytest.approx(0.864, abs=0.04)


def test_a_working_set_ends_where_an_atom_outside_is_driven_hardly_less_than_the_penalty():
    """Such an atom bounds the gap and joins no set: work on the set used to start again forever."""
    rng = np.random.default_rng(19)
    true = Dictionary(rng.standard_normal((16, 8)))
    x = (np.abs(rng.standard_normal((300, 16))) * (rng.random((300, 16)) < 0.15)) @ true.atoms
    near = Dictionary(true.atoms + 0.2 * rng.standard_normal((16, 8)))
    start = FISTA(0.02, 20, 1e-4, working_set=True).encode(x, true)
    found = FISTA(0.02, 5000, 1e-6, working_set=True).solve(x, near, start=start)
    assert (found.gap <= 1e-6 * found.objective).all()
