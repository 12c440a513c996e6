"""Columns from files, lists and frames become text, booleans or numbers."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurogeom.columns import plain_column


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (["a", "b"], np.array(["a", "b"])),
        (np.array([b"a", "é".encode()]), np.array(["a", "é"])),
        ([b"a", "b"], np.array(["a", "b"])),
        (["a", None, np.nan], np.array(["a", "", ""])),
        ([1, None], np.array([1.0, np.nan])),
        ([True, None], np.array([1.0, np.nan])),
        ([True, False], np.array([True, False])),
        ([1, 2.5], np.array([1.0, 2.5])),
        ([None, None], np.array([np.nan, np.nan])),
        (pd.Categorical(["a", "b"]), np.array(["a", "b"])),
        (pd.Series([3, 4], dtype="category"), np.array([3, 4])),
        (pd.Series([1, None], dtype="Int64"), np.array([1.0, np.nan])),
        (pd.Series([1, 2], dtype="Int64"), np.array([1, 2])),
        (pd.Series([True, None], dtype="boolean"), np.array([1.0, np.nan])),
        (pd.Series(["a", None], dtype="string"), np.array(["a", ""])),
        (pd.Series(["a", None]), np.array(["a", ""])),
        (np.array(["a", "b"], np.dtypes.StringDType()), np.array(["a", "b"])),
        (np.ma.masked_array([1, 2], [False, True]), np.array([1.0, np.nan])),
        (np.array([1, 2], ">i4"), np.array([1, 2], "i4")),
        (xr.DataArray(["a", "b"]), np.array(["a", "b"])),
        (range(2), np.array([0, 1])),
    ],
)
def test_a_column_becomes_text_booleans_or_numbers(given_, expected):
    column = plain_column("rule", given_)
    assert column.dtype.kind == expected.dtype.kind
    np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize(
    ("given_", "error", "words"),
    [
        (["a", 1], TypeError, "'rule' holds numbers and text"),
        ([True, 2], TypeError, "'rule' holds booleans and numbers"),
        ([[1, 2], [3, 4]], ValueError, r"'rule' has shape \(2, 2\)"),
        ([[1, 2], [3]], TypeError, "'rule' holds list"),
        (["", None], ValueError, "'rule' holds both empty text and missing"),
        (np.array([1j, 2]), TypeError, "'rule' holds values of type complex128"),
        (np.array(["2020"], "M8[D]"), TypeError, "'rule' holds values of type datetime64"),
        ([b"\xff"], ValueError, "'rule' holds bytes that are not UTF-8"),
        ([2**70, 1], TypeError, "'rule' holds integers beyond 64 bits"),
        ("A", ValueError, r"'rule' has shape \(\)"),
    ],
)
def test_a_column_of_no_one_kind_is_refused_by_name(given_, error, words):
    with pytest.raises(error, match=words):
        plain_column("rule", given_)
