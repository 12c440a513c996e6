"""Variables that were tested one by one, each against its own null, as one result."""

import numpy as np

from .multiplicity import max_statistic


def add_tests(result, rows):
    """Put the tests of variables into a result, with their correction for one another.

    rows : dicts with ``null`` float64 (surrogate,), ``p``, ``also`` (a p-value on a condition),
    ``method`` and ``statistic``. Nulls of another length than the longest that was used (a variable
    without a test) become NaN. Adds ``null`` (surrogate, variable), ``p_value``, ``p_corrected``,
    ``null_method`` and, where there is one, ``p_if_independent`` (variable).
    """
    p = np.array([r["p"] for r in rows], float)
    tested = [len(r["null"]) for r, tested in zip(rows, np.isfinite(p), strict=True) if tested]
    longest = max(tested, default=len(rows[0]["null"]))
    nulls = [r["null"] if len(r["null"]) == longest else np.full(longest, np.nan) for r in rows]
    statistic = np.where(np.isfinite(p), [r["statistic"] for r in rows], np.nan)
    null = np.stack(nulls, axis=1)
    result["null"] = ("surrogate", "variable"), null
    result["p_value"] = "variable", p
    result["p_corrected"] = "variable", max_statistic(statistic, null, at_least=p)
    result["null_method"] = "variable", [r["method"] for r in rows]
    if any(np.isfinite(r["also"]) for r in rows):
        result["p_if_independent"] = "variable", [r["also"] for r in rows]
