"""Fashion-MNIST's IDX files, a tiny one and Debian's."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from monai_minority.data.sources import fashion_mnist
from monai_minority.data.sources.fashion_mnist import read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def write_idx(path: Path, array: np.ndarray) -> None:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_set(folder: Path, suffix: str = ".gz", count: int = 20) -> dict[str, np.ndarray]:
    """Both parts; the pixels by the part's name."""
    pixels = {}
    for seed, part in enumerate(("train", "t10k")):
        pixels[part] = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", pixels[part])
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", (np.arange(count) % 10).astype(np.uint8))
    return pixels


@pytest.mark.parametrize("place, suffix", [(".", ".gz"), (".", ""), ("FashionMNIST/raw", "")])
def test_layouts(tmp_path, place, suffix):
    pixels = write_set(tmp_path / place, suffix)
    cohort = fashion_mnist(tmp_path)
    assert np.array_equal(list(cohort.images), np.concatenate(list(pixels.values())))
    assert cohort.table["split"].tolist() == ["train"] * 20 + ["test"] * 20
    assert cohort.table.loc[8, ["group", "class_label"]].tolist() == ["Bag", 8]


def test_missing_and_damaged_parts_are_named(tmp_path):
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    cohort = fashion_mnist(tmp_path)
    assert len(cohort) == 20 and cohort.table["split"].isna().all()
    assert "t10k-labels-idx1-ubyte.gz is missing" in cohort.rejected[0].reason
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc"))
    with pytest.raises(FileNotFoundError, match="holds no Fashion-MNIST: expected train-images.*must hold 5 values"):
        fashion_mnist(tmp_path)
    (tmp_path / "x").write_bytes(b"\0\0\x0d\x01" + bytes(8))
    with pytest.raises(ValueError, match="is not an IDX file of unsigned bytes"):
        read_idx(tmp_path / "x")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_package():
    cohort = fashion_mnist(DEBIAN)
    counts = cohort.table.groupby(["split", "class_label"]).size()
    assert (counts["train"] == 6000).all() and (counts["test"] == 1000).all() and len(counts) == 20
    first = cohort.images[0]
    assert first.shape == (28, 28) and cohort.table["group"][0] == "Ankle boot"
    assert int(first.sum()) == 76247
