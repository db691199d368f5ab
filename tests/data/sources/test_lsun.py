"""LSUN in its databases and as pictures."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from monai_minority.data.sources import lsun
from monai_minority.data.sources.lsun import LMDBImages

lmdb = pytest.importorskip("lmdb", reason="the package lmdb is not installed")


def _encoded(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), (value, 0, 0)).save(buffer, format="WEBP", lossless=True)
    return buffer.getvalue()


def _write(folder, values):
    with lmdb.open(str(folder), map_size=1 << 20) as database, database.begin(write=True) as writing:
        for value in values:
            writing.put(f"{value:040x}".encode(), _encoded(value))


def _reds(images):
    return [np.asarray(Image.open(image))[0, 0, 0] for image in images]


def test_databases(tmp_path):
    _write(tmp_path / "bedroom_train_lmdb", [10, 20, 30])
    _write(tmp_path / "bedroom_val_lmdb", [40])
    cohort = lsun(tmp_path)
    assert cohort.table["split"].tolist() == ["train"] * 3 + ["validation"]
    assert cohort.table["group"].isna().all()
    assert _reds(cohort.images[i] for i in cohort.table["image"]) == [10, 20, 30, 40]
    assert _reds([pickle.loads(pickle.dumps(cohort.images))[2]]) == [30]
    with pytest.raises(IndexError, match=r"in \[0, 4\), got 4"):
        cohort.images[4]


def test_one_database_is_enough_and_the_other_is_named(tmp_path):
    _write(tmp_path / "church_outdoor_train_lmdb", [1, 2])
    cohort = lsun(tmp_path, category="church_outdoor")
    assert len(cohort) == 2
    assert [entry.reason for entry in cohort.rejected] == ["the database is missing from LSUN"]
    assert len(LMDBImages([tmp_path / "church_outdoor_train_lmdb"])) == 2


def test_pictures(tmp_path):
    for name in ("train/a.jpg", "val/b.webp"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (6, 5)).save(tmp_path / name)
    assert lsun(tmp_path).table["split"].tolist() == ["train", "validation"]


def test_nothing_there(tmp_path):
    (tmp_path / "church_train_lmdb").mkdir()
    with pytest.raises(FileNotFoundError, match="no LSUN: expected bedroom_train_lmdb/.*; found church_train_lmdb"):
        lsun(tmp_path)
