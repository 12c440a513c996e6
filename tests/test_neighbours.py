"""Decoding, CCGP and parallelism side by side: what they say together."""

import numpy as np
import pytest
from made_population import crossed, embedded, recording

import neurogeom as ng

FAST = {"readout": "nearest_mean", "n_null": 199, "n_resamples": 6, "target": "none"}


def reading(means, variable, **options):
    x = [
        recording(embedded(means, 12, seed=i), 20, seed=i, session=f"s{i}", names=["a", "b"])
        for i in range(8)
    ]
    tree = ng.score(x, ["a", "b"], **(FAST | options))
    table = ng.neighbours(tree)
    return table[table.variable == variable].iloc[0], tree


SIGN = 2 * crossed(2, 2) - 1


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        (SIGN * 3.0, "decoded and generalises"),
        (SIGN * [0.0, 3.0], "not decoded"),
        (
            np.column_stack([SIGN[:, 0] * SIGN[:, 1] * 2.0, SIGN[:, 0] * 0.7]),
            "decoded, turns round",
        ),
        (
            np.column_stack([SIGN[:, 0] * (SIGN[:, 1] > 0), SIGN[:, 0] * (SIGN[:, 1] < 0)]) * 4.0,
            "decoded, not shown to generalise",
        ),
    ],
)
def test_the_reading_of_a_known_geometry(means, expected):
    row, tree = reading(np.asarray(means, float), "a")
    assert row.reading == expected
    for measure in ("decoding", "ccgp", "parallelism"):
        want = tree[measure].estimate.sel(variable="a").item()
        assert row[measure] == want or (np.isnan(row[measure]) and np.isnan(want))
        assert row[f"p_{measure}"] == tree[measure].p_corrected.sel(variable="a").item()


def test_nothing_is_said_of_what_was_not_tested():
    assert reading(SIGN * 3.0, "a", n_null=0)[0].reading == ""
    row, _ = reading(SIGN * 3.0, "a", measures=["decoding"])
    assert row.reading == ""
    assert np.isnan(row.ccgp)
