"""The command line: words in, exit status and one sentence out; never a traceback."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from made_tree import made_tree

import neurogeom as ng
from neurogeom.cli import output
from neurogeom.cli.main import main, run
from neurogeom.cli.options import Bins, Names, Window, columns_of, variables_of


@pytest.fixture
def scored(monkeypatch, tmp_path):
    """A recording that exists, and `score` replaced by a result made by hand; what it was asked."""
    asked = {}

    def read_nwb(path, **options):
        asked["read"] = {"path": path, **options}
        return ng.from_arrays([[1.0], [2.0]], {"rule": [0, 1]})

    def score(recording, variables, **options):
        asked["score"] = {"variables": variables, **options}
        return made_tree()

    monkeypatch.setitem(vars(ng), "read_nwb", read_nwb)
    monkeypatch.setitem(vars(ng), "score", score)
    asked["file"] = tmp_path / "a.nwb"
    asked["file"].write_bytes(b"")
    return asked


# --- the words ------------------------------------------------------------------------------------


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_any_window_is_read_back(start, length):
    stop = start + length
    assert Window().convert(f"{start!r}:{stop!r}", None, None) == (start, stop)


def test_a_negative_window_is_a_value_and_not_an_option(invoke, scored):
    words = ["score", scored["file"], "--variables", "rule", "--window", "-0.4:-0.2"]
    status, _, error = invoke(*words)
    assert (status, error) == (0, "")
    assert scored["read"]["window"] == (-0.4, -0.2)


def test_bins_are_half_open_intervals_of_a_mapping():
    column, levels = Bins().convert("coherence=-inf,10,30,inf", None, None)
    found = variables_of(["rule", "coherence"], ((column, levels),))
    assert found == {
        "rule": None,
        "coherence": {
            "[-inf, 10)": (None, 10.0),
            "[10, 30)": (10.0, 30.0),
            "[30, inf)": (30.0, None),
        },
    }


def test_names_without_bins_stay_a_list():
    assert variables_of(["rule", "cue"], ()) == ["rule", "cue"]


def test_contrasts_name_the_columns_that_they_need():
    names = Names().convert("response, rule:previous", None, None)
    assert columns_of(["rule"], names) == ["rule", "response", "previous"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--window", "0.2"], "'0.2' is not two numbers with a colon between"),
        (["--window", "0.4:0.2"], "ends before it starts"),
        (["--window", "nan:1"], "ends before it starts"),
        (["--variables", "a,,b"], "has an empty name"),
        (["--variables", "a,a"], "names one of them twice"),
        (["--bins", "coherence"], "is not a column and its edges"),
        (["--bins", "coherence=a,b"], "is not a column and its edges"),
        (["--bins", "coherence=1,2"], "fewer than two bins"),
        (["--bins", "coherence=3,2,1"], "edges that do not increase"),
        (["--bins", "coherence=1,2,3"], "--bins needs --variables"),
        (["--variables", "a", "--bins", "b=1,2,3"], "--bins names 'b', which --variables does not"),
        (["--measures", "psd"], "no measure 'psd'"),
        (["--C", "1", "--readout", "lda"], "--C is the cost of the SVM; lda has none"),
        (["--C", "0"], "0 is not in the range"),
        (["--held-out", "across"], "--held-out across and --across VAR go together"),
        (["--across", "rule"], "--held-out across and --across VAR go together"),
        (["--readout", "net"], "'net' is not one of"),
        (["--nothing"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_sentence(invoke, scored, words, sentence):
    status, shown, error = invoke("score", scored["file"], *words)
    assert status == 2
    assert shown == ""
    assert sentence in error
    assert "Traceback" not in error


def test_variables_are_asked_for_where_the_recording_does_not_know_them(invoke, scored):
    status, _, error = invoke("score", scored["file"])
    assert status == 2
    assert "--variables is missing" in error


def test_options_reach_the_public_face_under_their_names(invoke, scored):
    words = "--variables rule,cue --contrasts rule:cue,response --units good --where ok --bin 0.1"
    words += " --resamples 3 --nulls 9 --min-trials 6 --pseudo-trials 8 --seed 4 --jobs 2 --C 0.5"
    words += " --table trials2 --signal roi --align cue --measures ccgp,decoding"
    words += " --held-out across --across cue"
    status, _, error = invoke("score", scored["file"], *words.split())
    assert (status, error) == (0, "")
    read = {"path": scored["file"], "align": "cue", "table": "trials2", "signal": "roi"}
    read |= {"units": "good", "where": "ok", "bin_width": 0.1}
    read["variables"] = ["rule", "cue", "response"]
    assert scored["read"] == read
    asked = {"variables": ["rule", "cue"], "n_null": 9, "seed": 4}
    asked["contrasts"] = ["rule:cue", "response"]
    asked |= {"n_resamples": 3, "min_trials": 6, "n_pseudo": 8, "n_jobs": 2}
    asked |= {"measures": ("decoding", "ccgp"), "held_out": "across", "across": "cue"}
    assert scored["score"] == asked | {"readout": ng.SVM(C=0.5), "progress": None}


def test_what_is_not_asked_is_left_to_the_defaults_of_the_face(invoke, scored):
    invoke("score", scored["file"], "--variables", "rule")
    expected = {"variables": ["rule"], "seed": 0, "n_jobs": 1, "progress": None}
    assert scored["score"] == expected
    invoke("score", scored["file"], "--variables", "rule", "--measures", "all")
    assert scored["score"] == expected | {"measures": "all"}


# --- what comes out -------------------------------------------------------------------------------


def test_the_table_goes_to_stdout_and_nothing_else(invoke, scored):
    status, shown, error = invoke("score", scored["file"], "--variables", "rule")
    assert (status, error) == (0, "")
    assert "cue_shape" in shown
    assert "truth" not in shown


def test_json_on_stdout_stands_alone_and_repeats_the_command(invoke, scored):
    words = ["score", scored["file"], "--variables", "rule", "--where", "a == 'b c'", "--json", "-"]
    status, shown, error = invoke(*words)
    assert (status, error) == (0, "")
    read = json.loads(shown)
    assert read["measures"]["decoding"]["rows"][0]["value"] == 0.56
    file = scored["file"]
    expected = f"neurogeom score {file} --variables rule --where 'a == '\"'\"'b c'\"'\"'' --json -"
    assert read["command"] == expected


def test_files_hold_the_same_numbers_as_the_table(invoke, scored, tmp_path):
    files = {name: tmp_path / f"score.{name}" for name in ("nc", "json", "csv")}
    words = ["--out", files["nc"], "--json", files["json"], "--csv", files["csv"]]
    status, shown, _ = invoke("score", scored["file"], "--variables", "rule", *words)
    assert status == 0
    assert "0.560" in shown
    assert json.loads(files["json"].read_text())["measures"]["decoding"]["rows"][0]["value"] == 0.56
    assert "decoding,estimate,rule,,,0.56,,,0.5," in files["csv"].read_text()
    tree = ng.load(files["nc"])
    assert float(tree["decoding"]["estimate"][0]) == 0.56
    assert tree.attrs["command"].startswith("neurogeom score")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "{there}"], "exists already; name another file or add --overwrite"),
        (["--csv", "{folder}/none/a.csv"], "there is no folder"),
        (["--csv", "{folder}"], "is a folder; name a file in it"),
        (["--csv", "{input}", "--overwrite"], "is an input too"),
        (["--csv", "{folder}/x", "--json", "{folder}/x"], "is named for two outputs"),
    ],
)
def test_outputs_are_refused_before_anything_is_read(invoke, scored, tmp_path, words, sentence):
    (tmp_path / "there.nc").write_bytes(b"kept")
    named = {"there": tmp_path / "there.nc", "folder": tmp_path, "input": scored["file"]}
    words = [word.format(**named) for word in words]
    status, shown, error = invoke("score", scored["file"], "--variables", "rule", *words)
    assert status == 1
    assert sentence in error
    assert (shown, error.count("\n")) == ("", 1)
    assert "read" not in scored
    assert (tmp_path / "there.nc").read_bytes() == b"kept"


def test_overwrite_replaces_a_file(invoke, scored, tmp_path):
    there = tmp_path / "there.csv"
    there.write_text("old")
    status, _, _ = invoke(
        "score", scored["file"], "--variables", "rule", "--csv", there, "--overwrite"
    )
    assert status == 0
    assert there.read_text().startswith("measure,")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(output.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError, match="cannot be written to"):
        output.claim([tmp_path / "a"], [], overwrite=False)


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(output.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        output.write_text("new", tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("window is\n reversed; swap it"), "window is reversed; swap it"),
        (KeyError("no column 'rul'; choose 'rule'"), "no column 'rul'; choose 'rule'"),
        (TypeError("not a number"), "not a number"),
        (OSError("a.nwb is damaged"), "a.nwb is damaged"),
        (FileNotFoundError(2, "No such file or directory", "x"), "x: no such file or directory"),
        (ModuleNotFoundError("No module named 'torch'"), "No module named 'torch'"),
        (MemoryError("10 GB"), "not enough memory (10 GB)"),
    ],
)
def test_a_fault_of_the_data_is_one_sentence(invoke, scored, monkeypatch, error, sentence):
    def fails(*_, **__):
        raise error

    monkeypatch.setitem(vars(ng), "score", fails)
    status, shown, said = invoke("score", scored["file"], "--variables", "rule")
    assert (status, shown, said.count("\n")) == (1, "", 1)
    assert said.startswith(f"Error: {sentence}")


def test_a_fault_of_ours_is_not_dressed_as_one_of_the_data(scored, monkeypatch):
    monkeypatch.setitem(vars(ng), "score", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(["score", str(scored["file"]), "--variables", "rule"])


def test_warnings_are_one_line_on_stderr(invoke, scored, monkeypatch):
    import warnings

    def warns(*_, **__):
        warnings.warn("few\ntrials", stacklevel=1)
        return made_tree()

    monkeypatch.setitem(vars(ng), "score", warns)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _, shown, error = invoke("score", scored["file"], "--variables", "rule", "--json", "-")
    assert error == "Warning: few trials\n"
    json.loads(shown)


def test_interruption_exits_with_130(invoke, scored, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(vars(ng), "score", interrupted)
    out = tmp_path / "score.nc"
    status, shown, _ = invoke("score", scored["file"], "--variables", "rule", "--out", out)
    assert (status, shown) == (130, "")
    assert not out.exists()


@pytest.mark.parametrize("words", [["--help"], ["score", "--help"], ["data", "--help"]])
def test_help_exits_with_0(invoke, words):
    status, shown, _ = invoke(*words)
    assert status == 0
    assert "Usage: neurogeom" in shown


def test_the_version_is_that_of_the_package(invoke):
    assert invoke("--version")[1] == f"neurogeom, version {ng.__version__}\n"


def test_help_of_the_group_and_of_each_command_agree():
    for name, command in [(n, main.get_command(None, n)) for n in main.list_commands(None)]:
        assert command.name == name
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, name


def test_an_unknown_command_is_wrong_usage(invoke):
    assert invoke("scores")[0] == 2


# --- a terminal, a pipe ---------------------------------------------------------------------------

BAR = """
import sys
from neurogeom.cli.progress import progress_bar
with progress_bar() as progress:
    print("on" if progress else "off")
    if progress:
        progress("decoding", 10)
"""


def test_progress_is_silent_where_stderr_is_no_terminal():
    done = subprocess.run([sys.executable, "-c", BAR], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("off\n", "")


def test_progress_shows_on_a_terminal_and_stdout_stays_clean():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    done = subprocess.run(
        [sys.executable, "-c", BAR], stdout=subprocess.PIPE, stderr=theirs, text=True, check=True
    )
    shown = os.read(ours, 65536)
    os.close(theirs)
    os.close(ours)
    assert done.stdout == "on\n"
    assert b"surrogates" in shown


SLEEPS = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for background jobs
import neurogeom as ng
from neurogeom.cli.main import run
ng.read_nwb = lambda *a, **k: ng.from_arrays([[1.0], [2.0]], {"rule": [0, 1]})
def score(*a, **k):
    print("ready", file=sys.stderr, flush=True)
    time.sleep(30)
ng.score = score
run(["score", "a.nwb", "--variables", "rule", "--out", sys.argv[1]])
"""


def test_ctrl_c_ends_the_process_with_130_and_leaves_no_file(tmp_path):
    words = [sys.executable, "-c", SLEEPS, str(tmp_path / "score.nc")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(10) == 130
    assert "Traceback" not in said
    assert list(Path(tmp_path).iterdir()) == []


# --- data -----------------------------------------------------------------------------------------


def test_data_list_names_the_shipped_manifests(invoke):
    status, shown, _ = invoke("data", "list")
    assert status == 0
    (line,) = [line for line in shown.splitlines() if line.startswith("finger_rl ")]
    assert "not verified" in line


def test_data_verify_of_an_empty_manifest_says_so(invoke):
    status, shown, _ = invoke("data", "verify", "finger_rl")
    assert status == 0
    assert "names no file" in shown
    assert "note: Written without access to the archive" in shown


def test_data_verify_exits_with_1_where_a_file_is_wrong(invoke, tmp_path):
    text = "manifest_version: 1\nverified: false\ndataset: {id: toy}\n"
    (tmp_path / "toy.yaml").write_text(text + "assets: [{path: a, size: 3}]\n")
    status, shown, error = invoke("data", "verify", tmp_path / "toy.yaml")
    assert status == 1
    assert shown.split()[:2] == ["a", "missing"]
    assert error == "Error: 1 of 1 files are missing or wrong\n"
    (tmp_path / "a").write_bytes(b"abc")
    status, shown, _ = invoke("data", "verify", tmp_path / "toy.yaml")
    assert status == 0
    assert shown.split()[:3] == ["a", "not", "checked"]


def test_data_fetch_says_what_a_manifest_lacks(invoke, tmp_path):
    status, _, error = invoke("data", "fetch", "finger_rl", "--root", tmp_path)
    assert status == 1
    assert "names no file yet" in error


def test_an_unknown_manifest_is_one_sentence(invoke):
    status, _, error = invoke("data", "verify", "nowhere")
    assert (status, error.count("\n")) == (1, 1)
    assert "no manifest 'nowhere'" in error
