"""Samples of other programs: the bytes they wrote are the bytes that are kept."""

import numpy as np
import pytest
from PIL import Image

from monai_minority.data import ImageStore
from monai_minority.samples import ImportedSamples, write_samples


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)


@pytest.fixture
def colour():
    return np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)


def stored(samples, folder):
    """Bytes and store after the way through ``write_samples``."""
    write_samples(samples, samples.plan, folder / "set", 0.0, {"method": "StyleGAN"})
    store = ImageStore.open(folder / "set")
    return np.load(folder / "set" / "images.npy"), store


def write_pictures(folder, images):
    for i, image in enumerate(images):
        path = folder / f"{i // 2:05d}" / f"seed{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_with_labels(tmp_path, colour, save):
    save(tmp_path / "samples.npz", colour, np.array([3, 1, 4, 1, 5]))
    pixels, store = stored(ImportedSamples(tmp_path / "samples.npz", (3, 8, 8), batch_size=2), tmp_path)
    assert np.array_equal(pixels, np.moveaxis(colour, 3, 1))
    assert store.table["class_label"].tolist() == [3, 1, 4, 1, 5]
    assert store.table["seed"].tolist() == [0, 1, 2, 3, 4]
    assert (store.table["target_class"] == -1).all() and (store.table["synthetic"] == 1).all()
    assert store.meta == {"synthetic": True, "method": "StyleGAN"}


def test_a_folder_of_pictures_in_order(tmp_path, grey):
    samples = ImportedSamples(write_pictures(tmp_path / "out", grey), (1, 8, 8), batch_size=2)
    pixels, store = stored(samples, tmp_path)
    assert np.array_equal(pixels[:, 0], grey)
    assert "class_label" not in store.table
    assert np.array_equal(np.concatenate(list(samples)), np.concatenate(list(samples))), "it can be read again"


@pytest.mark.parametrize("layout", ["N H W", "N H W 1", "N H W 3"])
def test_grey_however_it_is_written(tmp_path, grey, layout):
    images = {"N H W": grey, "N H W 1": grey[..., None], "N H W 3": np.repeat(grey[..., None], 3, 3)}[layout]
    np.savez(tmp_path / "samples.npz", images)
    assert np.array_equal(stored(ImportedSamples(tmp_path / "samples.npz", (1, 8, 8)), tmp_path)[0][:, 0], grey)


def test_the_first_few(tmp_path, colour):
    np.savez(tmp_path / "samples.npz", colour, np.arange(5))
    pixels, store = stored(ImportedSamples(tmp_path / "samples.npz", (3, 8, 8), max_images=3), tmp_path)
    assert np.array_equal(pixels, np.moveaxis(colour[:3], 3, 1))
    assert store.table["class_label"].tolist() == [0, 1, 2]


def test_another_size_and_kind_where_it_is_meant(tmp_path, colour):
    flat = np.broadcast_to(colour[:, :1, :1], (5, 16, 16, 3))  # one colour an image stays what it is at any size
    samples = ImportedSamples(write_pictures(tmp_path / "out", flat), (1, 8, 8), resize=True, convert=True)
    luma = flat[:, :8, :8] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(stored(samples, tmp_path)[0][:, 0] - luma).max() <= 1
    (tmp_path / "grey").mkdir()
    grey = ImportedSamples(write_pictures(tmp_path / "grey", flat[..., 0]), (3, 16, 16), convert=True)
    assert np.array_equal(stored(grey, tmp_path)[0], np.repeat(flat[:, None, ..., 0], 3, 1))


def read(path, shape=(1, 8, 8), **options):
    return list(ImportedSamples(path, shape, **options))


def test_what_does_not_fit_is_named_with_the_rule(tmp_path, grey, colour):
    folder = write_pictures(tmp_path / "out", grey)
    with pytest.raises(ValueError, match=r"seed0000.png must have 16 x 16 pixels .* got 8 x 8; set external_resize"):
        read(folder, (1, 16, 16))
    with pytest.raises(ValueError, match=r"seed0000.png must have 3 channel\(s\) .* got 1; set external_convert"):
        read(folder, (3, 8, 8))
    Image.fromarray(colour[0]).save(folder / "00001" / "seed0003.png")
    with pytest.raises(ValueError, match=r"seed0003.png must have 1 channel\(s\) .* got 3"):
        read(folder)
    (folder / "00001" / "seed0003.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(ValueError, match=r"seed0003.png cannot be imported: .*; correct it or remove it"):
        read(folder)
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(folder / "00001" / "seed0003.png")
    with pytest.raises(ValueError, match=r"seed0003.png cannot be imported: its mode must be L .* got RGBA"):
        read(folder)
    np.savez(tmp_path / "colour.npz", colour)
    with pytest.raises(ValueError, match=r"colour.npz, image 0 must have 1 channel\(s\)"):
        read(tmp_path / "colour.npz")


def test_what_is_no_sample_set(tmp_path, grey):
    with pytest.raises(FileNotFoundError, match="gone does not exist"):
        read(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no image; give a .npz archive or a folder of"):
        read(tmp_path / "empty")
    np.savez(tmp_path / "named.npz", images=grey)
    with pytest.raises(ValueError, match="named.npz must be .* named.npz must hold arr_0, got images.npy"):
        read(tmp_path / "named.npz")
    np.savez(tmp_path / "floats.npz", grey / 255)
    with pytest.raises(ValueError, match=r"floats.npz: arr_0 must be uint8 .*, got float64 \[5, 8, 8\]"):
        read(tmp_path / "floats.npz")
    np.savez(tmp_path / "labels.npz", grey, np.zeros(4, int))
    with pytest.raises(ValueError, match="labels.npz must be .* arr_1 must be 5 whole numbers"):
        read(tmp_path / "labels.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match="text.npz must be a folder of pictures or a .npz archive"):
        read(tmp_path / "text.npz")
    with pytest.raises(ValueError, match="max_images must be at least 1, got 0"):
        read(tmp_path, max_images=0)
