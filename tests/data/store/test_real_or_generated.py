"""Real and generated images as one store: equal in number, right in their labels, and read from where they are."""

import numpy as np
import pytest
import torch

from monai_minority.data import BatchPlan, ImageStore, RealOrGenerated, StoreBatches
from monai_minority.run.content import of_store


def store_of(path, levels, **columns):
    pixels = np.repeat(np.asarray(levels, np.uint8), 4).reshape(-1, 1, 2, 2)
    table = {"source": [f"i{n}" for n in range(len(pixels))], "slice": 0, **columns}
    return ImageStore.create(path, pixels, table, (0, 255))


@pytest.fixture
def both(tmp_path):
    split = ["train", "test", "train", "validation", "train", "train"]
    real = store_of(tmp_path / "real", [10, 11, 12, 13, 14, 15], split=split, class_label=[0, 1, 0, 1, 2, 0])
    made = store_of(tmp_path / "made", [200, 201, 202, 203], seed=range(4), class_label=[2, 1, 0, 1])
    return RealOrGenerated(real, made, validation_share=0.5)


def levels(images):
    return ((images.mean((1, 2, 3)) + 1) * 127.5).round().int().tolist()


def test_splits_hold_as_many_of_both_and_keep_the_held_out_apart(both):
    train, held = both.subset("train"), both.subset("validation")
    assert levels(train.batch(range(len(train)))) == [10, 12, 14, 15, 201, 202, 201, 202]
    assert train.table["real"].tolist() == [1] * 4 + [0] * 4
    assert train.table["class_label"].tolist() == [0, 0, 2, 0, 1, 0, 1, 0]
    assert levels(held.batch(range(len(held)))) == [13, 13, 200, 203]
    assert len(both) == 12


def test_the_held_out_images_are_of_every_class_that_they_were_guided_to(tmp_path):
    """Guided images lie class by class in their store, so that the last tenth of them is of one class."""
    real = store_of(tmp_path / "real", [10, 11], split=["train", "validation"])
    targets = np.repeat(np.arange(5), 20)
    made = store_of(tmp_path / "made", np.arange(100), seed=np.tile(np.arange(20), 5), target_class=targets)
    held = RealOrGenerated(real, made).subset("validation").table.query("real == 0")["row"].to_numpy()
    assert len(held) == 10
    assert np.bincount(targets[held]).tolist() == [2] * 5


def test_batches_come_in_their_order_with_seeds_of_their_own(both):
    held = StoreBatches(both.subset("validation"), ["real"], first_seed=5)
    batch = held[BatchPlan(0, np.array([3, 0, 2]), 0, 3)]
    assert levels(batch["image"]) == [203, 13, 200]
    assert batch["real"].tolist() == [0, 1, 0]
    assert batch["seed"].tolist() == [5 + 8 + 3, 5 + 8, 5 + 8 + 2]
    assert torch.is_tensor(batch["real"])


def test_what_counts_as_changed(both, tmp_path):
    real, made = both.stores
    assert of_store(both.subset("train")) != of_store(both.subset("validation"))
    assert of_store(RealOrGenerated(real, made, validation_share=0.5)) == of_store(both)
    other = store_of(tmp_path / "other", [200, 201, 202, 204], seed=range(4))
    assert of_store(RealOrGenerated(real, other, validation_share=0.5)) != of_store(both)


def test_refusals(both, tmp_path):
    real, made = both.stores
    wide = ImageStore.create(tmp_path / "w", np.zeros((2, 1, 2, 3), np.uint8), {"source": ["a", "b"]}, (0, 255))
    with pytest.raises(ValueError, match=r"must have the shape of the real ones \(1, 2, 2\), got \(1, 2, 3\)"):
        RealOrGenerated(real, wide)
    with pytest.raises(ValueError, match="at least 2 generated images, got 1"):
        RealOrGenerated(real, made.subset([True, False, False, False]))
    with pytest.raises(ValueError, match="has no image of split 'reference'"):
        RealOrGenerated(real, made, validation_split="reference")
    with pytest.raises(ValueError, match="split must be one of"):
        both.subset("test")
