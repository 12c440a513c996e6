"""Networks trained on the tasks of experiments, and recorded like brains."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME = {
    "ARCHITECTURES": "architectures",
    "Convolutional": "architectures",
    "Drive": "task",
    "GRU": "architectures",
    "LSTM": "architectures",
    "MLP": "architectures",
    "Period": "task",
    "RNN": "architectures",
    "Target": "task",
    "Task": "task",
    "Trained": "trained",
    "Transformer": "architectures",
    "Trials": "task",
    "activation": "activations",
    "classifier_generalisation": "generalisation",
    "fixed_points": "fixed_points",
    "fluctuation_dissipation": "fluctuation_dissipation",
    "free_run": "fixed_points",
    "load_trained": "trained",
    "make_task": "registry",
    "neural_feature_ansatz": "alignment",
    "options_of": "registry",
    "regression_generalisation": "generalisation",
    "share": "rules",
    "task_variance": "units",
    "tasks": "registry",
    "track_alignment": "alignment",
    "train": "training",
    "wrong_task": "registry",
}

__all__ = [
    "ARCHITECTURES",
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Convolutional",
    "Drive",
    "Period",
    "Target",
    "Task",
    "Trained",
    "Transformer",
    "Trials",
    "activation",
    "classifier_generalisation",
    "fixed_points",
    "fluctuation_dissipation",
    "free_run",
    "load_trained",
    "make_task",
    "neural_feature_ansatz",
    "options_of",
    "regression_generalisation",
    "share",
    "task_variance",
    "tasks",
    "track_alignment",
    "train",
    "wrong_task",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))


sys.modules[__name__].__class__ = Face
