"""One sentence on stderr and an exit status: 1 the user's data or request, 2 usage, 130 Ctrl-C."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what is raised inside into a sentence and `SystemExit`.

    ValueError, KeyError, TypeError and OSError are how neurogeom says that the data or the request
    is at fault. Anything else is a fault of ours and keeps its traceback.
    """
    warnings.showwarning = _warn
    try:
        yield
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe went away, as in `neurogeom score | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, KeyError, TypeError, OSError, ImportError, MemoryError) as error:
        click.echo(f"Error: {sentence(error)}", err=True)
        sys.exit(1)


def sentence(error: BaseException) -> str:
    """What an exception says, on one line.

    Examples
    --------
    >>> sentence(KeyError("no column 'rul'; choose from ['rule']"))
    "no column 'rul'; choose from ['rule']"
    >>> sentence(FileNotFoundError(2, "No such file or directory", "a.nwb"))
    'a.nwb: no such file or directory'
    """
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); score fewer neurons, bins or surrogates"
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    elif isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # str(KeyError) would put quotes around it
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__


def _warn(message, category, filename, lineno, file=None, line=None) -> None:
    click.echo(f"Warning: {' '.join(str(message).split())}", err=True)
