"""Which trials, which neurons: the small language over columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurogeom.expressions import evaluate

COLUMNS = {
    "delay": np.array([1, 2, 3, 4]),
    "rule": np.array(["x", "y", "", "x"]),
    "catch": np.array([True, False, True, False]),
    "depth": np.array([1.0, np.nan, 3.2, 4.0], "f4"),
    "block number": np.array([1, 1, 2, 2]),
    "µ": np.array([1, 2, 3, 4]),
    "count": np.array([0, 1, 2, 255], "u1"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("delay == 2", [0, 1, 0, 0]),
        ("delay != 2", [1, 0, 1, 1]),
        ("1 < delay <= 3", [0, 1, 1, 0]),
        ("rule in ('x', '')", [1, 0, 1, 1]),
        ("rule not in ['x']", [0, 1, 1, 0]),
        ("delay in []", [0, 0, 0, 0]),
        ("catch and not delay > 2", [1, 0, 0, 0]),
        ("catch or delay == 2", [1, 1, 1, 0]),
        ("catch == True", [1, 0, 1, 0]),
        ("catch == 1", [1, 0, 1, 0]),
        ("catch", [1, 0, 1, 0]),
        ("(delay == 1) == catch", [1, 1, 0, 1]),
        ("depth == 3.2", [0, 0, 1, 0]),
        ("depth in (3.2, 4)", [0, 0, 1, 1]),
        ("depth == None", [0, 1, 0, 0]),
        ("rule != None", [1, 1, 0, 1]),
        ("rule in (None, 'y')", [0, 1, 1, 0]),
        ("delay == -1", [0, 0, 0, 0]),
        ("-count < -1", [0, 0, 1, 1]),
        ("`block number` == 2", [0, 0, 1, 1]),
        ("rule == '`delay`'", [0, 0, 0, 0]),
        ("µ > 2", [0, 0, 1, 1]),
        ("True", [1, 1, 1, 1]),
        ("1 == 2", [0, 0, 0, 0]),
        (" delay == 1 ", [1, 0, 0, 0]),
    ],
)
def test_an_expression_selects_the_entries_that_satisfy_it(text, expected):
    mask = evaluate(text, COLUMNS)
    assert mask.dtype == bool
    assert mask.tolist() == [bool(e) for e in expected]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('x') == 0", "__import__"),
        ("rule.upper() == 'X'", "rule.upper()"),
        ("rule.size == 4", "rule.size"),
        ("delay[0] == 1", r"delay\[0\]"),
        ("delay + 1 == 2", r"delay \+ 1"),
        ("[d for d in delay] == 1", "for d in delay"),
        ("lambda: 1", "lambda"),
        ("f'{delay}' == '1'", "not allowed"),
        ("delay == 1j", "1j"),
        ("rule == b'x'", "b'x'"),
        ("delay == 1 & catch", "write 'and'"),
        ("catch | catch", "write 'or'"),
        ("~catch", "write 'not'"),
        ("delay is 1", "write '=='"),
        ("(delay := 1)", "write '=='"),
        ("delay = 1", "cannot read"),
        ("delay <", "cannot read"),
        ("", "cannot read"),
        ("rule == 'x", "cannot read"),
        ("catch\0", "cannot read"),
        ("(" * 300 + "catch" + ")" * 300, "cannot read"),
        ("not " * 5000 + "catch", "nested too deeply"),
        ("delay", "delay == 1"),
        ("`block number`", "block number in"),
        ("not delay", "not true or false by itself"),
        ("rule and catch", "rule"),
        ("rule == 1", r"rule \(text\) is compared with 1 \(numbers\)"),
        ("delay < 'a'", r"delay \(numbers\) is compared with 'a' \(text\)"),
        ("catch == 'True'", r"catch \(booleans\)"),
        ("delay in (1, 'a')", r"'a' \(text\)"),
        ("delay in (1)", r"write \[1\]"),
        ("rule in 'xy'", "not a list"),
        ("delay in count", "count after 'in'"),
        ("delay < None", "no order"),
        ("-rule == 'x'", "puts a sign"),
        ("-catch", "puts a sign"),
    ],
)
def test_anything_else_is_refused_with_the_part_that_offends(text, words):
    with pytest.raises(ValueError, match=words):
        evaluate(text, COLUMNS)


def test_an_unknown_column_is_named_with_the_choices():
    with pytest.raises(KeyError, match="no column 'outcome'.*choose from delay, rule"):
        evaluate("outcome == 1", COLUMNS)


def test_columns_that_are_not_named_are_not_looked_at():
    columns = {"delay": [1, 2], "spikes": [[1, 2], [3]]}
    assert evaluate("delay == 1", columns).tolist() == [True, False]
    with pytest.raises((TypeError, ValueError), match="'spikes'"):
        evaluate("spikes == 1", columns)


def test_bytes_and_missing_entries_are_understood():
    columns = {"rule": np.array([b"A", b"B"]), "choice": [None, "left"], "hit": [True, None]}
    assert evaluate("rule == 'A'", columns).tolist() == [True, False]
    assert evaluate("choice == None", columns).tolist() == [True, False]
    assert evaluate("hit == 1", columns).tolist() == [True, False]


@st.composite
def _expressions(draw, depth=0):
    """An expression and the function of (delay, rule) that it must equal."""
    if depth == 3 or draw(st.booleans()):
        if draw(st.booleans()):
            sign = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
            number = draw(st.integers(-3, 5))
            return f"delay {sign} {number}"
        return f"rule in {draw(st.lists(st.sampled_from(['x', 'y', '', 'z'])))!r}"
    join = draw(st.sampled_from(["and", "or", "not"]))
    left = draw(_expressions(depth=depth + 1))
    if join == "not":
        return f"(not {left})"
    return f"({left} {join} {draw(_expressions(depth=depth + 1))})"


@given(_expressions())
def test_the_language_agrees_with_python_entry_by_entry(text):
    rows = zip(COLUMNS["delay"].tolist(), COLUMNS["rule"].tolist(), strict=True)
    code = compile(text, "expression", "eval")
    expected = [bool(eval(code, {}, {"delay": d, "rule": r})) for d, r in rows]
    assert evaluate(text, COLUMNS).tolist() == expected
