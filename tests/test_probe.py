"""Linear probes: what is there is read, what is not stays at chance, and each refusal."""

import warnings

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.features import probe


def clusters(seed, n=300, apart=3.0, n_features=6):
    """Three classes of unequal frequency about their means along the first two features."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    x = rng.standard_normal((n, n_features))
    x[:, :2] += apart * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[y]
    return x, y


def split(x, y, n=200):
    return x[:n], y[:n], x[n:], y[n:]


@pytest.mark.parametrize("names", [[0, 1], [1, 0]])
def test_chance_of_classes_alike_in_number_does_not_depend_on_their_names(names):
    x = np.random.default_rng(0).standard_normal((200, 3))
    train, test = np.repeat(names, [50, 50]), np.repeat(names, [80, 20])
    assert float(probe(x[:100], train, x[100:], test).chance) == 0.5
    train = np.repeat(names, [80, 20])
    assert float(probe(x[:100], train, x[100:], test, per_class=5).chance) == 0.5
    assert float(probe(x[:100], train, x[100:], test).chance) == 0.8


def test_classes_are_read_where_they_are_and_at_chance_where_labels_are_shuffled():
    x, y = clusters(0)
    found = probe(*split(x, np.array(["a", "b", "c"])[y]))
    assert float(found.estimate) > 0.85
    shuffled = np.random.default_rng(1).permutation(y)
    nothing = probe(*split(x, shuffled))
    assert float(nothing.chance) == (shuffled[200:] == 0).mean()
    assert abs(float(nothing.estimate) - float(nothing.chance)) < 0.12


def test_it_is_the_pipeline_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = clusters(2, apart=1.5)
    train, y_train, test, y_test = split(x * np.arange(1, 7) + 3, y)
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=0.7, max_iter=1000).fit(scaler.transform(train), y_train)
    expected = model.score(scaler.transform(test), y_test)
    assert float(probe(train, y_train, test, y_test, C=0.7).estimate) == expected


def test_units_of_features_change_nothing_and_their_loss_does():
    x, y = clusters(3)
    plain = probe(*split(x, y)).estimate
    assert plain == probe(*split(x * [1e3, 1e-3, 1, 5, 1, 1] - 7, y)).estimate
    assert plain > probe(*split(x[:, 1:], y)).estimate + 0.1


def test_few_labels_are_as_many_of_each_class_and_read_less():
    x, y = clusters(4, apart=2.0, n_features=30)
    few, all_ = probe(*split(x, y), per_class=3, n_draws=20), probe(*split(x, y))
    assert few.attrs["n_train"] == 9
    assert few.sizes["draw"] == 20
    assert len(np.unique(few.each)) > 5
    assert float(few.estimate) == pytest.approx(float(few.each.mean()))
    assert few.estimate < all_.estimate - 0.05
    assert probe(*split(x, y), per_class=3, seed=1).estimate != probe(
        *split(x, y), per_class=3).estimate  # fmt: skip


def test_numbers_are_predicted_up_to_their_noise():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2000, 4))
    y = x @ [1.0, 2.0, 0.0, 0.0] + np.sqrt(5) * rng.standard_normal(2000)  # half is signal
    found = probe(*split(x, y, 1000))
    assert float(found.estimate) == pytest.approx(0.5, abs=0.05)
    assert float(found.chance) == 0
    assert float(probe(*split(x, rng.permutation(y), 1000)).estimate) < 0.02


def test_whole_numbers_are_classes_in_every_type_and_kind_says_otherwise():
    x, y = clusters(8)
    found, numbers = probe(*split(x, y)), probe(*split(x, y), kind="continuous")
    assert found.attrs["kind"] == "discrete" != numbers.attrs["kind"]
    assert float(numbers.estimate) < float(found.estimate)
    assert numbers.equals(probe(*split(x, y.astype(float)), kind="continuous"))
    half = y + 0.5
    assert probe(*split(x, half)).equals(probe(*split(x, half), kind="continuous"))
    for same in (y.astype(float), y.astype(np.uint8), list(y), np.array(["a", "b", "c"])[y]):
        assert probe(*split(x, same)).equals(found)
    assert probe(*split(x, half), kind="discrete").equals(found)
    mixed = [*split(x, y)[:3], y[200:] + 0.5]
    assert probe(*mixed).attrs["kind"] == "continuous"


def test_text_of_data_frames_is_text():
    pandas = pytest.importorskip("pandas")
    x, y = clusters(9)
    names = np.array(["a", "b", "c"])[y]
    for dtype in (object, "string", "category"):
        assert probe(*split(x, pandas.Series(names, dtype=dtype))).equals(probe(*split(x, names)))


def test_a_silent_feature_raises_no_warning():
    x, y = clusters(6)
    x[:, 3] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(probe(*split(x, y)).estimate) > 0.8


def test_what_is_not_possible_is_said_in_one_sentence():
    x, y = clusters(7, n=40)
    good = split(x, y, 30)
    lost = x.copy()
    lost[0, 0] = np.nan
    for given, options, words in (
        ((lost[:30], *good[1:]), {}, "features are not all finite"),
        ((x[:30, :0], y[:30], x[30:, :0], y[30:]), {}, r"features of shape \(30, 0\): give"),
        ((x[:30], y[:29], *good[2:]), {}, "'labels' has 29 entries but there are 30 rows"),
        ((x[:30], y[:30].astype(str), *good[2:]), {}, "labels hold text and test_labels numbers"),
        ((*good[:3], ["a", None] * 5), {}, "test_labels are missing in 5 rows"),
        ((*good[:3], [1.5, np.inf] * 5), {}, "test_labels are not all finite"),
        ((*good[:3], ["a", 1] * 5), {}, "column 'test_labels' holds numbers and text"),
        (good, {"kind": "classes"}, "kind='classes' is unknown"),
        ((x[:30], y[:30] > 0, x[30:], y[30:] > 0), {"kind": "continuous"}, "cannot be continuous"),
        ((x[:30], np.full(30, 0.5), x[30:], x[30:, 0]), {}, "labels are all the same number"),
        ((*good[:2], x[30:, :3], y[30:]), {}, "6 columns and test_features 3"),
        ((x[:30], np.zeros(30, int), x[30:], np.zeros(10, int)), {}, "one class 0"),
        ((x[:30], y[:30], x[30:], y[30:] + 7), {}, "not trained; give .*'continuous'"),
        (good, {"per_class": 30}, "fewer than per_class=30"),
        (good, {"per_class": 0}, "per_class=0"),
        (good, {"C": 0}, "C=0"),
        (good, {"n_draws": 0}, "n_draws=0"),
        ((x[:30], x[:30, 0], x[30:], x[30:, 0]), {"per_class": 2}, "no classes"),
        ((x[:30], x[:30, 0], x[30:], np.ones(10)), {}, "all the same number"),
        ((x[:30], np.full(30, None), *good[2:]), {}, "labels are missing in 30 rows"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            probe(*given, **options)


def test_neurons_of_activities_are_paired_by_their_ids():
    x = ng.from_arrays(np.random.default_rng(0).standard_normal((80, 3)))
    y = (x.values[:, 0] > 0).astype(int)
    train, test = x[:60], x[60:, [2, 0, 1]]
    assert probe(train, y[:60], test, y[60:]).equals(probe(train, y[:60], x[60:], y[60:]))
    with pytest.raises(ValueError, match="test_features and features differ in their neurons"):
        probe(train, y[:60], x[60:].assign_coords(unit_id=("neuron", [0, 1, 7])), y[60:])
