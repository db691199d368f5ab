"""What the GAN's trainer is fed with."""

import torch

from monai_minority.engines import AugmentingPrepareBatch, RandomCodes, RealImagesPrepareBatch


def test_real_images_are_those_of_the_augmentation():
    images = torch.randn(16, 1, 4, 4)
    batch = {"image": images, "step": 5, "offset": 0, "total": 16}
    found = RealImagesPrepareBatch(seed=2)(batch, torch.device("cpu"), False)
    assert torch.equal(found, AugmentingPrepareBatch(seed=2)(batch)[0])
    assert not torch.equal(found, images)


def test_codes_are_as_many_as_asked_for_and_of_the_global_stream():
    torch.manual_seed(3)
    codes = RandomCodes(7)(num_latents=None, latent_size=5, device=torch.device("cpu"))
    torch.manual_seed(3)
    assert torch.equal(codes, torch.randn(7, 5))
