"""A population goes in, a geometry comes out, and every number says how sure it is.

Names are resolved at first use (PEP 562), so that `import neurogeom` stays fast.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from neurogeom._face import Face
from neurogeom._version import __version__

if TYPE_CHECKING:  # what editors and type checkers see
    from neurogeom import features, networks, theory
    from neurogeom.activity import (
        condition_means,
        from_arrays,
        from_dataframe,
        from_pynapple,
        select,
    )
    from neurogeom.compare import compare
    from neurogeom.engine.matching import match_to
    from neurogeom.engine.readouts import LDA, SVM, Estimator, NearestMean, Ridge
    from neurogeom.groups import compare_groups, curve
    from neurogeom.linked import additive, interaction_effect
    from neurogeom.measures.across import across_sessions, across_time
    from neurogeom.measures.ccgp import ccgp
    from neurogeom.measures.decoding import decoding
    from neurogeom.measures.demixed import dpca
    from neurogeom.measures.dimensionality import dimensionality
    from neurogeom.measures.implementable import implementable
    from neurogeom.measures.interference import interference
    from neurogeom.measures.parallelism import parallelism
    from neurogeom.measures.selectivity import selectivity
    from neurogeom.measures.shattering import shattering
    from neurogeom.measures.similarity import similarity
    from neurogeom.measures.subspaces import subspaces
    from neurogeom.measures.target_alignment import target_alignment
    from neurogeom.networks.record import record
    from neurogeom.predict import predict
    from neurogeom.recordings.inspect import inspect_nwb
    from neurogeom.recordings.nwb import read_nwb
    from neurogeom.recordings.write import write_nwb
    from neurogeom.regimes import regimes
    from neurogeom.report.neighbours import neighbours
    from neurogeom.report.over_training import over_training
    from neurogeom.report.side_by_side import side_by_side
    from neurogeom.report.tidy import to_dataframe
    from neurogeom.score import score
    from neurogeom.simulate import simulate
    from neurogeom.storage import load, save
    from neurogeom.watch import watch

_HOME = {
    "Estimator": "engine.readouts",
    "LDA": "engine.readouts",
    "NearestMean": "engine.readouts",
    "Ridge": "engine.readouts",
    "SVM": "engine.readouts",
    "across_sessions": "measures.across",
    "across_time": "measures.across",
    "additive": "linked",
    "ccgp": "measures.ccgp",
    "compare": "compare",
    "compare_groups": "groups",
    "condition_means": "activity",
    "curve": "groups",
    "decoding": "measures.decoding",
    "dimensionality": "measures.dimensionality",
    "dpca": "measures.demixed",
    "from_arrays": "activity",
    "from_dataframe": "activity",
    "from_pynapple": "activity",
    "implementable": "measures.implementable",
    "inspect_nwb": "recordings.inspect",
    "interaction_effect": "linked",
    "interference": "measures.interference",
    "load": "storage",
    "match_to": "engine.matching",
    "neighbours": "report.neighbours",
    "over_training": "report.over_training",
    "parallelism": "measures.parallelism",
    "predict": "predict",
    "read_nwb": "recordings.nwb",
    "record": "networks.record",
    "regimes": "regimes",
    "save": "storage",
    "score": "score",
    "select": "activity",
    "selectivity": "measures.selectivity",
    "shattering": "measures.shattering",
    "side_by_side": "report.side_by_side",
    "similarity": "measures.similarity",
    "simulate": "simulate",
    "subspaces": "measures.subspaces",
    "target_alignment": "measures.target_alignment",
    "to_dataframe": "report.tidy",
    "watch": "watch",
    "write_nwb": "recordings.write",
}
_PACKAGES = ("features", "networks", "theory")

__all__ = [
    "LDA",
    "SVM",
    "Estimator",
    "NearestMean",
    "Ridge",
    "__version__",
    "across_sessions",
    "across_time",
    "additive",
    "ccgp",
    "compare",
    "compare_groups",
    "condition_means",
    "curve",
    "decoding",
    "dimensionality",
    "dpca",
    "features",
    "from_arrays",
    "from_dataframe",
    "from_pynapple",
    "implementable",
    "inspect_nwb",
    "interaction_effect",
    "interference",
    "load",
    "match_to",
    "neighbours",
    "networks",
    "over_training",
    "parallelism",
    "predict",
    "read_nwb",
    "record",
    "regimes",
    "save",
    "score",
    "select",
    "selectivity",
    "shattering",
    "side_by_side",
    "similarity",
    "simulate",
    "subspaces",
    "target_alignment",
    "theory",
    "to_dataframe",
    "watch",
    "write_nwb",
]


def __getattr__(name: str):
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = found  # resolved once
    return found


sys.modules[__name__].__class__ = Face


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_PACKAGES})
