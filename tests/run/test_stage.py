"""When a stage runs, when it does not, and what it writes down."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from monai_minority import __version__
from monai_minority.data import ImageStore, StoreBatches
from monai_minority.files import DamagedFile, whole_file, whole_run
from monai_minority.files.seals import LOG
from monai_minority.keys import Column
from monai_minority.networks import save_weights
from monai_minority.run import Stage, content
from monai_minority.run.entry import cause


def make_store(path, value=0, columns=None):
    images = np.full((4, 1, 2, 2), value, dtype=np.uint8)
    table = {"source": list("abcd"), "slice": 0, "split": ["train", "train", "test", "test"], **(columns or {})}
    return ImageStore.create(path, images, table, (0, 255), overwrite=True)


@dataclass(kw_only=True)
class Writing(Stage):
    """Writes a file from what it is given."""

    what: object = None
    done: object = None

    name = "writing"
    columns = (Column.SPLIT, Column.GROUP)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.path / "out"]

    @property
    def reads(self) -> Sequence[Path]:
        return [path for path in [self.folder.scores] if path.exists()]

    def work(self) -> None:
        (self.folder.path / "out").write_text("result")
        if self.done is not None:
            self.done()


@pytest.fixture
def run(tmp_path):
    """Runs the stage as a configuration makes it; the answer says whether it did its work."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()

    def run(**config):
        done = []
        config = {
            "run_dir": str(run_dir),
            "device": "cpu",
            "stage": {"_target_": "tests.run.test_stage.Writing", "run_dir": "@run_dir", "what": "@what"},
            **config,
        }
        stage = ConfigParser(config).get_parsed_content("stage")
        stage.done = lambda: done.append(1)
        stage()
        return bool(done)

    return run


def twice(run, first, second):
    """Whether the second configuration runs the stage again after the first."""
    assert run(**first)
    assert not run(**first)
    return run(**second)


def test_the_same_settings_are_done_once(run, capsys):
    assert run(what=1)
    assert not run(what=1)
    assert "writing: unchanged, not run again" in capsys.readouterr().out
    assert run(what=2)
    assert run(what=1), "the results are those of the other setting"


def test_settings_count_through_references_and_others_do_not(run):
    config = {"what": {"rate": "@rate", "steps": "$@rate * 2"}, "rate": 1, "idle": 5}
    assert not twice(run, config, {**config, "idle": 6})
    assert run(**{**config, "rate": 2})
    assert run(**{**config, "what": {"rate": "@rate", "steps": "$@rate * 3"}, "rate": 2})


@pytest.mark.parametrize("name", ["device", "num_workers", "sampling_batch_size", "grid_every"])
def test_what_cannot_change_a_result_does_not_count(run, name):
    config = {"what": f"@{name}", name: 1}
    assert not twice(run, config, {**config, name: 2})


@pytest.mark.parametrize(
    "before, after",
    [
        ({"lr": [0.1, None]}, {"lr": [0.2, None]}),
        ({"a": []}, {"a": [1]}),
        ("$torch.float32", "$torch.bfloat16"),
        ("$[1, 2]", "$[2, 1]"),
        ({"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2},) * 1
        + ({"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3},),
        ({"_target_": "torch.nn.ReLU"}, {"_target_": "torch.nn.SiLU"}),
        ({"_target_": "torch.nn.ReLU"}, {"_target_": "torch.nn.ReLU", "_disabled_": True}),
    ],
)
def test_a_change_runs_it_again(run, before, after):
    assert twice(run, {"what": before}, {"what": after})


def test_pixels_rows_and_the_named_columns_count(run, tmp_path):
    def config(split="train", **options):
        make_store(tmp_path / "store", **options)
        return {
            "what": f"$@store.subset(split='{split}')",
            "store": {"_target_": "monai_minority.data.ImageStore", "path": str(tmp_path / "run" / "store")},
        }

    def link():
        if not (tmp_path / "run" / "store").exists():
            (tmp_path / "run" / "store").symlink_to(tmp_path / "store")

    link()
    assert not twice(run, config(), config())
    assert run(**config(value=1))
    assert run(**config(value=1, split="test"))
    assert run(**config(value=1, split="test", columns={"group": list("xxyy")}))
    assert run(**config(value=1, split="test", columns={"group": list("xyyy")}))
    assert not run(**config(value=1, split="test", columns={"group": list("xyyy"), "minority_score": 1.0}))


def test_batches_count_by_their_store_and_the_columns_they_hand_over(tmp_path):
    store = make_store(tmp_path / "store", columns={"class_label": [0, 1, 0, 1]})
    plain = content.of_objects(iter([StoreBatches(store)]), ())
    labelled = content.of_objects(iter([StoreBatches(store, ["class_label"])]), ())
    assert plain == [content.of_store(store)] and labelled != plain
    store.add_columns(class_label=[0, 1, 1, 1])
    assert content.of_objects(iter([StoreBatches(store, ["class_label"])]), ()) != labelled


def test_files_of_the_run_count_by_content_wherever_the_run_lies(run, tmp_path):
    folder = tmp_path / "run"
    network = torch.nn.Linear(2, 2)
    save_weights(network, folder / "model.pt")
    config = {"what": "$@run_dir + '/model.pt'"}
    assert run(**config)
    save_weights(network, folder / "model.pt")
    assert not run(**config), "the same weights, written again"
    with torch.no_grad():
        network.weight[0, 0] += 1e-7
    save_weights(network, folder / "model.pt")
    assert run(**config)
    (folder / "scores.csv").write_text("1")
    assert run(**config)
    assert not run(**config)
    folder.rename(tmp_path / "moved")
    assert not run(**config, run_dir=str(tmp_path / "moved"))


def test_files_elsewhere_count_by_content_and_folders_by_sizes_and_times(run, tmp_path):
    file = tmp_path / "volumes" / "a.nii"
    file.parent.mkdir()
    file.write_text("one")
    assert run(what=str(file))
    file.touch()
    assert not run(what=str(file))
    file.write_text("two")
    assert run(what=str(file))
    assert run(what=str(file.parent))
    assert not run(what=str(file.parent))
    (file.parent / "b.nii").write_text("more")
    assert run(what=str(file.parent))


def test_a_new_version_of_the_package_runs_it_again(run, monkeypatch):
    assert run(what=1)
    monkeypatch.setattr("monai_minority.run.stage.__version__", "99.0")
    assert run(what=1)


def test_a_missing_or_incomplete_result_runs_it_again(run, tmp_path, monkeypatch):
    assert run(what=1)
    (tmp_path / "run" / "out").unlink()
    assert run(what=1)
    monkeypatch.setattr(Writing, "is_complete", property(lambda self: False))
    assert run(what=1)


def test_a_failure_is_not_recorded_and_withdraws_what_was(run, tmp_path):
    def fail():
        raise RuntimeError("the disk is full")

    assert run(what=1)
    stage = Writing(run_dir=tmp_path / "run", done=fail)
    with pytest.raises(RuntimeError):
        stage()
    assert "writing" not in json.loads((tmp_path / "run" / "run.json").read_text())["stages"]
    assert run(what=1), "its results may be those of the other settings"


def test_made_in_python_it_runs_whenever_it_is_called(tmp_path):
    done = []
    for _ in range(2):
        Writing(run_dir=tmp_path, done=lambda: done.append(1))()
    assert len(done) == 2


def test_the_record(run, tmp_path):
    secret = tmp_path / "patients" / "scan.txt"
    secret.parent.mkdir()
    secret.write_text("x")
    store = make_store(tmp_path / "store")
    run(
        what={"folder": str(secret.parent), "file": str(secret), "lr": 0.1, "store": "@store"},
        store={"_target_": "monai_minority.data.ImageStore", "path": "$str('" + str(tmp_path / "store") + "')"},
    )
    text = (tmp_path / "run" / "run.json").read_text()
    entry = json.loads(text)["stages"]["writing"]
    assert entry["settings"]["what::lr"] == 0.1
    assert content.of_store(store, Writing.columns) in entry["contents"]["stores"]
    assert entry["outputs"] == ["out"]
    assert entry["seconds"] >= 0
    assert len(entry["fingerprint"]) == 64
    assert entry["versions"]["torch"] == version("torch")
    assert entry["versions"]["monai-minority"] == __version__
    assert {"python", "monai", "numpy"} <= set(entry["versions"])
    assert entry["machine"]["threads"] == torch.get_num_threads()
    assert "patients" not in text.replace(str(store.path), "")
    assert [path.name for path in (tmp_path / "run").glob(".*")] == []


def test_the_first_process_alone_does_what_is_not_shared(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = []
    Writing(run_dir=tmp_path, done=lambda: done.append("alone"))()
    monkeypatch.setattr(Writing, "shared", True)
    Writing(run_dir=tmp_path, done=lambda: done.append("shared"))()
    assert done == ["shared"]
    assert not (tmp_path / "run.json").exists()


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent is missing; run the stage that writes it first"):
        content.of_path(tmp_path / "absent")


def test_a_result_that_is_not_what_was_written_stops_a_whole_run_and_is_made_anew_when_asked_for(run, tmp_path, capsys):
    def write(self):
        with whole_file(self.leaves[0]) as partial:
            partial.write_text("result")
        self.done()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writing, "work", write)
        assert run(what=1)
        (tmp_path / "run" / "out").write_text("another")
        damaged = r"out is not as stage writing wrote it on .*--stage writing makes it anew"
        with pytest.raises(DamagedFile, match=damaged), whole_run(every_stage=True):
            run(what=1)
        assert (tmp_path / "run" / "out").read_text() == "another"
        assert run(what=1)
        assert "writing: made anew, since" in capsys.readouterr().out
        assert (tmp_path / "run" / "out").read_text() == "result"
        (tmp_path / "run" / "written.jsonl").write_bytes(b"torn")
        assert not run(what=1)
        assert "out is not in written.jsonl, so nothing tells whether it was changed" in capsys.readouterr().out


def test_nothing_reads_what_a_killed_stage_had_begun_to_write(run, tmp_path):
    assert run(what=1)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "scores.csv").write_text("half")
    record["unfinished"] = {"score": {"began": "now", "config": "score", "outputs": ["scores.csv"]}}
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    (tmp_path / "run" / LOG).write_text("")
    with pytest.raises(ValueError, match=r"scores.csv is of stage score, which began on now and did not end"):
        run(what=2)
    record["unfinished"] = {"writing": record["unfinished"]["score"]}
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert run(what=2), "its own it replaces"
    assert "unfinished" not in json.loads((tmp_path / "run" / "run.json").read_text())


def test_a_number_that_yaml_takes_for_text_is_refused(run):
    with pytest.raises(RuntimeError) as raised:  # of MONAI, around the cause
        run(what="1e-4")
    assert cause(raised.value) == "what must be a number, and YAML takes 1e-4 for text; write it as 0.0001"


def test_a_full_disk_is_told_before_anything_is_touched(run, tmp_path, monkeypatch):
    assert run(what=1)
    monkeypatch.setattr(Writing, "needs_bytes", 10**21)
    with pytest.raises(OSError, match=r"no space left for writing: 10+ MB needed at .*run, \d+ MB free"):
        run(what=2)
    assert "writing" in json.loads((tmp_path / "run" / "run.json").read_text())["stages"]
