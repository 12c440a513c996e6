"""A progress bar on stderr where a person watches, silence where nobody does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int | None = None) -> Iterator[Callable | None]:
    """A function to be called with the number of steps done; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=" surrogates", file=sys.stderr, leave=False) as bar:
        yield bar.update
