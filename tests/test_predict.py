"""Task or recording in, predicted geometry out: held against kernels and populations known."""

import numpy as np
import pytest
import xarray as xr

import neurogeom as ng
from neurogeom.design import conditions
from neurogeom.ideal import Ideal, Size, expected_of, size_of_recording
from neurogeom.networks import make_task
from neurogeom.report.prediction import prediction
from neurogeom.theory import AbstractionProblem, whitened_abstraction

NAMES = ["a", "b", "c"]
QUICK = {"readout": "nearest_mean", "n_resamples": 4, "n_null": 99, "scores": ()}
SHORT = {**QUICK, "measures": ["decoding", "ccgp", "parallelism"], "target": "none"}
FEW = {**SHORT, "n_starts": 40}  # of the search for units, in problems this small
SQUARE = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])


def recorded(geometry="cube", separation=2.0, seed=0, n_neurons=40, n_trials=20, **more):
    sizes = {"n_neurons": n_neurons, "n_trials": n_trials, "n_truth": 0}
    return ng.simulate(geometry, separation, seed=seed, **sizes, **more)


def design_of_three():
    return conditions([recorded(n_neurons=4, n_trials=5)], NAMES)


@pytest.fixture(scope="module")
def cube():
    return recorded()


@pytest.fixture(scope="module")
def predicted(cube):
    """A cube, of which all three variables are wanted."""
    options = {**QUICK, "scores": ["cka"], "n_starts": 40, "target": "none"}
    return ng.predict(cube, NAMES, targets=NAMES, **options)


def test_whitened_inputs_and_crossed_targets_give_the_closed_kernel(predicted):
    y = 2.0 * np.column_stack([predicted["kernel"][n].values for n in NAMES]) - 1
    closed = whitened_abstraction(8, 3)
    found = predicted["kernel"].to_dataset()
    np.testing.assert_allclose(found["kernel"], closed.kernel(y), atol=1e-3 * closed.b[0])
    np.testing.assert_allclose(found["input_kernel"], np.eye(8))
    np.testing.assert_allclose(found["target_kernel"], y @ y.T, atol=1e-12)
    assert found.attrs["loss"] == pytest.approx(closed.loss, rel=1e-6)
    assert (found.attrs["gap_kind"], found.attrs["unique"]) == ("certified", "none other found")


def test_arrays_and_recording_of_one_problem_have_one_kernel(predicted):
    y = 2.0 * np.column_stack([predicted["kernel"][n].values for n in NAMES]) - 1
    own = ng.predict((None, y), measures=["parallelism"])
    named = ng.predict((np.eye(8), dict(zip(NAMES, y.T, strict=True))), measures=["parallelism"])
    order = np.lexsort(y.T[::-1])  # the first variable is sorted first
    expected = predicted["kernel"].kernel.values[np.ix_(order, order)]
    for tree in (own, named):
        np.testing.assert_allclose(tree["kernel"].kernel.values, expected, atol=1e-4)


def sampled(ideal, measure, n_trials, seeds):
    """Populations with the kernel, made and measured as any other: one value each."""
    options = {"n_null": 0, "target": "none"}
    if measure != "parallelism":
        options |= {"readout": ideal.options["readout"], "n_resamples": 4}
    if measure == "shattering":
        options["n_references"] = 0
    name = "naive" if measure == "parallelism" else "estimate"
    x = (ideal.activity(seed=s, n_trials=n_trials) for s in seeds)
    return np.array([float(getattr(ng, measure)(z, NAMES, **options)[name].mean()) for z in x])


@pytest.mark.parametrize("kind", ["cube", "simplex", "between"])
@pytest.mark.parametrize("measure", ["decoding", "ccgp", "shattering", "parallelism"])
def test_what_is_expected_is_what_made_populations_score(kind, measure):
    design = design_of_three()
    abstract = whitened_abstraction(8, 3).kernel(2.0 * design.table - 1)
    kernel = {"cube": abstract, "simplex": np.eye(8), "between": abstract + 0.4 * np.eye(8)}[kind]
    size = Size(60, 9.0, 12.0)
    ideal = Ideal.of_kernel(kind, kernel, range(8), design, size, {"readout": "nearest_mean"})
    ideal = ideal.matched(dict.fromkeys(NAMES, 0.75))
    expected = expected_of(ideal, measure)["naive" if measure == "parallelism" else "estimate"]
    values = sampled(ideal, measure, 12, range(10))
    assert abs(values.mean() - float(expected.mean())) < 4 * values.std(ddof=1) / 10**0.5
    assert values.std(ddof=1) / 10**0.5 < 0.03  # else nothing is held


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["svm", "lda", "ridge"])
def test_trained_readouts_are_expected_too(readout):
    design = design_of_three()
    kernel = whitened_abstraction(8, 3).kernel(2.0 * design.table - 1) + 0.4 * np.eye(8)
    size = Size(60, 9.0, 12.0)
    ideal = Ideal.of_kernel("t", kernel, range(8), design, size, {"readout": readout})
    ideal = ideal.matched(dict.fromkeys(NAMES, 0.75))
    for measure in ("decoding", "ccgp", "shattering"):
        values = sampled(ideal, measure, 12, range(10))
        expected = float(expected_of(ideal, measure)["estimate"].mean())
        assert abs(values.mean() - expected) < 4 * values.std(ddof=1) / 10**0.5


def errors(geometry, measure, seeds, **more):
    """Measured less predicted, of fresh recordings."""
    found = []
    for seed in seeds:
        x = recorded(geometry, seed=seed, n_variables=2, **more)
        options = {**FEW, "measures": ["decoding", measure]}
        tree = ng.predict(x, NAMES[:2], targets=NAMES[:2], **options)
        each = tree[measure].estimate.mean("variable")
        found.append(float(each.sel(system="recording") - each.sel(system="theory")))
    return np.array(found)


def test_a_recording_with_the_theorys_geometry_is_predicted_and_another_is_not():
    cube = errors("cube", "ccgp", range(5))
    assert abs(cube.mean()) < 4 * cube.std(ddof=1) / 5**0.5
    simplex = errors("simplex", "ccgp", range(2))
    assert simplex.mean() < -0.15  # 0.5 was measured where 0.8 was predicted


@pytest.mark.parametrize("apart", [False, True])
def test_the_noise_that_is_put_is_the_noise_that_was_there(apart):
    """A separation of 2 and noise of 1: sd over conditions is the root of 3 over 40 neurons."""
    design, found = design_of_three(), []
    for seed in range(5):
        x = recorded(seed=seed, n_trials=12, apart=apart)
        options = {"readout": "nearest_mean", "n_resamples": 8}
        own = ng.score(x, NAMES, measures=["decoding"], n_null=0, target="none", **options)
        y = 2.0 * design.table - 1
        size = size_of_recording(own["population"])
        ideal = Ideal.of_kernel("t", y @ y.T, range(8), design, size, options)
        goal = dict(zip(NAMES, own["decoding"].estimate.values, strict=True))
        ideal = ideal.matched(goal)
        found.append(ideal.noise_sd / ideal.spread * (3 / 40) ** 0.5)
    assert np.mean(found) == pytest.approx(1.0, abs=max(0.03, 4 * np.std(found, ddof=1) / 5**0.5))
    assert np.std(found, ddof=1) < 0.2


def test_decoding_is_that_of_the_recording_and_the_inputs_are_no_cube(predicted):
    decoding = predicted["decoding"].estimate.mean("variable")
    for system in ("theory", "inputs"):
        assert float(decoding.sel(system=system)) == pytest.approx(
            float(decoding.sel(system="recording")), abs=1e-4
        )
    ccgp = predicted["ccgp"].estimate.mean("variable")
    assert float(ccgp.sel(system="theory")) == pytest.approx(float(decoding.max()), abs=0.02)
    assert float(ccgp.sel(system="inputs")) == pytest.approx(0.5, abs=1e-6)
    assert float(predicted["dimensionality"].estimate.sel(
        system="theory", quantity="participation_ratio")) == pytest.approx(3, abs=0.01)  # fmt: skip
    assert predicted.attrs["systems"] == ["recording", "theory", "inputs"]


def test_the_measured_kernel_is_like_the_predicted_one_and_unlike_the_inputs(predicted):
    cka = predicted["similarity"].estimate.sel(quantity="cka")
    assert float(cka.sel(system="theory")) > 0.9
    assert float(cka.sel(system="inputs")) == pytest.approx((3 / 7) ** 0.5, abs=0.12)
    kernel = predicted["kernel"].to_dataset()
    centred = kernel["kernel"] - kernel["kernel"].mean("condition") - kernel["kernel"].mean("other")
    centred = centred + kernel["kernel"].mean()
    measured = kernel["measured"]
    np.testing.assert_allclose(measured.sum("other"), 0, atol=1e-9)
    cosine = (measured * centred).sum() / ((measured**2).sum() * (centred**2).sum()) ** 0.5
    assert float(cosine) > 0.9


def test_the_order_of_trials_neurons_and_variables_changes_nothing(cube):
    first = ng.predict(cube, NAMES, targets=["a", "b"], **FEW)
    rng = np.random.default_rng(3)
    mixed = cube.isel(trial=rng.permutation(cube.sizes["trial"]), neuron=rng.permutation(40))
    again = ng.predict(mixed, NAMES, targets=["a", "b"], **FEW)
    other = ng.predict(cube, ["c", "a", "b"], targets=["b", "a"], **FEW)
    for measure in FEW["measures"]:
        xr.testing.assert_equal(first[measure].estimate, again[measure].estimate)
        theirs = other[measure].estimate.sel(variable=NAMES, system=["theory", "inputs"])
        mine = first[measure].estimate.sel(system=["theory", "inputs"])
        np.testing.assert_allclose(theirs, mine, atol=2e-2)  # resamples differ, and so the goal
    order = [list(other["kernel"].condition.values).index(
        ", ".join(f"{v}={kernel_of[v]}" for v in ["c", "a", "b"]))
        for kernel_of in (dict(p.split("=") for p in name.split(", "))
                          for name in first["kernel"].condition.values)]  # fmt: skip
    np.testing.assert_allclose(
        other["kernel"].kernel.values[np.ix_(order, order)], first["kernel"].kernel, atol=1e-4
    )


def test_levels_that_are_merged_stand_beside_a_theory_too():
    x = recorded(n_variables=2, seed=4)
    rng = np.random.default_rng(0)
    coherence = np.where(x.a.values == 1, rng.choice([8.0, 9.0], x.sizes["trial"]), 2.5)
    x = x.assign_coords(coherence=("trial", coherence))
    variables = {"coherence": {"low": [2.5], "high": (8.0, None)}, "b": None}
    options = {**FEW, "measures": ["decoding"], "scores": ["rsa"]}
    tree = ng.predict(x, variables, targets=["coherence", "b"], **options)
    again = ng.predict(x, ["a", "b"], targets=["a", "b"], **options)
    assert np.isfinite(tree["similarity"].estimate).all()
    mine, theirs = (t["decoding"].estimate.sel(system="theory") for t in (tree, again))
    np.testing.assert_allclose(mine, theirs, atol=0.05)


def test_what_no_target_asks_for_is_not_coded_and_the_noise_goes_by_what_is(cube):
    tree = ng.predict(cube, NAMES, targets=["a"], **FEW)
    theory, measured = (tree["decoding"].estimate.sel(system=s) for s in ("theory", "recording"))
    np.testing.assert_allclose(theory.sel(variable=["b", "c"]), 0.5, atol=1e-3)
    assert float(theory.sel(variable="a")) == pytest.approx(
        float(measured.sel(variable="a")), abs=1e-4
    )
    assert np.isnan(tree["parallelism"].estimate.sel(system="theory", variable="b"))
    assert "theory: only a coded" in tree.attrs["notes"][0]


def test_coding_vectors_as_short_as_a_solvers_error_have_no_direction():
    design = design_of_three()
    a = 2.0 * design.table[:, 0] - 1
    for strength, known in ((1e-5, False), (1e-2, True)):
        kernel = np.outer(a, a) + strength * np.eye(8)
        found = Ideal.of_kernel("t", kernel, range(8), design, Size(), {}).parallelism()
        assert found["a"] == pytest.approx(1, abs=0.02)
        assert np.isfinite(found["b"]) == known


def test_columns_of_inputs_are_channels_and_products_conjunctions(cube):
    options = {**FEW, "measures": ["decoding"]}
    tree = ng.predict(cube, NAMES, targets=["a:b"], inputs=["c", "a:b"], **options)
    a, b, c = (tree["kernel"][n].values for n in NAMES)
    same = [np.equal.outer(v, v) for v in (c, 2 * a + b)]
    np.testing.assert_allclose(tree["kernel"].input_kernel, same[0] * 1.0 + same[1])
    sign = (2 * a - 1) * (2 * b - 1)
    np.testing.assert_allclose(tree["kernel"].target_kernel, np.outer(sign, sign), atol=1e-12)
    assert tree["decoding"]["variable"].values.tolist() == [*NAMES, "a:b"]


def test_a_minimum_that_is_not_unique_is_said_to_be_and_stands_beside():
    tree = ng.predict((np.eye(4), SQUARE), bias_power=0.0, measures=["parallelism"])
    assert tree.attrs["systems"] == ["theory", "theory, another minimum", "inputs"]
    assert tree["kernel"].attrs["unique"] == "no"
    one, two = (tree["kernel"][k].values for k in ("kernel", "alternative"))
    problem = AbstractionProblem(np.eye(4), SQUARE @ SQUARE.T, bias_power=0.0)
    assert problem.readout_loss(one) == pytest.approx(problem.readout_loss(two), rel=1e-4)
    assert np.linalg.norm(one - two) / np.linalg.norm(one) > 0.1
    scores = tree["parallelism"].estimate.mean("variable")
    assert (
        abs(float(scores.sel(system="theory") - scores.sel(system="theory, another minimum"))) > 0.1
    )
    assert "the minimum is not unique" in tree.attrs["notes"][0]
    assert "not unique" in prediction(tree)
    alone = ng.predict((np.eye(4), SQUARE), measures=["parallelism"])
    assert alone.attrs["systems"] == ["theory", "inputs"]
    assert "no other minimum found" in prediction(alone)


def test_stimuli_that_no_target_tells_apart_are_one_condition():
    y = np.repeat(SQUARE, 2, axis=0)
    tree = ng.predict((None, y), decoding=0.9)
    closed = whitened_abstraction(8, 2)
    np.testing.assert_allclose(tree["kernel"].kernel, closed.kernel(y), atol=1e-3)
    np.testing.assert_allclose(tree["ccgp"].estimate.sel(system="theory"), 0.9, atol=1e-4)
    np.testing.assert_allclose(tree["ccgp"].estimate.sel(system="inputs"), 0.5, atol=1e-6)
    assert tree["kernel"].condition.values[:2].tolist() == [
        "target_1=-1.0, target_2=-1.0 (1)", "target_1=-1.0, target_2=-1.0 (2)",
    ]  # fmt: skip


def test_a_silent_network_predicts_nothing_and_says_so():
    tree = ng.predict((None, SQUARE), weight_decay=3.0, readout_decay=3.0)
    for measure in ("decoding", "ccgp", "shattering", "parallelism", "dimensionality"):
        assert np.isnan(tree[measure].estimate.sel(system="theory")).all()
    assert "theory: silent" in " ".join(tree.attrs["notes"])


def test_a_task_is_what_it_shows_and_asks_for_without_its_noise():
    """Previous response and cue are one-hot, the fixation is on in four periods."""
    options = {"contrasts": ["response"], "measures": ["decoding"]}
    tree = ng.predict(make_task("stay-shift"), **options)
    louder = ng.predict(make_task("stay-shift", noise=0.9), **options)
    kernel = tree["kernel"].to_dataset()
    columns = {n: kernel[n].values for n in ("rule", "previous_response", "cue_shape", "response")}
    same = {n: np.equal.outer(v, v) for n, v in columns.items()}
    shown = 4.0 + same["previous_response"] + (same["rule"] & same["cue_shape"])
    np.testing.assert_allclose(kernel["input_kernel"], shown)
    np.testing.assert_allclose(kernel["target_kernel"], 2.0 * same["response"] - 1)
    xr.testing.assert_equal(kernel, louder["kernel"].to_dataset())
    found = tree["decoding"].estimate.sel(variable="response")
    assert found.sel(system="theory") == pytest.approx(1.0)
    assert found.sel(system="inputs") == pytest.approx(0.5)  # an exclusive or


def test_a_task_may_be_asked_for_some_of_its_variables():
    tree = ng.predict(make_task("stay-shift"), ["rule", "previous_response"], decoding=0.8)
    assert tree["kernel"].sizes["condition"] == 8
    assert tree["ccgp"]["variable"].values.tolist() == ["rule", "previous_response"]
    np.testing.assert_allclose(tree["decoding"].estimate.mean("variable"), 0.8, atol=1e-4)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("cube", {}, "targets are missing; name the columns"),
        ("cube", {"targets": ["d"]}, "'d'"),
        ("cube", {"targets": ["a"], "inputs": ["d"]}, "'d' in inputs is neither a variable nor"),
        ("cube", {"targets": ["a", "a"]}, "names nothing, or a column twice"),
        ("cube", {"targets": ["b"], "inputs": ["a", "c"]}, "have the same input and different"),
        ("cube", {"targets": ["a"], "decoding": 0.8}, "decoding is that of the recording"),
        ("cube", {"targets": ["a"], "measures": ["dpca"]}, "measure 'dpca' is not predicted"),
        ("cube", {"targets": ["a"], "measures": []}, "measures=\\(\\) is empty"),
        ("cube", {"targets": ["a"], "weight_decay": 0}, "weight_decay=0 leaves no minimum"),
        ("square", {"targets": ["a"]}, "name columns of a recording; a task and arrays say"),
        ("square", {"decoding": 0.4}, "decoding=0.4 is not between chance"),
        ("silence", {"targets": NAMES}, "of chance: no noise can be matched"),
    ],
)
def test_what_cannot_be_predicted_is_one_sentence(cube, source, options, said):
    noise = recorded(separation=0.0, n_trials=6)
    given = {"cube": cube, "square": (np.eye(4), SQUARE), "silence": noise}[source]
    with pytest.raises((KeyError, ValueError), match=said) as raised:
        ng.predict(given, None if source == "square" else NAMES, **{**FEW, **options})
    assert "\n" not in str(raised.value)


def test_tasks_and_kernels_that_the_theory_cannot_take_are_one_sentence(cube):
    with pytest.raises(ValueError, match="follow one another"):
        ng.predict(make_task("stay-shift", previous="remembered"))
    with pytest.raises(ValueError, match=r"coherence=0.0\) have the same input and different"):
        ng.predict(make_task("perceptual"))
    many = {"t": np.arange(81) % 2, "u": np.arange(81) // 2 % 2}
    with pytest.raises(ValueError, match="81 stimuli are too many for the theory"):
        ng.predict((None, many))
    with pytest.raises(TypeError, match="source is ndarray; pass a task"):
        ng.predict(np.eye(4))
    with pytest.raises(ValueError, match="has 7 dimensions and the recording 5 neurons"):
        ng.predict(cube.isel(neuron=range(5)), NAMES, targets=NAMES, **FEW)


def test_a_prediction_is_saved_tidy_and_drawn(predicted, tmp_path):
    ng.save(predicted, tmp_path / "p.nc")
    again = ng.load(tmp_path / "p.nc")
    xr.testing.assert_identical(again["kernel"].kernel, predicted["kernel"].kernel)
    rows = ng.to_dataframe(predicted)
    assert {"recording", "theory", "inputs"} <= set(rows["system"])
    figure = ng.side_by_side(predicted)
    figure.savefig(tmp_path / "p.png")
    assert prediction(again) == prediction(predicted)
