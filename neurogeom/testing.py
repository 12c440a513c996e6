"""A pytest plugin with one option, ``--recordings DIR``: where real recordings lie.

It is a plugin of its own (an entry point in setup.cfg), and not a line in tests/conftest.py, since
pytest must know the option before it looks for tests: else it takes the folder for tests.
"""


def pytest_addoption(parser):
    """Add ``--recordings DIR``."""
    parser.addoption("--recordings", metavar="DIR", help="folder of real recordings to test on")
