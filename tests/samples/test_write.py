"""Samples as a store."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from monai_minority.data import ImageStore
from monai_minority.samples import SamplePlan, read_samples, write_samples


def write(folder, name, plan, batches, scale=2.0):
    return write_samples(batches, plan, folder / "samples" / name, scale, {"method": "minority guidance", "steps": 25})


def test_pixels_are_rounded_to_bytes_and_clamped(tmp_path):
    values = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 0.001], dtype=np.float32)
    images = np.broadcast_to(values[:, None, None, None], (8, 1, 2, 2))
    write(tmp_path, "guided", SamplePlan(4, [0, 5], first_seed=7), iter([images[:3], images[3:]]))
    store = ImageStore.open(tmp_path / "samples" / "guided")
    stored = np.load(store.path / "images.npy")[:, 0, 0, 0]
    assert stored.tolist() == [0, 0, 64, 128, 191, 255, 255, 128]
    table = store.table
    assert table["seed"].tolist() == [7, 8, 9, 10] * 2
    assert table["target_class"].tolist() == [0] * 4 + [5] * 4
    assert (table["guidance_scale"] == 2.0).all()
    assert (table["synthetic"] == 1).all()
    assert store.meta["synthetic"] is True
    assert store.meta["steps"] == 25


def test_the_grid_has_a_row_of_the_first_images_of_each_class(tmp_path):
    """Two pixels of white lie between images and around them; a heading lies above, and a label left of each row."""
    levels = np.linspace(-1, 1, 40, dtype=np.float32)
    label = int(ImageFont.load_default(10).getlength("class 0"))
    for name, plan, rows, columns, left in (
        ("guided", SamplePlan(20, [0, 5]), 2, 16, label),
        ("all", SamplePlan(40), 6, 7, 0),
    ):
        write(tmp_path, name, plan, [np.broadcast_to(levels[:, None, None, None], (40, 1, 2, 2))])
        picture = np.asarray(Image.open(tmp_path / "samples" / f"{name}.png"))
        grid = picture[-(4 * rows + 2) :, left : left + 4 * columns + 2]
        assert (picture[: -len(grid)] < 128).any(), "a heading"
        assert (picture[-len(grid) :, :left] < 128).any() == (name == "guided"), "labels"
        np.testing.assert_allclose(grid[2, 2::4], (levels[:columns] + 1) * 127.5, atol=1)
        second = levels[20] if name == "guided" else levels[columns]
        assert abs(grid[6, 2] - (second + 1) * 127.5) <= 1


def test_a_set_is_replaced(tmp_path):
    for value in (0.0, 1.0):
        write(tmp_path, "a", SamplePlan(2), [np.full((2, 1, 2, 2), value, np.float32)])
    assert read_samples(tmp_path)["a"].batch([0]).max() == 1


def test_sets_are_found_by_name_and_half_written_ones_are_not(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no sample set; run the sample stage first"):
        read_samples(tmp_path)
    for name in ("unguided", "guided", ".guided.partial"):
        write(tmp_path, name, SamplePlan(2), [np.zeros((2, 1, 2, 2), np.float32)])
    assert list(read_samples(tmp_path)) == ["guided", "unguided"]


def test_too_few_samples_leave_no_store(tmp_path):
    with pytest.raises(ValueError, match="got 4 rows for 3 images"):
        write(tmp_path, "a", SamplePlan(4), [np.zeros((3, 1, 2, 2), np.float32)])
    assert not (tmp_path / "samples" / "a").exists()
