"""simulate, inspect and score on files, and the embedded recording: the whole way of the data."""

import json
import shlex
import subprocess
import sys

import pytest

import neurogeom as ng
from neurogeom.recordings.manifests import load_manifest, shipped_manifests, verify


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A simulated file of two variables, small enough to be scored at once, and what was said."""
    path = tmp_path_factory.mktemp("simulated") / "small.nwb"
    words = "--neurons 12 --trials 8 --variables rule,cue --separation 4 --window 0:0.5 --seed 3"
    words = ["neurogeom.cli.main", "simulate", "cube", "--out", str(path), *words.split()]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return path, done.stdout


def test_simulate_writes_what_it_was_asked_for_and_says_its_truth(small):
    path, shown = small
    x = ng.read_nwb(path)
    assert dict(x.sizes) == {"trial": 32, "neuron": 12}
    simulation = x.attrs["simulation"]
    assert simulation["separation"] == 4.0
    assert simulation["seed"] == 3
    truth = x.attrs["truth_population"]["decoding"]["rule"]
    assert "population     rule" in shown
    assert f"{truth:.3f}" in shown


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(invoke, tmp_path):
    files = [tmp_path / name for name in ("a.nwb", "b.nwb", "c.nwb")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        invoke("simulate", "cube", "--out", path, "--trials", 4, "--neurons", 9, "--seed", seed)
    first, second, third = (path.read_bytes() for path in files)
    assert first == second
    assert first != third


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["blob"], 1, "geometry 'blob' is unknown"),
        (["cuboid", "--separation", "1,2"], 1, "one separation a variable"),
        (["cube", "--separation", "far"], 2, "is not a number"),
        (["cube", "--neurons", "0"], 1, "nothing to record"),
        (["cube", "--out", "{folder}/none/x.nwb"], 1, "there is no folder"),
    ],
)
def test_simulate_refuses_in_one_sentence(invoke, tmp_path, words, status, sentence):
    words = [words[0], "--out", str(tmp_path / "x.nwb"), *words[1:]]
    found, shown, error = invoke("simulate", *(w.format(folder=tmp_path) for w in words))
    assert found == status
    assert sentence in error
    assert shown == ""
    assert list(tmp_path.iterdir()) == []


def test_simulate_never_replaces_a_file_unasked(invoke, tmp_path):
    path = tmp_path / "mine.nwb"
    path.write_bytes(b"mine")
    status, _, error = invoke("simulate", "cube", "--out", path)
    assert status == 1
    assert "exists already" in error
    assert path.read_bytes() == b"mine"
    assert invoke("simulate", "cube", "--trials", 4, "--out", path, "--overwrite")[0] == 0
    assert path.read_bytes() != b"mine"


def test_the_command_that_inspect_suggests_works(invoke, small):
    path, _ = small
    status, shown, _ = invoke("inspect", path)
    assert status == 0
    assert "units: 12" in shown
    command = shlex.split(shown.strip().splitlines()[-1])
    assert command[:2] == ["neurogeom", "score"]
    quick = ["--nulls", "0", "--resamples", "2", "--json", "-"]
    status, shown, error = invoke(*command[1:], *quick)
    assert (status, error) == (0, "")
    assert set(json.loads(shown)["measures"]) == {"decoding", "ccgp", "shattering", "parallelism"}


def test_a_file_that_is_not_there_is_one_sentence(invoke, tmp_path):
    for command in ("inspect", "score"):
        status, shown, error = invoke(command, tmp_path / "none.nwb")
        assert (status, shown, error.count("\n")) == (1, "", 1)
        assert "none.nwb" in error


def test_a_file_that_is_no_recording_is_one_sentence(invoke, tmp_path):
    (tmp_path / "text.nwb").write_text("hello")
    status, shown, error = invoke("score", tmp_path / "text.nwb", "--variables", "rule")
    assert (status, shown, error.count("\n")) == (1, "", 1)


def test_a_column_that_is_not_there_names_those_that_are(invoke, small):
    status, _, error = invoke("score", small[0], "--variables", "rul")
    assert (status, error.count("\n")) == (1, 1)
    assert "rul" in error
    assert "rule" in error.replace("'rul'", "")


def test_scoring_twice_and_with_two_workers_prints_the_same_numbers(invoke, small):
    words = ["score", small[0], "--nulls", "9", "--resamples", "2", "--json", "-"]
    numbers = [json.loads(invoke(*words, "--jobs", jobs)[1])["measures"] for jobs in (1, 1, 2)]
    assert numbers[0] == numbers[1] == numbers[2]


# --- the embedded recording -----------------------------------------------------------------------


def test_the_embedded_recording_is_that_of_its_manifest():
    folder = shipped_manifests()["simulated_cube"].parent
    manifest = load_manifest("simulated_cube")
    assert [found.status for found in verify(manifest, folder)] == ["ok"]
    assert (folder / "simulated_cube.nwb").stat().st_size < 400_000


def test_score_without_a_file_prints_the_truth_beside_the_estimates(invoke):
    status, shown, error = invoke("score", "--nulls", "0")
    assert (status, error) == (0, "")
    x = ng.read_nwb(shipped_manifests()["simulated_cube"].parent / "simulated_cube.nwb")
    known = x.attrs["truth_at_n"]
    assert "truth at n" in shown
    for variable in x.attrs["simulation"]["variables"]:
        line = next(line for line in shown.splitlines() if line.startswith(variable))
        assert line.split()[3] == f"{known['decoding'][variable]:.3f}"


def test_the_truth_is_not_shown_where_it_does_not_hold(invoke):
    for change in ("--min-trials 6", "--window 0:0.25", "--variables context,reward"):
        status, shown, error = invoke("score", "--nulls", "0", "--resamples", "1", *change.split())
        assert status == 0
        assert "truth" not in shown
        assert "known for the defaults only" in error


def test_a_reader_that_goes_away_ends_the_command_quietly():
    code = "from neurogeom.cli.main import run; run(['data', 'list'])"
    words = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} | true"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


def test_real_sessions_are_scored_as_one_pseudo_population(invoke, recordings):
    files = sorted((recordings / "fascianelli2024_M1").glob("*.nwb"))[:4]
    words = "--align cue_time --window 0.2:0.4 --variables rule,previous_response,cue_shape"
    words += " --contrasts response --measures decoding,parallelism --nulls 0 --json -"
    status, shown, error = invoke("score", *files, *words.split())
    assert (status, error) == (0, "")
    found = json.loads(shown)
    attrs = found["population"]["attrs"]
    assert attrs["n_sessions"] == 4
    assert not attrs["real_trials"]
    assert len(found["population"]["conditions"]) == 8
    rows = found["measures"]["decoding"]["rows"]
    names = [row["variable"] for row in rows if row["quantity"] == "estimate"]
    assert names == ["rule", "previous_response", "cue_shape", "response"]
