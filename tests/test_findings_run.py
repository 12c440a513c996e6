"""The scripts of findings on features run with the library as it is, and give what is on file."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))

from verdicts import read  # noqa: E402

torch.set_num_threads(1)
SCRIPTS = ["amortisation_gap", "diet", "identifiability", "interpretable_directions", "slow_vae"]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_condition_gives_the_statistics_that_are_on_file(script):
    """One seed, short trainings: minutes in place of hours; a value is missing where it was."""
    own = importlib.import_module(script)
    on_file = {
        (r["condition"], r["statistic"], bool(np.isfinite(float(r["value"]))))
        for r in read(FOLDER / f"{script}.csv")
    }
    rows = [(c, row) for c in own.CONDITIONS for row in own.measure(c, (0,), True)]
    assert {(c, row.statistic, bool(np.isfinite(row.value))) for c, row in rows} == on_file
