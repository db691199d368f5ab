"""Flips depend on seed and step, not on the processes that share the batch."""

import torch

from monai_minority.training import AugmentingPrepareBatch


def batch(images, step=3, offset=0, total=None):
    return {"image": images, "step": step, "offset": offset, "total": total or len(images)}


def test_images_are_mirrored_or_not_and_are_their_own_targets():
    images = torch.randn(64, 1, 4, 4)
    found, target = AugmentingPrepareBatch(seed=1)(batch(images))
    assert found is target
    mirrored = (found == images.flip(-1)).flatten(1).all(1)
    assert ((found == images).flatten(1).all(1) ^ mirrored).all()
    assert 20 < mirrored.sum() < 44
    assert torch.equal(AugmentingPrepareBatch(seed=1)(batch(images))[0], found)
    assert not torch.equal(AugmentingPrepareBatch(seed=1)(batch(images, step=4))[0], found)
    assert torch.equal(AugmentingPrepareBatch(seed=1)(batch(images[40:], offset=40, total=64))[0], found[40:])


def test_without_flips():
    images = torch.randn(64, 1, 4, 4)
    assert torch.equal(AugmentingPrepareBatch(flip=False)(batch(images))[0], images)
