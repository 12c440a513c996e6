"""One thread a library, a folder of recordings on request, slow tests on request."""

import os

for _name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
):  # before numpy is imported: threads of threads are slower and change the last bits
    os.environ[_name] = "1"

from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("neurogeom", deadline=None, derandomize=True, database=None)
settings.load_profile("neurogeom")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that were not asked for: --slow or -m slow, -m peers."""
    asked = config.option.markexpr or ""
    kept_out = {"slow": not config.getoption("--slow", default=False) and "slow" not in asked}
    kept_out["peers"] = "peers" not in asked
    names = [name for name, out in kept_out.items() if out]
    left = [item for item in items if any(item.get_closest_marker(name) for name in names)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With real recordings or peers asked for, nothing may be left out unseen: a skip fails."""
    report = (yield).get_result()
    config = item.config
    everything = config.getoption("--recordings") or "peers" in (config.option.markexpr or "")
    if everything and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"


@pytest.fixture(scope="session")
def recordings(request) -> Path:
    """The folder of real recordings named by `pytest --recordings DIR`."""
    named = request.config.getoption("--recordings")
    if not named:
        pytest.skip("no real recordings: run pytest --recordings DIR")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"--recordings {named} is not a folder")
    return folder


@pytest.fixture
def invoke(capsys):
    """Run the command in this process: (exit status, stdout, stderr)."""
    from neurogeom.cli.main import run

    def called(*words):
        status = 0
        try:
            run([str(word) for word in words])
        except SystemExit as end:
            status = end.code or 0
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return called
