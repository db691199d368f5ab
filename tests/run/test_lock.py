"""One process at a time writes into a run folder, and the lock of a dead one is taken over."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from monai_minority.run import RunInUse, lock, owned


@pytest.fixture
def holder(tmp_path):
    """The number of a process that owns the folder."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with owned(tmp_path):
            os.write(write, b"mine")
            time.sleep(600)
    assert os.read(read, 4) == b"mine"
    yield child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def rewrite(folder: Path, **entries) -> None:
    path = folder / lock.LOCK
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_a_second_process_is_told_who_has_it_and_a_dead_one_is_followed_at_once(tmp_path, holder):
    with pytest.raises(RunInUse, match=rf"in use by process {holder} on .* since 20.*; wait for its end, or give"):
        owned(tmp_path).__enter__()
    os.kill(holder, signal.SIGKILL)
    os.waitid(os.P_PID, holder, os.WEXITED | os.WNOWAIT)  # it has ended, and is still listed
    began = time.monotonic()
    with owned(tmp_path):
        assert json.loads((tmp_path / lock.LOCK).read_text())["process"] == os.getpid()
    assert time.monotonic() - began < lock.PATIENCE_SECONDS / 4
    assert not (tmp_path / lock.LOCK).exists()


def test_the_number_of_a_dead_owner_may_be_another_process_by_now(tmp_path, holder):
    rewrite(tmp_path, process_began="1")
    with owned(tmp_path):
        pass


def test_an_owner_elsewhere_lives_as_long_as_its_heartbeat(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 2 * lock.HEARTBEAT_SECONDS)
    rewrite(tmp_path, machine="another start, or another container")
    with pytest.raises(RunInUse):
        owned(tmp_path).__enter__()
    os.kill(holder, signal.SIGKILL)
    with owned(tmp_path):
        pass


def test_it_may_be_taken_again_inside_and_ends_with_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), owned(tmp_path), owned(f"{tmp_path}/../{tmp_path.name}"):
        raise ZeroDivisionError
    assert not (tmp_path / lock.LOCK).exists()


def test_one_that_was_taken_over_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.05)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt), owned(tmp_path):
            rewrite(tmp_path, token="of another process")
            time.sleep(5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / lock.LOCK).exists(), "it is the other's"


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="run_dir must be a folder that this user can write, got .*file .*give another"):
        owned(tmp_path / "file").__enter__()


@pytest.mark.parametrize("name", [lock.LOCK, "written.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("absent")])
def test_its_own_files_are_files(tmp_path, name, make):
    """A pipe would never answer, and a link could lead out of the folder."""
    make(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} must be a file; move away what is there"):
        owned(tmp_path).__enter__()


def test_a_table_that_a_person_wrote_is_not_replaced(tmp_path):
    (tmp_path / "cohort.csv").write_text("image,subject\na.nii,Jane\n")
    with pytest.raises(
        ValueError, match=r"cohort.csv is no table of a run, and would be replaced.*--run-dir runs/mine"
    ):
        owned(tmp_path).__enter__()
    (tmp_path / "cohort.key").touch()
    with owned(tmp_path):
        pass


def test_leftovers_are_cleared_when_it_is_taken(tmp_path):
    (tmp_path / "samples" / ".partial-elsewhere-1-00000000-guided").mkdir(parents=True)
    (tmp_path / ".4711-cohort.csv").write_text("names")
    (tmp_path / "written.jsonl").touch()
    with owned(tmp_path):
        assert sorted(path.name for path in tmp_path.rglob("*")) == [lock.LOCK, "samples", "written.jsonl"]
