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
    "conservation_drift": "conserved",
    "conserved_quantities": "conserved",
    "empirical_ntk": "tangent",
    "filter_roughness": "richness",
    "fixed_points": "fixed_points",
    "fluctuation_dissipation": "fluctuation_dissipation",
    "free_run": "fixed_points",
    "kernel_distance": "tangent",
    "load_trained": "trained",
    "make_task": "registry",
    "neural_feature_ansatz": "alignment",
    "options_of": "registry",
    "parameter_distance": "richness",
    "pattern_distance": "richness",
    "regression_generalisation": "generalisation",
    "rescale": "first_weights",
    "richness": "richness",
    "share": "rules",
    "task_variance": "units",
    "tasks": "registry",
    "teacher_student": "teacher_student",
    "track_alignment": "alignment",
    "train": "training",
    "train_to_minimum": "minimum",
    "two_layer": "first_weights",
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
    "conservation_drift",
    "conserved_quantities",
    "empirical_ntk",
    "filter_roughness",
    "fixed_points",
    "fluctuation_dissipation",
    "free_run",
    "kernel_distance",
    "load_trained",
    "make_task",
    "neural_feature_ansatz",
    "options_of",
    "parameter_distance",
    "pattern_distance",
    "regression_generalisation",
    "rescale",
    "richness",
    "share",
    "task_variance",
    "tasks",
    "teacher_student",
    "track_alignment",
    "train",
    "train_to_minimum",
    "two_layer",
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
