"""Crops of a step: the same again, others at another step, and shared among processes."""

import torch

from monai_minority.training import CropsPrepareBatch
from monai_minority.transforms import MultiCrop


def batch(images, step=0, offset=0, total=None):
    rows = torch.arange(len(images)) + offset
    return {"image": images, "index": rows, "step": step, "offset": offset, "total": total or len(images)}


def test_crops_follow_seed_and_step_and_not_the_sharing():
    images = torch.rand(6, 1, 16, 16) * 2 - 1
    prepare = CropsPrepareBatch(MultiCrop(size=16, small_size=8, num_small=2), seed=4)
    views, rows = prepare(batch(images, step=3))
    torch.manual_seed(99)
    again, _ = prepare(batch(images, step=3))
    assert torch.equal(views.large, again.large) and torch.equal(views.small, again.small)
    assert torch.equal(rows, torch.arange(6))
    other, _ = prepare(batch(images, step=4))
    assert not torch.allclose(views.large, other.large)
    second, rows = prepare(batch(images[3:], step=3, offset=3, total=6))
    torch.testing.assert_close(second.large, views.large[:, 3:])
    assert torch.equal(rows, torch.arange(3, 6))
