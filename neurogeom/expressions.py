"""A small language over columns: which trials, which neurons; parsed, never evaluated as code.

``outcome == "correct" and 0.2 < delay <= 1 and area in ("M1", "PMd") and not catch``
"""

from __future__ import annotations

import ast
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from neurogeom.columns import is_missing, kind_name, listed, plain_column

_COMPARISONS: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}
_ADVICE: dict[type, str] = {
    ast.BitAnd: "write 'and'",
    ast.BitOr: "write 'or'",
    ast.Invert: "write 'not'",
    ast.Is: "write '=='",
    ast.IsNot: "write '!='",
    ast.NamedExpr: "write '=='",
}
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`([^`]+)`""")


def evaluate(text: str, columns: Mapping[str, Any]) -> np.ndarray:
    """Which entries satisfy the expression?

    Comparisons (``== != < <= > >=``, chained), ``and``, ``or``, ``not``, ``in``, ``not in`` with a
    list or tuple of values, numbers, text, ``True``, ``False``, ``None``, column names and
    parentheses; a name that is no identifier stands in backticks. ``None`` means "no label":
    ``choice == None`` is true where choice is ``""`` or NaN. In every other comparison a missing
    label is an ordinary value, so that ``choice != "left"`` keeps it.

    Parameters
    ----------
    text : str
        The expression.
    columns : mapping of str to array-like, each of shape (n_entries,)
        Text, booleans or numbers. Only the columns that the expression names are looked at.

    Returns
    -------
    numpy.ndarray of bool, shape (n_entries,).

    Raises
    ------
    KeyError
        A name is no column; the message lists the choices.
    ValueError
        Anything else: a call, arithmetic, an attribute, text compared with numbers, a column that
        is not true or false by itself. The message quotes the part.

    Examples
    --------
    >>> columns = {"area": ["M1", "V1", "S1"], "depth": [100, 200, 900]}
    >>> evaluate("area in ('M1', 'S1') and depth < 500", columns)
    array([ True, False, False])
    """
    quoted: dict[str, str] = {}
    source = _without_backticks(text, quoted).strip()
    try:
        tree = _parse(source, text)
        mask = _Reader(text, source, columns, quoted).truth(tree.body)
    except RecursionError:
        raise ValueError(
            f"the expression {text[:60]!r}... is nested too deeply; write it flatter"
        ) from None
    return np.array(np.broadcast_to(mask, (_n_entries(columns),)))


class _Reader:
    """Walks one parsed expression; each method returns an array over entries or a plain scalar."""

    def __init__(
        self, text: str, source: str, columns: Mapping[str, Any], quoted: Mapping[str, str]
    ):
        self.text, self.source, self.columns, self.quoted = text, source, columns, quoted

    def truth(self, node: ast.expr) -> Any:
        """A part that must be true or false."""
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return reduce(join, [self.truth(part) for part in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return np.logical_not(self.truth(node.operand))
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        value = self.value(node)
        if np.asarray(value).dtype.kind != "b":
            part = self.part(node)
            raise ValueError(
                f"{part} in {self.text!r} is not true or false by itself; compare it, "
                f"as in {part} == 1"
            )
        return value

    def comparison(self, node: ast.Compare) -> Any:
        """``a < b <= c``: every neighbouring pair holds."""
        sides = [node.left, *node.comparators]
        pairs = zip(sides[:-1], node.ops, sides[1:], strict=True)
        return reduce(np.logical_and, [self.pair(*pair) for pair in pairs])

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Any:
        if isinstance(op, ast.In | ast.NotIn):
            found = self.membership(left, right)
            return found if isinstance(op, ast.In) else np.logical_not(found)
        if type(op) not in _COMPARISONS:
            raise ValueError(
                f"{self.text!r} uses a comparison that is not allowed; {_ADVICE[type(op)]}"
            )
        return self.compare(left, _COMPARISONS[type(op)], right)

    def membership(self, left: ast.expr, right: ast.expr) -> Any:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            part = self.part(right)
            raise ValueError(
                f"{part} after 'in' in {self.text!r} is not a list; "
                f"write [{part}] or several values"
            )
        found = [self.compare(left, _COMPARISONS[ast.Eq], item) for item in right.elts]
        return reduce(np.logical_or, found, np.False_)

    def compare(self, left: ast.expr, comparison: tuple[str, Callable], right: ast.expr) -> Any:
        sign, compare = comparison
        a, b = self.value(left), self.value(right)
        if a is None or b is None:
            if sign not in ("==", "!="):
                raise ValueError(f"None in {self.text!r} has no order; use == None or != None")
            missing = _missing(b if a is None else a)
            return missing if sign == "==" else np.logical_not(missing)
        kinds = [kind_name(np.asarray(side)) for side in (a, b)]
        if (kinds[0] == "text") != (kinds[1] == "text"):
            raise ValueError(
                f"{self.part(left)} ({kinds[0]}) is compared with {self.part(right)} ({kinds[1]}) "
                f"in {self.text!r}; compare text with text and numbers with numbers"
            )
        return compare(a, b)

    def value(self, node: ast.expr) -> Any:
        """A column, a literal, or a number with its sign."""
        if isinstance(node, ast.Name):
            return self.column(node.id)
        if isinstance(node, ast.Constant) and isinstance(
            node.value, str | bool | int | float | None
        ):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return self.signed(node)
        if isinstance(node, ast.BoolOp | ast.Compare) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return self.truth(node)
        advice = _ADVICE.get(type(getattr(node, "op", node)), "use comparisons, and, or, not, in")
        raise ValueError(f"{self.part(node)} in {self.text!r} is not allowed; {advice}")

    def signed(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if value is None or np.asarray(value).dtype.kind not in "iuf":
            raise ValueError(
                f"{self.part(node)} in {self.text!r} puts a sign on what is no number; leave it out"
            )
        if isinstance(node.op, ast.UAdd):
            return value
        # unsigned integers would wrap around: -1 -> 255
        return -value.astype(float) if np.asarray(value).dtype.kind == "u" else -value

    def column(self, name: str) -> np.ndarray:
        name = self.quoted.get(name, name)
        if name not in self.columns:
            # Python reads identifiers in NFKC form, so that a column 'µ' arrives as 'μ'
            same = [key for key in self.columns if unicodedata.normalize("NFKC", str(key)) == name]
            if len(same) != 1:
                raise KeyError(
                    f"no column {name!r} for {self.text!r}; "
                    f"choose from {listed(self.columns) or 'none'}"
                )
            name = same[0]
        return plain_column(name, self.columns[name])

    def part(self, node: ast.expr) -> str:
        found = ast.get_source_segment(self.source, node) or ast.unparse(node)
        for placeholder, name in self.quoted.items():
            found = found.replace(placeholder, name)
        return found


def _parse(source: str, text: str) -> ast.Expression:
    """The syntax tree; a refusal quotes the text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise ValueError(
            f"cannot read the expression {text!r} ({reason}); try for example outcome == 1"
        ) from None


def _without_backticks(text: str, quoted: dict[str, str]) -> str:
    """Each `name` outside text literals becomes an identifier that `quoted` maps back."""

    def replace(match: re.Match) -> str:
        if match.group(1):
            return match.group(1)
        placeholder = f"__column_{len(quoted)}__"
        quoted[placeholder] = match.group(2)
        return placeholder

    return _QUOTED.sub(replace, text)


def _missing(value: Any) -> Any:
    return np.True_ if value is None else is_missing(np.asarray(value))


def _n_entries(columns: Mapping[str, Any]) -> int:
    return len(next(iter(columns.values()))) if len(columns) else 0
