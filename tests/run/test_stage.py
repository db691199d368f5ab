"""When a stage runs, when it does not, and what it writes down."""

import hashlib
import json

import numpy as np
import pytest
import torch
from monai.transforms import Compose, LoadImaged, RandFlipd

from monai_minority.data import ImageStore, StoreBatches
from monai_minority.guidance import LowDensityGuidance, MinorityClassifierGuidance, MixedDensityGuidance, SelfGuidance
from monai_minority.run import Stage
from monai_minority.run.stage import describe
from monai_minority.transforms import ResizeToSquared, SliceIntensityd


def make_store(path, value=0, columns=None):
    images = np.full((4, 1, 2, 2), value, dtype=np.uint8)
    table = {"source": list("abcd"), "slice": 0, "split": ["train", "train", "test", "test"], **(columns or {})}
    return ImageStore.create(path, images, table, (0, 255), overwrite=True)


def network(seed=0, dropout=0.1):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(dropout))


@pytest.fixture
def stage_of(tmp_path):
    """Runs a stage with given inputs; the answer says whether it did its work."""
    run_dir = tmp_path / "run"

    def run(inputs, **options):
        done = []
        stage = Stage("score", run_dir, inputs, ["out"], **options)
        stage.run(lambda: done.append(1), lambda: (run_dir / "out").write_text("result"))
        return bool(done)

    run_dir.mkdir()
    return run


def test_the_same_inputs_are_done_once(stage_of, tmp_path, capsys):
    def inputs():
        return {"images": make_store(tmp_path / "store"), "net": network(), "lr": 0.1, "dtype": torch.bfloat16}

    assert stage_of(inputs())
    assert not stage_of(inputs())
    assert "score: unchanged, not run again" in capsys.readouterr().out


@pytest.mark.parametrize(
    "before, after",
    [
        (lambda p: make_store(p / "s", 0), lambda p: make_store(p / "s", 1)),
        (lambda p: make_store(p / "s").subset(split="train"), lambda p: make_store(p / "s").subset(split="test")),
        (lambda p: network(0), lambda p: network(1)),
        (lambda p: network(dropout=0.1), lambda p: network(dropout=0.2)),
        (lambda p: {"lr": [0.1, None]}, lambda p: {"lr": [0.2, None]}),
        (lambda p: torch.float32, lambda p: None),
        (lambda p: np.array([0, 1, 1]), lambda p: np.array([0, 1, 2])),
        (lambda p: np.array(["a", None], dtype=object), lambda p: np.array(["b", None], dtype=object)),
        (lambda p: np.array([0, 1]), lambda p: np.array([[0, 1]])),
        (lambda p: len, lambda p: max),
        (
            lambda p: Compose([SliceIntensityd("image", lower=0)]),
            lambda p: Compose([SliceIntensityd("image", lower=1)]),
        ),
        (lambda p: Compose([LoadImaged("image")]), lambda p: Compose([LoadImaged("image"), LoadImaged("image")])),
    ],
    ids=[
        "pixels",
        "rows",
        "weights",
        "layer",
        "value",
        "dtype",
        "array",
        "words",
        "shape",
        "function",
        "transform",
        "order",
    ],
)
def test_a_change_of_an_input_runs_it_again(stage_of, tmp_path, before, after):
    assert stage_of({"input": before(tmp_path)})
    assert not stage_of({"input": before(tmp_path)})
    assert stage_of({"input": after(tmp_path)})


def test_files_count_by_content_and_folders_by_sizes_and_times(stage_of, tmp_path):
    file = tmp_path / "volumes" / "a.nii"
    file.parent.mkdir()
    file.write_text("one")
    assert stage_of({"file": file})
    file.touch()
    assert not stage_of({"file": file})
    file.write_text("two")
    assert stage_of({"file": file})
    assert stage_of({"folder": file.parent})
    assert not stage_of({"folder": file.parent})
    (file.parent / "b.nii").write_text("more")
    assert stage_of({"folder": file.parent})


def test_where_the_files_lie_does_not_count(stage_of, tmp_path):
    make_store(tmp_path / "one")
    assert stage_of({"images": ImageStore.open(tmp_path / "one")})
    (tmp_path / "one").rename(tmp_path / "two")
    assert not stage_of({"images": ImageStore.open(tmp_path / "two")})


def test_columns_that_later_stages_add_do_not_count(stage_of, tmp_path):
    store = make_store(tmp_path / "store")
    assert stage_of({"images": store})
    store.add_columns(minority_score=np.arange(4.0))
    assert not stage_of({"images": store})


def test_a_missing_or_incomplete_result_runs_it_again(stage_of, tmp_path):
    assert stage_of({"a": 1})
    assert not stage_of({"a": 1}, complete=True)
    assert stage_of({"a": 1}, complete=False)
    (tmp_path / "run" / "out").unlink()
    assert stage_of({"a": 1})


def test_a_failure_is_not_recorded(tmp_path):
    def fail():
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        Stage("score", tmp_path, {"a": 1}, []).run(fail)
    assert not (tmp_path / "run.json").exists()


def test_the_record(tmp_path):
    secret = tmp_path / "patients" / "scan.txt"
    secret.parent.mkdir()
    secret.write_text("x")
    inputs = {"images": make_store(tmp_path / "store"), "data": secret.parent, "file": secret, "lr": 0.1}
    Stage("prepare", tmp_path, {}, []).run()
    Stage("train", tmp_path, inputs, ["store"]).run(lambda: None)
    text = (tmp_path / "run.json").read_text()
    record = json.loads(text)
    assert list(record["stages"]) == ["prepare", "train"]
    entry = record["stages"]["train"]
    assert entry["inputs"]["lr"] == 0.1
    assert entry["inputs"]["images"] == f"store {inputs['images'].content_hash[:16]}"
    assert entry["outputs"] == ["store"]
    assert entry["seconds"] >= 0
    assert len(entry["fingerprint"]) == 64
    assert record["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"python", "monai", "numpy", "monai-minority"} <= set(record["versions"])
    assert str(tmp_path) not in text
    assert "patients" not in text
    assert [path.name for path in tmp_path.glob(".run.json*")] == []


def test_random_streams_do_not_count():
    first, second = (Compose([RandFlipd("image", 0.5), ResizeToSquared("image", 8)]) for _ in range(2))
    second.set_random_state(5)
    assert describe(first) == describe(second)
    assert json.dumps(describe(first))


def test_inputs_that_cannot_be_described_or_found(tmp_path):
    with pytest.raises(ValueError, match="must be a store, a network, a Path or a plain value, got object"):
        Stage("score", tmp_path, {"a": object()}, [])
    with pytest.raises(FileNotFoundError, match="absent is missing; run the stage that writes it first"):
        Stage("score", tmp_path, {"a": tmp_path / "absent"}, [])


def test_the_first_process_alone_does_what_is_not_shared(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    done = []
    Stage("a", tmp_path, {}, []).run(lambda: done.append("alone"))
    Stage("b", tmp_path, {}, [], shared=True).run(lambda: done.append("shared"))
    assert done == ["shared"]
    assert not (tmp_path / "run.json").exists()


def test_batches_count_by_their_store_and_the_columns_they_hand_over(tmp_path):
    store = make_store(tmp_path / "store", columns={"class_label": [0, 1, 0, 1]})
    assert describe(StoreBatches(store)) == describe(store)
    labelled = describe(StoreBatches(store, ["class_label"]))
    assert labelled != describe(store) and labelled[0] == describe(store)
    store.add_columns(class_label=[0, 1, 1, 1])
    assert describe(StoreBatches(store, ["class_label"])) != labelled


def test_a_folder_counts_by_its_files_in_order_of_their_paths(tmp_path):
    files = ["b.txt", "a/2", "a/1", "c/d/e"]
    for name in files:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    digest = hashlib.sha256()
    for path in sorted((tmp_path / "data" / name) for name in files):
        state = path.stat()
        text = f"{path.relative_to(tmp_path / 'data').as_posix()} {state.st_size} {state.st_mtime_ns}\n"
        digest.update(text.encode())
    assert describe(tmp_path / "data") == f"file {digest.hexdigest()[:16]}"
    (tmp_path / "data" / "broken").symlink_to("nowhere")
    assert describe(tmp_path / "data") == f"file {digest.hexdigest()[:16]}"


def test_guidance_counts_by_its_kind_its_settings_and_its_networks():
    network, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    kinds = [
        MixedDensityGuidance(network, [0.1, 0.2]),
        MixedDensityGuidance(network, [0.1, 0.3]),
        MixedDensityGuidance(other, [0.1, 0.2]),
        MixedDensityGuidance(network, [0.1, 0.2], scale=2.0),
        MinorityClassifierGuidance(network),
        MinorityClassifierGuidance(network) + SelfGuidance(every=5),
        MinorityClassifierGuidance(network) + SelfGuidance(every=4),
        LowDensityGuidance(network, class_means=torch.ones(1, 2)),
        LowDensityGuidance(network, class_means=torch.zeros(1, 2)),
    ]
    described = [json.dumps(describe(term)) for term in kinds]
    assert len(set(described)) == len(kinds)
    assert json.dumps(describe(MixedDensityGuidance(network, [0.1, 0.2]))) == described[0]
