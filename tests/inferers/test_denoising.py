"""The training call of the network."""

import torch

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.inferers import DenoisingInferer


def test_the_network_sees_the_noised_images_and_its_own_timesteps():
    seen = {}

    def network(x, timesteps, **labels):
        seen.update(x=x, timesteps=timesteps, **labels)
        return (2 * x).bfloat16()

    scheduler = RespacedDDPMScheduler(4000, rescale_timesteps=True)
    images, noise, t = torch.rand(3, 1, 4, 4), torch.randn(3, 1, 4, 4), torch.tensor([0, 1000, 3999])
    output = DenoisingInferer(scheduler)(images, network, noise, t, class_labels=torch.tensor([1, 2, 3]))
    alpha = scheduler.alphas_cumprod[t].double().view(-1, 1, 1, 1)
    torch.testing.assert_close(
        seen["x"].double(), alpha.sqrt() * images + (1 - alpha).sqrt() * noise, rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(seen["timesteps"].double(), t.double() / 4, rtol=1e-6, atol=0)
    assert seen["class_labels"].tolist() == [1, 2, 3]
    assert output.dtype == torch.float32
    DenoisingInferer(scheduler)(images, lambda x, timesteps: x, noise, t)  # no labels: none are passed


def test_ranks_are_handed_to_the_network():
    scheduler, ranks = RespacedDDPMScheduler(1000), torch.tensor([-1.0, 0.9])
    images, t = torch.zeros(2, 1, 1, 1), torch.tensor([0, 999])
    output = DenoisingInferer(scheduler)(
        images, lambda x, timesteps, ranks: x * 0 + ranks.view(-1, 1, 1, 1), images, t, ranks=ranks
    )
    assert torch.equal(output.flatten(), ranks)
