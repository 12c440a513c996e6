"""Decoding, CCGP and parallelism of each variable, which are only read beside one another."""

import numpy as np

from .tidy import estimates

ALPHA = 0.05
_MEASURES = ("decoding", "ccgp", "parallelism")


def neighbours(tree):
    """Decoding, CCGP and parallelism of every variable side by side, and what they say together.

    A CCGP at chance means one thing for a variable that is decoded and another for one that is
    not; a parallelism is that of coding vectors which decoding says are there.

    Parameters
    ----------
    tree : DataTree of `score`

    Returns
    -------
    pandas.DataFrame
        One row a variable (and time): `variable`, `time` (s, NaN without), the estimates
        `decoding`, `ccgp` and `parallelism` (NaN where not scored), their corrected p-values
        `p_decoding`, `p_ccgp` and `p_parallelism`, and `reading`, which goes by p <= 0.05:

        - "not decoded": nothing can be said of its geometry;
        - "decoded and generalises": decoding and CCGP above chance;
        - "decoded, turns round": CCGP below chance, the code of one context is reversed in another;
        - "decoded, not shown to generalise": CCGP within what coding vectors at random give; this
          is no proof that it does not generalise;
        - "": decoding or CCGP was not tested.

    Raises
    ------
    TypeError
        `tree` is no result.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=60, n_sessions=8, n_trials=9, n_truth=0)
    >>> tree = ng.score(x, ["a", "b", "c"], readout="nearest_mean", n_null=99)
    >>> set(ng.neighbours(tree).reading)
    {'decoded and generalises'}
    """
    import pandas as pd

    found: dict = {}
    for row in estimates(tree):
        if row["measure"] in _MEASURES and row["quantity"] == "estimate":
            cell = found.setdefault((row["variable"], str(row["time"])), {"time": row["time"]})
            cell[row["measure"]] = row["value"]
            cell[f"p_{row['measure']}"] = row["p_corrected"]
    columns = [*_MEASURES, *(f"p_{m}" for m in _MEASURES)]
    rows = [
        {"variable": variable, "time": cell["time"]}
        | {c: cell.get(c, np.nan) for c in columns}
        | {"reading": _reading(cell)}
        for (variable, _), cell in found.items()
    ]
    return pd.DataFrame(rows, columns=["variable", "time", *columns, "reading"])


def _reading(cell):
    p_decoding, p_ccgp = cell.get("p_decoding", np.nan), cell.get("p_ccgp", np.nan)
    if not np.isfinite(p_decoding):
        return ""
    if p_decoding > ALPHA or cell["decoding"] <= 0.5:
        return "not decoded"
    if not np.isfinite(p_ccgp):
        return ""
    if p_ccgp > ALPHA:
        return "decoded, not shown to generalise"
    return "decoded and generalises" if cell["ccgp"] > 0.5 else "decoded, turns round"
