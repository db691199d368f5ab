"""Mean features against what they are of images whose noised mean is known."""

import numpy as np
import torch

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.stages import mean_features


def test_mean_of_the_noised_images_and_of_their_timesteps(tmp_path):
    """Features are the pixels over sqrt(a_t), whose expectation is the image, and t / T, whose expectation is 1/2."""
    pixels = np.tile(np.array([-0.5, 0.25], np.float32), (4000, 1)).reshape(-1, 1, 1, 2)
    store = ImageStore.create(tmp_path / "s", pixels, {"source": range(4000), "slice": 0}, (-1, 1))
    scheduler = RespacedDDPMScheduler(1000)
    alphas = torch.linspace(0.99, 0.9, 1000)
    scheduler.alphas_cumprod = alphas  # little noise, so that the mean is sharp

    def network(x, t):
        return torch.cat([x.flatten(1) / alphas[t.long()].sqrt()[:, None], t[:, None] / 1000], dim=1)

    means = mean_features(network, store, scheduler, max_images=4000)
    assert means.shape == (1, 3)
    torch.testing.assert_close(means[0], torch.tensor([-0.5, 0.25, 0.5]), rtol=0, atol=0.02)
    again = mean_features(network, store, scheduler, max_images=4000, batch_size=333)
    torch.testing.assert_close(again, means, rtol=1e-5, atol=1e-6)
