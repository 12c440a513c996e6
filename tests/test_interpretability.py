"""Interpretability index: its definition by loops, exact values, null, ties, repeats, bad input."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_textures import seen

import neurogeom as ng
from neurogeom.features import (
    Similarity,
    _index,
    _odd_one_out,
    compare_bases,
    cross_odd_one_out,
    curate,
    interpretability,
    textures,
)
from neurogeom.kernels import interpretability as kernels

KINDS = ("mei", "2afc", "ooo")
SMALL = {"n_exciting": 5, "n_trials": 4, "n_references": 3, "n_null": 0}
NO_E, NO_S = np.empty((0, 0)), np.empty((0, 0))


def scored(responses, stimuli, kind="mei", **options):
    options = SMALL | options
    if kind == "2afc":
        options.pop("n_exciting")
    return interpretability(ng.from_arrays(responses), stimuli, kind=kind, **options)


# --- the definition, by loops --------------------------------------------------------------------


def similarities(e):
    return -((e[:, None] - e[None]) ** 2).sum(axis=-1)


def by_loops_mei(s, chosen):
    return np.mean([s[a, b] for a, b in combinations(chosen, 2)])


def by_loops_two_afc(s, queries, references):
    p, right = [], []
    for t in range(queries.shape[1]):
        like = np.array([[s[r, queries[q, t]] for q in (0, 1)] for end in (0, 1)
                         for r in references[end, t]])  # fmt: skip
        like = (like - like.mean()) / like.std()
        n = references.shape[2]
        correct = like[:n, 0].mean() + like[n:, 1].mean()
        wrong = like[:n, 1].mean() + like[n:, 0].mean()
        p.append(np.exp(correct) / (np.exp(correct) + np.exp(wrong)))
        right.append(correct > wrong)
    return np.mean(p), np.mean(right)


def by_loops_ooo(s, chosen):
    level = by_loops_mei(s, chosen)
    others = [x for x in range(len(s)) if x not in chosen]
    return np.mean([np.mean([s[x, a] for a in chosen]) < level for x in others])


def by_loops_cross(s, one, two):
    wins = []
    for mine, other in ((one, two), (two, one)):
        for x in mine:
            own = np.mean([s[x, a] for a in mine if a != x])
            away = np.mean([s[x, a] for a in other if a != x])
            wins.append(0.5 if np.isclose(own, away) else own > away)
    return np.mean(wins)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_kernels_are_the_loops_of_the_definition(seed, embedded):
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((40, 3))
    s = similarities(e)
    if not embedded:
        s = rng.standard_normal((40, 40))
        s = s + s.T
    given = (e, NO_S) if embedded else (NO_E, s)
    chosen = np.array([rng.permutation(40)[:5] for _ in range(3)])
    expected = [by_loops_mei(s, c) for c in chosen]
    np.testing.assert_allclose(kernels.mean_similarity(*given, chosen), expected)
    np.testing.assert_allclose(
        kernels.odd_one_out(*given, chosen) / 35, [by_loops_ooo(s, c) for c in chosen]
    )
    cross = kernels.cross_odd_one_out(*given, chosen)
    for u, v in combinations(range(3), 2):
        assert cross[u, v] == cross[v, u] == pytest.approx(by_loops_cross(s, chosen[u], chosen[v]))
    queries = np.array([rng.permutation(40)[:6].reshape(2, 3) for _ in range(3)])
    references = np.array([rng.permutation(40)[:24].reshape(2, 3, 4) for _ in range(3)])
    found = kernels.two_afc(*given, queries, references)
    each = [by_loops_two_afc(s, q, r) for q, r in zip(queries, references, strict=True)]
    np.testing.assert_allclose(np.transpose(found), each)


WORLDS = {
    "plain": lambda e: e,
    "far from zero": lambda e: e + 1e6,
    "tiny": lambda e: 1e-30 * e,
    "clusters, so that all is tied": lambda e: np.round(e),
    "one stimulus": lambda e: 0 * e,
    "an outlier, so that single precision tells nothing": lambda e: np.vstack([1e5 * e[:1], e[1:]]),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("embedded", [True, False])
def test_sums_from_a_table_give_the_counts_of_the_kernel_to_the_last_one(world, embedded):
    rng = np.random.default_rng(14)
    e = WORLDS[world](rng.standard_normal((203, 4)))
    given = (e, NO_S) if embedded else (NO_E, similarities(e))
    chosen = np.array([rng.permutation(203)[:7] for _ in range(40)])
    chosen[0] = np.argsort((e[:, 0] - e[0, 0]) ** 2)[:7]
    expected = kernels.odd_one_out(*given, chosen)
    assert (_odd_one_out._counted(*given, chosen) == expected).all()
    assert (_odd_one_out.odd_one_out(*given, chosen) == expected / 196).all()
    assert (_odd_one_out.odd_one_out(*given, chosen[:5]) == expected[:5] / 196).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_null_is_the_same_by_whatever_way_it_is_computed(kind, monkeypatch):
    rng = np.random.default_rng(15)
    unit, e = rng.standard_normal((70, 6)), np.round(rng.standard_normal((70, 3)))
    at_once = scored(unit, e, kind, n_null=15).null.values
    monkeypatch.setattr(_index, "SETS", 10)  # one surrogate at a time
    monkeypatch.setattr(_index, "TABLE", 0)
    np.testing.assert_allclose(scored(unit, e, kind, n_null=15).null.values, at_once, rtol=1e-13)


def test_all_similarities_are_those_of_pairs():
    e = np.random.default_rng(16).standard_normal((70, 3))  # more than two tiles
    np.testing.assert_allclose(kernels.similarities(e), similarities(e), atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_the_largest_come_in_order_and_the_earlier_of_equal_ones_first(seed, k):
    values = np.random.default_rng(seed).integers(-3, 4, (3, 12)).astype(float)
    expected = np.argsort(-values, axis=1, kind="stable")[:, :k]
    assert (kernels.largest(values, k) == expected).all()


def test_ranks_of_the_choice_are_those_of_the_protocol():
    """Responses are the ranks: trial t sees references T + r T + t from either end."""
    n, t, r, cut = 100, 3, 2, 10
    shown = []
    place = np.arange(n, dtype=float)[::-1].copy()

    def record(e, s, queries, references):
        shown.append((queries, references))
        return np.full(1, 0.5), np.full(1, 0.5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "two_afc", record)
        scored(place[:, None], np.eye(n), "2afc", n_trials=t, n_references=r, quantile=cut / n)
    queries, references = shown[0]
    assert sorted(queries[0, 0].tolist()) == [10, 11, 12]
    assert sorted(queries[0, 1].tolist()) == [87, 88, 89]
    assert references[0, 0].tolist() == [[13, 16], [14, 17], [15, 18]]
    assert references[0, 1].tolist() == [[86, 83], [85, 82], [84, 81]]


# --- exact values (A5, A6, A8) -------------------------------------------------------------------


def test_two_clusters_give_the_largest_values_and_one_cluster_gives_chance():
    n = 400
    which = np.arange(n) % 20 < 9
    unit = which + np.random.default_rng(0).uniform(0, 0.1, n)
    e = np.eye(2)[which.astype(int)]
    # an end needs T (R + 1) = 60 stimuli of its own cluster
    found = {k: scored(unit[:, None], e, k, n_trials=6, n_references=9) for k in KINDS}
    assert found["mei"].estimate.item() == 0.0
    assert found["2afc"].estimate.item() == pytest.approx(0.98201379, abs=1e-8)
    assert found["2afc"].accuracy.item() == 1.0
    assert found["ooo"].estimate.item() == pytest.approx(220 / (n - 5))  # 1 - prevalence, A7
    for alike in (np.full((n, 3), 0.1), Similarity(np.full((n, n), 0.3))):
        same = {k: scored(unit[:, None], alike, k) for k in KINDS}
        assert same["2afc"].estimate.item() == same["2afc"].accuracy.item() == 0.5
        assert same["ooo"].estimate.item() == 0.0
        assert same["mei"].estimate.item() == (0.0 if isinstance(alike, np.ndarray) else 0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_monotone_maps_of_responses_change_nothing_and_others_do(kind):
    rng = np.random.default_rng(1)
    unit, e = rng.standard_normal((300, 5)), rng.standard_normal((300, 4))
    plain = scored(unit, e, kind).estimate.values
    assert (scored(np.exp(3 * unit) + 5, e, kind).estimate.values == plain).all()
    assert (scored(np.abs(unit), e, kind).estimate.values != plain).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_stimuli_and_of_neurons_changes_nothing(kind):
    rng = np.random.default_rng(2)
    unit, e = rng.standard_normal((300, 5)), rng.standard_normal((300, 4))
    order, other = rng.permutation(300), rng.permutation(5)
    plain = scored(unit, e, kind)
    np.testing.assert_allclose(
        scored(unit[order], e[order], kind).estimate, plain.estimate, rtol=1e-12
    )
    swapped = scored(unit[:, other], e, kind, n_null=9)
    plain = scored(unit, e, kind, n_null=9)
    assert (swapped.estimate.values == plain.estimate.values[other]).all()
    assert (swapped.null.values == plain.null.values[:, other]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_and_its_similarities_are_the_same(kind):
    rng = np.random.default_rng(3)
    unit, e = rng.standard_normal((300, 5)), rng.standard_normal((300, 4))
    options = {"n_null": 5}
    one, two = (scored(unit, g, kind, **options) for g in (e, Similarity(similarities(e))))
    np.testing.assert_allclose(one.estimate, two.estimate, atol=1e-10)
    np.testing.assert_allclose(one.null, two.null, atol=1e-10)


# --- known populations ---------------------------------------------------------------------------


def of_sums(world, numbers=(1, 2, 3, 4, 6), n_units=24):
    """Mean index of units that sum so many features, drawn for each."""
    rng = np.random.default_rng(20)
    sums = [
        world.features[:, rng.permutation(24)[:m]].sum(axis=1)
        for m in numbers
        for _ in range(n_units)
    ]
    found = scored(np.stack(sums, 1), world.embedding, n_exciting=9)
    return found.estimate.values.reshape(len(numbers), n_units).mean(axis=1)


def test_a_neuron_of_more_features_is_less_interpretable():
    """A2, at half of its images: monotone in the number of features."""
    value = of_sums(seen())
    assert (np.diff(value) < 0).all()
    assert value[0] - value[1] >= 0.25


def test_noise_units_are_at_chance_and_single_features_far_above():
    world = seen()
    noise = np.random.default_rng(4).standard_normal((1200, 60))
    units = np.hstack([world.features[:, :5], noise])
    for kind, chance, least in (("mei", -0.74, -0.3), ("ooo", 0.45, 0.95)):
        found = scored(units, world.embedding, kind, n_exciting=9, n_null=99)
        value, p = found.estimate.values, found.p_value.values
        assert value[:5].min() > least
        assert value[5:].mean() == pytest.approx(chance, abs=0.05)
        assert found.attrs["chance"] == pytest.approx(chance, abs=0.05)
        assert p[:5].max() == 0.01
        assert found.p_corrected.values[:5].max() <= 0.02
        assert (p[5:] <= 0.05).sum() <= 8  # of 60 at 0.05: 9 or more once in 200
        assert (found.p_corrected.values[5:] <= 0.05).sum() <= 2
    noisy = interpretability(ng.from_arrays(noise), world.embedding, kind="2afc", n_null=0)
    assert noisy.estimate.values.mean() == pytest.approx(0.5, abs=0.03)  # A3


def test_shuffled_images_leave_nothing():
    """A4: into the null, whatever the units are."""
    world = seen()
    shuffled = world.embedding[np.random.default_rng(5).permutation(1200)]
    units = world.features[:, :12]
    assert scored(units, world.embedding, n_exciting=9).estimate.values.max() > -0.2
    found = scored(units, shuffled, n_exciting=9, n_null=99)
    assert found.p_corrected.values.min() > 0.05
    assert abs(found.z.values).mean() < 1.5


def test_a_random_unit_has_less_than_half_by_odd_one_out():
    """A7: of a Gaussian embedding 0.46."""
    rng = np.random.default_rng(6)
    found = scored(
        rng.standard_normal((500, 100)), rng.standard_normal((500, 10)), "ooo", n_exciting=9
    )
    assert found.estimate.values.mean() == pytest.approx(0.46, abs=0.03)


def test_more_stimuli_raise_the_index_of_a_feature_and_not_the_null():
    world = seen()
    few, many = (
        scored(world.features[:, :8], world.embedding, n_exciting=9, n_stimuli=n, n_null=49)
        for n in (200, None)
    )
    assert few.estimate.values.mean() < many.estimate.values.mean() - 0.08
    assert few.attrs["chance"] == pytest.approx(many.attrs["chance"], abs=0.02)
    assert (few.attrs["n_stimuli"], many.attrs["n_stimuli"]) == (200, 1200)


def test_exciting_stimuli_are_the_largest_responses_and_pure_where_they_share_a_class():
    world = seen()
    unit = world.features[:, [3, 17]] + 1e-6
    found = scored(unit, world.embedding, n_stimuli=600, labels=world.features > 0)
    assert found.purity.values.tolist() == [1.0, 1.0]
    used = np.take_along_axis(unit, found.exciting.values.T, 0)
    assert (np.diff(used, axis=0) <= 0).all()
    dominant = world.features.argmax(axis=1)
    whole = scored(unit, world.embedding, labels=dominant)
    top = np.argsort(-unit, axis=0)[:5]
    assert (whole.exciting.values == top.T).all()
    assert whole.purity.values.tolist() == [
        np.bincount(dominant[t]).max() / 5 for t in top.T
    ]  # fmt: skip


def test_labels_are_read_as_columns_are_and_a_stimulus_may_be_of_no_class():
    kind = np.array(["a", "b", "c"] * 20)
    plain = scored(X, E, labels=kind).purity.values
    for labels in (list(kind), dict(enumerate(kind)), [own.encode() for own in kind]):
        assert (scored(X, E, labels=labels).purity.values == plain).all()
    top = scored(X, E).exciting.values
    only = np.arange(60)[:, None] == top[:, 0]
    assert scored(X, E, labels=only).purity.values.tolist() == [0.2, 0.2]


# --- ties, clips, gaps ---------------------------------------------------------------------------


def test_fewer_responses_than_exciting_stimuli_are_no_estimate():
    rng = np.random.default_rng(7)
    counts = np.zeros((60, 5))
    counts[:4, 0], counts[:5, 1] = 3.0, 3.0  # 4 and 5 of them
    counts[:, 2] = -1.0  # constant
    counts[:20, 3], counts[20:40, 3] = 2.0, -2.0  # enough
    counts[:4, 4], counts[4:8, 4] = 1.0, -1.0  # 4 above zero
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scored(counts, rng.standard_normal((60, 3)), n_null=9)
    assert np.isfinite(found.estimate.values).tolist() == [False, True, False, True, False]
    assert found.valid.values.tolist() == [False, True, False, True, False]
    assert (found.exciting.values[0] == -1).all()
    assert len(found.attrs["reasons"]) == 3
    assert "fewer than 5 responses" in next(iter(found.attrs["reasons"].values()))
    assert np.isnan(found.p_value.values[[0, 2, 4]]).all()


def test_ties_are_no_alphabet():
    """40 stimuli of equal response: those chosen are not the first ones, and all units agree."""
    counts = np.zeros((80, 2))
    counts[:40] = 1.0
    e = np.random.default_rng(8).standard_normal((80, 3))
    found = [scored(counts, e, seed=s).exciting.values for s in (0, 1)]
    assert (found[0][0] == found[0][1]).all()
    assert set(found[0][0]) != set(found[1][0])
    assert all(set(f[0]) != set(range(5)) and max(f[0]) < 40 for f in found)


def test_of_a_clip_one_frame_counts_and_frames_keep_their_distance():
    rng = np.random.default_rng(9)
    frame = np.arange(120)
    clip = frame // 10
    e = rng.standard_normal((12, 6))[clip]
    unit = np.exp(-(((frame - 55) / 6.0) ** 2))[:, None] + 1e-3 * rng.random((120, 1))
    assert scored(unit, e).estimate.item() == 0.0  # one clip, five times
    by_clip = scored(unit, e, groups=clip, n_null=9)
    assert len(set(clip[by_clip.exciting.values[0]])) == 5
    assert by_clip.exciting.values[0, 0] == unit.argmax()
    assert by_clip.null.values.max() < -1
    spaced = scored(unit, e, min_gap=10)
    assert np.diff(np.sort(spaced.exciting.values[0])).min() >= 10
    none = scored(unit, e, groups=frame // 40)
    assert np.isnan(none.estimate.item())


# --- repeats -------------------------------------------------------------------------------------


def repeated(noise, n=80, repeats=6, seed=0):
    """Neurons whose signal has variance 1, in noise of these standard deviations."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, len(noise)))
    names = np.array([f"image {i:03d}" for i in range(n)])
    x = signal[:, None] + rng.standard_normal((n, repeats, len(noise))) * noise
    trial = {"image": np.repeat(names, repeats)}
    order = rng.permutation(n * repeats)
    x = ng.from_arrays(x.reshape(n * repeats, -1)[order], {"image": trial["image"][order]})
    return x, rng.standard_normal((n, 3))


def test_reliability_is_that_of_halves_and_unreliable_neurons_are_not_estimated():
    noise = np.repeat([0.5, 1.0, 5.0], 30)
    x, e = repeated(noise, n=150)
    found = interpretability(x, e, stimulus="image", n_null=9)
    half = found.reliability.values.reshape(3, 30).mean(axis=1)
    expected = 1 / (1 + noise[::30] ** 2 / 3)
    np.testing.assert_allclose(half, expected, atol=0.03)
    whole = found.spearman_brown.values.reshape(3, 30).mean(axis=1)
    np.testing.assert_allclose(whole[:2], 1 / (1 + noise[:60:30] ** 2 / 6), atol=0.03)
    assert found.valid.values[:60].all()
    assert not found.valid.values[60:].any()
    assert np.isnan(found.estimate.values[60:]).all()
    assert found.attrs["n_neurons_unreliable"] == 30
    assert "halves of its trials correlate" in next(iter(found.attrs["reasons"].values()))
    everyone = interpretability(x, e, stimulus="image", least_reliability=None, n_null=0)
    assert np.isfinite(everyone.estimate.values).all()
    assert (everyone.estimate.values[:60] == found.estimate.values[:60]).all()


def test_repeats_are_averaged_and_stimuli_may_come_as_a_mapping():
    x, e = repeated(np.ones(4))
    names = np.unique(x.image.values)
    means = np.array([x.values[x.image.values == own].mean(axis=0) for own in names])
    by_hand = scored(means, e, n_exciting=9)
    given = {name: e[i] for i, name in reversed(list(enumerate(names)))}
    found = interpretability(x, given, stimulus="image", n_null=0)
    np.testing.assert_allclose(found.estimate, by_hand.estimate, rtol=1e-12)
    assert (found.label.values == names).all()


def test_sessions_stand_side_by_side():
    (one, e), (two, _) = repeated(np.ones(3)), repeated(np.ones(2), seed=1)
    one, two = one.assign_coords(session="one"), two.assign_coords(session="two")
    both = interpretability([two, one], e, stimulus="image", n_null=0)
    alone = [interpretability(x, e, stimulus="image", n_null=0).estimate.values for x in (one, two)]
    assert both.session.values.tolist() == ["one"] * 3 + ["two"] * 2
    assert both.estimate.values.tolist() == np.concatenate(alone).tolist()


def test_noise_looks_like_mixed_meaning_and_averaging_undoes_it():
    """D6: 16 trials of noise 2 are worth one of noise 0.5."""
    world = seen()
    rng = np.random.default_rng(10)
    noisy = [world.features[:, :12] + sd * rng.standard_normal((1200, 12)) for sd in (0.5, 2, 4)]
    value = [scored(h, world.embedding, n_exciting=9).estimate.values.mean() for h in noisy]
    assert value[0] > -0.2
    assert value[0] > value[1] + 0.1 > value[2] + 0.2


# --- redundancy ----------------------------------------------------------------------------------


def test_different_features_are_counted_once_each():
    world = seen()
    noise = np.random.default_rng(11).standard_normal((1200, 5))
    units = np.hstack([world.features[:, [0, 5, 11, 0, 5]] + 1e-3 * noise, noise])
    found = curate(ng.from_arrays(units), world.embedding, n_null=19)
    assert found.estimate.item() == 3
    assert found.p_value.item() == 0.05
    like = found.like.values
    assert like[0] == like[3]
    assert like[1] == like[4]
    assert (like[5:] == -1).all()
    assert found.kept.values[:5].sum() == 3
    cross = cross_odd_one_out(ng.from_arrays(units), world.embedding).values
    assert cross[0, 3] < 0.7
    assert cross[0, 1] == cross[1, 2] == 1.0
    assert (cross == cross.T).all()


def test_a_data_frame_is_its_rows():
    e = np.random.default_rng(17).standard_normal((60, 3))
    plain = scored(X, e, labels=e > 0)
    for columns in ("abc", range(3), [("a", 0), ("a", 1), ("b", 0)]):
        frame = pd.DataFrame(dict(zip(columns, e.T, strict=True)), index=range(60, 0, -1))
        framed = scored(X, frame, labels=frame > 0)
        assert framed.identical(plain)
    with pytest.raises(TypeError, match="embedding must be an array of real numbers, not of obj"):
        scored(X, pd.DataFrame({"image": ["a", "b"] * 30}))


def test_a_result_says_the_range_of_the_similarities_that_it_is_of():
    x, away = ng.from_arrays(X), -np.abs(np.subtract.outer(X[:, 0], X[:, 1]))
    away = away + away.T
    world = {"n_exciting": 4, "n_null": 0}
    for stimuli, least, word in ((E, 0.0, "squared"), (Similarity(away), 0.0, "given"),
                                 (Similarity(1 + away), np.inf, "given")):  # fmt: skip
        own = interpretability(x, stimuli, **world)
        bases = compare_bases(x, stimuli, methods=["pca"], **world)
        for attrs in (own.attrs, bases.attrs):
            assert attrs["range"] == [-np.inf, least]
            assert word in attrs["sign"]
        assert (own.estimate <= least).all()
    above = interpretability(x, Similarity(1 + away), **world)
    assert above.estimate.max() > 0
    assert interpretability(x, Similarity(away), kind="ooo", **world).attrs["range"] == [0.0, 1.0]


# --- results and bad input -----------------------------------------------------------------------


def test_a_result_is_saved_and_loaded(tmp_path):
    found = scored(np.random.default_rng(12).random((40, 3)), np.eye(40), n_null=3)
    ng.save(found, tmp_path / "index.nc")
    assert ng.load(tmp_path / "index.nc").drop_attrs().equals(found.drop_attrs())


X = np.random.default_rng(13).random((60, 2))
E = np.eye(60)


def skew(n=60):
    s = np.zeros((n, n))
    s[2, 5] = 1.0
    return Similarity(s)


def one_trial(count=1):
    names = np.repeat(np.arange(20), 3)
    names[2] = 19 if count == 1 else names[2]
    names[1] = 18 if count == 1 else names[1]
    return ng.from_arrays(X, {"image": names})


def with_nan(named):
    x = X.copy()
    x[3:6, 1] = np.nan
    return ng.from_arrays(x, {"image": np.repeat(np.arange(20), 3)} if named else {})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scored(X, [np.zeros((4, 4))] * 59 + [np.zeros((4, 5))]), "image 59 has shape"),
        (lambda: scored(X, E[:50]), "50 are given for 60"),
        (lambda: scored(X, {i: E[i] for i in range(55)}), "trial 55 and 4 others have responses"),
        (lambda: scored(X, skew()), "give a symmetric matrix"),
        (lambda: scored(X, Similarity(np.eye(50))), r"give \(60, 60\)"),
        (lambda: scored(X, Similarity(np.eye(60) + np.nan)), "similarities are not all finite"),
        (lambda: scored(X, E + np.nan), "the embedding of trial 0 is not finite"),
        (lambda: scored(X, np.full((60, 4, 4), np.nan)), "image 0 has pixels that are not finite"),
        (lambda: scored(X, E, "mie"), "did you mean 'mei'"),
        (lambda: scored(X, E, "ooo", quantile=0.2), "quantile has no effect"),
        (lambda: scored(X, E, "2afc", min_gap=2), "have no effect on kind"),
        (lambda: scored(X, E, "2afc"), "60 stimuli are fewer than .* = 64; lower n_trials"),
        (lambda: scored(X, E, n_exciting=60), "n_exciting=60 of 60 stimuli leaves none"),
        (lambda: scored(X, E, n_exciting=1), "give a whole number of 2 or more"),
        (lambda: scored(X, E, n_stimuli=61), "more than the 60 that there are"),
        (lambda: scored(X, E, metric="lpips"), "is no function; give one of images"),
        (lambda: scored(X, Similarity(E), metric=np.asarray), "so no metric is used"),
        (lambda: interpretability(with_nan(False), E), "no response to stimulus 3 .NaN."),
        (lambda: interpretability(with_nan(True), E[:20], stimulus="image",
                                  least_reliability=None), "no response to stimulus 1 .NaN."),
        (lambda: interpretability(one_trial(), E[:20], stimulus="image"),
         "stimulus 0 has 1 trial, and halves of the trials need 2"),
        (lambda: interpretability(one_trial(), E[:20], stimulus="picture"), "is not a column"),
        (lambda: interpretability(ng.from_arrays(X[:, :, None], time=[0.0]), E), "time bins"),
        (lambda: interpretability([ng.from_arrays(X, session=s) for s in "ab"], E),
         "2 sessions need a stimulus"),
        (lambda: interpretability(ng.from_arrays(X, {"image": [f"i{i:02}" for i in range(60)]}), E,
                                  stimulus="image", least_reliability=None, min_gap=2),
         "is between labels that are numbers"),
        (lambda: scored(X, E, groups=np.full(60, np.nan)), "groups of stimulus 0 and 59 others"),
        (lambda: scored(X, E, groups=["a", None] * 30), "groups of stimulus 1 and 29 others are"),
        (lambda: scored(X, E, groups=np.zeros((60, 2))), r"'groups' has shape \(60, 2\)"),
        (lambda: scored(X, E, groups=5), "5 is given for 60 of 'groups'; give one each"),
        (lambda: curate(ng.from_arrays(X), E, groups=[None] * 60), "give each one, a name of its"),
        (lambda: scored(X, E, labels=np.full(60, np.nan)), "labels of stimulus 0 and 59 others"),
        (lambda: scored(X, E, labels=[None, *"ab" * 29, "a"]), "labels of stimulus 0 and 0 others"),
        (lambda: scored(X, E, labels=["a", 1] * 30), "one kind a column"),
        (lambda: scored(X, E, labels=np.ones((60, 3))), r"labels are numbers of shape \(60, 3\)"),
        (lambda: scored(X, E, labels=np.ones((60, 0), bool)), r"shape \(60, 0\); give one class"),
        (lambda: scored(X, E, labels=np.ones((60, 2, 2), bool)), "as in labels > 0"),
        (lambda: scored(X, E, labels=5), "5 is given for 60 of 'labels'"),
        (lambda: scored(X, None), "None is given for 60 of 'trial'"),
        (lambda: textures(3, n_active=25), "n_active=25 textures of 24"),
        (lambda: curate(ng.from_arrays(X), E, threshold=2), "threshold=2 is not possible"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_sentence(call, message):
    with pytest.raises((ValueError, KeyError, TypeError), match=message):
        call()


# --- acceptance at full size ---------------------------------------------------------------------


@pytest.mark.slow
def test_two_afc_of_noise_is_chance_and_of_single_features_nearly_always_right():
    """A3: mean of 24 noise units 0.5 within 0.03; single features p 0.65 to 0.80, right 0.90."""
    for seed in (0, 1, 7):
        world = seen(2400, seed)
        rng = np.random.default_rng(seed)
        own = world.features[:, :12] + 0.05 * rng.standard_normal((2400, 12))
        units = np.hstack([own, rng.standard_normal((2400, 24))])
        found = interpretability(ng.from_arrays(units), world.embedding, kind="2afc", n_null=0)
        value, right = found.estimate.values, found.accuracy.values
        assert value[12:].mean() == pytest.approx(0.5, abs=0.03)
        assert 0.65 <= value[:12].mean() <= 0.80
        assert right[:12].mean() >= 0.90


@pytest.mark.slow
def test_at_full_size_sums_of_features_fall_in_order():
    """A2 for three seeds."""
    for seed in (0, 1, 7):
        value = of_sums(seen(2400, seed))
        assert (np.diff(value) < 0).all()
        assert value[0] - value[1] >= 0.25


def test_a_population_without_a_reliable_neuron_is_all_nan_in_silence_and_says_why():
    rng = np.random.default_rng(3)
    shown = np.repeat(np.arange(40), 4)
    x = ng.from_arrays(rng.standard_normal((160, 2)), trial={"image": shown})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = interpretability(x, rng.standard_normal((40, 3)), stimulus="image", n_null=5)
    assert np.isnan(found.estimate).all()
    assert np.isnan(found.attrs["chance"])
    assert all("halves of its trials" in reason for reason in found.attrs["reasons"].values())
