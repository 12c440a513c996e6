"""The examples of docstrings run, and print what they say."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import neurogeom as ng

MODULES = sorted(m.name for m in walk_packages(ng.__path__, "neurogeom.") if not m.ispkg)
MEASURES = """
across_sessions across_time additive ccgp compare compare_groups curve decoding dimensionality dpca
implementable interaction_effect interference match_to over_training parallelism predict record
regimes score selectivity shattering similarity subspaces target_alignment watch
""".split()


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_an_example(name):
    assert doctest.DocTestFinder(recurse=False).find(getattr(ng, name))[0].examples
