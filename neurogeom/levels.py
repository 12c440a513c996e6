"""Levels of a variable: from the column of a trial table to labels and codes."""

from collections.abc import Mapping

import numpy as np

from .columns import is_missing

MAX_LEVELS = 16


def trial_column(session, name):
    """Values of a column of the trials, (trial,); KeyError that lists the columns."""
    if name not in session.coords or session.coords[name].dims != ("trial",):
        choices = sorted(str(c) for c, v in session.coords.items() if v.dims == ("trial",))
        raise KeyError(
            f"{name!r} is not a column of the trials of session {_session(session)!r}; "
            f"choose from {[c for c in choices if c != 'trial_id']}"
        )
    return session.coords[name].values


def _session(session):
    return str(session.coords["session"].values) if "session" in session.coords else "?"


def one_kind(name, columns):
    """Refuse a column that is text in one session and numbers in another."""
    kinds = {
        "text" if c.dtype.kind in "US" else "true/false" if c.dtype.kind == "b" else "numbers"
        for c in columns
    }
    if len(kinds) > 1:
        raise ValueError(
            f"column {name!r} holds {' in one session and '.join(sorted(kinds))} in another; "
            "make it the same in all sessions"
        )


def coded_levels(name, columns, rule, dropped):
    """Labels of the levels of a variable, and the code of every trial, -1 where it has none.

    columns : one array (trial,) a session; rule : None, or {label: values}; dropped : {reason:
    count}, added to. Returns labels (tuple) and codes, one int (trial,) a session.
    """
    one_kind(name, columns)
    missing = [is_missing(c) for c in columns]
    if (n := sum(int(m.sum()) for m in missing)) > 0:
        dropped[f"{name} is missing"] = n
    if rule is None:
        return _as_found(name, columns, missing)
    if not isinstance(rule, Mapping) or len(rule) < 2:
        raise ValueError(
            f"the levels of {name!r} must map at least two labels to values; got {rule!r}"
        )
    codes = [_by_rule(name, c, rule, m) for c, m in zip(columns, missing, strict=True)]
    outside = sum(int(((c < 0) & ~m).sum()) for c, m in zip(codes, missing, strict=True))
    if outside:
        dropped[f"{name} is in none of its levels"] = outside
    for i, label in enumerate(rule):
        if not any((c == i).any() for c in codes):
            raise ValueError(
                f"no trial has {name} in its level {label!r}; look at the values of the column"
            )
    return tuple(rule), codes


def _as_found(name, columns, missing):
    """Every value that occurs is a level, in order."""
    seen = [c[~m] for c, m in zip(columns, missing, strict=True)]
    found = np.unique(np.concatenate(seen))
    check_levels(name, found)
    codes = [
        np.where(m, -1, np.searchsorted(found, np.where(m, found[0], c)))
        for c, m in zip(columns, missing, strict=True)
    ]
    return tuple(x.item() for x in found), codes


def _by_rule(name, column, rule, gone):
    """Codes (trial,) of one session by {label: values}."""
    code = np.full(len(column), -1)
    for i, (label, values) in enumerate(rule.items()):
        hit = _selected(column, values) & ~gone
        if (hit & (code >= 0)).any():
            raise ValueError(
                f"the level {label!r} of {name!r} overlaps another; make them disjoint"
            )
        code[hit] = i
    return code


def _selected(column, values):
    if isinstance(values, tuple) and len(values) == 2 and column.dtype.kind in "fiu":
        low, high = (-np.inf if values[0] is None else values[0]), values[1]
        return (column >= low) & (column < (np.inf if high is None else high))
    values = [values] if isinstance(values, str | bool | int | float | np.generic) else list(values)
    return np.isin(column, np.asarray(values))


def check_levels(name, found):
    """Refuse fewer than two levels, and more than MAX_LEVELS, with what to do instead."""
    if found.size < 2:
        only = f"the one level {found[0].item()!r}" if found.size else "no value"
        raise ValueError(f"variable {name!r} has {only}; name a variable with at least two levels")
    if found.size <= MAX_LEVELS:
        return
    if found.dtype.kind in "fiu":
        low, mid, high = (f"{q:g}" for q in np.quantile(found, [0, 0.5, 1]))
        bins = f"{{'low': (None, {mid}), 'high': ({mid}, None)}}"
        advice = (
            f"its values run from {low} to {high}, so bin it, for example --bins {name}={mid} "
            f"or variables={{{name!r}: {bins}}}"
        )
    else:
        merged = "{'one': [...], 'other': [...]}"
        advice = f"merge levels, for example variables={{{name!r}: {merged}}}"
    raise ValueError(f"variable {name!r} has {found.size} levels, more than {MAX_LEVELS}; {advice}")
