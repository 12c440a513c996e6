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
    # `--recordings DIR` without "=" would be taken for a folder of tests before this file is read
    parser.addoption("--recordings", metavar="DIR", help="folder of real recordings (with =)")
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that were not asked for: --slow or -m slow, -m peers."""
    asked = config.option.markexpr or ""
    kept_out = {"slow": not config.getoption("--slow") and "slow" not in asked}
    kept_out["peers"] = "peers" not in asked
    names = [name for name, out in kept_out.items() if out]
    left = [item for item in items if any(item.get_closest_marker(name) for name in names)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.fixture(scope="session")
def recordings(request) -> Path:
    """The folder of real recordings named by `pytest --recordings=DIR`."""
    named = request.config.getoption("--recordings")
    if not named:
        pytest.skip("no real recordings: run pytest --recordings=DIR")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"--recordings {named} is not a folder")
    return folder
