"""One population, one tree: the same bits whatever the workers and the order."""

import numpy as np
import pytest
import xarray as xr
from made_population import crossed, recording, unstructured

import neurogeom as ng
from neurogeom.activity import from_arrays

NAMES = ["a", "b", "c"]
QUICK = {"n_resamples": 4, "n_null": 9, "target": "none"}
COUNTS = [5, 6, 7, 8, 5, 6, 9, 8]


def one(n_neurons=8, seed=0, **options):
    return recording(unstructured(8, n_neurons, seed, 0.6), COUNTS, seed=seed, **options)


def pseudo():
    """Two sessions, and a neuron that was lost on the way."""
    first, second = one(session="s1"), one(seed=1, session="s2")
    values = first.values.copy()
    values[np.flatnonzero((first.b.values == 1) & (first.c.values == 1))[:2], 2] = np.nan
    return [first.copy(data=values), second]


def same(tree, other):
    """Every group and every attribute, but for the seconds that it took."""
    assert tree.groups == other.groups
    for name in tree.children:
        xr.testing.assert_identical(tree[name].to_dataset(), other[name].to_dataset())


# --- nothing that must not matter matters -------------------------------------------------------


@pytest.mark.parametrize("make", [one, pseudo])
@pytest.mark.parametrize("readout", ["svm", "nearest_mean"])
def test_number_of_workers_changes_no_bit(make, readout):
    single, double = (ng.score(make(), NAMES, readout=readout, n_jobs=j, **QUICK) for j in (1, 2))
    same(single, double)


def test_two_runs_are_the_same_and_two_seeds_are_not():
    first, second, other = (ng.score(pseudo(), NAMES, seed=s, **QUICK) for s in (3, 3, 4))
    same(first, second)
    for name in ("decoding", "ccgp", "shattering"):
        assert (first[name].estimate != other[name].estimate).any()


def test_order_of_sessions_trials_and_neurons_changes_no_bit():
    rng = np.random.default_rng(0)
    mixed = [
        x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(x.sizes["neuron"]))
        for x in pseudo()[::-1]
    ]
    same(ng.score(pseudo(), NAMES, **QUICK), ng.score(mixed, NAMES, **QUICK))


def test_single_precision_counts_are_scored_in_double():
    x = one()
    x = x.copy(data=np.round(x.values * 4))
    same(
        *(
            ng.score(x.astype(t), NAMES, measures="decoding", **QUICK)
            for t in (np.float64, np.float32)
        )
    )


# --- the tree -----------------------------------------------------------------------------------


def test_a_group_is_what_its_measure_says():
    tree = ng.score(one(), NAMES, contrasts=["a:b"], held_out="any", **QUICK)
    assert set(tree.children) == {"population", "decoding", "ccgp", "shattering", "parallelism"}
    shared = {"contrasts": ["a:b"], "n_null": 9, "target": "none"}
    alone = {
        "decoding": ng.decoding(one(), NAMES, n_resamples=4, **shared),
        "ccgp": ng.ccgp(one(), NAMES, held_out="any", n_resamples=4, **shared),
        "shattering": ng.shattering(one(), NAMES, n_resamples=4, **shared),
        "parallelism": ng.parallelism(one(), NAMES, **shared),
    }
    for name, result in alone.items():
        xr.testing.assert_identical(tree[name].to_dataset(), result)
    assert tree.attrs["variables"] == NAMES


def test_one_measure_may_be_named_alone():
    assert set(ng.score(one(), NAMES, measures="ccgp", **QUICK).children) == {"population", "ccgp"}


def test_no_surrogates_leave_p_values_out():
    tree = ng.score(one(), NAMES, n_null=0, n_resamples=4, target="none")
    for name in ("decoding", "ccgp", "shattering", "parallelism"):
        assert "estimate" in tree[name]
        assert not {"p_value", "null", "p_corrected"} & set(tree[name].data_vars)


def test_a_time_axis_goes_through():
    values = np.stack([one().values, one(seed=0).values * 2], axis=2)
    x = from_arrays(
        values, trial={n: one()[n].values for n in NAMES}, time=[0.1, 0.2], session="s1"
    )
    tree = ng.score(x, NAMES, readout="nearest_mean", **QUICK)
    for name in ("decoding", "ccgp", "shattering", "parallelism"):
        assert tree[name].sizes["time"] == 2
        np.testing.assert_allclose(*tree[name].estimate.transpose("time", ...).values, atol=1e-9)


def test_every_estimate_says_from_how_many_trials_and_neurons():
    tree = ng.score(one(), NAMES, **QUICK)
    for name in ("decoding", "ccgp", "shattering"):
        assert "trials a condition and 8 neurons" in tree[name].attrs["estimand"]
    for name, chance in (
        ("decoding", 0.5),
        ("ccgp", 0.5),
        ("shattering", 0.5),
        ("parallelism", 0.0),
    ):
        attrs = tree[name].attrs
        assert attrs["chance"] == chance
        assert attrs["n_neurons"] == 8
        assert attrs["n_nonconverged"] == 0
        assert {
            "measure",
            "estimand",
            "convention",
            "range",
            "direction",
            "seed",
            "version",
        } <= set(attrs)


def test_progress_is_told_of_every_surrogate():
    told = []
    ng.score(one(), NAMES, measures=["decoding", "ccgp", "shattering"],
             progress=lambda name, done: told.append((name, done)), **QUICK)  # fmt: skip
    total = {m: sum(d for n, d in told if n == m) for m in ("decoding", "ccgp", "shattering")}
    assert total == {"decoding": 27, "ccgp": 27, "shattering": 9}  # 9 surrogates a variable


# --- who was scored -----------------------------------------------------------------------------


def test_the_population_counts_trials_of_every_condition_and_neuron():
    found = ng.score(one(), NAMES, measures="decoding", **QUICK)["population"]
    np.testing.assert_array_equal(found.n_trials, np.repeat(np.array(COUNTS)[:, None], 8, axis=1))
    assert found.condition.values[0] == "a=0, b=0, c=0"
    np.testing.assert_array_equal(found.a.values, crossed(2, 2, 2)[:, 0])
    attrs = found.attrs
    assert (attrs["n_sessions"], attrs["n_groups"], attrs["n_neurons"]) == (1, 1, 8)
    assert attrs["n_observed"] == 8 * sum(COUNTS)
    assert attrs["real_trials"]
    assert attrs["independent_unit"] == "population"
    assert attrs["dropped"] == {"trials": {}, "neurons": {}}
    assert attrs["min_trials_cost"] == {"5": 8, "8": 0, "10": 0, "15": 0}
    assert attrs["notes"] == []


def test_a_pseudo_population_says_so():
    tree = ng.score(pseudo(), NAMES, measures="decoding", **QUICK)
    attrs = tree["population"].attrs
    assert (attrs["n_sessions"], attrs["n_groups"], attrs["real_trials"]) == (2, 3, False)
    assert attrs["independent_unit"] == "session"
    assert any("a pseudo-population, without noise correlations" in n for n in attrs["notes"])
    assert tree["decoding"].attrs["n_pseudo"] == 6
    np.testing.assert_array_equal(np.unique(tree["population"].session), ["s1", "s2"])


def test_neurons_recorded_apart_are_each_a_unit():
    x = ng.simulate("cube", n_neurons=4, n_trials=5, apart=True, n_truth=0)
    attrs = ng.score(x, NAMES, measures="parallelism", **QUICK)["population"].attrs
    assert attrs["independent_unit"] == "neuron"


def test_what_was_dropped_is_counted_by_reason_here_and_before():
    x = one().assign_coords(a=("trial", one().a.values.astype(float)))
    x.a.values[np.flatnonzero((x.b.values == 1) & (x.c.values == 1))[:3]] = np.nan
    x.attrs["dropped"] = {"trials": {"aborted": 7}, "neurons": {"quality": 2}}
    few = np.flatnonzero((x.a.values == 0) & (x.b.values == 0))[1:]
    values = x.values.copy()
    values[few, 3] = np.nan
    tree = ng.score(x.copy(data=values), NAMES, measures="decoding", min_trials=4, **QUICK)
    assert tree["population"].attrs["dropped"] == {
        "trials": {"a is missing": 3, "aborted": 7},
        "neurons": {"fewer than 4 trials in a condition": 1, "quality": 2},
    }
    assert tree["decoding"].attrs["n_trials_dropped"] == 3
    assert tree["decoding"].attrs["n_neurons_dropped"] == 1


def test_a_trial_that_lacks_two_labels_is_one_trial():
    x = one().assign_coords(a=("trial", one().a.values * 1.0), b=("trial", one().b.values * 1.0))
    lost = np.flatnonzero((x.a.values == 1) & (x.b.values == 1) & (x.c.values == 0))[:1]
    x.a.values[lost] = x.b.values[lost] = np.nan
    found = ng.decoding(x, NAMES, n_resamples=4, n_null=0, target="none")
    assert found.attrs["n_trials_dropped"] == 1


def test_empty_conditions_are_conditions_and_not_trials():
    x = one()
    x = x.isel(trial=~((x.a.values == 0) & (x.b.values == 0) & (x.c.values == 0)))
    tree = ng.score(x, NAMES, measures="decoding", empty="drop", **QUICK)
    assert tree["population"].attrs["dropped"]["trials"] == {}
    assert "1 conditions without a trial were left out" in tree["population"].attrs["notes"]
    assert tree["decoding"].attrs["n_trials_dropped"] == 0


def test_a_threshold_that_costs_most_neurons_is_noted():
    x = one()
    values = x.values.copy()
    values[np.flatnonzero((x.a == 0) & (x.b == 0) & (x.c == 0))[:2], :6] = np.nan
    attrs = ng.score(x.copy(data=values), NAMES, measures="decoding", **QUICK)["population"].attrs
    assert any(
        "threshold of 5 trials a condition cost most neurons: 6 of 8" in n for n in attrs["notes"]
    )


@pytest.mark.parametrize("name", ["condition", "n_trials", "unit_id_", "variable", "estimate"])
def test_a_variable_may_be_called_like_a_part_of_the_result(name):
    x = recording(unstructured(4, 6, 0), 6, names=[name, "b"])
    tree = ng.score(x, [name, "b"], readout="nearest_mean", **QUICK)
    assert tree["population"].condition.values.tolist()[-1] == f"{name}=1, b=1"
    assert tree["decoding"]["variable"].values.tolist() == [name, "b"]


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"measures": ["decode"]},
            ValueError,
            r"measure 'decode' is unknown; choose from \['ccgp'",
        ),
        ({"measures": []}, ValueError, "measure '' is unknown; choose from"),
        ({"nulls": 9}, TypeError, r"score has no option 'nulls'; choose from \['across'"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, error, message):
    with pytest.raises(error, match=message):
        ng.score(one(), NAMES, **options)


def test_one_session_twice_is_refused():
    with pytest.raises(ValueError, match="s1"):
        ng.score([one(), one()], NAMES, **QUICK)


def test_one_variable_is_decoded_and_the_rest_is_noted():
    """A lone variable has no second context: that is a note, unless the measure was asked for."""
    x = ng.simulate("cube", n_variables=2, n_neurons=10, n_trials=8, n_truth=0, seed=0)
    tree = ng.score(x, ["a"], n_null=0, n_resamples=4)
    assert set(tree.children) == {"population", "decoding"}
    notes = " ".join(tree["population"].attrs["notes"])
    assert all(f"no {name}: " in notes for name in ("ccgp", "shattering", "parallelism"))
    with pytest.raises(ValueError, match="CCGP has nothing to generalise across"):
        ng.score(x, ["a"], measures=["ccgp"], n_null=0)


def test_windows_with_other_neurons_are_said():
    """A neuron that was not observed in the second window is counted in the first alone."""
    x = one()
    timed = xr.concat([x, x], "time").transpose("trial", "neuron", "time")
    timed = timed.assign_coords(time=("time", [0.1, 0.2], {"units": "s"}))
    values = timed.values.copy()
    values[:, 2, 1] = np.nan
    options = {**QUICK, "measures": ["decoding"], "readout": "nearest_mean", "n_null": 0}
    notes = ng.score(timed.copy(data=values), NAMES, **options)["population"].attrs["notes"]
    assert any("between 7 and 8 neurons have enough trials" in n for n in notes)
    plain = ng.score(timed, NAMES, **options)["population"].attrs["notes"]
    assert not any("between" in n for n in plain)


def test_the_null_and_its_side_can_be_named():
    options = {**QUICK, "measures": ["ccgp", "parallelism"], "readout": "nearest_mean"}
    tree = ng.score(one(), NAMES, **options, null="geometric", alternative="greater")
    for name in ("ccgp", "parallelism"):
        assert set(tree[name].null_method.values) == {"random geometry, isotropic"}
        assert tree[name].attrs["alternative"] == "greater"


# --- the whole portrait -------------------------------------------------------------------------


def test_all_measures_make_one_tree_that_is_written_and_read(tmp_path):
    from neurogeom.report.table import table
    from neurogeom.report.tidy import to_json
    from neurogeom.score import MEASURES

    tree = ng.score(one(12), NAMES, measures="all", readout="nearest_mean", n_additive=3,
                    n_splits=2, **{**QUICK, "n_null": 99})  # fmt: skip
    assert set(tree.children) == {"population", *MEASURES}
    rows = ng.to_dataframe(tree)
    assert set(rows.measure) == set(MEASURES)
    ng.save(tree, tmp_path / "all.nc")
    again = ng.load(tmp_path / "all.nc")
    for name in MEASURES:
        xr.testing.assert_equal(again[name].estimate, tree[name].estimate)
    to_json(tree)
    text = table(tree)
    for name in MEASURES:
        assert (
            name.replace("ccgp", "CCGP").replace("parallelism", "PS").replace("shattering", "SD")
            in text
        )


def test_two_conditions_leave_most_measures_without_a_question_and_say_so():
    tree = ng.score(recording(unstructured(2, 6, 0), 8), ["a"], measures="all", **QUICK)
    assert "decoding" in tree.children
    assert {"ccgp", "dimensionality", "interaction_effect"}.isdisjoint(tree.children)
    assert any(n.startswith("no dimensionality: two conditions") for n in tree["population"].notes)


def test_an_option_goes_to_the_measures_that_have_it_alone():
    tree = ng.score(one(), NAMES, measures=["dpca", "decoding"], **QUICK)
    assert tree["decoding"].attrs["n_resamples"] == 4
    with pytest.raises(TypeError, match="score has no option 'spread'"):
        ng.score(one(), NAMES, spread=1)
