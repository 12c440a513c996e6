"""Sparse features of recordings: planted ones found, chance kept, and what the monkey shows."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import neurogeom as ng
from neurogeom.features import Dictionary, sparse, superposition
from neurogeom.features._judged import Fit, n_used
from neurogeom.features.learn_dictionary import Learned
from neurogeom.features.sparse import _in_use, _turned

FEW = {"n_restarts": 2, "n_splits": 1, "n_shuffles": 3, "n_null": 39, "seed": 0}


@pytest.fixture(scope="module")
def world():
    return superposition(240, n_sources=5, n_neurons=10, n_active=2, noise=0.05, seed=3)


def _recorded(world, **columns):
    return ng.from_arrays(world.x, trial=columns)


@pytest.fixture(scope="module")
def found(world):
    """Source 2 is a variable of the task; another variable is none of the population."""
    coin = np.random.default_rng(0).permutation(np.repeat(["no", "yes"], 120))
    x = _recorded(world, cue=np.where(world.sources[:, 2] > 0, "on", "off"), coin=coin)
    return sparse(x, ["cue", "coin"], n_atoms=5, penalty=0.1, scale="none", **FEW)


def test_planted_features_are_found_and_found_again(world, found):
    truth = Dictionary(world.dictionary.atoms)
    # Activity is centred: an inactive source is a negative code, so that atoms bend a little.
    assert truth.match(Dictionary(found.atoms.values), signed=True).value > 0.9
    stable = found.sel(quantity=["stability_halves", "stability_restarts"])
    assert (stable.estimate > 0.95).all()
    assert (stable.estimate > stable.shuffled.max("shuffle")).all()
    assert float((stable.estimate - stable.chance)[0]) > 0.3


def test_what_neurons_share_is_predicted_and_explained_better_than_when_shuffled(found):
    real = found.estimate - found.shuffled
    assert (real.sel(quantity="objective") < 0).all()
    assert (real.sel(quantity=["explained_variance", "predicted_variance"]) > 0.2).all()
    assert float(found.shuffled.sel(quantity="predicted_variance").max()) < 0.05
    assert (found.estimate - found.pca).sel(quantity="objective") < 0


def test_the_atom_of_a_cue_and_no_other_tells_it_and_none_tells_the_coin(world, found):
    atom = world.dictionary.match(Dictionary(found.atoms.values)).found[2]
    cue = found.alignment.sel(side="cue: on / off")
    assert int(np.argmax(cue.values)) == atom
    assert float(cue[atom]) > 0.9
    corrected = found.alignment_p_corrected
    assert float(corrected.sel(side="cue: on / off")[atom]) == pytest.approx(2 / 40)  # of two sides
    assert float(corrected.sel(side="coin: yes / no").min()) > 0.1
    on = found.codes.values[atom, found.cue.values == "on"].mean()
    assert on > 3 * found.codes.values[atom, found.cue.values == "off"].mean()


def test_independent_neurons_hold_nothing_that_is_stable_or_predicts():
    rng = np.random.default_rng(1)
    x = ng.from_arrays(rng.standard_normal((160, 10)), trial={"a": np.tile([0, 1], 80)})
    result = sparse(x, ["a"], n_atoms=6, penalty=0.5, **(FEW | {"n_null": 99}))
    assert result.p_value.sel(quantity="stability_halves") > 0.05
    assert result.estimate.sel(quantity="predicted_variance") < 0.05
    assert float(result.alignment_p_corrected.min()) > 0.05


def without_meaning(kind, seed):
    """Trials whose labels say nothing: neurons apart, with shared Gaussian signals, or drifting."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(range(4), [10, 40, 12, 25] if kind == "unequal" else [20] * 4)
    x = rng.standard_normal((len(labels), 20))
    if kind in ("shared", "unequal"):
        x = 0.7 * x + rng.standard_normal((len(labels), 3)) @ rng.standard_normal((3, 20))
    if kind == "drift":
        x += 1.5 * np.outer(rng.permutation(np.linspace(-1, 1, len(x))), rng.standard_normal(20))
    return ng.from_arrays(x, trial={"a": labels % 2, "b": labels // 2}, session="s")


def rejections(kind, quantity, seeds, n_shuffles):
    """How often the smallest corrected p of an atom and side, and that of a quantity, is 0.05."""
    told = again = 0
    options = {**FEW, "n_restarts": 1, "n_shuffles": n_shuffles, "n_atoms": 4, "penalty": 0.5}
    for seed in seeds:
        found = sparse(without_meaning(kind, seed), ["a", "b"], **{**options, "seed": seed})
        told += float(found.alignment_p_corrected.min()) <= 0.05
        again += float(found.p_value.sel(quantity=quantity)) <= 0.05
    return told, again


def is_nominal(count, n):
    """Whether so many of n rejections are no more than 0.05 gives, at 0.005."""
    return stats.binomtest(count, n, 0.05, alternative="greater").pvalue > 0.005


class _Axes:
    """Stands for a fit: a half's dictionary is its first principal axis."""

    def __init__(self, seed):
        self.seed, self.seen = seed, []

    def between(self, halves):
        self.seen.append(halves)
        one, other = (np.linalg.svd(half)[2][0] for half in halves)
        return abs(one @ other)


def test_turned_trials_keep_mean_and_covariance_of_all_and_not_their_places():
    rng = np.random.default_rng(3)
    halves = [x - x.mean(axis=0) for x in (rng.standard_normal((9, 4)), rng.random((7, 4)))]
    fit, pool = _Axes(0), np.concatenate(halves)
    _turned(fit, halves, None, 200, 1)
    for turned in fit.seen:
        assert [len(half) for half in turned] == [9, 7]
        np.testing.assert_allclose([half.mean(axis=0) for half in turned], 0, atol=1e-12)
        both = np.concatenate(turned)
        np.testing.assert_allclose(both.T @ both, pool.T @ pool, atol=1e-12)
    first = np.array([turned[0][0] for turned in fit.seen])  # as likely one way as the other
    assert (np.abs(first.mean(axis=0)) < 5 * first.std(axis=0) / np.sqrt(200)).all()


@pytest.mark.parametrize("scaled", [False, True])
def test_turned_trials_reject_gaussian_ones_of_any_covariance_as_often_as_said(scaled):
    rejected, n = 0, 400
    for seed in range(n):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((14, 5)) * [3, 2, 1, 1, 0.5] @ rng.standard_normal((5, 5))
        halves = [half - half.mean(axis=0) for half in np.split(x, 2)]
        gains = [1 / half.std(axis=0) for half in halves] if scaled else None
        fit = _Axes(seed)
        found = fit.between(
            [h * g for h, g in zip(halves, gains, strict=True)] if scaled else halves
        )
        rejected += (_turned(fit, halves, gains, 19, 1) < found).all()
    assert abs(rejected - 0.05 * n) < 3.3 * np.sqrt(0.05 * 0.95 * n)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["independent", "shared", "unequal", "drift"])
def test_labels_without_meaning_are_told_by_no_atom_in_19_of_20_data_sets(kind):
    told, _ = rejections(kind, "stability_halves", range(2000, 2100), 1)
    assert is_nominal(told, 100)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["independent", "shared"])
def test_axes_that_neurons_share_densely_are_no_features_that_are_found_again(kind):
    _, again = rejections(kind, "stability_halves", range(2000, 2040), 19)
    assert is_nominal(again, 40)


@pytest.mark.slow
def test_nothing_is_predicted_of_independent_neurons_and_shared_signals_are():
    _, predicted = rejections("independent", "predicted_variance", range(2040, 2070), 19)
    assert is_nominal(predicted, 30)
    assert rejections("shared", "predicted_variance", range(5), 19)[1] == 5


def test_order_of_trials_neurons_and_workers_changes_nothing(world):
    labels = np.arange(240) % 2
    x = _recorded(world, a=labels)
    rng = np.random.default_rng(2)
    moved = x.isel(trial=rng.permutation(240), neuron=rng.permutation(10))
    options = {"n_atoms": 4, "penalty": 0.3, **FEW, "n_shuffles": 2, "n_null": 9}
    one, other = (sparse(y, ["a"], n_jobs=n, **options) for y, n in ((x, 1), (moved, 2)))
    assert one.identical(other)


def test_size_and_penalty_are_chosen_by_what_is_predicted_where_none_are_given(world):
    x = _recorded(world, a=np.arange(240) % 2)
    result = sparse(x, ["a"], scale="none", **(FEW | {"n_shuffles": 1, "n_null": 0}))
    best = result.choice.where(result.choice == result.choice.max(), drop=True)
    assert best.atoms_tried.item() == result.attrs["n_atoms"] == result.sizes["atom"]
    assert best.penalty_tried.item() == result.attrs["penalty"]
    assert np.isfinite(result.choice).all()
    assert result.attrs["n_atoms"] > 4
    assert "alignment_p" not in result


def test_fewer_components_keep_the_atoms_in_their_span(world):
    x = _recorded(world, a=np.arange(240) % 2)
    options = {"n_atoms": 4, "penalty": 0.3, **FEW, "n_shuffles": 1, "n_null": 0}
    result = sparse(x, ["a"], n_components=3, **options)
    assert np.linalg.matrix_rank(result.atoms.values, tol=1e-8) == 3
    np.testing.assert_allclose(np.linalg.norm(result.atoms, axis=1), 1.0)
    every = sparse(x, ["a"], n_components=10, **options)
    assert every.drop_attrs().identical(sparse(x, ["a"], **options).drop_attrs())


def test_neurons_recorded_apart_share_the_features_of_their_condition_means():
    x = ng.simulate("cube", separation=6.0, n_neurons=40, n_trials=24, n_sessions=4, n_truth=0)
    result = sparse(x, ["a", "b", "c"], n_atoms=8, penalty=1.0, **FEW)
    assert not result.attrs["real_trials"]
    assert "at most 7 dimensions" in result.attrs["notes"][0]
    stable = result.sel(quantity="stability_halves")
    assert stable.estimate > stable.shuffled.max()
    assert stable.estimate < stable.null.max()  # a dense code, as stable as turned trials
    assert result.estimate.sel(quantity="predicted_variance") > result.shuffled.max("shuffle").sel(
        quantity="predicted_variance"
    )
    assert set(result.session.values) == {s.session.item() for s in x}


def test_silent_units_are_counted_and_have_no_part_in_any_atom(world):
    values = np.hstack([world.x, np.zeros((240, 2))])
    x = ng.from_arrays(values, trial={"a": np.arange(240) % 2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = sparse(x, ["a"], n_atoms=4, penalty=0.3, **(FEW | {"n_shuffles": 1, "n_null": 0}))
    assert result.attrs["n_neurons_constant"] == 2
    silent = np.isin(result.unit_id.values, ["10", "11"])
    assert silent.sum() == 2
    assert not result.atoms.values[:, silent].any()


def test_responses_that_are_missing_are_not_zero(world):
    values = world.x.copy()
    values[::2, 0] = np.nan  # this neuron was observed on every other trial
    x = ng.from_arrays(values, trial={"a": np.arange(240) // 2 % 2})
    result = sparse(x, ["a"], n_atoms=4, penalty=0.3, **(FEW | {"n_shuffles": 1, "n_null": 0}))
    assert not result.attrs["real_trials"]
    assert np.isfinite(result.atoms).all()


def test_a_second_neuron_and_a_second_restart_are_needed_for_some():
    rng = np.random.default_rng(4)
    x = ng.from_arrays(rng.standard_normal((60, 1)), trial={"a": np.tile([0, 1], 30)})
    result = sparse(x, ["a"], n_atoms=1, penalty=0.3, **(FEW | {"n_restarts": 1, "n_null": 0}))
    assert np.isnan(result.estimate.sel(quantity="predicted_variance"))
    assert result.attrs["reasons"] == {
        "predicted_variance": "it needs a second neuron",
        "stability_restarts": "it needs n_restarts of 2 or more",
    }


def test_more_atoms_than_can_be_identified_are_warned_of_with_the_bound():
    rng = np.random.default_rng(5)
    x = ng.from_arrays(rng.standard_normal((80, 3)), trial={"a": np.tile([0, 1], 40)})
    options = {**FEW, "n_restarts": 1, "n_shuffles": 1, "n_null": 0}
    with pytest.warns(UserWarning, match=r"K log\(N/K\) = \d+\.\d of 3 dimensions"):
        result = sparse(x, ["a"], n_atoms=40, penalty=0.05, **options)
    assert "more than can be identified" in result.attrs["notes"][-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparse(x, ["a"], n_atoms=3, penalty=0.5, **options)


def test_atoms_that_no_trial_uses_are_counted_and_are_not_stable(world):
    x = _recorded(world, a=np.arange(240) % 2)
    options = {**FEW, "n_shuffles": 1, "n_null": 0, "n_atoms": 5, "scale": "none"}
    none = sparse(x, ["a"], penalty=1e3, **options)
    why = "no atom is in use: the penalty is above what drives them"
    assert none.attrs["reasons"] == dict.fromkeys(["stability_halves", "stability_restarts"], why)
    assert np.isnan(none.estimate.sel(quantity=["stability_halves", "stability_restarts"])).all()
    assert none.attrs["n_atoms_used"] == 0
    assert "no training trial drives one above penalty=1000" in none.attrs["notes"][0]
    assert sparse(x, ["a"], penalty=0.3, **options).attrs["n_atoms_used"] == 5
    some = Learned(None, np.array([2.0, 1.0]), (), None, np.array([5, 3]), None)
    fit = SimpleNamespace(n_atoms=5, penalty=0.3)
    note = "2 of 5 atoms are dead: no training trial uses them"
    assert _in_use(fit, SimpleNamespace(learned=some)) == [note]


def test_dead_atoms_are_no_part_of_the_stabilities_of_data_or_surrogates():
    strong, weak = 10 * np.eye(4)[:2], np.eye(4)[[2, 2, 2]] / 9
    fit = Fit(3, 1.0, True, None, 2, 0)
    one, other = (np.vstack([own, weak]) for own in strong)
    halves = fit.of_halves([one, other])
    assert [n_used(half) for half in halves] == [1, 1]
    assert halves[0].dictionary.match(halves[1].dictionary).value > 0.3  # the weak one
    assert fit.between([one, other]) == pytest.approx(0.0, abs=1e-9)
    assert fit.between([one, one]) == pytest.approx(1.0)
    assert fit.between([one, weak]) == 0.0  # none is in use
    assert fit.match(np.eye(3), np.eye(3)[:1]) == fit.match(np.eye(3)[:1], np.eye(3)) == 1 / 3


def test_results_survive_saving(found, tmp_path):
    path = tmp_path / "sparse.nc"
    ng.save(found, path)
    assert ng.load(path).identical(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_atoms": 0}, "n_atoms=0 is not possible"),
        ({"n_atoms": 240}, "cannot begin 240 atoms"),
        ({"penalty": -1.0}, "penalty=-1.0 is not possible"),
        ({"n_components": 0}, "n_components=0 is not possible"),
        ({"n_splits": 0}, "n_splits=0 is not possible"),
        ({"n_shuffles": 0}, "n_shuffles=0 is not possible"),
        ({"scale": "split"}, "scale='split' is unknown"),
        ({"n_jobs": "a"}, "n_jobs='a' is not possible"),
        ({"min_trials": 300}, "no neuron has 300 trials in every condition"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_sentence(world, options, message):
    x = _recorded(world, a=np.arange(240) % 2)
    with pytest.raises(ValueError, match=message):
        sparse(x, ["a"], **({"n_atoms": 4, "penalty": 0.3} | options))


def test_nothing_is_no_recording():
    with pytest.raises(TypeError, match="must be an xarray.DataArray or a list of them, not None"):
        sparse(None, ["a"])


def test_a_time_axis_is_refused_in_one_sentence():
    x = ng.from_arrays(np.random.default_rng(6).random((40, 3, 2)), time=[0.0, 0.1],
                       trial={"a": np.tile([0, 1], 20)})  # fmt: skip
    with pytest.raises(ValueError, match="choose one window"):
        sparse(x, ["a"], n_atoms=2, penalty=0.3)


@pytest.mark.slow
def test_single_trials_of_the_monkey_have_no_sparse_features_that_are_found_again(recordings):
    """M1, 205 neurons of 52 sessions: a result, printed with -s, and what it must not lack."""
    files = sorted((recordings / "fascianelli2024_M1").glob("*.nwb"))
    variables = ["rule", "previous_response", "cue_shape"]
    x = ng.read_nwb(files, "cue_time", (0.2, 0.4), [*variables, "response"])
    result = sparse(x, variables, contrasts=["response"], n_restarts=3)
    print(result.drop_dims("surrogate"), result.attrs, sep="\n")
    for name in ("estimate", "chance", "p_value", "pca", "alignment", "alignment_p_corrected"):
        print(name, result[name].values.round(3), sep="\n")
    assert np.isfinite(result.estimate).all()
    halves = result.sel(quantity="stability_halves")
    assert float(halves.p_value) > 0.05
    assert float(result.alignment_p_corrected.min()) > 0.05
    assert result.attrs["n_neurons"] > 150
