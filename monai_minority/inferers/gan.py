"""Sampling from a GAN's generator."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from monai_minority.diffusion import SeededNoise


class GANInferer(Inferer):
    """Images of seeds: each has a standard normal code from its own stream, so it does not depend on its batch.

    Args:
        latent_size: length of a code.
    """

    def __init__(self, latent_size: int) -> None:
        self.latent_size = latent_size

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: Callable[..., Tensor], **conditions: Any
    ) -> Tensor:
        """One batch, as MONAI's ``SupervisedEvaluator`` asks for it.

        Args:
            inputs: integer seeds ``[B]``.
            network: generator, from codes ``[B, latent_size]`` to images.
            conditions: of a sample plan, such as minority classes; a generator takes none.

        Returns:
            float32 ``[B, C, H, W]`` on the device of the seeds.
        """
        codes = SeededNoise(inputs, (self.latent_size,), inputs.device)()
        modules = [network] if isinstance(network, nn.Module) else []
        with torch.no_grad(), eval_mode(*modules):
            return network(codes).float()

    def sample(
        self,
        network: Callable[..., Tensor],
        seeds: Tensor | Sequence[int],
        shape: Sequence[int],
        batch_size: int = 64,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> Tensor:
        """Images of seeds, in the call of :meth:`GuidedDiffusionInferer.sample`.

        Args:
            network: generator.
            seeds: integers ``[N]``.
            shape: ``(C, H, W)`` that the images must have.
            batch_size: images at a time.
            device: of the network; ``None``: the CPU.
            options: others of that call, such as class labels; a generator takes none.

        Returns:
            float32 ``[N, C, H, W]`` on the CPU.

        Raises:
            ValueError: the generator's images have another shape.
        """
        seeds = torch.as_tensor(list(seeds), device=device or "cpu")
        images = torch.cat([self(part, network).cpu() for part in seeds.split(batch_size)])
        if tuple(images.shape[1:]) != tuple(shape):
            raise ValueError(f"shape must be that of the generator's images {tuple(images.shape[1:])}, got {shape}")
        return images
