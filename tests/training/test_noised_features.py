"""Features of noised images, against the classifier's own at the same images and timesteps."""

import numpy as np
import pytest
import torch
from torch import nn

from monai_minority.data import BatchPlan, ImageStore, StoreBatches
from monai_minority.networks import BackboneClassifier
from monai_minority.training import NoisedFeatures
from tests.networks.test_backbone_classifier import monai_unet, scrambled


@pytest.fixture(autouse=True)
def one_thread():
    """Several are in test_side_by_side.py; what is kept here is in the order of the calls."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Clean:
    """A scheduler that adds no noise, and keeps what it was given."""

    num_train_timesteps = 1000

    def __init__(self):
        self.images, self.timesteps = [], []

    def add_noise(self, images, noise, timesteps):
        assert abs(noise.std().item() - 1) < 0.1
        self.images.append(images)
        self.timesteps.append(timesteps)
        return images

    def network_timesteps(self, timesteps):
        return timesteps


@pytest.fixture
def store(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (70, 1, 16, 16)).astype(np.uint8)
    return ImageStore.create(tmp_path / "store", pixels, {"rare": np.arange(70) % 3, "class_label": 2}, (0, 255))


@pytest.mark.parametrize("conditional", [False, True])
def test_equal_those_of_the_classifier(store, conditional):
    network = scrambled(BackboneClassifier(monai_unet(num_class_embeds=3 if conditional else None), 3)).eval()
    nn.init.ones_(network.head[0].weight), nn.init.zeros_(network.head[0].bias)
    scheduler = Clean()
    noised = NoisedFeatures(store, network, scheduler, draws=4, progress=False)
    batch = StoreBatches(noised, ["rare"])[BatchPlan(0, np.arange(279, -1, -1), 0, 280)]
    timesteps = torch.cat(scheduler.timesteps)
    assert (timesteps // 250).tolist() == [draw for draw in range(4) for _ in range(70)]
    assert len(timesteps.unique()) > 200
    labels = torch.full((280,), 2) if conditional else None
    with torch.no_grad():
        expected = network.features(store.batch(np.arange(70)).repeat(4, 1, 1, 1), timesteps, labels)
    torch.testing.assert_close(batch["image"].flip(0), expected, atol=2e-3, rtol=2e-3)
    assert batch["rare"].flip(0).tolist() == 4 * (np.arange(70) % 3).tolist()


def test_do_not_depend_on_what_the_head_has_learned(store):
    network, other = (scrambled(BackboneClassifier(monai_unet(), 3)) for _ in range(2))
    other.load_state_dict(network.state_dict())
    nn.init.constant_(other.head[0].weight, 3.0)
    first, second = (NoisedFeatures(store, one, Clean(), draws=2, progress=False) for one in (network, other))
    assert torch.equal(first.batch([3, 139]), second.batch([3, 139]))


def test_half_of_the_versions_are_mirrored(store):
    scheduler = Clean()
    NoisedFeatures(store, BackboneClassifier(monai_unet(), 3), scheduler, 4, flip=True, progress=False).batch([0])
    images = store.batch(np.arange(70)).repeat(4, 1, 1, 1)
    given = torch.cat(scheduler.images)
    mirrored = (given == images.flip(-1)).flatten(1).all(1)
    assert ((given == images).flatten(1).all(1) != mirrored).all()
    assert 110 < mirrored.sum() < 170


def test_bad_arguments_are_named(store):
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        NoisedFeatures(store, BackboneClassifier(monai_unet(), 3), Clean(), draws=0)
    with pytest.raises(ValueError, match="network must be a BackboneClassifier, got Linear"):
        NoisedFeatures(store, nn.Linear(1, 1), Clean())


def test_autocast_computes_in_its_dtype_and_gives_the_same_features_but_for_rounding(store):
    network = scrambled(BackboneClassifier(monai_unet(), 3)).eval()
    plain, rounded = (
        NoisedFeatures(store, network, Clean(), draws=2, autocast=dtype, progress=False).batch(range(140))
        for dtype in (None, torch.bfloat16)
    )
    difference = (plain - rounded).abs()
    assert 0 < difference.mean() < 0.02 and difference.max() < 0.2
