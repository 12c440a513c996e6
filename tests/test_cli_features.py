"""neurogeom features: a recording in, a page a method out."""

import json

import numpy as np
import pytest
import xarray as xr

import neurogeom as ng
from neurogeom.cli.features import _METHODS, NEEDED, OPTIONS
from neurogeom.report.features import features


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A recorded cube, and a population that saw textures four times each."""
    folder = tmp_path_factory.mktemp("features")
    cube = ng.simulate("cube", 2.0, n_neurons=12, n_trials=12, n_truth=0, seed=1)
    ng.save(cube, folder / "cube.nc")
    ng.write_nwb(cube, folder / "cube.nwb")
    seen = ng.features.textures(120)
    rng = np.random.default_rng(0)
    shown = np.repeat(np.arange(120), 4)
    rates = seen.features[:, :6][shown] + 0.1 * rng.standard_normal((480, 6))
    ng.save(ng.from_arrays(rates, trial={"image": shown}), folder / "seen.nc")
    np.save(folder / "images.npy", seen.images)
    return folder


def test_every_method_has_its_options():
    assert set(OPTIONS) == set(NEEDED) == set(_METHODS)


def test_a_table_names_its_rows_and_columns_by_four_digits():
    ds = xr.Dataset(
        {"estimate": 0.5, "choice": (("n_atoms", "penalty"), [[0.1, 0.2]])},
        {"n_atoms": [4], "penalty": [0.25009623905467104, 1000.0]},
        {"measure": "sparse"},
    )
    page = features(xr.DataTree.from_dict({"sparse": ds})).splitlines()
    assert page[3:5] == ["choice  0.2501   1000", "4        0.100  0.200"]


def test_the_index_of_a_datum_is_printed_and_written_from_nwb_and_from_activity(
    invoke, files, tmp_path
):
    words = "--method index --variables a,b,c --nulls 19 --components 2 --probes a".split()
    out, tidy, text = tmp_path / "i.nc", tmp_path / "i.csv", tmp_path / "i.json"
    status, shown, err = invoke(
        "features", files / "cube.nc", *words, "--out", out, "--csv", tidy, "--json", text
    )
    assert (status, err) == (0, "")
    found = ng.load(out)["linear_diet"]
    for value in found.estimate.values:
        assert f"{value:.3f}" in shown
    assert "accuracy  linear DIET" in shown
    rows = json.loads(text.read_text())["measures"]["linear_diet"]["rows"]
    assert float(found.estimate[0]) in [row["value"] for row in rows]
    assert "linear_diet" in tidy.read_text()
    status, again, _ = invoke("features", files / "cube.nwb", "--signal", "roi", *words)
    assert status == 0
    assert again.splitlines()[0] == shown.splitlines()[0]


def test_a_sparse_dictionary_is_judged_on_trials_held_out(invoke, files):
    words = "--method sparse --variables a,b,c --atoms 4 --penalty 1 --nulls 2 --jobs 2".split()
    status, shown, err = invoke("features", files / "cube.nc", *words)
    assert status == 0
    assert "Traceback" not in err
    assert "choice" not in shown  # there was none
    assert "2 surrogates" in shown
    assert shown.splitlines()[0].split()[:2] == ["quantity", "sparse"]
    assert "explained_variance" in shown


def test_slow_latents_are_held_out_and_compared_with_columns(invoke, tmp_path):
    pytest.importorskip("torch")
    own = ng.features.slow_population(2, 12, n_trials=20, n_bins=20, seed=1).activity
    own = own.assign_coords(side=("trial", ["a", "b"] * 10))
    ng.write_nwb(own, tmp_path / "slow.nwb")
    words = "--method slow --bin 0.1 --latents 2 --variables side --nulls 19 --steps 30".split()
    out = tmp_path / "slow.nc"
    status, shown, err = invoke("features", tmp_path / "slow.nwb", *words, "--out", out)
    assert (status, err) == (0, "")
    found = ng.load(out)["slow_factors"]
    assert found.attrs["likelihood"] == "poisson"
    assert f"{float(found.estimate[0]):.3f}" in shown
    assert "noise share" in shown
    assert "held out 4 of 20 trials; controls: strangers, beta_vae" in shown
    status, _, err = invoke("features", tmp_path / "slow.nwb", "--method", "slow")
    assert (status, "--bin S" in err) == (2, True)


def test_disentanglement_stands_beside_chance_and_turned_codes(invoke, files):
    status, shown, err = invoke(
        "features", files / "cube.nc", "--method", "disentanglement", "--variables", "a,b",
        "--nulls", "2",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert shown.splitlines()[0].split()[:2] == ["score", "disentanglement"]
    assert "rotated" in shown.splitlines()[0]
    assert "no disentanglement of sap_continuous: no factor is continuous or circular" in shown


def test_neurons_and_directions_are_interpreted_and_drawn(invoke, files, tmp_path):
    words = ["--method", "interpretability", "--stimulus", "image", "--stimuli",
             files / "images.npy", "--nulls", "19"]  # fmt: skip
    figure = tmp_path / "g.png"
    status, shown, err = invoke("features", files / "seen.nc", *words, "--figure", figure)
    assert (status, err) == (0, "")
    assert shown.splitlines()[0].split()[:2] == ["neuron", "interpretability"]
    assert figure.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    status, shown, _ = invoke("features", files / "seen.nc", *words, "--directions", "pca")
    assert status == 0
    assert [line.split()[0] for line in shown.splitlines()[1:3]] == ["neurons", "pca"]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ("--method index", 2, "needs --datum COL or --variables"),
        ("--method index --datum a --variables b", 2, "--datum COL or --variables, one of them"),
        ("--method interpretability --stimulus a --stimuli b.npy --variables b", 2,
         "--variables has no effect on --method interpretability"),
        ("--method disentanglement", 2, "--method disentanglement needs --variables"),
        ("--method index --variables a --atoms 3", 2, "--atoms is for --method sparse"),
        ("--method interpretability --stimulus a", 2, "needs --stimuli"),
        ("--method index --variables a --figure g.png", 2, "--figure is for --method inter"),
        ("--method interpretability --stimulus a --stimuli cube.nc", 2, "is no .npy file"),
        ("--method interpretability --stimulus a --stimuli cube.nc --directions pca --figure g.png",
         2, "--figure draws neurons"),
        ("--method index --variables a --align t", 2, "--align is for NWB files"),
        ("--method index --datum d", 1, "no 'd'|no column 'd'|'d'"),
        ("--method sparce", 2, "'sparse'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(invoke, files, words, status, sentence):
    import re

    words = [files / w if w.endswith(".nc") else w for w in words.split()]
    got, shown, err = invoke("features", files / "cube.nc", *words)
    assert (got, shown) == (status, "")
    assert re.search(sentence, err)
    assert "Traceback" not in err


def test_a_file_that_holds_no_array_is_one_sentence(invoke, files, tmp_path):
    bad = tmp_path / "bad.npy"
    bad.write_bytes(b"none")
    status, shown, err = invoke(
        "features", files / "seen.nc", "--method", "interpretability", "--stimulus", "image",
        "--stimuli", bad,
    )  # fmt: skip
    assert (status, shown) == (1, "")
    assert "holds no array of numbers" in err


def test_a_figure_is_of_images_and_never_costs_the_page(invoke, files, tmp_path):
    still = ng.load(files / "seen.nc").isel(trial=slice(96)) * 0 + np.arange(6)
    still[::7] += 1.0  # neurons that no stimulus moves: none has an index
    ng.save(still, tmp_path / "still.nc")
    embedding = np.random.default_rng(0).random((24, 3))
    np.save(tmp_path / "flat.npy", embedding)
    np.save(tmp_path / "images.npy", np.load(files / "images.npy")[:24])
    words = "--method interpretability --stimulus image --nulls 2 --stimuli".split()
    call = ["features", tmp_path / "still.nc", *words]
    status, shown, err = invoke(*call, tmp_path / "flat.npy", "--figure", tmp_path / "g.png")
    assert (status, shown) == (2, "")
    assert "--figure draws images, and" in err
    status, shown, err = invoke(*call, tmp_path / "images.npy", "--figure", tmp_path / "g.png")
    assert status == 1
    assert "no neuron has an estimate" in err
    assert "interpretability: 2 surrogates" in shown


def test_what_is_dropped_in_reading_and_since_is_counted_on_the_page_and_in_json(invoke, tmp_path):
    rule = [*np.tile(["a", "b"], 20), None, None, None]
    x = ng.from_arrays(np.random.default_rng(1).standard_normal((43, 3)), trial={"rule": rule})
    x[0, 2] = np.nan  # a neuron that misses a trial
    x.attrs["dropped"] = {"trials": {"no cue": 5}, "neurons": {"silent": 2}}
    ng.save(x, tmp_path / "x.nc")
    words = "--method disentanglement --variables rule --nulls 1 --json".split()
    status, shown, err = invoke("features", tmp_path / "x.nc", *words, tmp_path / "x.json")
    assert (status, err) == (0, "")
    assert "neurons dropped: 1 (left out by disentanglement), 2 (silent)" in shown
    assert "trials dropped: 3 (left out by disentanglement), 5 (no cue)" in shown
    told = json.loads((tmp_path / "x.json").read_text())["population"]["attrs"]["dropped"]
    assert told["trials"] == {"left out by disentanglement": 3, "no cue": 5}
