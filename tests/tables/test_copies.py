"""Copies that were planted are found, people never seen are not, and the filter drops what is suspected."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.evaluation.copies import CopyDetector
from monai_minority.evaluation.intervals import wilson
from monai_minority.evaluation.planted_copies import NOT_PLANTED, planted_copies
from monai_minority.tables.copies import drop_copies, measure_copies
from monai_minority.tables.rows import UNSEEN
from monai_minority.tables.settings import MeasureSettings

SUBJECTS, SLICES, SIDE = 150, 2, 24


class Pooled(nn.Module):
    name, resizing, normalisation = "means of 4 x 4 pixels", "none", "x"

    def forward(self, x):
        return nn.functional.avg_pool2d(x, 4).flatten(1)


def people(count, seed):
    """Smooth pictures; the two of one person differ little, as neighbouring slices do."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(count, 1, 5, 5, generator=generator).repeat_interleave(SLICES, 0)
    base = base + 0.1 * torch.randn(base.shape, generator=generator)
    pictures = nn.functional.interpolate(base, SIDE, mode="bicubic").clamp(-3, 3) / 3
    return ((pictures + 1) * 127.5).round().byte().numpy()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    subjects = np.repeat(np.arange(SUBJECTS), SLICES)
    table = {
        "source": [f"i{n}" for n in range(len(subjects))],
        "slice": 0,
        "subject": [f"s{n}" for n in subjects],
        "split": np.where(subjects < 100, "train", "test"),
    }
    return ImageStore.create(tmp_path_factory.mktemp("c") / "store", people(SUBJECTS, 0), table, (0, 255))


@pytest.fixture(scope="module")
def samples(store, tmp_path_factory):
    """Forty people never seen, of whom the first ten pictures are training pictures 20 … 29, mirrored."""
    pixels = people(20, 1)
    pixels[:10] = np.load(store.path / "images.npy")[20:30, :, :, ::-1]
    table = {"source": [f"g{n}" for n in range(40)], "slice": 0, "target_class": -1, "synthetic": 1}
    return ImageStore.create(tmp_path_factory.mktemp("c") / "plain", pixels, table, (0, 255), method="test")


@pytest.fixture(scope="module")
def detector(store):
    return CopyDetector(store, Pooled(), quantile=0.02, progress=False)


def test_planted_copies_are_found_and_people_never_seen_are_not(detector):
    table = planted_copies(detector, count=40).set_index("change")
    assert (table.drop(index=NOT_PLANTED)["suspected"] == 1).all()
    assert (table.drop(index=NOT_PLANTED)["found"] == 1).all()
    assert table.loc[NOT_PLANTED, "suspected"] <= 0.06
    assert table.loc[NOT_PLANTED, "n"] == SLICES * 25, "half of the 50 subjects never trained on"
    control = detector.table(detector.store, detector.control)["suspected_copy"].to_numpy()
    expected = wilson(control, detector.subjects[detector.control])
    assert tuple(table.loc[NOT_PLANTED, ["low", "high"]]) == pytest.approx(expected)
    assert expected.high > wilson(control).high


def test_calibration_is_between_subjects(store, detector):
    """Were the two pictures of one person compared, the threshold would be that of neighbouring slices."""
    strangers = store.subset(split="train")
    table = pd.DataFrame({"subject": [f"p{n}" for n in range(len(store))], "split": store.table["split"]})
    alone = ImageStore.create(
        store.path.parent / "alone",
        np.load(store.path / "images.npy"),
        table.assign(source="i", slice=range(300)),
        (0, 255),
    )
    mixed = CopyDetector(alone, Pooled(), quantile=0.02, progress=False)
    for space in ("feature", "pixel"):
        assert mixed.thresholds[space] < 0.6 * detector.thresholds[space]
    assert len(strangers) == detector.context["training_images"] == 200
    assert not set(detector.subjects[detector.control]) & set(detector.subjects[detector.training])


def test_authenticity_and_ratio_by_hand(detector, samples):
    table = detector.table(samples)
    assert not table["pixel_authentic"][:10].any()
    assert (table["pixel_ratio"][:10] < 0.02).all()
    assert (table["pixel_real"][:10] == np.arange(20, 30)).all()
    assert table["nearer_than_any"][:10].all()
    assert table["pixel_ratio"][10:].median() > 0.8
    near = table["pixel_distance"].to_numpy()[10]
    real = table["pixel_real"].to_numpy()[[10]]
    own = detector.table(detector.store, real)["pixel_distance"].to_numpy()[0]
    assert table["pixel_authentic"][10] == (near > own)


def test_the_stage_writes_its_tables_and_the_filter_drops_what_is_suspected(store, samples, tmp_path):
    summary = measure_copies(
        store,
        {"plain": samples},
        Pooled(),
        tmp_path,
        planted=10,
        measures=MeasureSettings(seed=7, progress=False),
        quantile=0.02,
    ).set_index("set")
    assert list(summary.index) == [UNSEEN, "plain"]
    assert summary.loc["plain", "suspected_copy"] >= 0.25
    low, high = summary.loc["plain", ["suspected_copy_low", "suspected_copy_high"]]
    assert low < summary.loc["plain", "suspected_copy"] < high
    images = pd.read_csv(tmp_path / "copies.csv")
    assert len(images) == 40 + 50
    unseen = images[images["set"] == UNSEEN]
    interval = wilson(unseen["pixel_authentic"].to_numpy(), store.table["subject"].to_numpy()[unseen["row"]])
    assert tuple(summary.loc[UNSEEN, ["pixel_authentic_low", "pixel_authentic_high"]]) == pytest.approx(interval)
    assert np.ptp(interval) > np.ptp(wilson(unseen["pixel_authentic"].to_numpy())), "two slices of each subject"
    planted = pd.read_csv(tmp_path / "copies_planted.csv")
    assert len(planted) == 7
    for table in (images, planted, pd.read_csv(tmp_path / "copies_summary.csv")):
        assert table["extractor"].eq(Pooled.name).all() and table["k"].eq(1).all()
    for table in (planted, pd.read_csv(tmp_path / "copies_summary.csv")):
        assert table.columns[-3:].tolist() == ["intervals", "seed", "libraries"]
        assert table["seed"].eq(7).all()
    suspected = images[images["set"] == "plain"]["suspected_copy"].to_numpy()
    assert suspected[:10].all()
    kept = drop_copies(samples, tmp_path / "copies.csv", "plain", tmp_path / "filtered" / "plain")
    expected = np.load(samples.path / "images.npy")[~suspected]
    assert np.array_equal(np.load(kept.path / "images.npy"), expected)
    assert kept.table["source"].tolist() == samples.table["source"][~suspected].tolist()
    assert kept.meta == {"method": "test", "dropped_suspected_copies": int(suspected.sum()), "images_before": 40}
    with pytest.raises(ValueError, match="has 0 rows of the set 'guided', which has 40 images"):
        drop_copies(samples, tmp_path / "copies.csv", "guided", tmp_path / "none")
    pd.DataFrame({"set": "plain", "row": range(40), "suspected_copy": True}).to_csv(tmp_path / "all.csv")
    with pytest.raises(ValueError, match="nothing is left"):
        drop_copies(samples, tmp_path / "all.csv", "plain", tmp_path / "none")


def test_bad_requests_are_named(store, samples):
    with pytest.raises(ValueError, match="quantile"):
        CopyDetector(store, Pooled(), quantile=0, progress=False)
    with pytest.raises(ValueError, match="columns \\['split', 'subject'\\]"):
        CopyDetector(samples, Pooled(), progress=False)
