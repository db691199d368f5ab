"""How a table was measured, at its end."""

import pandas as pd

from monai_minority.tables.provenance import DENSITY, with_provenance

CONTEXT = {
    "extractor": "a",
    "neighbours": 5,
    "seed": 3,
    "libraries": {"numpy": "2.0", "torch": "2.5"},
    "reference_rows": 1,
}


def test_columns_come_last_under_the_names_of_tables_and_unknown_ones_are_left_out():
    table = with_provenance(pd.DataFrame({"value": [0.1, 0.2]}), CONTEXT)
    assert table.columns.tolist() == ["value", "extractor", "k", "seed", "libraries"]
    assert table.iloc[1].tolist() == [0.2, "a", 5, 3, "numpy 2.0; torch 2.5"]


def test_what_varies_from_row_to_row_stays():
    table = with_provenance(pd.DataFrame({"extractor": ["b", "c"]}), CONTEXT, DENSITY)
    assert table.to_dict("list") == {"extractor": ["b", "c"], "k": [5, 5]}
