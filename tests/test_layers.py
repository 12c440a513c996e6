"""The storeys of the house: an import goes down, never up and never sideways."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STOREYS = {
    "kernels": 1,
    "formulas": 2,
    "expressions": 2,
    "options": 2,
    "columns": 2,
    "activity": 3,
    "checkpoints": 3,
    "canonical": 3,
    "frames": 3,
    "design": 3,
    "learn": 3,
    "levels": 3,
    "parts": 3,
    "sequences": 3,
    "storage": 3,
    "stacked": 3,
    "stimuli": 3,
    "tensors": 3,
    "worlds": 3,
    "engine": 4,
    "features": 5,
    "measures": 5,
    "networks": 5,
    "recordings": 5,
    "theory": 5,
    "asked": 6,
    "groups": 6,
    "ideal": 6,
    "linked": 6,
    "simulate": 6,
    "score": 7,
    "comparable": 8,
    "noise_match": 8,
    "compare": 8,
    "predict": 8,
    "regimes": 8,
    "watch": 8,
    "report": 9,
    "testing": 10,
    "cli": 10,
}
ANYWHERE = {"_version", "_face", "__init__"}  # the version; the face, whose names load at first use
SLOW = {"torch", "sklearn", "pynwb", "h5py", "matplotlib", "pandas", "joblib", "distributed"}
SLOW_PARTS = {"scipy.stats", "scipy.optimize"}
# torch modules are classes of torch: these files load it at once, and load when a network is built
MODULES = {
    ("stacked",),
    ("networks", "modules"),
    ("networks", "recurrent"),
    ("features", "_diet_modules"),
    ("features", "_identify_modules"),
    ("features", "_slow_modules"),
    ("features", "_sparse_modules"),
}


def _sources():
    for folder, prefix in (("neurogeom", ()), ("cli", ("cli",))):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield path, prefix + parts


SOURCES = dict(_sources())


def _imports(path, parts):
    """What a file imports from neurogeom, as paths below it, and whether at module level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing = {n for f in ast.walk(tree) if _is_type_checking(f) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if node in typing or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name in _absolute(node, parts):
            yield name, node not in inside


def _is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _absolute(node, parts):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    module = node.module or ""
    if node.level:
        package = ("neurogeom", *parts[:-1])
        package = package[: len(package) - node.level + 1]
        module = ".".join((*package, *([node.module] if node.module else [])))
    return [f"{module}.{alias.name}" for alias in node.names]


def _storey_of(parts):
    return STOREYS[parts[0]]


def test_every_file_stands_on_a_storey():
    homeless = {p[0] for p in SOURCES.values()} - set(STOREYS) - ANYWHERE
    assert not homeless


@pytest.mark.parametrize("path", [p for p, q in SOURCES.items() if q[0] not in ANYWHERE], ids=str)
def test_imports_go_down_only(path):
    parts = SOURCES[path]
    for name, _ in _imports(path, parts):
        target = name.split(".")
        if target[0] != "neurogeom" or target[1:2] in (["_version"], ["_face"]):
            continue
        if target == ["neurogeom"]:  # the whole face
            assert parts[0] == "cli", f"{path.name} imports the face"
            continue
        same_family = target[1] == parts[0]
        if parts[0] == "measures" and same_family:  # a measure never leans on another measure
            assert target[2] == parts[-1] or target[2].startswith("_"), f"{path.name} -> {name}"
        below = STOREYS[target[1]] < _storey_of(parts)
        siblings = _storey_of(parts) in (1, 2, 3, 8) and STOREYS[target[1]] == _storey_of(parts)
        assert below or same_family or siblings, f"{path.name} -> {name}"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_what_loads_slowly_is_imported_inside_functions(path):
    at_top = [name for name, top in _imports(path, SOURCES[path]) if top]
    if SOURCES[path] in MODULES:
        at_top = [n for n in at_top if n.split(".")[0] != "torch"]
    else:
        assert not {tuple(n.split(".")[1:3]) for n in at_top} & MODULES
    slow = [n for n in at_top if n.split(".")[0] in SLOW or n.startswith(tuple(SLOW_PARTS))]
    assert not slow
    if SOURCES[path][0] != "kernels":
        assert not [n for n in at_top if n.split(".")[0] == "numba"]


def test_kernels_know_arrays_and_loops_only():
    for path, parts in SOURCES.items():
        if parts[0] == "kernels":
            found = {name.split(".")[0] for name, _ in _imports(path, parts)}
            assert found <= {"numpy", "numba", "neurogeom"} | sys.stdlib_module_names, path


def test_files_stay_readable():
    """Kernels apart: those that call one another share a file, or a stale cache runs an old one."""
    paths = [path for path, parts in SOURCES.items() if parts[0] != "kernels"]
    long = [p.name for p in paths if len(p.read_text(encoding="utf-8").splitlines()) > 400]
    assert not long
