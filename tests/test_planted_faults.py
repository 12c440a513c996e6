"""The planted faults of benchmarks/mutants.py still fit the code that they are planted in."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parent.parent / "benchmarks" / "mutants.py"


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutants", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_fault_fits_one_place_and_changes_it(mutants):
    found = mutants.faults()
    assert len(found) >= 20
    assert mutants.misfits(found) == {}
    assert all(f.old != f.new for f in found)
    assert len({f.name for f in found}) == len(found)


def test_every_fault_names_tests_that_exist(mutants):
    for fault in mutants.faults():
        for name in fault.tests:
            file, _, test = name.partition("::")
            text = (PATH.parent.parent / "tests" / f"test_{file}").read_text(encoding="utf-8")
            assert f"def {test}" in text


def test_a_fault_is_read_as_it_is_written(mutants):
    two = "# two\na.py | one.py two.py::test_it\n- if x:\n-     y\n+ if x:\n+     z\n"
    first, second = mutants.faults(f"{two}\n# three\nb.py | c.py\n- 1\n+ 2\n")
    assert first == ("two", "a.py", "if x:\n    y", "if x:\n    z", ("one.py", "two.py::test_it"))
    assert second == ("three", "b.py", "1", "2", ("c.py",))
