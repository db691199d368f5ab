"""A file is whole or absent."""

import os

import pytest

from monai_minority.files import whole_file


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
