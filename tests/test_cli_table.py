"""The table that a person reads, the tidy rows and the JSON, against a result made by hand."""

import json

import numpy as np
import pytest
import xarray as xr
from made_tree import made_tree

from neurogeom.engine.quantities import Quantity, missing, packed
from neurogeom.report.table import table
from neurogeom.report.tidy import COLUMNS, to_dataframe, to_json


def _cells(text, start):
    (line,) = [x for x in text.splitlines() if x.startswith(start)]
    return line.split()


def test_each_number_of_the_table_is_that_of_the_tree():
    text = table(made_tree())
    expected = "cue_shape decoding 0.850 0.500 0.010 0.0004 0.700 to 0.900 recording".split()
    assert _cells(text, "cue_shape") == expected
    expected = "rule decoding 0.560 0.550 0.200 0.200 0.400 to 0.600 recording".split()
    assert _cells(text, "rule") == expected
    assert _cells(text, "all dichotomies")[2:5] == ["SD", "0.640", "0.500"]
    assert "1 of 3 dichotomies decoded" in text


def test_measures_of_a_variable_stand_together_and_dichotomies_last():
    lines = table(made_tree()).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("variable"))
    shown = [line.split()[:2] for line in lines[at + 1 : at + 8]]
    assert [s[0] if s[0] in ("CCGP", "PS") else s[1] for s in shown] == (
        ["decoding", "CCGP", "PS"] * 2 + ["dichotomies"]
    )


def test_what_is_not_estimable_is_a_dash_and_a_reason_never_a_number():
    text = table(made_tree())
    line = next(x for x in text.splitlines() if x.strip().startswith("CCGP"))
    assert line.split()[1] == "-"
    assert "no CCGP of rule: one context only." in text
    assert "nan" not in text


def test_zero_has_no_sign():
    assert "-0.000" not in table(made_tree())


@pytest.mark.parametrize(
    "words",
    [
        "3 neurons of 2 sessions, 4 conditions, 5 to 9 trials a condition (median 9)",
        "pseudo-population of 2 groups",
        "0.2 to 0.4 s from cue_time, 2 files",
        "neurons dropped: 4 (too few trials)",
        "trials dropped: 2 (rule is missing)",
        "neurons kept, by trials demanded a condition: 3 at 5, 2 at 8, 0 at 10, 0 at 15",
        "CCGP: null: directions flipped by neuron, 4 surrogates, chance 0.5",
        "note: Trials of different groups were drawn independently.",
        "interval for recording: these 3 neurons again",
        "note: ccgp needs reading.",
        "readout svm, 12 trials drawn a condition, 20 resamples, seed 0",
    ],
)
def test_the_table_says_what_the_numbers_stand_on(words):
    assert words in table(made_tree())


def test_the_truth_stands_beside_the_estimates_only_where_it_is_known():
    text = table(made_tree(), truth={"decoding": {"rule": 0.571}, "shattering": {"": 0.66}})
    assert _cells(text, "rule")[2:4] == ["0.560", "0.571"]
    assert _cells(text, "cue_shape")[2:4] == ["0.850", "-"]
    assert _cells(text, "all dichotomies")[3:5] == ["0.640", "0.660"]
    assert "truth" not in table(made_tree())


def test_a_result_over_time_has_one_line_a_bin():
    tree = made_tree()
    moving = tree["decoding"].to_dataset().expand_dims(time=[0.1, 0.3])
    tree = xr.DataTree.from_dict({"/decoding": moving})
    text = table(tree)
    assert len([x for x in text.splitlines() if " decoding  " in x]) == 4
    assert list(to_dataframe(tree)["time"]) == [0.1, 0.1, 0.3, 0.3]


def test_tidy_rows_hold_every_number_once():
    frame = to_dataframe(made_tree())
    assert tuple(frame.columns) == tuple(c for c in COLUMNS if c != "system")
    counts = frame.groupby(["measure", "quantity"]).size().to_dict()
    assert counts == {
        ("decoding", "estimate"): 2,
        ("ccgp", "estimate"): 2,
        ("ccgp", "split_accuracy"): 2,
        ("parallelism", "estimate"): 2,
        ("shattering", "estimate"): 1,
        ("shattering", "fraction"): 1,
        ("shattering", "accuracy"): 3,
    }
    row = frame.query("measure == 'shattering' and label == 'cue_shape'").iloc[0]
    assert (row["value"], row["p_value"], row["p_corrected"]) == (0.8, 0.01, 0.03)
    row = frame.query("measure == 'decoding' and variable == 'rule'").iloc[0]
    assert row["null_mean"] == pytest.approx(0.55)
    assert row["null_sd"] == pytest.approx(np.std([0.4, 0.5, 0.6, 0.7], ddof=1))
    assert set(frame.query("quantity == 'split_accuracy'")["variable"]) == {"cue_shape"}
    assert list(frame.query("reason != ''")["variable"]) == ["rule"]


def test_one_measure_alone_has_the_same_rows():
    tree = made_tree()
    alone = to_dataframe(tree["decoding"].to_dataset())
    whole = to_dataframe(tree).query("measure == 'decoding'")
    assert alone.equals(whole.reset_index(drop=True))


def test_json_is_strict_and_holds_the_same_numbers():
    text = json.dumps(to_json(made_tree()), allow_nan=False)
    read = json.loads(text)
    assert read["command"] == "neurogeom score a.nwb b.nwb"
    first, second = read["measures"]["ccgp"]["rows"][:2]
    assert first["value"] is None
    assert first["reason"] == "one context only."
    assert second["value"] == 0.75
    assert read["population"]["conditions"][0]["n_trials_min"] == 5
    assert read["population"]["attrs"]["dropped"]["neurons"] == {"too few trials": 4}


def test_what_is_no_result_is_refused():
    with pytest.raises(TypeError, match="a result is a DataTree or a Dataset, not list"):
        to_dataframe([1])


def with_quantities(found):
    tree = made_tree()
    tree["subspaces"] = xr.DataTree(packed(found, n_null=3).assign_attrs(measure="subspaces"))
    return tree


SEVERAL = {
    "rule | cue_shape": [
        Quantity("corrected_cosine", 0.25, "0 is orthogonal", naive=0.1, chance=0.0, ceiling=0.9,
                 null=np.array([0.2, 0.3, 0.1]), null_method="signs flipped"),
        missing("plane_angle", "0 is parallel", "two conditions span no plane"),
    ],
    "rule | response": [
        Quantity("corrected_cosine", -0.5, "0 is orthogonal", null=np.array([0.4, 0.3, 0.1])),
        missing("plane_angle", "0 is parallel", "two conditions span no plane"),
    ],
}  # fmt: skip


def test_several_numbers_of_one_measure_are_a_block_with_what_places_them():
    text = table(with_quantities(SEVERAL))
    block = text[text.index("subspaces") - 30 :].splitlines()
    heads = "subspaces estimate naive chance ceiling p p corrected".split()
    assert [w for line in block if "estimate" in line for w in line.split()] == heads
    expected = "rule | cue_shape corrected cosine 0.250 0.100 0.000 0.900 1.000 1.000".split()
    assert _cells(text, "rule | cue_shape") == expected
    reason = "plane_angle of rule | response: two conditions span no plane"
    assert f"no subspaces of plane_angle of rule | cue_shape, {reason}" in text
    assert "subspaces: null: signs flipped, 3 surrogates" in text


def test_rows_of_several_numbers_bear_their_names_and_their_reasons():
    frame = to_dataframe(with_quantities(SEVERAL)).query("measure == 'subspaces'")
    assert frame["quantity"].tolist() == ["corrected_cosine", "plane_angle"] * 2
    assert frame["label"].tolist() == ["rule | cue_shape"] * 2 + ["rule | response"] * 2
    assert frame["naive"].tolist()[0] == 0.1
    assert frame["reason"].tolist()[1] == "two conditions span no plane"
