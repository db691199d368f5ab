"""The scale of latents, and the store that they are kept in."""

import numpy as np
import pytest
import torch

from monai_minority.data import ImageStore, StoreBatches
from monai_minority.networks import LatentAutoencoder
from monai_minority.stages.encode import write_latents
from monai_minority.stages.train_autoencoder import measure_scale
from tests.toy_autoencoder import SwappedBlocks


@pytest.fixture
def store(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8)).astype(np.uint8)
    images[6:] = images[6:] // 8  # whatever is not for training varies less
    table = {"source": list("abcdefghij"), "slice": 0, "split": ["train"] * 6 + ["test"] * 4}
    return ImageStore.create(tmp_path / "store", images, table, (0, 255))


def latents_of(store, autoencoder):
    return [autoencoder.encode(store.batch(rows)).numpy() for rows in (range(4), range(4, len(store)))]


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_the_scale_is_one_over_the_deviation_of_the_training_images(store, batch_size):
    autoencoder = LatentAutoencoder(SwappedBlocks(gain=3.0)).train()
    train = store.subset(split="train")
    expected = 1 / (3.0 * train.batch(slice(None)).double().std(correction=0).item())
    assert measure_scale(autoencoder, train, batch_size, progress=False) == pytest.approx(expected, rel=1e-6)
    assert autoencoder.encode(train.batch(slice(None))).std(correction=0).item() == pytest.approx(1, rel=1e-6)
    assert autoencoder.training, "its mode is put back"


def test_latents_that_are_all_alike(store):
    with pytest.raises(ValueError, match="must vary and be finite, their variance is 0"):
        measure_scale(LatentAutoencoder(SwappedBlocks(gain=0.0)), store, progress=False)


def test_latents_are_read_as_they_are_and_share_the_images_table(store, tmp_path):
    autoencoder = LatentAutoencoder(SwappedBlocks())
    autoencoder.scale.fill_(5.0)
    parts = latents_of(store, autoencoder)
    latents = write_latents(parts, store, tmp_path / "latents", "float32", autoencoder="that one")
    assert np.array_equal(latents.batch(slice(None)), np.concatenate(parts))
    assert latents.batch(slice(None)).abs().max() > 1
    assert latents.meta == {"latents": True, "autoencoder": "that one"}
    store.add_columns(minority_class=range(10))
    train = ImageStore.open(tmp_path / "latents").subset(split="train")
    assert train.table["minority_class"].tolist() == [0, 1, 2, 3, 4, 5]
    assert StoreBatches(train, ["minority_class"]).columns["minority_class"].tolist() == [0, 1, 2, 3, 4, 5]
    ImageStore.open(tmp_path / "latents").add_columns(score=1.5)
    assert (ImageStore.open(tmp_path / "store").table["score"] == 1.5).all()


def test_half_precision_keeps_three_digits(store, tmp_path):
    autoencoder = LatentAutoencoder(SwappedBlocks())
    autoencoder.scale.fill_(5.0)
    parts = latents_of(store, autoencoder)
    latents = write_latents(parts, store, tmp_path / "latents")
    assert latents.dtype == np.float16
    torch.testing.assert_close(
        latents.batch(slice(None)), torch.from_numpy(np.concatenate(parts)), rtol=1e-3, atol=1e-6
    )


def test_latents_of_images_that_are_gone(store, tmp_path):
    autoencoder = LatentAutoencoder(SwappedBlocks())
    autoencoder.scale.fill_(1.0)
    write_latents(latents_of(store, autoencoder), store, tmp_path / "latents")
    ImageStore.create(tmp_path / "store", np.zeros((10, 1, 8, 8), np.uint8), store.table, (0, 255), overwrite=True)
    with pytest.raises(ValueError, match="latents shares the table of .*store, whose images have changed since"):
        ImageStore.open(tmp_path / "latents")


def test_latents_that_are_too_few_or_not_finite_leave_nothing(store, tmp_path):
    with pytest.raises(ValueError, match="got 10 rows for 4 images"):
        write_latents([np.zeros((4, 4, 4, 4))], store, tmp_path / "latents")
    with pytest.raises(ValueError, match="must be finite"):
        write_latents([np.full((10, 4, 4, 4), np.nan)], store, tmp_path / "latents")
    with pytest.raises(ValueError, match="must be a whole store to be shared, got a subset"):
        write_latents([np.zeros((6, 4, 4, 4))], store.subset(split="train"), tmp_path / "latents")
    assert not (tmp_path / "latents").exists()
