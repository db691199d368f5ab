"""Guided sampling in the latents of an autoencoder."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch import Tensor

from monai_minority.inferers.guided import GuidedDiffusionInferer
from monai_minority.networks.autoencoder import LatentAutoencoder


class LatentDiffusionInferer(Inferer):
    """The latent twin of :class:`GuidedDiffusionInferer`: samples latents and decodes them.

    Network, guidance, seeds and noise are those of the latents; the calls are those of its twin, and what they return
    are images. Latents have no limits, so the scheduler must not clip (``clip_sample=False``).

    Args:
        inferer: samples the latents.
        autoencoder: decodes them, in float32.

    Raises:
        ValueError: the scheduler clips to [-1, 1].

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.inferers import GuidedDiffusionInferer, LatentDiffusionInferer
        >>> class Doubled(torch.nn.Module):  # latents half the size of images, in the place of a LatentAutoencoder
        ...     scale = torch.ones(())
        ...
        ...     def decode(self, latents):
        ...         return latents.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        >>> inferer = GuidedDiffusionInferer(RespacedDDPMScheduler(1000, clip_sample=False), steps=5)
        >>> latent = LatentDiffusionInferer(inferer, Doubled())
        >>> latent.sample(lambda x, timesteps: x, seeds=[0, 1], shape=(3, 4, 4), progress=False).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, inferer: GuidedDiffusionInferer, autoencoder: LatentAutoencoder) -> None:
        if inferer.scheduler.clip_sample:
            raise ValueError(
                "the scheduler's clip_sample must be False for latents, whose values lie beyond [-1, 1], got True; "
                "set clip_sample=False."
            )
        self.inferer = inferer
        self.autoencoder = autoencoder

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], **conditions: Any) -> Tensor:  # type: ignore[override]
        """Images ``[B, C, H, W]`` of integer seeds ``[B]``; see :meth:`GuidedDiffusionInferer.__call__`."""
        return self._decoded(self.inferer(inputs, network, **conditions)).to(inputs.device)

    def sample(
        self,
        network: Callable[..., Tensor],
        seeds: Tensor | Sequence[int],
        shape: Sequence[int],
        *args: Any,
        **options: Any,
    ) -> Tensor:
        """Images of seeds, float32 ``[N, C, H, W]`` on the CPU; see :meth:`GuidedDiffusionInferer.sample`.

        Args:
            network: diffusion network of the latents.
            seeds: integers ``[N]``.
            shape: ``(c, h, w)`` of a latent.
            args: further arguments of the twin's method, and
            options: those by name.
        """
        return torch.cat([images for _, images in self.sample_batches(network, seeds, shape, *args, **options)])

    def sample_batches(
        self,
        network: Callable[..., Tensor],
        seeds: Tensor | Sequence[int],
        shape: Sequence[int],
        *args: Any,
        **options: Any,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Like :meth:`sample`, a batch at a time.

        Yields:
            indices into ``seeds`` ``[B]`` and their images, float32 ``[B, C, H, W]``, both on the CPU.
        """
        for indices, latents in self.inferer.sample_batches(network, seeds, shape, *args, **options):
            yield indices, self._decoded(latents).cpu()

    def _decoded(self, latents: Tensor) -> Tensor:
        with torch.inference_mode(False), eval_mode(self.autoencoder):
            return self.autoencoder.decode(latents.to(self.autoencoder.scale.device)).float()


def decoding(inferer: GuidedDiffusionInferer, autoencoder: LatentAutoencoder | None = None) -> Any:
    """The given inferer, or its :class:`LatentDiffusionInferer` if there is an autoencoder.

    Example:
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.inferers import GuidedDiffusionInferer, decoding
        >>> inferer = GuidedDiffusionInferer(RespacedDDPMScheduler(1000))
        >>> decoding(inferer, None) is inferer
        True
    """
    return inferer if autoencoder is None else LatentDiffusionInferer(inferer, autoencoder)
