"""Every tutorial runs from top to bottom, in a folder of its own, and leaves nothing there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).resolve().parent.parent / "tutorials").glob("*.py"))
QUICK = ("01", "07", "14")  # recordings, networks, features; the others run with the slow tests
RUNS = [
    pytest.param(path, marks=() if path.name[:2] in QUICK else pytest.mark.slow, id=path.stem)
    for path in TUTORIALS
]


def test_there_is_a_tutorial():
    assert TUTORIALS


@pytest.mark.parametrize("script", RUNS)
def test_the_tutorial_runs(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_reads_as_an_essay(script):
    lines = script.read_text(encoding="utf-8").splitlines()
    assert "format_name: percent" in "\n".join(lines[:12])
    prose = sum(line.startswith("# ") for line in lines)
    code = sum(bool(line.strip()) and not line.startswith("#") for line in lines)
    assert prose > code
    assert not [line for line in lines if line.startswith(("def ", "class "))]
