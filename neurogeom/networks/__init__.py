"""Networks trained on the tasks of experiments, and recorded like brains."""

from __future__ import annotations

_HOME = {
    "ARCHITECTURES": "architectures",
    "GRU": "architectures",
    "LSTM": "architectures",
    "MLP": "architectures",
    "RNN": "architectures",
    "Convolutional": "architectures",
    "Drive": "task",
    "Period": "task",
    "Target": "task",
    "Task": "task",
    "Trained": "trained",
    "Transformer": "architectures",
    "Trials": "task",
    "activation": "activations",
    "load_trained": "trained",
    "make_task": "registry",
    "share": "rules",
    "tasks": "registry",
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
    "load_trained",
    "make_task",
    "share",
    "tasks",
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
