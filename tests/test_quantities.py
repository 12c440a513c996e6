"""Several numbers of one measure as one result, and means of disjoint sets of trials."""

import numpy as np
import pytest
import xarray as xr
from made_population import recording

from neurogeom.activity import from_arrays
from neurogeom.design import conditions
from neurogeom.engine.intervals import Interval
from neurogeom.engine.multiplicity import max_statistic, rank_p
from neurogeom.engine.population import population
from neurogeom.engine.quantities import Quantity, missing, packed
from neurogeom.engine.resampling import fold_means
from neurogeom.engine.setting import over_time
from neurogeom.storage import load, save


def test_what_stands_beside_a_number_is_found_under_its_name():
    bounds = Interval(np.array([2.0]), np.array([4.0]), "recording: new trials")
    result = packed(
        [Quantity("rank", 3.0, "higher is wider", naive=5.0, least=1, interval=bounds),
         missing("slope", "steeper is smoother", "too few ranks")],
        n_null=0,
    )  # fmt: skip
    rank = result.sel(quantity="rank")
    assert (rank.estimate, rank.naive, rank.least, rank.most) == (3.0, 5.0, 1.0, np.inf)
    assert rank.interval.values.tolist() == [2.0, 4.0]
    assert np.isnan(result.estimate.sel(quantity="slope"))
    assert result.attrs["reasons"] == {"slope": "too few ranks"}
    assert "p_value" not in result


def test_each_quantity_is_corrected_for_the_pairs_and_not_for_its_neighbours():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(2, 2, 99))
    values = np.array([[2.5, 0.1], [0.3, 0.2]])
    found = {
        pair: [
            Quantity(name, values[i, j], "", null=null[i, j], null_method="shuffled")
            for j, name in enumerate(["angle", "share"])
        ]
        for i, pair in enumerate(["a | b", "a | c"])
    }
    result = packed(found, n_null=99)
    assert result.estimate.dims == ("pair", "quantity")
    assert result.null.dims == ("surrogate", "pair", "quantity")
    for j, name in enumerate(["angle", "share"]):
        p = rank_p(values[:, j], null[:, j].T)
        corrected = max_statistic(values[:, j], null[:, j].T, at_least=p)
        np.testing.assert_array_equal(result.p_value.sel(quantity=name), p)
        np.testing.assert_array_equal(result.p_corrected.sel(quantity=name), corrected)


def test_rows_of_different_quantities_are_refused():
    found = {"x": [Quantity("a", 1.0, "")], "y": [Quantity("b", 1.0, "")]}
    with pytest.raises(ValueError, match="same quantities"):
        packed(found, n_null=0)


def _population(n_trials, **columns):
    x = recording(np.zeros((4, 3)), n_trials, seed=1)
    x = x.assign_coords({k: ("trial", v) for k, v in columns.items()})
    return population([x], conditions([x], ["a", "b"]), min_trials=2), x


def test_folds_share_no_trial_and_together_hold_all():
    p, _ = _population(6)
    means = fold_means(p, 3, repeat=0, seed=0)
    assert means.shape == (3, 4, 3)
    np.testing.assert_allclose(means.mean(axis=0), p.moments(p.everything())[0], atol=1e-12)
    assert not np.allclose(means, fold_means(p, 3, repeat=1, seed=0))


def test_noise_is_independent_between_folds():
    p, _ = _population(400)
    first, second = fold_means(p, 2, repeat=0, seed=0)
    assert abs((first * second).sum()) < 4 * np.sqrt(12) / 200


def test_fewer_trials_than_folds_are_refused():
    p, _ = _population(3)
    with pytest.raises(ValueError, match="3 trials"):
        fold_means(p, 4, repeat=0, seed=0)


def test_windows_are_corrected_quantity_by_quantity():
    rng = np.random.default_rng(0)

    @over_time
    def measured(x, variables):
        seed = int(abs(x[0].values[0, 0]) * 1e6)
        null = np.random.default_rng(seed).normal(size=(2, 99))
        return packed(
            [Quantity("a", 2.4, "", null=null[0]), Quantity("b", 0.1, "", null=null[1])], n_null=99
        ).assign_attrs(reasons={}, notes=[])

    x = from_arrays(
        rng.normal(size=(8, 3, 4)), trial={"a": [0, 1] * 4}, time=[0.0, 0.1, 0.2, 0.3], session="s"
    )
    found = measured([x], ["a"])
    assert found.estimate.dims == ("time", "quantity")
    for name in ("a", "b"):
        one = found.sel(quantity=name)
        p = max_statistic(
            one.estimate.values, one.null.transpose("surrogate", "time").values,
            at_least=one.p_value.values,
        )  # fmt: skip
        np.testing.assert_array_equal(one.p_corrected, p)


def test_a_result_with_several_numbers_survives_a_file(tmp_path):
    found = packed(
        [Quantity("rank", 3.0, "higher is wider"), missing("slope", "steeper", "too few ranks")],
        n_null=0,
    )
    tree = xr.DataTree.from_dict({"dimensionality": found})
    save(tree, tmp_path / "score.nc")
    xr.testing.assert_identical(load(tmp_path / "score.nc")["dimensionality"].to_dataset(), found)


def test_a_quantity_with_fewer_surrogates_is_corrected_among_its_own():
    rng = np.random.default_rng(0)
    many, few = rng.standard_normal(99), rng.standard_normal(19)
    both = [Quantity("many", 5.0, "", null=many), Quantity("few", 5.0, "", null=few)]
    found = packed(both, n_null=99)
    np.testing.assert_allclose(found.p_corrected, found.p_value)
    several = packed({"one": both, "other": both}, n_null=99)
    np.testing.assert_allclose(several.p_corrected.sel(quantity="few"), 0.1)
