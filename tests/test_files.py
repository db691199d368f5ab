"""A file is whole or absent."""

import os
import random
import re

import pandas as pd
import pytest

from monai_minority.files import read_csv, whole_file, write_csv


def test_the_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "made" / "table.csv.gz"
    with whole_file(path) as partial:
        partial.write_text("new")
        assert not path.exists()
        assert partial.name.startswith(".") and partial.name.endswith("table.csv.gz")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.pt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="halfway"), whole_file(path) as partial:
        partial.write_text("ne")
        raise RuntimeError("halfway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_names_patients_is_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        with whole_file(tmp_path / "cohort.csv", mode=0o600) as partial:
            assert partial.stat().st_mode & 0o777 == 0o600, "from the first byte on"
            partial.write_text("names")
            assert partial.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert (tmp_path / "cohort.csv").stat().st_mode & 0o777 == 0o600


def test_a_table_holds_no_formula_and_is_read_as_it_was(tmp_path):
    """Texts at random of all that begins a formula, a cell, a row or a quotation, whatever the country's separator."""
    draw = random.Random(0)
    texts = ["".join(draw.choices("'=+-@＝;,\t\r\n\" a1\udc80é", k=draw.randint(1, 7))) for _ in range(20_000)]
    texts += ["=HYPERLINK(1)", "'=1", "-3.5", "+1e3", "a;-2", "-", "@x", "a\r=b"]
    texts = [text for text in texts if text.strip()]
    table = pd.DataFrame({"=name": texts, "number": -1.5})
    write_csv(table, tmp_path / "a.csv")
    found = read_csv(tmp_path / "a.csv", dtype={"'=name": str}, keep_default_na=False)
    assert list(found) == ["=name", "number"] and found["=name"].tolist() == texts and (found["number"] == -1.5).all()
    plain = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False, encoding_errors="surrogateescape")
    cells = [*plain, *(text for text in plain["'=name"] if not re.fullmatch(r"\s*[-+]?\d+\s*", text))]
    begun = [part for cell in cells for part in re.split("[;\t\r\n]", cell) if re.match(" *[=+@＝-]", part)]
    assert set(begun) <= {"-3.5", "+1e3"}


def test_an_ordinary_table_is_written_as_pandas_writes_it(tmp_path):
    table = pd.DataFrame({"group": ["AD", None, "it's"], "score": [1e-9, -2.0, float("nan")], "seed": [1, 2, 3]})
    table["meta"] = [{"by": ["a"]}, None, 7]  # as of a data list
    write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == table.to_csv(index=False)
