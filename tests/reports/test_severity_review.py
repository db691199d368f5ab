"""The review of generated severity in TensorBoard: pictures whose brightness is their severity, class and neighbour."""

import io

import numpy as np
import PIL.Image
import pytest
import torch
from ignite.engine import Engine
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.reports import SeverityReview
from monai_minority.run import summary_writer

LEVELS = [0, 51, 102, 153, 204, 255, 100]  # of the real images; the last is no training image


@pytest.fixture
def store(tmp_path):
    images = np.broadcast_to(np.array(LEVELS, np.uint8)[:, None, None, None], (7, 1, 4, 4)).copy()
    table = {
        "source": [f"s{i}" for i in range(7)],
        "slice": [0] * 7,
        "split": ["train"] * 6 + ["test"],
        "minority_class": [0, 0, 1, 1, 1, 1, 1],
    }
    return ImageStore.create(tmp_path / "store", images, table, (0, 255))


def brightness(images: torch.Tensor) -> np.ndarray:
    return (images.mean(dim=(1, 2, 3)).numpy() + 1) / 2


def batches():
    """Five images in two batches: levels 0.15, 0.95, 0.45, 0.65 and 0.3 of the classes 0, 1, 0, 1 and 1."""
    for levels, classes in (([0.15, 0.95, 0.45], [0, 1, 0]), ([0.65, 0.3], [1, 1])):
        images = (2 * torch.tensor(levels) - 1).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
        yield {"image": images, "target_class": torch.tensor(classes)}


def review(tmp_path, store, data=None, **options) -> EventAccumulator:
    writer = summary_writer(tmp_path / "events")
    engine = Engine(lambda _, batch: {"pred": batch["image"]})
    options = {"name": "mine", "scale": 2.0, "columns": 2, "batch_size": 4} | options
    SeverityReview(store, writer, **options).attach(engine)
    engine.run(list(batches()) if data is None else data)
    writer.close()
    return EventAccumulator(str(tmp_path / "events"), size_guidance={"images": 0, "histograms": 0}).Reload()


def scalars(events, tag):
    return [(event.step, pytest.approx(event.value, abs=1e-6)) for event in events.Scalars(tag)]


def test_distributions_by_class_beside_the_real_ones(tmp_path, store):
    events = review(tmp_path, store, measure=brightness)
    assert scalars(events, "severity_mean/mine_scale_2") == [(0, 0.3), (1, 1.9 / 3)]
    assert scalars(events, "severity_mean/real") == [(0, 0.1), (1, 0.7)], "the test image is left out"
    assert scalars(events, "severity_measured/real") == [(0, 1), (1, 1)]
    histograms = {event.step: event.histogram_value for event in events.Histograms("severity/mine_scale_2")}
    assert [(value.num, value.min, value.max) for value in histograms.values()] == [
        (2, pytest.approx(0.15), pytest.approx(0.45)),
        (3, pytest.approx(0.3), pytest.approx(0.95)),
    ]
    assert sum(event.histogram_value.num for event in events.Histograms("severity/real")) == 6


@pytest.mark.parametrize("extractor", [None, nn.Flatten()])
def test_a_grid_has_two_rows_a_class(tmp_path, store, extractor):
    events = review(tmp_path, store, extractor=extractor)
    (image,) = events.Images("synthetic/mine_scale_2/above_real_look_alikes")
    pixels = np.asarray(PIL.Image.open(io.BytesIO(image.encoded_image_string)))
    step = 4 + 2 * 2 + 1  # a tile with its frame and the gap
    assert pixels.shape == (4 * step + 1, 2 * step + 1, 3)
    centres = pixels[4::step, 4::step][:4, :2]
    assert (centres == centres[..., :1]).all(), "grey"
    # Class 0, what looks most like it, class 1 (the first two of its three), what looks most like it.
    expected = np.array([[0.15, 0.45], [0.2, 0.4], [0.95, 0.65], [1.0, 0.6]]) * 255
    assert np.abs(centres[..., 0] - expected).max() <= 1
    frames = pixels[1::step, 4::step][:4, :2].tolist()
    white, blue = [255] * 3, [0, 113, 177]
    assert np.abs(np.array(frames) - [[white] * 2, [blue] * 2, [white] * 2, [blue] * 2]).max() <= 1
    assert not events.Tags()["histograms"], "without a measure there are grids alone"


def test_a_class_with_few_images_leaves_white_places(tmp_path, store):
    events = review(tmp_path, store, data=list(batches())[:1], columns=3)
    (image,) = events.Images("synthetic/mine_scale_2/above_real_look_alikes")
    pixels = np.asarray(PIL.Image.open(io.BytesIO(image.encoded_image_string)))
    assert pixels[4::9, 4::9][2:4, 1:3].tolist() == [[[255] * 3] * 2] * 2


def test_scales_of_a_batch_are_told_apart(tmp_path, store):
    data = [{**batch, "guidance_scale": batch["target_class"] * 1.5} for batch in batches()]
    events = review(tmp_path, store, data=data, measure=brightness, scale="guidance_scale")
    assert scalars(events, "severity_mean/mine_scale_0") == [(0, 0.3)]
    assert scalars(events, "severity_mean/mine_scale_1.5") == [(1, 1.9 / 3)]
    assert len(events.Tags()["images"]) == 2


def test_images_without_a_value_are_counted_and_left_out(tmp_path, store):
    events = review(tmp_path, store, measure=lambda x: np.where(brightness(x) > 0.4, brightness(x), np.nan))
    assert scalars(events, "severity_mean/mine_scale_2") == [(0, 0.45), (1, 0.8)]
    assert scalars(events, "severity_measured/mine_scale_2") == [(0, 0.5), (1, 2 / 3)]
    assert scalars(events, "severity_measured/real") == [(0, 0), (1, 0.75)]


def test_a_measure_of_another_shape_is_refused(tmp_path, store):
    with pytest.raises(ValueError, match=r"one value an image, \[3\], got shape \(3, 1\)"):
        review(tmp_path, store, measure=lambda x: x.mean(dim=(2, 3)))


def test_other_processes_write_nothing(tmp_path, store):
    engine = Engine(lambda _, batch: {"pred": batch["image"]})
    SeverityReview(store, None, brightness, enabled=False).attach(engine)
    engine.run(list(batches()))  # a writer of None would fail
