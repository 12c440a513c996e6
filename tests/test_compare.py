"""Recording and networks side by side: matched in what is said, refused where nothing can be."""

import numpy as np
import pytest
import xarray as xr

import neurogeom as ng
from neurogeom.noise_match import bisected
from neurogeom.report.comparison import comparison

NAMES = ["a", "b", "c"]
QUICK = {"readout": "nearest_mean", "n_null": 19, "n_resamples": 2, "scores": ()}
DECODING = {**QUICK, "measures": ["decoding"]}


def simulated(
    geometry="cube", separation=2.0, seed=0, n_neurons=24, n_trials=20, name=None, **more
):
    sizes = {"n_neurons": n_neurons, "n_trials": n_trials, "n_truth": 0}
    x = ng.simulate(geometry, separation, seed=seed, variables=NAMES, **sizes, **more)
    return x.assign_coords(session=name or f"{geometry}-{seed}")


def nets(geometry, n=2, **more):
    return [simulated(geometry, seed=100 + i, name=f"{geometry}-net-{i}", **more) for i in range(n)]


@pytest.fixture(scope="module")
def brain():
    return simulated(separation=1.6)


@pytest.fixture(scope="module")
def compared(brain):
    """A cube and a simplex, both far easier to decode than the recording."""
    systems = {
        "cube": nets("cube", separation=6.0),
        "simplex": nets("simplex", separation=6.0),
    }
    return ng.compare(brain, systems, NAMES, **QUICK)


def test_the_same_array_as_recording_and_as_network_scores_the_same(brain):
    tree = ng.compare(
        brain, brain, NAMES, match=("neurons", "trials"), n_draws=1,
        controls=(), readout="nearest_mean", n_null=19, scores=(),
    )  # fmt: skip
    alone = ng.score(brain, NAMES, readout="nearest_mean", n_null=19)
    for measure in ("decoding", "ccgp", "shattering", "parallelism"):
        found = tree[measure].estimate
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found.sel(system="network"), found.sel(system="recording"))
        np.testing.assert_array_equal(found.sel(system="recording"), alone[measure].estimate)
        np.testing.assert_array_equal(
            tree[measure].interval.sel(system="recording"), alone[measure].interval
        )


def unbalanced(seed=0):
    """A recording with 6 to 20 trials a condition, a neuron less in some trials."""
    x = simulated(separation=1.6, seed=seed, n_trials=20)
    cell = x.a.values * 4 + x.b.values * 2 + x.c.values
    rank = np.array([np.sum(cell[:i] == c) for i, c in enumerate(cell)])
    return x.isel(trial=rank < 6 + 2 * cell)


@pytest.mark.parametrize("kind", ["balanced", "unbalanced", "partly observed"])
def test_one_array_scores_the_same_under_any_name_and_through_a_module(brain, kind):
    torch = pytest.importorskip("torch")
    x = brain if kind == "balanced" else unbalanced()
    if kind == "partly observed":
        x = x.copy()
        x[{"trial": slice(0, None, 9), "neuron": 0}] = np.nan
    options = {**QUICK, "n_draws": 2, "controls": (), "measures": ["decoding", "ccgp"]}
    systems = {"renamed": x.assign_coords(session="a network")}
    if kind != "partly observed":
        columns = {n: x[n].values for n in NAMES}
        systems["recorded"] = ng.record(torch.nn.Identity(), x.values, layer="input", trial=columns)
    tree = ng.compare(x, systems, NAMES, **options)
    for system in systems:
        for measure in ("decoding", "ccgp"):
            found = tree[measure].estimate
            np.testing.assert_array_equal(found.sel(system=system), found.sel(system="recording"))
        assert float(tree["matching"].noise_sd.sel(system=system, net=0)) == 0
    assert tree.attrs["notes"] == []


def test_every_condition_of_a_net_has_the_trials_that_it_has_in_the_recording():
    x, net = unbalanced(), nets("cube", n=1, n_trials=40)[0]
    tree = ng.compare(x, net, NAMES, controls=(), **DECODING)
    assert tree.attrs["match"]["n_trials"] == [6, 8, 10, 12, 14, 16, 18, 20]
    assert int(tree["matching"].n_trials.sel(system="network", net=0)) == x.sizes["trial"]
    with pytest.raises(ValueError, match="0 neurons have 6 to 20 trials in every condition"):
        ng.compare(x, nets("cube", n=1, n_trials=19)[0], NAMES, controls=(), **DECODING)


def test_the_order_of_nets_and_the_name_of_their_system_change_nothing(brain):
    one, two = nets("cube", separation=4.0)
    options = {**DECODING, "controls": ()}
    first = ng.compare(brain, [one, two], NAMES, **options)["decoding"].each
    second = ng.compare(brain, {"nets": [two, one]}, NAMES, **options)["decoding"].each
    there, back = first.sel(system="network"), second.sel(system="nets").isel(net=[1, 0])
    np.testing.assert_array_equal(there, back)


def test_every_net_is_brought_to_the_decoding_of_the_recording(compared):
    goal = compared.attrs["match"]["decoding"]
    own = compared["decoding"].estimate.sel(system="recording").mean()
    assert own == pytest.approx(goal)
    for system in ("cube", "simplex"):
        each = compared["decoding"].each.sel(system=system).mean("variable")
        np.testing.assert_allclose(each, goal, atol=0.01)
    assert compared.attrs["notes"] == []


def test_what_is_left_after_matching_is_geometry(compared):
    """CCGP of a cube is its decoding; of a simplex it is one half, whatever the noise."""
    decoding, ccgp = (compared[m].each.mean("variable") for m in ("decoding", "ccgp"))
    error = 0.03  # sd of CCGP of one net of 160 trials, over 20 seeds of this setting
    assert float(decoding.sel(system="cube").mean()) > 0.7
    for net in (0, 1):
        difference = (ccgp - decoding).sel(system="cube", net=net)
        assert abs(float(difference)) < 3 * error
        assert abs(float(ccgp.sel(system="simplex", net=net)) - 0.5) < 3 * error


def test_the_noise_is_that_which_was_taken_away():
    """A network is the recording's cube times 4: its units need sqrt(16 - 1) noise sd more."""
    brain = simulated(separation=1.5, n_trials=100, seed=5)
    net = simulated(separation=6.0, n_trials=100, seed=6, name="net")
    tree = ng.compare(brain, net, NAMES, **DECODING)
    scale = float(np.sqrt(net.var("trial").mean()))
    found = float(tree["matching"].noise_sd.sel(system="network", net=0)) * scale
    # 0.01 of accuracy near separation 1.5 is 0.07 of its distance in noise sd; decoding of one
    # recording of 800 trials and 24 neurons has an error of 0.012
    assert found == pytest.approx(np.sqrt(15), rel=0.2)


def test_labels_dealt_out_at_random_leave_chance(compared):
    decoding = compared["decoding"].each.sel(system="shuffled labels")
    error = 0.5 / np.sqrt(160)  # of an accuracy over the trials of one net
    assert np.abs(decoding - 0.5).max() < 4 * error
    assert np.isfinite(decoding).all()


def test_numbers_are_those_of_the_recording():
    brain = simulated(n_neurons=12, n_trials=9, separation=3.0)
    big = nets("cube", n=1, n_neurons=30, n_trials=20)
    tree = ng.compare(brain, big, NAMES, **DECODING)
    made = tree["matching"].sel(system="network", net=0)
    assert (int(made.n_units), int(made.n_units_of_network), int(made.n_trials)) == (12, 30, 72)
    with pytest.raises(ValueError, match="network cannot be matched to the recording"):
        ng.compare(brain, nets("cube", n=1, n_trials=8), NAMES, **DECODING)


def test_a_smaller_network_is_used_whole_and_a_note_says_so():
    brain = simulated(n_neurons=20, n_trials=9, separation=3.0)
    tree = ng.compare(brain, nets("cube", n_neurons=8), NAMES, **DECODING)
    assert int(tree["matching"].n_units.sel(system="network", net=1)) == 8
    said = [n for n in tree.attrs["notes"] if "8 units" in n]
    assert len(said) == 1
    assert "20 neurons" in said[0]


def test_a_network_that_decodes_worse_gets_no_noise_and_a_note():
    brain = simulated(separation=5.0, n_trials=20)
    tree = ng.compare(brain, nets("cube", n=1, separation=1.0, n_trials=20), NAMES, **DECODING)
    assert float(tree["matching"].noise_sd.sel(system="network", net=0)) == 0
    assert any("without any noise" in note for note in tree.attrs["notes"])


def test_a_recording_at_chance_is_refused():
    nothing = simulated(separation=0.0, seed=3)
    with pytest.raises(ValueError, match="within 2 standard errors .* of chance: .*window"):
        ng.compare(nothing, nets("cube"), NAMES, **DECODING)
    tree = ng.compare(nothing, nets("cube"), NAMES, match=("neurons", "trials"), **DECODING)
    assert tree["matching"].noise_sd.max() == 0


def test_conditions_that_differ_are_named_with_their_side(brain):
    net = simulated(seed=7, name="net")
    fewer = net.isel(trial=~((net.a == 1) & (net.b == 0)).values)
    with pytest.raises(ValueError, match=r"in the network: .*a=1, b=0"):
        ng.compare(brain, fewer, NAMES, **DECODING)
    other = net.assign_coords(a=("trial", np.where(net.a == 1, "yes", "no")))
    with pytest.raises(ValueError, match=r"the recording has a condition \(a=0.*network has not"):
        ng.compare(brain, other, NAMES, **DECODING)
    with pytest.raises(KeyError, match=r"in the net: .*'c'"):
        ng.compare(brain, {"net": net.drop_vars("c")}, NAMES, **DECODING)
    more = net.assign_coords(a=("trial", np.arange(net.sizes["trial"]) % 3))
    with pytest.raises(ValueError, match=r"the network has a condition \(a=2"):
        ng.compare(brain, more, NAMES, **DECODING)


def test_networks_in_time_are_averaged_over_the_window_of_the_recording():
    brain = simulated(separation=3.0, n_trials=10, window=(0.2, 0.4))
    net = simulated(separation=3.0, seed=4, name="net")
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((*net.shape, 2))
    late = np.stack([net.values + 1, net.values - 1], axis=2)
    values = np.concatenate([noise, late, noise], axis=2)
    trial = {n: net.coords[n].values for n in NAMES}
    with_time = ng.from_arrays(values, trial, time=np.arange(6) / 10 + 0.05, session="net")
    tree = ng.compare(brain, with_time, NAMES, match=("neurons",), **DECODING)
    plain = ng.compare(brain, net, NAMES, match=("neurons",), **DECODING)
    np.testing.assert_allclose(tree["decoding"].estimate, plain["decoding"].estimate, atol=1e-12)
    early = ng.compare(brain, with_time, NAMES, match=("neurons",), window=(0.0, 0.2), **DECODING)
    assert float(early["decoding"].estimate.sel(system="network").mean()) < 0.6
    with pytest.raises(
        ValueError, match=r"no time within 2 to 3 s \(it goes from 0.05 to 0.55 s\)"
    ):
        ng.compare(brain, with_time, NAMES, window=(2.0, 3.0), **DECODING)
    del brain.attrs["window"]
    with pytest.raises(ValueError, match="network has a time dim .* pass window"):
        ng.compare(brain, with_time, NAMES, **DECODING)


def test_nets_of_one_list_are_grouped_by_their_system(brain):
    marked = [
        x.assign_coords(system=name) for name in ("network", "untrained") for x in nets("cube", n=2)
    ]
    tree = ng.compare(brain, marked, NAMES, **DECODING)
    assert tree.attrs["systems"] == ["recording", "network", "untrained", "shuffled labels"]
    assert tree["decoding"].n_nets.values.tolist() == [0, 2, 2, 2]


def test_medians_and_extremes_of_nets_stand_beside_them(brain):
    systems = {"three": nets("cube", n=3, separation=4.0), "one": nets("cube", n=1)}
    tree = ng.compare(brain, systems, NAMES, match=(), **DECODING)
    ds = tree["decoding"].to_dataset()
    each = ds["each"].sel(system="three")
    assert each.std("net").max() > 0
    np.testing.assert_array_equal(ds.estimate.sel(system="three"), each.median("net"))
    np.testing.assert_array_equal(ds.interval.sel(system="three", bound="high"), each.max("net"))
    np.testing.assert_array_equal(ds.interval.sel(system="three", bound="low"), each.min("net"))
    assert np.isnan(ds["each"].sel(system="one", net=1)).all()
    assert np.isfinite(ds.estimate.sel(system="one")).all()
    assert np.isfinite(ds.p_value.sel(system="recording")).all()
    assert np.isnan(ds.p_value.sel(system="three")).all()


def test_nothing_depends_on_the_order_of_trials_and_units(brain):
    one = nets("cube", n=1, separation=5.0)[0]
    rng = np.random.default_rng(1)
    turned = one.isel(
        trial=rng.permutation(one.sizes["trial"]), neuron=rng.permutation(one.sizes["neuron"])
    )
    first, second = (
        ng.compare(brain, x, NAMES, measures=["decoding", "ccgp"], **QUICK) for x in (one, turned)
    )
    for measure in ("decoding", "ccgp", "matching"):
        xr.testing.assert_identical(first[measure].to_dataset(), second[measure].to_dataset())


def test_similarity_knows_the_recording_from_another_geometry():
    common = {"n_trials": 30, "n_neurons": 40}
    brain = simulated("cuboid", [6.0, 3.0, 1.0], seed=0, **common)
    same = simulated("cuboid", [6.0, 3.0, 1.0], seed=1, name="same", **common)
    other = simulated("cuboid", [1.0, 3.0, 6.0], seed=2, name="other", **common)
    options = {**DECODING, "scores": ("cka", "rsa"), "n_null": 99}
    systems = {"same": same, "other": other}
    tree = ng.compare(brain, systems, NAMES, match=("trials",), **options)
    found = tree["similarity"].estimate
    assert found.system.values.tolist()[:3] == ["recording, halves", "same", "other"]
    for quantity in ("cka", "rsa_whitened"):
        values = found.sel(quantity=quantity)
        assert float(values.sel(system="same")) > float(values.sel(system="other")) + 0.2
        assert float(values.sel(system="recording, halves")) > 0.8
    p = tree["similarity"].p_value.sel(quantity="cka")
    assert float(p.sel(system="same")) < 0.05 < float(p.sel(system="other"))


def test_what_cannot_be_compared_is_refused_in_one_sentence(brain):
    with pytest.raises(ValueError, match="match='cells' is unknown"):
        ng.compare(brain, nets("cube"), NAMES, match=("cells",))
    with pytest.raises(ValueError, match="controls='wrong' is unknown"):
        ng.compare(brain, nets("cube"), NAMES, controls=("wrong",))
    with pytest.raises(ValueError, match="is a system of its own; rename yours"):
        ng.compare(brain, {"recording": nets("cube")}, NAMES)
    with pytest.raises(ValueError, match="there is no network"):
        ng.compare(brain, [], NAMES)
    with pytest.raises(TypeError, match="no option 'colour'"):
        ng.compare(brain, nets("cube"), NAMES, colour="red")
    with pytest.raises(ValueError, match="match=None is nothing to choose"):
        ng.compare(brain, nets("cube"), NAMES, match=None)
    with pytest.raises(ValueError, match="n_draws=0 leaves nothing to average"):
        ng.compare(brain, nets("cube"), NAMES, n_draws=0)
    with pytest.raises(TypeError, match="network is NoneType; pass the DataArray"):
        ng.compare(brain, None, NAMES)
    with pytest.raises(ValueError, match="'recording, halves' is a system of its own"):
        ng.compare(brain, {"recording, halves": nets("cube")}, NAMES)
    with pytest.raises(ValueError, match="is no .start, stop. in seconds"):
        ng.compare(brain, nets("cube"), NAMES, window=0.4)
    with pytest.raises(ValueError, match="measures=.. is empty"):
        ng.compare(brain, nets("cube"), NAMES, measures=())


def test_steps_are_not_taken_for_seconds_and_a_recording_has_a_window_of_its_own(brain):
    late = xr.concat([brain * 0, brain], "time").transpose("trial", "neuron", "time")
    late = late.assign_coords(time=[0.5, 1.5]).assign_attrs(brain.attrs | {"window": [1.0, 2.0]})
    tree = ng.compare(late, brain, NAMES, match=(), **DECODING)
    asked = {k: v for k, v in DECODING.items() if k != "scores"}
    own = ng.score(brain, NAMES, **asked)
    np.testing.assert_array_equal(
        tree["decoding"].estimate.sel(system="recording"), own["decoding"].estimate
    )
    assert tree.attrs["match"]["window"] == [1.0, 2.0]
    steps = late.assign_attrs(late.attrs | {"time_unit": "step"})
    with pytest.raises(ValueError, match="time of the network is counted in steps, not in seconds"):
        ng.compare(brain, steps, NAMES, window=(0.0, 1.0), match=(), **DECODING)


def test_levels_that_read_the_same_are_the_same_and_others_are_shown(brain):
    net = nets("cube", n=1)[0]
    floats = net.assign_coords(a=("trial", net.a.values.astype(float)))
    text = net.assign_coords(a=("trial", net.a.values.astype(str)))
    first, *rest = (ng.compare(brain, x, NAMES, match=(), **DECODING) for x in (net, floats, text))
    for other in rest:
        np.testing.assert_array_equal(first["decoding"].each, other["decoding"].each)
    truths = net.assign_coords(a=("trial", net.a.values.astype(bool)))
    with pytest.raises(
        ValueError, match=r"a=0, b=0, c=0. that the network has not .a: False, True"
    ):
        ng.compare(brain, truths, NAMES, match=(), **DECODING)


def test_a_condition_that_neither_side_has_is_dropped_on_request(brain):
    net = nets("cube", n=1)[0]
    one, two = (x.isel(trial=np.flatnonzero(x.a * x.b * x.c == 0)) for x in (brain, net))
    tree = ng.compare(one, two, NAMES, empty="drop", match=(), **DECODING)
    assert np.isfinite(tree["decoding"].estimate).all()
    with pytest.raises(ValueError, match="empty='drop'"):
        ng.compare(one, two, NAMES, match=(), **DECODING)


def test_bisection_meets_any_falling_curve_and_keeps_the_nearest_of_a_stair():
    sd, value = bisected(lambda sd: 1 - 0.5 * sd / (1 + sd), 0.7)
    assert value == pytest.approx(0.7, abs=0.005)
    assert sd == pytest.approx(1.5, rel=0.06)
    stair = bisected(lambda sd: 1.0 if sd < 2 else 0.6, 0.7)
    assert stair[1] == 0.6
    assert bisected(lambda sd: 0.6, 0.7) == (0.0, 0.6)


def test_a_comparison_is_saved_tabled_and_drawn(compared, tmp_path):
    again = ng.load(ng.save(compared, tmp_path / "c.nc"))
    assert again.identical(compared)
    frame = ng.to_dataframe(compared)
    rows = frame[(frame.measure == "ccgp") & (frame.quantity == "estimate")]
    assert set(rows.system) == {"recording", "cube", "simplex", "shuffled labels"}
    cell = rows[(rows.system == "cube") & (rows.variable == "b")].value.item()
    assert cell == float(compared["ccgp"].estimate.sel(system="cube", variable="b"))
    shown = comparison(compared)
    assert f"{cell:.3f}" in shown
    assert "cube: 2 nets of 24 units, private noise of" in shown
    figure = ng.side_by_side(compared)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:4] == ["decoding", "CCGP", "SD", "parallelism"]
    drawn = {line.get_label(): line.get_ydata() for line in figure.axes[1].lines}
    np.testing.assert_array_equal(drawn["cube"], compared["ccgp"].estimate.sel(system="cube"))


def test_a_score_is_no_comparison_to_draw(brain):
    tree = ng.score(brain, NAMES, measures=["decoding"], readout="nearest_mean", n_null=0)
    with pytest.raises(ValueError, match="no result of compare"):
        ng.side_by_side(tree)


@pytest.mark.slow
def test_all_measures_are_compared_tabled_and_drawn(tmp_path):
    brain = simulated(separation=2.0, n_trials=10)
    options = {**QUICK, "n_null": 99, "measures": "all", "n_draws": 1}
    tree = ng.compare(brain, nets("cube", separation=5.0, n_trials=10), NAMES, **options)
    assert len(tree.children) == 14
    for name in ("selectivity", "dimensionality", "dpca", "subspaces", "implementable"):
        estimate = tree[name].estimate
        assert np.isfinite(estimate.sel(system="network")).any()
        assert estimate.sizes["system"] == 3
    assert ng.load(ng.save(tree, tmp_path / "all.nc")).identical(tree)
    assert "nonlinear" in comparison(tree)
    drawn = [axis.get_title() for axis in ng.side_by_side(tree).axes if axis.get_title()]
    assert drawn == ["decoding", "CCGP", "SD", "parallelism"]
