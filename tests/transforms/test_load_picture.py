"""Pictures load as stored, or not at all."""

import numpy as np
import pytest
import torch
from PIL import Image

from monai_minority.transforms import LoadPictured


def test_grey_and_rgb_keep_their_values(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rgb = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    deep = (grey.astype(np.uint16) + 1) * 5000
    for name, array in (("grey", grey), ("rgb", rgb), ("deep", deep)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    load = LoadPictured("image")
    result = load({"image": tmp_path / "grey.png"})["image"]
    assert result.dtype == torch.float32 and np.array_equal(result[0], grey)
    assert np.array_equal(load({"image": tmp_path / "deep.png"})["image"][0], deep)
    result = LoadPictured("image", mode="rgb")({"image": tmp_path / "rgb.png"})["image"]
    assert np.array_equal(result.permute(1, 2, 0), rgb)


def test_other_modes_raise_unless_converted(tmp_path):
    Image.new("RGBA", (2, 2), (255, 0, 0, 128)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="has mode RGBA, not grey; set mode"):
        LoadPictured("image")({"image": tmp_path / "a.png"})
    result = LoadPictured("image", mode="rgb", convert=True)({"image": tmp_path / "a.png"})["image"]
    assert result[:, 0, 0].tolist() == [255, 0, 0]
    with pytest.raises(ValueError, match="mode must be one of grey, rgb"):
        LoadPictured("image", mode="L")


def test_broken_files_raise(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:900])
    (tmp_path / "b.jpg").write_text("not a picture")
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(ValueError, match="cannot be decoded"):
            LoadPictured("image")({"image": tmp_path / name})
