"""Pictures load as stored, or not at all."""

import os
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from monai_minority.transforms import LoadPictured
from tests.peak_memory import peak_below


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


ORIENTATIONS = {  # what the tag says to do with the stored pixels to show them
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jpg"])
@pytest.mark.parametrize("tag", ORIENTATIONS)
def test_a_picture_is_turned_as_viewers_show_it(tmp_path, tag, ending):
    stored = np.kron(
        np.random.default_rng(0).integers(0, 256, (4, 6, 1), dtype=np.uint8), np.ones((16, 16, 3), np.uint8)
    )
    exif = Image.Exif()
    exif[0x0112] = tag
    options = {"webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}}.get(ending, {})
    Image.fromarray(stored).save(tmp_path / f"a.{ending}", exif=exif, **options)
    shown = LoadPictured(mode="rgb")({"image": tmp_path / f"a.{ending}"})["image"].permute(1, 2, 0).numpy()
    wanted = ORIENTATIONS[tag](stored)
    assert shown.shape == wanted.shape and np.abs(shown - wanted).max() <= (12 if ending == "jpg" else 0)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_keep_their_range(tmp_path, ending):
    deep = np.array([[0, 257, 2570], [32896, 65278, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{ending}")
    grey = LoadPictured(convert=True)({"image": tmp_path / f"a.{ending}"})["image"]
    assert grey[0].tolist() == [[0, 1, 10], [128, 254, 255]]
    rgb = LoadPictured(mode="rgb", convert=True)({"image": tmp_path / f"a.{ending}"})["image"]
    assert rgb.shape == (3, 2, 3) and all(torch.equal(channel, grey[0]) for channel in rgb)
    assert LoadPictured()({"image": tmp_path / f"a.{ending}"})["image"][0].tolist() == deep.tolist()


def test_values_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.array([[0.0, 70000.0]], np.float32)).save(tmp_path / "a.tif")
    for mode in ("grey", "rgb"):
        with pytest.raises(ValueError, match="32 bits .mode F., so the range of its values is unknown"):
            LoadPictured(mode=mode, convert=True)({"image": tmp_path / "a.tif"})


def test_several_pictures_in_a_file_are_refused(tmp_path):
    pages = [Image.new("L", (4, 4), value) for value in (1, 2, 3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match="holds 3 pictures, not one"):
        LoadPictured()({"image": tmp_path / "a.tif"})


def test_a_picture_that_claims_too_much_is_not_decoded(tmp_path):
    Image.new("L", (3000, 3000)).save(tmp_path / "a.png")
    with peak_below(20), pytest.raises(ValueError, match="3000 x 3000 pixels exceeds the 1000000 bytes allowed"):
        LoadPictured(max_bytes=1_000_000)({"image": tmp_path / "a.png"})
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "b.png").write_bytes(content)
    with peak_below(20), pytest.raises(ValueError, match="claims more pixels|exceeds the"):
        LoadPictured()({"image": tmp_path / "b.png"})


def test_no_other_program_reads_a_picture(tmp_path):
    """PostScript is a program, and PIL would run an interpreter for it, whatever the ending of the file."""
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n")
    os.mkfifo(tmp_path / "b.png")
    for name, reason in (("a.png", "cannot be decoded"), ("b.png", "a named pipe")):
        with pytest.raises(ValueError, match=reason):
            LoadPictured(convert=True)({"image": tmp_path / name})
