"""The public face: its names, what they are, and what importing it costs."""

import inspect
import subprocess
import sys

import pytest

import neurogeom as ng

NAMES = """
Estimator LDA NearestMean Ridge SVM __version__ across_sessions across_time additive ccgp compare
compare_groups condition_means curve decoding dimensionality dpca features from_arrays
from_dataframe from_pynapple implementable inspect_nwb interaction_effect interference load match_to
neighbours networks over_training parallelism predict read_nwb record regimes save score select
selectivity shattering side_by_side similarity simulate subspaces target_alignment theory
to_dataframe watch write_nwb
""".split()
OTHERS = ("__version__", "features", "networks", "theory")
HEAVY = ("torch", "sklearn", "pynwb", "matplotlib", "pandas", "scipy", "numba", "xarray")


def test_the_face_has_these_names_and_no_others():
    assert sorted(ng.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(ng))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_resolves_to_something_documented(name):
    found = getattr(ng, name)
    if name in ("features", "networks", "theory"):
        assert inspect.ismodule(found)
    else:
        assert isinstance(found, str) if name == "__version__" else callable(found)
    assert name == "__version__" or inspect.getdoc(found)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in OTHERS])
def test_everything_after_the_first_few_arguments_is_keyword_only(name):
    if inspect.isclass(getattr(ng, name)):
        return  # a readout has one setting
    parameters = inspect.signature(getattr(ng, name)).parameters.values()
    by_position = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(by_position) <= 4


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'decode'"):
        ng.decode  # noqa: B018


@pytest.mark.parametrize("name", ["score", "simulate", "compare", "predict"])
def test_a_module_of_the_same_name_never_hides_the_function(name):
    code = f"import neurogeom.{name}, neurogeom as ng; assert callable(ng.{name}), ng.{name}"
    code += f"\nfrom neurogeom.{name} import {name} as direct; assert ng.{name} is direct"
    subprocess.run([sys.executable, "-c", code], check=True)


def _fastest(code, times=3):
    timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
    runs = (subprocess.check_output([sys.executable, "-c", timed], text=True) for _ in range(times))
    return min(map(float, runs))


def test_importing_neurogeom_loads_nothing_heavy():
    code = f"import sys, neurogeom; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert _fastest("import neurogeom") < 0.5


def test_the_help_of_the_command_loads_nothing_heavy():
    code = "import sys\nfrom neurogeom.cli.main import run\n"
    code += "try: run(['--help'])\nexcept SystemExit: pass\n"
    code += f"print([m for m in {HEAVY} + ('numpy',) if m in sys.modules])"
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert shown.strip().endswith("[]")
    assert "score" in shown
    assert _fastest("from neurogeom.cli.main import main") < 0.3
