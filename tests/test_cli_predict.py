"""neurogeom predict: a task or a recording in, one page out."""

import json

import numpy as np
import pytest

import neurogeom as ng

TASK = ["predict", "input-target", "--set", "n_targets=2"]


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    path = tmp_path_factory.mktemp("predict") / "brain.nc"
    x = ng.simulate("cube", 2.0, n_neurons=24, n_trials=12, n_truth=0, seed=1)
    ng.save(x, path)
    return path


def test_a_recording_is_printed_written_and_drawn(invoke, brain, tmp_path):
    out = {k: tmp_path / f"p.{k}" for k in ("nc", "png", "csv", "json")}
    words = "--variables a,b --targets a --readout nearest_mean --nulls 99"
    status, shown, err = invoke(
        "predict", brain, *words.split(), "--out", out["nc"], "--figure", out["png"],
        "--csv", out["csv"], "--json", out["json"],
    )  # fmt: skip
    assert (status, err) == (0, "")
    tree = ng.load(out["nc"])
    value = float(tree["ccgp"].estimate.sel(system="theory", variable="a"))
    assert f"{value:.3f}" in shown
    for words in ("24 neurons of 1 session", "4 conditions; relu units", "(certified)",
                  "no other minimum found", "recording", "inputs", "note: theory: only a coded",
                  "theory: expected in closed form at 24 neurons"):  # fmt: skip
        assert words in shown
    assert out["png"].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "theory" in out["csv"].read_text()
    rows = json.loads(out["json"].read_text())["measures"]["ccgp"]["rows"]
    assert value in [row["value"] for row in rows if row["system"] == "theory"]
    assert tree.attrs["command"].startswith("neurogeom predict ")


def test_another_minimum_stands_beside(invoke, brain):
    words = "--variables a,b --targets a,b --no-bias --measures parallelism --nulls 9"
    status, shown, _ = invoke("predict", brain, *words.split(), "--readout", "nearest_mean")
    assert status == 0
    assert "(certified), not unique" in shown
    assert "theory, another minimum" in shown
    assert "note: the minimum is not unique" in shown


def test_a_task_is_predicted_with_and_without_a_bias(invoke):
    status, shown, err = invoke(*TASK, "--decoding", "0.8")
    assert (status, err) == (0, "")
    assert "4 conditions; relu units" in shown
    assert "recording" not in shown
    status, bare, _ = invoke(*TASK, "--no-bias", "--json", "-")
    rows = json.loads(bare)["measures"]["ccgp"]["rows"]
    assert status == 0
    assert {row["system"] for row in rows} == {"theory", "inputs"}
    assert np.isfinite([r["value"] for r in rows if r["system"] == "inputs"]).all()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("input-targt", 1, "there is no task 'input-targt'; did you mean 'input-target'?"),
        ("input-target --targets bit_1", 2, "--targets is for a recording; leave it out"),
        ("input-target --nulls 9", 2, "--nulls is for a recording"),
        ("input-target --measures dpca", 2, "no measure 'dpca'; choose from decoding"),
        ("input-target --figure x", 2, "--figure x has no ending of .png"),
        ("input-target --variables colour", 1, "colour"),
        ("input-target --activation step", 1, "step"),
        ("input-target --decoding 0.2", 2, "0.2 is not in the range"),
        ("BRAIN", 2, "--variables is missing; a recording does not say it itself"),
        ("BRAIN --variables a,b", 2, "--targets is missing"),
        ("BRAIN --variables a,b --targets d", 1, "'d'"),
        ("BRAIN --variables a,b --targets a --decoding 0.8", 2, "--decoding is for a task"),
        ("BRAIN --variables a,b --targets a --set x=1", 2, "--set is for a task"),
        ("BRAIN --variables a,b --targets a --align cue", 2, "--align is for NWB files"),
        ("BRAIN --variables a,b --targets a --out BRAIN", 1, "is an input too"),
        ("nothing.nc --variables a,b --targets a", 1, "there is no file"),
    ],
)
def test_what_cannot_be_predicted_is_one_sentence(invoke, brain, words, status, said):
    words = [str(brain) if w == "BRAIN" else w for w in words.split()]
    found, out, err = invoke("predict", *words)
    assert (found, out) == (status, "")
    assert said in err
    assert "Traceback" not in err
