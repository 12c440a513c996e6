"""neurogeom tasks, train and compare: words in, files and one page out."""

import sys

import numpy as np
import pytest

import neurogeom as ng
from neurogeom import checkpoints, learn, networks
from neurogeom.cli.main import run
from neurogeom.cli.options import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recording in the variables of the stay/shift task, and networks that hardly learnt it."""
    place = tmp_path_factory.mktemp("networks")
    x = ng.simulate("cube", 3.0, n_neurons=16, n_trials=8, n_truth=0, n_sessions=2, seed=1)
    names = {"a": "rule", "b": "previous_response", "c": "cue_shape"}
    levels = {"rule": "shift stay", "previous_response": "B A", "cue_shape": "second first"}
    sessions = []
    for session in x:
        session = session.rename(names)
        for name, words in levels.items():
            values = np.array(words.split())[session[name].values]
            session = session.assign_coords({name: ("trial", values)})
        sessions.append(session.assign_attrs(window=[0.2, 0.4]))
    ng.save(sessions, place / "brain.nc")
    words = "train stay-shift --seeds 2 --steps 60 --hidden 24 --trials 10 --batch 16"
    run([*words.split(), "--out", str(place / "net.nc")])
    return place


def test_tasks_lists_every_task_in_one_line(invoke):
    status, out, err = invoke("tasks")
    lines = out.strip().splitlines()
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in lines] == list(networks.tasks())
    assert all(len(line) > 25 for line in lines)


def test_tasks_of_a_name_says_what_it_takes(invoke):
    status, out, _ = invoke("tasks", "reversal")
    assert status == 0
    for words in ("stimulus 500 ms", "variable   context: one, two", "option     hazard=0.1"):
        assert words in out
    status, out, err = invoke("tasks", "revesal")
    assert (status, out) == (1, "")
    assert err == "Error: there is no task 'revesal'; did you mean 'reversal'?\n"


def test_train_writes_activity_and_networks(folder):
    found = ng.load(folder / "net.nc")
    systems = [x.system.item() for x in found]
    assert systems == ["network"] * 2 + ["wrong task"] * 2 + ["untrained"] * 2 + ["input"]
    assert [x.sizes["neuron"] for x in found] == [24] * 6 + [7]
    assert found[0].sizes["trial"] == 80
    assert "neurogeom train stay-shift --seeds 2" in found[0].attrs["command"]
    again = networks.load_trained(folder / "net.safetensors")
    recorded = again.record(n_trials=10)[1]
    np.testing.assert_allclose(recorded.values, found[1].values, rtol=1e-5, atol=1e-6)
    assert not np.allclose(found[0].values, found[4].values)


def test_a_seed_is_the_same_network_whatever_stands_beside_it(invoke, folder, tmp_path):
    words = "train stay-shift --seed 1 --seeds 1 --steps 60 --hidden 24 --trials 10 --batch 16"
    invoke(*words.split(), "--no-controls", "--out", tmp_path / "one.nc")
    alone, among = ng.load(tmp_path / "one.nc"), ng.load(folder / "net.nc")[1]
    np.testing.assert_allclose(alone[0].values, among.values, atol=2e-3)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("train stay-shft", 1, "did you mean 'stay-shift'?"),
        ("train stay-shift --set colour=3", 1, "task 'stay-shift' has no option 'colour'"),
        ("train stay-shift --set colour", 2, "'colour' is not a name and its value"),
        (
            "train stay-shift --network gru --activation tanh",
            2,
            "--activation is no setting of gru",
        ),
        ("train stay-shift --network rnn --activation thanh", 1, "did you mean 'tanh'?"),
        ("train stay-shift --network cnn", 2, "'cnn' is not one of"),
        ("train stay-shift --layer hidden", 1, "core"),
        ("train stay-shift --layer encoder", 1, "core"),
        ("train stay-shift --window 5:6", 1, "window (5.0, 6.0) holds no step"),
        ("train stay-shift --set noise=0.1 --set noise=0.2", 2, "--set names 'noise' twice"),
        ("train stay-shift --set noise=,", 2, "'noise=,' has an empty value"),
        ("train stay-shift --lr inf", 1, "lr=inf: give a finite number"),
        ("train stay-shift --until nan", 1, "until=nan: give an accuracy"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_what_cannot_be_trained_is_refused_before_the_work_in_one_sentence(
    invoke, tmp_path, monkeypatch, words, status, said, kept
):
    monkeypatch.setattr(learn, "_copy", None)  # a step of training would end in a traceback
    out = ["--out", tmp_path / "x.nc"] if kept else []
    found, _, err = invoke(*words.split(), "--seeds", 1, *out)
    assert found == status
    assert said in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["b.pt", "run0.98", "x.json", "x.safetensors", ".", "", "net", ".nc", "x.NC"]
)
def test_an_output_that_is_not_named_as_netcdf_is_a_usage_error(
    invoke, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    status, out, err = invoke("train", "stay-shift", "--out", name)
    assert (status, out) == (2, "")
    assert f"{name!r} does not end in .nc" in err
    assert not list(tmp_path.iterdir())


def test_names_with_dots_claim_the_files_that_are_written(invoke, tmp_path):
    (tmp_path / "keep.json").write_text("mine")
    words = [*SHORT, "--steps", 1, "--no-controls", "--out"]
    assert invoke(*words, tmp_path / "keep.v2.nc")[0] == 0
    names = ["keep.json", "keep.v2.json", "keep.v2.nc", "keep.v2.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    (tmp_path / "keep.v2.nc").unlink()
    status, out, err = invoke(*words, tmp_path / "keep.v2.nc")
    assert (status, out) == (1, "")
    assert "keep.v2.safetensors exists already" in err
    assert (tmp_path / "keep.json").read_text() == "mine"


SHORT = "train stay-shift --seeds 1 --hidden 4 --network mlp --batch 4 --trials 2 --steps 150"
SHORT = SHORT.split()


@pytest.mark.parametrize(  # within the first training, within that of the control
    "saves", [pytest.param(2, marks=pytest.mark.slow), 5]
)
def test_a_training_that_was_interrupted_is_kept_and_the_same_command_goes_on(
    invoke, tmp_path, monkeypatch, saves
):
    words = [*SHORT, "--out", tmp_path / "x.nc"]
    save, seen = checkpoints.save, []

    def counted(run, path, about, step):
        save(run, path, about, step)
        seen.append(step)
        if len(seen) == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", counted)
    status, _, err = invoke(*words)
    assert status == 130
    kept = ["x.partial.safetensors", "x.wrong.task.partial.safetensors"][: 1 + (saves > 3)]
    assert f"trained so far is kept in {' and '.join(kept)}; the same command goes on" in err
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == kept
    status, _, err = invoke(*words, "--lr", 0.1)
    assert status == 1
    assert "x.partial.safetensors is of another run (lr: 0.005 there, 0.1 here); repeat" in err
    assert "goes on from there" not in err
    status, out, err = invoke(*words)
    assert (status, err) == (0, "")
    assert seen == [50, 100, 150] * 2  # nothing was done twice
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json", "x.nc", "x.safetensors"]
    _, whole, _ = invoke(*SHORT, "--out", tmp_path / "y.nc")
    assert whole == out.replace("x.", "y.")
    for a, b in zip(ng.load(tmp_path / "x.nc"), ng.load(tmp_path / "y.nc"), strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def test_what_is_trained_is_kept_where_it_cannot_be_written(invoke, tmp_path, monkeypatch):
    words = [*SHORT, "--no-controls", "--out", tmp_path / "x.nc"]

    def full(*args, **options):
        raise OSError(28, "No space left on device", str(tmp_path / "x.nc"))

    with monkeypatch.context() as patch:
        patch.setattr(networks.Trained, "record", lambda self, *a, **k: None)
        patch.setattr(networks.Trained, "save", full)
        status, _, err = invoke(*words)
    assert status == 1
    assert "kept in x.partial.safetensors; the same command goes on" in err
    monkeypatch.setattr(learn, "_copy", None)  # no step is made again
    assert invoke(*words)[0] == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json", "x.nc", "x.safetensors"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_training_that_diverges_is_one_sentence_and_no_file(invoke, tmp_path, kept):
    out = ["--out", tmp_path / "x.nc"] if kept else []
    words = ["--network", "rnn", "--lr", "1e30", *out]
    status, _, err = invoke(*SHORT, *words)
    assert status == 1
    (line,) = [line for line in err.splitlines() if "not kept" not in line]
    assert line.startswith("Error: the ")
    assert "is not finite at step" in line
    assert not list(tmp_path.iterdir())


def test_without_safetensors_nothing_is_trained_for_a_file(invoke, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "safetensors"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    status, out, err = invoke(*SHORT, "--out", tmp_path / "x.nc")
    assert (status, out) == (1, "")
    assert err == (
        "Error: networks in files need safetensors, which is not installed: "
        "pip install 'neurogeom[networks]'\n"
    )
    assert not list(tmp_path.iterdir())


def test_files_that_exist_are_not_replaced_before_the_work_starts(invoke, folder):
    before = (folder / "net.nc").read_bytes()
    status, _, err = invoke("train", "stay-shift", "--out", folder / "net.nc")
    assert status == 1
    assert "exists already" in err
    assert (folder / "net.nc").read_bytes() == before


NAMES = "rule,previous_response,cue_shape"


def test_compare_prints_writes_and_draws(invoke, folder, tmp_path):
    words = f"--variables {NAMES} --nulls 19 --readout nearest_mean --draws 1 --match neurons"
    words += " --measures decoding,ccgp"
    out = {k: tmp_path / f"c.{k}" for k in ("nc", "png", "csv")}
    status, shown, err = invoke(
        "compare", folder / "brain.nc", folder / "net.nc", *words.split(),
        "--out", out["nc"], "--figure", out["png"], "--csv", out["csv"],
    )  # fmt: skip
    assert (status, err) == (0, "")
    tree = ng.load(out["nc"])
    value = float(tree["ccgp"].estimate.sel(system="wrong task", variable="rule"))
    assert f"{value:.3f}" in shown
    assert "16 neurons of 2 sessions, 8 conditions; matched: neurons" in shown
    assert "untrained: 2 nets of 16 units" in shown
    assert out["png"].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "wrong task" in out["csv"].read_text()
    assert tree.attrs["command"].startswith("neurogeom compare ")


@pytest.mark.parametrize(
    ("files", "words", "status", "said"),
    [
        (["net.nc"], NAMES, 2, "two things are compared"),
        (["brain.nc", "net.nc"], "rule,colour", 1, "colour"),
        (["brain.nc", "nothing.nc"], NAMES, 1, "there is no file"),
        (["brain.nc", "net.json"], NAMES, 1, "cannot be read as NetCDF"),
        (["brain.nc", "score.nc"], NAMES, 1, "holds a result and no activity"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(invoke, folder, files, words, status, said):
    if "score.nc" in files and not (folder / "score.nc").exists():
        x = ng.simulate("cube", n_neurons=8, n_trials=5, n_truth=0)
        ng.save(ng.decoding(x, ["a"], n_null=0, target="none"), folder / "score.nc")
    found, out, err = invoke("compare", *(folder / f for f in files), "--variables", words)
    assert (found, out) == (status, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("--where rule=='nonsense'", 2, "--where is for NWB files"),
        ("--units ((", 2, "--units is for NWB files"),
        ("--align cue", 2, "--align is for NWB files"),
        ("--figure g", 2, "--figure g has no ending of .png"),
        ("--jobs 0", 2, "'0' is no number of workers"),
        ("--measures all,decoding", 2, "no measure 'all'; choose from"),
        ("--csv /dev/null --overwrite", 1, "is a device or a pipe, not a file"),
    ],
)
def test_what_compare_would_ignore_or_spoil_is_refused_at_once(invoke, folder, words, status, said):
    files = folder / "brain.nc", folder / "net.nc"
    found, out, err = invoke("compare", *files, "--variables", NAMES, *words.split())
    assert (found, out) == (status, "")
    assert said in err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("noise=0.1", ("noise", 0.1)),
        ("n-tasks=6", ("n_tasks", 6)),
        ("targets=action,outcome", ("targets", ("action", "outcome"))),
        ("targets=shape,", ("targets", ("shape",))),
        ("contextual=true", ("contextual", True)),
        ("context=inferred", ("context", "inferred")),
        ("noise=none", ("noise", None)),
    ],
)
def test_settings_of_a_task_are_numbers_truths_texts_and_lists(text, value):
    assert Settings().convert(text, None, None) == value
