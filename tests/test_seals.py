"""Readers find out whether a file is what was written, and say who wrote it and what to do."""

import json
import os
import shutil

import pytest

from monai_minority.files import (
    DamagedFile,
    accept_as_it_is,
    authored,
    check_sealed,
    clear_leftovers,
    reading,
    whole_file,
    whole_folder,
)
from monai_minority.files.seals import LOG, begin_log, sealing


@pytest.fixture
def table(tmp_path):
    """A table that stage cut wrote in a run."""
    begin_log(tmp_path)
    path = tmp_path / "store" / "table.csv"
    with authored("cut", "cut"), whole_file(path) as partial:
        partial.write_text("source,split\na,train\nb,test\n")
    return path


@pytest.mark.parametrize(
    "content, told",
    [
        ("source,split\nb,test\na,train\n", "(other values, or another order, in source, split)"),
        ("source,split\na,test\nb,test\n", "(other values, or another order, in split)"),
        ("source,split\r\na,train\r\nb,test\r\n", "(written in another form)"),
        ("source,spl", "(other values, or another order, in source, split, spl)"),
        ("", "(other values, or another order, in source, split)"),
    ],
)
def test_another_content_is_told_with_its_writer_and_the_remedy(table, content, told):
    check_sealed(table)
    table.write_bytes(content.encode())
    with pytest.raises(DamagedFile) as error, reading(table):
        pass
    assert str(error.value).startswith(f"{table} is not as stage cut wrote it on 20")
    assert told in str(error.value)
    assert str(error.value).endswith(
        f"--stage cut makes it anew; if the edit is meant, `monai-minority accept {table}` takes it as it is"
    )


def test_one_flipped_bit_is_found(table):
    content = bytearray(table.read_bytes())
    content[-2] ^= 1
    table.write_bytes(content)
    with pytest.raises(DamagedFile):
        check_sealed(table)


def test_an_accepted_edit_is_the_content_from_then_on(table):
    table.write_text("source,split\na,test\nb,test\n")
    assert accept_as_it_is(table, lambda columns: None) == ["split"]
    check_sealed(table)
    with pytest.raises(DamagedFile, match="stage cut"):
        table.write_text("source,split\na,train\nb,test\n")
        check_sealed(table)


def test_a_kill_between_the_log_and_the_file_leaves_the_old_one_or_the_new_one(table, tmp_path):
    new = tmp_path / "new.csv"
    for number in range(2):  # killed twice
        new.write_text(f"source,split\na,{number}\n")
        with pytest.raises(KeyboardInterrupt), sealing(table, new):
            raise KeyboardInterrupt
    check_sealed(table)
    new.replace(table)
    check_sealed(table)
    table.write_text("neither")
    with pytest.raises(DamagedFile):
        check_sealed(table)


def test_half_a_line_of_a_killed_process_is_passed_over(table, tmp_path):
    with (tmp_path / LOG).open("a") as log:
        log.write('{"path": "store/table.csv", "sha2')
    check_sealed(table)
    with whole_file(table) as partial:
        partial.write_text("source\na\n")
    check_sealed(table)
    table.write_text("other")
    with pytest.raises(DamagedFile):
        check_sealed(table)


def test_a_long_log_is_shortened_to_the_last_word(table, tmp_path):
    (tmp_path / LOG).write_text((tmp_path / LOG).read_text() * 600)
    begin_log(tmp_path)
    assert len((tmp_path / LOG).read_text().splitlines()) == 1
    check_sealed(table)


def test_what_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text("{")
    with pytest.raises(DamagedFile) as error, reading(path):
        json.loads(path.read_text())
    assert str(error.value).startswith(f"{path} cannot be read (Expecting property name")
    with pytest.raises(FileNotFoundError), reading(tmp_path / "absent") as absent:
        absent.read_text()


def test_names_of_patients_are_hashed_with_the_file_alone(tmp_path):
    begin_log(tmp_path)
    with whole_file(tmp_path / "cohort.csv", mode=0o600) as partial:
        partial.write_text("subject\nJane\n")
    assert '"columns": {}' in (tmp_path / LOG).read_text()


def test_leftovers_of_a_process_with_the_same_number_are_cleared(tmp_path):
    name = f"{os.uname().nodename}-{os.getpid()}-00000000"
    (tmp_path / f".partial-{name}-store").mkdir()
    (tmp_path / f".partial-{os.uname().nodename}-1-00000000-store").mkdir()  # of a process that runs
    with whole_folder(tmp_path / "store") as partial:
        (partial / "a").write_text("x")
    assert len(list(tmp_path.iterdir())) == 2, "the store, and what may be another's"
    clear_leftovers(tmp_path, owned=True)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_an_old_folder_that_was_moved_away_and_not_replaced_is_put_back(tmp_path):
    old = tmp_path / f".replaced-{os.uname().nodename}-{os.getpid()}-00000000-store"
    old.mkdir()
    (old / "store.json").write_text("{}")
    clear_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["store.json"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    with whole_folder(tmp_path / "export") as partial:
        (partial / "a").write_text("old")
    with pytest.raises(RuntimeError, match="halfway"), whole_folder(tmp_path / "export") as partial:
        (partial / "a").write_text("new")
        raise RuntimeError("halfway")
    assert (tmp_path / "export" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_a_full_disk_is_told_whatever_the_library_says(tmp_path, monkeypatch):
    monkeypatch.setattr("monai_minority.files.whole._is_full", lambda folder: True)
    full = pytest.raises(OSError, match=r"the disk is full: .*model.pt was not written.* MB are free in")
    with full, whole_file(tmp_path / "model.pt"):
        raise RuntimeError("unexpected pos 1579200 vs 1579092")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_told_and_does_not_hang(table, make):
    table.unlink()
    make(table)
    with pytest.raises(DamagedFile, match=r"table.csv is no file; move it away, and --stage cut makes it anew$"):
        reading(table).__enter__()


def test_a_log_of_nonsense_is_read_as_far_as_it_goes(table, tmp_path):
    with (tmp_path / LOG).open("ab") as opened:
        opened.write(b"[" * 100_000 + b"\n\xff\0\nnull\n[]\n" + b'{"path": 1}\n{"path": "a", "sha256": 7}\n{"pa')
    check_sealed(table)
    table.write_text("")
    with pytest.raises(DamagedFile):
        check_sealed(table)


def test_a_copy_by_hard_links_has_a_log_of_its_own(table, tmp_path):
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    shutil.copytree(tmp_path, copy, copy_function=os.link)
    begin_log(copy)
    with whole_file(copy / "store" / "table.csv") as partial:
        partial.write_text("another")
    check_sealed(copy / "store" / "table.csv")
    check_sealed(table)
