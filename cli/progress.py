"""A progress bar on stderr where a person watches, silence where nobody does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def training_bar(steps: int) -> Iterator[Callable | None]:
    """A function of (step, what was seen); None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=steps, unit=" steps", file=sys.stderr, leave=False) as bar:

        def progress(step: int, seen: dict) -> None:
            bar.set_description(f"accuracy {seen['accuracy'].mean():.3f}", refresh=False)
            bar.update(step - bar.n)

        yield progress


@contextmanager
def progress_bar() -> Iterator[Callable | None]:
    """A function of (measure, surrogates done since); None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit=" surrogates", file=sys.stderr, leave=False) as bar:

        def progress(measure: str, done: int) -> None:
            bar.set_description(measure, refresh=False)
            bar.update(done)

        yield progress
