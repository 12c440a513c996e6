"""Faults planted one at a time: does a test see each of them?

    python benchmarks/mutants.py            # all of them: some minutes
    python benchmarks/mutants.py permut     # those whose name or file contains a word

Each fault replaces one piece of text, which must occur exactly once, in a copy of the package, runs
the tests named with it, and is killed by the first that fails. Exit status 1 if one survives. The
list is data (``benchmarks/mutants.txt``): a line of the code that changes takes its fault along.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".txt")
COPIED = ("neurogeom", "cli", "tests", "benchmarks", "data_manifests", "pyproject.toml")
LIMIT = 600  # seconds for the tests of one fault


class Fault(NamedTuple):
    """name; path of the file; old and new text; tests: files of tests/, or file::test."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple


def faults(text=None):
    """The faults of the list: blocks of "# name", "path | tests", "- old" lines, "+ new" lines."""
    text = LIST.read_text(encoding="utf-8") if text is None else text
    return [_fault(block) for block in re.split(r"\n(?=# )", "\n" + text) if block.startswith("# ")]


def _fault(block):
    name, where, *lines = block.rstrip().split("\n")
    path, tests = where.split(" | ")
    old, new = ("\n".join(x[2:] for x in lines if x.startswith(sign)) for sign in "-+")
    return Fault(name[2:], path, old, new, tuple(tests.split()))


def misfits(found, root=ROOT):
    """Faults whose text does not occur exactly once, with how often it does."""
    counts = {f.name: (root / f.path).read_text(encoding="utf-8").count(f.old) for f in found}
    return {name: n for name, n in counts.items() if n != 1}


def run(folder, tests, cache):
    """The first test that fails, "" where all pass; a run that never ends fails too."""
    threads = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    environment = {**os.environ, **threads, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *(f"tests/test_{t}" for t in tests)],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no end within {LIMIT} s"
    if done.returncode == 0:
        return ""
    named = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.MULTILINE)
    if named is None or done.returncode not in (1, 2):
        sys.exit(f"pytest did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return named[1].removeprefix("tests/")


def planted(folder, fault, cache):
    """Plant a fault, run its tests, take it out again; the test that killed it or ""."""
    path = folder / fault.path
    sound, stat = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(sound.replace(fault.old, fault.new), encoding="utf-8")
    try:
        return run(folder, fault.tests, cache)
    finally:
        path.write_text(sound, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # compiled kernels stay valid


def main(words):
    """Plant the faults that match the words; the number of survivors."""
    found = [f for f in faults() if all(w in f"{f.name} {f.path}" for w in words)]
    if wrong := misfits(found):
        sys.exit(f"the text of these faults must occur exactly once; amend {LIST.name}: {wrong}")
    survivors = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder, cache = Path(temporary) / "copy", str(Path(temporary) / "numba")
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
        every = sorted({t for f in found for t in f.tests})
        if broken := run(folder, every, cache):
            sys.exit(f"without any fault {broken} fails; mend it first")
        for fault in found:
            started = time.monotonic()
            killer = planted(folder, fault, cache)
            survivors += not killer
            outcome = f"killed by {killer}" if killer else "SURVIVED"
            print(f"{fault.name:58s} {time.monotonic() - started:4.0f} s  {outcome}", flush=True)
    print(f"{len(found) - survivors} of {len(found)} killed")
    return survivors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
