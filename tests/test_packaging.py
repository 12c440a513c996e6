"""What is installed is what is in the repository, and it says the same things in each place."""

import configparser
import re
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path

import yaml

import neurogeom

ROOT = Path(__file__).resolve().parent.parent


def _setup():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def _lines(text):
    return [line.strip() for line in text.strip().splitlines()]


def test_every_folder_with_code_is_a_listed_package():
    listed = set(_lines(_setup()["options"]["packages"]))
    folders = {p.parent.relative_to(ROOT) for p in (ROOT / "neurogeom").rglob("*.py")}
    expected = {".".join(f.parts) for f in folders} | {"neurogeom.cli", "neurogeom.data_manifests"}
    assert listed == expected


def test_every_package_has_an_init():
    for package in _lines(_setup()["options"]["packages"]):
        parts = package.removeprefix("neurogeom.").split(".")
        at_top = parts[0] in ("cli", "data_manifests")
        folder = ROOT.joinpath(*parts) if at_top else ROOT.joinpath(*package.split("."))
        assert (folder / "__init__.py").is_file(), package


def test_the_embedded_recording_and_its_manifest_are_package_data():
    folder = files("neurogeom.data_manifests")
    assert (folder / "simulated_cube.yaml").is_file()
    assert (folder / "simulated_cube.nwb").is_file()
    patterns = _setup()["options.package_data"]["neurogeom.data_manifests"]
    assert patterns.replace(" ", "").split(",") == ["*.yaml", "*.nwb"]
    assert files("neurogeom").joinpath("py.typed").is_file()


def test_every_requirement_is_pinned_once():
    pins = _lines((ROOT / "constraints.txt").read_text())
    names = [re.fullmatch(r"([\w.-]+)==[\w.]+", pin)[1].lower().replace("_", "-") for pin in pins]
    assert len(set(names)) == len(names)
    setup = _setup()
    wanted = _lines(setup["options"]["install_requires"])
    for extra in setup["options.extras_require"].values():
        wanted += _lines(extra)
    missing = {re.match(r"[\w.-]+", w)[0].lower() for w in wanted} - set(names)
    assert not missing


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == neurogeom.__version__
    assert f"## {neurogeom.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_configuration_is_strict():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {"--strict-markers", "--strict-config"} <= set(options["addopts"])
    assert options["xfail_strict"]


def test_make_help_names_every_target():
    shown = subprocess.check_output(["make", "-s", "help"], cwd=ROOT, text=True)
    for target in ("install", "score", "test", "test-slow", "test-peers", "bench", "lint"):
        assert f"make {target} " in shown
