"""neurogeom tasks, train and compare: words in, files and one page out."""

import numpy as np
import pytest

import neurogeom as ng
from neurogeom import networks
from neurogeom.cli.main import run
from neurogeom.cli.options import Settings


@pytest.fixture
def invoke(capsys):
    def called(*words):
        status = 0
        try:
            run([str(word) for word in words])
        except SystemExit as end:
            status = end.code or 0
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return called


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
        ("train stay-shift --steps 1 --layer hidden", 1, "core"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(invoke, tmp_path, words, status, said):
    found, _, err = invoke(*words.split(), "--seeds", 1, "--out", tmp_path / "x.nc")
    assert found == status
    assert said in err
    assert "Traceback" not in err
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
