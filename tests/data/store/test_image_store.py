"""The store keeps pixels, rows and order exactly, and either exists whole or not at all."""

import errno
import json
import os
import pickle
import signal
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from monai.data import DataLoader

from monai_minority.data import ImageStore
from monai_minority.data.store import writer as module
from monai_minority.files import DamagedFile


def _images(count: int = 10, shape: tuple[int, int, int] = (1, 4, 5), dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 256, (count, *shape))
    return values.astype(np.uint8) if dtype == "uint8" else (values / 255).astype(dtype)


def _table(count: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": [f"s{i // 2}" for i in range(count)],
            "subject": [f"00{i // 2}" for i in range(count)],
            "slice": [i % 2 for i in range(count)],
            "split": ["train", "test"] * (count // 2),
            "severity": np.linspace(0, 1, count) / 3,
        }
    )


@pytest.fixture
def store(tmp_path):
    return ImageStore.create(tmp_path / "store", _images(), _table(), (0, 255), origin="a test")


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_round_trip_is_exact(tmp_path, dtype):
    images = _images(dtype=dtype)
    top = 255 if dtype == "uint8" else 1
    store = ImageStore.open(ImageStore.create(tmp_path / "s", images, _table(), (0, top), note="x").path)
    assert np.array_equal(np.load(store.path / "images.npy"), images)
    pd.testing.assert_frame_equal(store.table, _table(), check_dtype=False, check_exact=True)
    assert (store.image_shape, store.value_range, store.meta, len(store)) == (
        (1, 4, 5),
        (0, top),
        {"note": "x"},
        10,
    )
    expected = images.astype(np.float64) / top * 2 - 1
    assert np.abs(store.batch(range(10)).numpy() - expected).max() < 7e-8
    assert store.batch([3]).dtype == torch.float32


def test_ends_of_the_range_are_exact(tmp_path):
    images = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1)
    store = ImageStore.create(tmp_path / "s", images, {"source": ["a", "b"]}, (0, 255))
    assert store.batch([0, 1]).flatten().tolist() == [-1.0, 1.0]


def test_batch_keeps_the_order_asked_for(store):
    indices = [7, 0, 7, 3, -1]
    expected = torch.from_numpy(_images()[[7, 0, 7, 3, 9]]).double().div(127.5).sub(1).float()
    assert torch.equal(store.batch(indices), expected)
    assert torch.equal(store.batch(torch.tensor(indices)), expected)
    assert torch.equal(store.batch(slice(2, 4)), store.batch([2, 3]))
    assert store.batch([]).shape == (0, 1, 4, 5)


@pytest.mark.parametrize("indices", [[10], [-11], [0.5], [[0, 1]], [True, False]])
def test_wrong_indices_raise(store, indices):
    with pytest.raises(IndexError):
        store.batch(indices)


def test_batches_stream_into_the_same_store(tmp_path, store):
    images, rows = _images(), []

    def batches():
        for start, stop in ((0, 1), (1, 6), (6, 6), (6, 10)):
            rows.extend(_table().iloc[start:stop].to_dict("records"))
            yield torch.from_numpy(images[start:stop])

    streamed = ImageStore.create(tmp_path / "streamed", batches(), rows, (0, 255))
    assert streamed.content_hash == store.content_hash
    assert (streamed.path / "images.npy").read_bytes() == (store.path / "images.npy").read_bytes()
    assert (streamed.path / "table.csv").read_bytes() == (store.path / "table.csv").read_bytes()


def test_large_arrays_are_written_in_blocks(tmp_path, monkeypatch, store):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 45)
    assert ImageStore.create(tmp_path / "s", _images(), _table(), (0, 255)).content_hash == store.content_hash


def test_hash_covers_pixels_range_and_geometry_alone(tmp_path, store):
    changed = _images()
    changed[4, 0, 0, 0] ^= 1
    hashes = [
        ImageStore.create(tmp_path / "a", changed, _table(), (0, 255)).content_hash,
        ImageStore.create(tmp_path / "b", _images(), _table(), (0, 256)).content_hash,
        ImageStore.create(tmp_path / "c", _images(), _table(), (0, 255), geometry={"spacing": 2}).content_hash,
        store.content_hash,
    ]
    assert len(set(hashes)) == 4
    other = ImageStore.create(tmp_path / "d", _images(), _table().assign(x=1), (0, 255), origin="elsewhere")
    other.add_columns(minority_score=np.arange(10.0))
    assert other.content_hash == ImageStore.open(other.path).content_hash == store.content_hash


def test_columns_are_added_and_replaced(store):
    values = np.random.default_rng(1).normal(size=10)
    store.add_columns(minority_score=torch.from_numpy(values), synthetic=False)
    store.add_columns(split=["validation"] * 10)
    table = ImageStore.open(store.path).table
    assert table["minority_score"].tolist() == values.tolist()
    assert table["split"].eq("validation").all() and not table["synthetic"].any()
    assert store.table.equals(table)
    assert sorted(p.name for p in store.path.iterdir()) == ["images.npy", "store.json", "table.csv"]


def test_columns_of_two_openings_both_stay(store):
    other = ImageStore.open(store.path)
    store.add_columns(a=1)
    other.add_columns(b=2)
    assert {"a", "b"} <= set(ImageStore.open(store.path).table.columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, 2]}, r"'a' must have shape \(10,\), got \(2,\)"),
        ({"source": ["x"] * 10}, "identifies the images"),
    ],
)
def test_wrong_columns_raise_and_change_nothing(store, columns, message):
    before = (store.path / "table.csv").read_bytes()
    with pytest.raises(ValueError, match=message):
        store.add_columns(**columns)
    assert (store.path / "table.csv").read_bytes() == before


def test_items_carry_the_row_and_collate(store):
    item = store[3]
    assert torch.equal(item["image"], store.batch([3])[0])
    assert (item["index"], item["subject"], item["slice"], item["split"]) == (3, "001", 1, "test")
    batch = next(iter(DataLoader(store, batch_size=4, num_workers=1)))
    assert torch.equal(batch["image"], store.batch(range(4)))
    assert batch["subject"] == ["000", "000", "001", "001"] and batch["index"].tolist() == [0, 1, 2, 3]
    assert len(list(store)) == 10


def test_missing_text_collates(tmp_path):
    table = _table().assign(group=["", "a"] * 5)
    store = ImageStore.create(tmp_path / "s", _images(), table, (0, 255))
    assert next(iter(DataLoader(store, batch_size=2)))["group"] == ["", "a"]


def test_subset_has_the_same_interface(store):
    test = store.subset(split="test")
    assert len(test) == 5 and test.table["split"].eq("test").all()
    assert torch.equal(test.batch([2, 0]), store.batch([5, 1]))
    assert test[1]["index"] == 3 and test.rows.tolist() == [1, 3, 5, 7, 9]
    again = test.subset(subject=["000", "004"])
    assert torch.equal(again.batch([0, 1]), store.batch([1, 9]))
    assert torch.equal(store.subset(store.table["slice"] == 1).batch([0]), store.batch([1]))
    assert len({store.content_hash, test.content_hash, again.content_hash}) == 3
    assert test.content_hash == store.subset(split=["test"]).content_hash
    with pytest.raises(ValueError, match="whole store"):
        test.add_columns(a=1)
    with pytest.raises(ValueError, match=r"no image.*'train', 'test'"):
        store.subset(split="reference")
    with pytest.raises(ValueError, match="no column 'age'"):
        store.subset(age=3)


def test_pickle_is_small_and_keeps_the_rows(tmp_path):
    store = ImageStore.create(tmp_path / "s", _images(10, (1, 64, 64)), _table(), (0, 255)).subset(split="test")
    data = pickle.dumps(store)
    assert len(data) < 2000
    assert torch.equal(pickle.loads(data).batch([1]), store.batch([1]))


def test_existing_paths_are_kept(tmp_path, store):
    with pytest.raises(FileExistsError, match="overwrite=True"):
        ImageStore.create(store.path, _images(), _table(), (0, 255))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not an image store"):
        ImageStore.create(tmp_path / "notes", _images(), _table(), (0, 255), overwrite=True)
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"
    replaced = ImageStore.create(store.path, _images(4), _table(4), (0, 255), overwrite=True)
    assert len(replaced) == 4 and sorted(p.name for p in tmp_path.iterdir()) == ["notes", "store"]


def _with(images: np.ndarray, row: int, value: float) -> np.ndarray:
    images[row, 0, 1, 1] = value
    return images


@pytest.mark.parametrize(
    ("images", "rows", "value_range", "message"),
    [
        (_images(dtype="float64"), 10, (0, 1), "uint8, float16, float32, got float64"),
        (_images()[:, 0], 10, (0, 255), r"\[N, C, H, W\]"),
        (_images(), 9, (0, 255), "9 rows for 10 images"),
        (_images(0), 0, (0, 255), "at least one image"),
        (_images(), 10, (255, 0), "ascending"),
        (_with(_images(dtype="float32"), 3, np.nan), 10, (0, 1), r"finite, but row\(s\) 3 have NaN"),
        (_with(_images(dtype="float16"), 7, np.inf), 10, (0, 1), r"finite, but row\(s\) 7 have NaN"),
        (_with(_images(dtype="float32"), 5, 1.5), 10, (0, 1), r"row\(s\) 5 range from .* to 1.5"),
        ([_images(2), _images(2, (1, 4, 4))], 4, (0, 255), "row 2 is uint8"),
    ],
)
def test_wrong_input_raises_and_leaves_nothing(tmp_path, images, rows, value_range, message):
    table = pd.DataFrame({"source": range(rows)})
    with pytest.raises(ValueError, match=message):
        ImageStore.create(tmp_path / "s", images, table, value_range)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_later_blocks_are_named(tmp_path):
    blocks = [_images(4, dtype="float32"), _with(_images(4, dtype="float32"), 1, np.nan)]
    with pytest.raises(ValueError, match=r"row\(s\) 5 "):
        ImageStore.create(tmp_path / "s", iter(blocks), {"source": range(8)}, (0, 1))


def test_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="disk is full.*no part of it was left"):
        ImageStore.create(tmp_path / "s", _images(), _table(), (0, 255))
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_store_and_the_next_one_cleans_up(tmp_path):
    def batches():
        yield _images(2)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        ImageStore.create(tmp_path / "s", batches(), [], (0, 255))
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not (tmp_path / "s").exists() and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FileNotFoundError, match="not an image store"):
        ImageStore.open(tmp_path / "s")
    ImageStore.create(tmp_path / "s", _images(), _table(), (0, 255))
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_damaged_stores_are_named(store):
    header = json.loads((store.path / "store.json").read_text())
    (store.path / "store.json").write_text(json.dumps(header | {"format_version": 99}))
    with pytest.raises(ValueError, match="store format 99"):
        ImageStore.open(store.path)
    (store.path / "store.json").write_text(json.dumps(header))
    _table(8).to_csv(store.path / "table.csv", index=False)
    with pytest.raises(ValueError, match="8 rows for 10 images"):
        ImageStore.open(store.path)


def test_memory_stays_flat_while_images_stream(tmp_path):
    def batches(count):
        for _ in range(count):
            yield np.zeros((4, 1, 256, 256), dtype=np.float32)  # 1 MB

    def peak(count):
        tracemalloc.start()
        ImageStore.create(tmp_path / str(count), batches(count), {"source": range(4 * count)}, (0, 1))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is imported and cached on first use
    assert peak(64) - peak(4) < 1 << 20


def test_two_processes_that_add_columns_keep_both(tmp_path):
    ImageStore.create(tmp_path / "s", _images(), _table(), (0, 255))
    for number in range(5):
        children = []
        for name in "ab":
            children.append(os.fork())
            if children[-1] == 0:
                ImageStore.open(tmp_path / "s").add_columns(**{f"{name}{number}": number})
                os._exit(0)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert {f"{name}{number}" for name in "ab" for number in range(5)} <= set(ImageStore.open(tmp_path / "s").table)


def test_a_flipped_pixel_is_found_before_the_first_read(tmp_path):
    store = ImageStore.create(tmp_path / "s", _images(), _table(), (0, 255))
    store.batch([0])
    with (tmp_path / "s" / "images.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    with pytest.raises(DamagedFile, match=r"images.npy does not hold the pixels of .*store.json"):
        ImageStore.open(tmp_path / "s").batch([0])


@pytest.mark.parametrize("place", ["../../elsewhere", "/tmp/store", "..", "../.hidden"])
def test_a_table_is_shared_with_a_store_beside_alone(tmp_path, place):
    store = ImageStore.create(tmp_path / "s", _images(), _table(), (0, 255))
    header = json.loads((store.path / "store.json").read_text())
    header["table_of"] = {"path": place, "content_hash": "0"}
    (store.path / "store.json").write_text(json.dumps(header))
    with pytest.raises(ValueError, match="may share the table of a store in the same folder alone"):
        ImageStore.open(store.path)
