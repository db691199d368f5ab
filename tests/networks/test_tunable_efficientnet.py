"""It is the frozen extractor's network, and all of it but its normalisation learns."""

import torch

from monai_minority.networks import EfficientNetLite0, tunable_efficientnet
from monai_minority.networks.imagenet import normalise


def test_it_begins_with_the_features_of_the_frozen_one():
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    network = tunable_efficientnet().train()
    found = network(normalise(images, (127 / 255,) * 3, (128 / 255,) * 3))
    torch.testing.assert_close(found, EfficientNetLite0(size=64)(images), rtol=1e-4, atol=1e-5)
    assert network.num_features == found.shape[1] == 1280


def test_its_convolutions_learn_and_its_statistics_stay():
    network = tunable_efficientnet().train()
    before = {key: value.clone() for key, value in network.state_dict().items() if "running" in key}
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    learned = dict(network.named_parameters())
    assert len(learned) == 49 and all(value.grad is not None and value.grad.any() for value in learned.values())
    for key, value in before.items():
        torch.testing.assert_close(network.state_dict()[key], value, rtol=0, atol=0)
