"""The small inferers: mixed precision around another, minority scores, latents, and self-distillation."""

from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_minority.networks.autoencoder import LatentAutoencoder
from monai_minority.scoring import MinorityScore
from monai_minority.transforms import Views


class AutocastInferer(Inferer):
    """Runs another inferer under autocast on the device of its input.

    MONAI's engines cast on CUDA alone; a processor gains as much from bfloat16.

    Args:
        inferer: what is called.
        dtype: such as ``torch.bfloat16``; ``None`` switches autocast off.

    Example:
        >>> import torch
        >>> from monai.inferers import SimpleInferer
        >>> from monai_minority.inferers import AutocastInferer
        >>> AutocastInferer(SimpleInferer())(torch.ones(2, 3), torch.nn.Linear(3, 1)).dtype
        torch.bfloat16
    """

    def __init__(self, inferer: Inferer, dtype: torch.dtype | None = torch.bfloat16) -> None:
        self.inferer = inferer
        self.dtype = dtype

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``inferer(inputs, network, *args, **kwargs)``; what it returns is returned."""
        with torch.autocast(inputs.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            return self.inferer(inputs, network, *args, **kwargs)


class ScoringInferer(Inferer):
    """Scores the images of a batch (Eq. 7, and Eq. 16 with labels) inside a ``SupervisedEvaluator``.

    Args:
        score: the score. Its timestep may be settled after the engine was built, but before it runs.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.inferers import ScoringInferer
        >>> from monai_minority.scoring import L2, MinorityScore
        >>> score = MinorityScore(torch.nn.Identity(), RespacedDDPMScheduler(1000), L2(), draws=2)
        >>> inferer = ScoringInferer(score)
        >>> inferer(torch.zeros(3, 1, 4, 4), lambda x, timesteps: x, seeds=torch.arange(3)).shape
        torch.Size([3, 2])
    """

    def __init__(self, score: MinorityScore) -> None:
        self.score = score

    def __call__(  # type: ignore[override]
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        class_labels: Tensor | None = None,
        seeds: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Score one batch.

        Args:
            inputs: images ``[B, C, H, W]`` in [-1, 1].
            network: the engine's diffusion network, which takes the place of the score's own.
            class_labels: integer labels ``[B]`` where the network is conditional on them.
            seeds: integers ``[B]``; an image's score depends on its seed, not on its batch.
            noise: ``[draws, B, C, H, W]`` in place of the seeds.

        Returns:
            float32 ``[B, 2]``: score and standard error of each image.
        """
        score = copy(self.score)
        score.network = network
        result = score(inputs, class_labels=class_labels, seeds=seeds, noise=noise)
        return torch.stack([result.mean, result.standard_error], dim=-1)


class EncodingInferer(Inferer):
    """Encodes a batch with the engine's network, a :class:`~monai_minority.networks.LatentAutoencoder`.

    Example:
        >>> import torch
        >>> from monai.networks.nets import AutoencoderKL
        >>> from monai_minority.inferers import EncodingInferer
        >>> from monai_minority.networks import LatentAutoencoder
        >>> network = AutoencoderKL(
        ...     spatial_dims=2,
        ...     in_channels=1,
        ...     out_channels=1,
        ...     latent_channels=3,
        ...     channels=(4, 4),
        ...     num_res_blocks=1,
        ...     attention_levels=(False, False),
        ...     norm_num_groups=2,
        ... )
        >>> EncodingInferer()(torch.zeros(2, 1, 8, 8), LatentAutoencoder(network)).shape
        torch.Size([2, 3, 4, 4])
    """

    def __call__(self, inputs: Tensor, network: LatentAutoencoder) -> Tensor:  # type: ignore[override]
        """Scaled latents ``[B, c, h, w]`` of images ``[B, C, H, W]`` in [-1, 1]."""
        return network.encode(inputs)


class SelfDistillationInferer(Inferer):
    """Logits of student and teacher: the student sees every crop, the teacher the large ones (DINO, Caron et al. 2021).

    Args:
        teacher: the averaged network, :class:`~monai_minority.networks.SelfDistillationNetwork`.

    Example:
        >>> import torch
        >>> from monai_minority.inferers import SelfDistillationInferer
        >>> from monai_minority.networks import SelfDistillationNetwork
        >>> from monai_minority.transforms import Views
        >>> pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> network = SelfDistillationNetwork(pool, torch.nn.Linear(3, 5))
        >>> views = Views(torch.zeros(2, 4, 3, 8, 8), torch.zeros(6, 4, 3, 4, 4))
        >>> student, teacher = SelfDistillationInferer(network)(views, network)
        >>> student.shape, teacher.shape
        (torch.Size([8, 4, 5]), torch.Size([2, 4, 5]))
    """

    def __init__(self, teacher: Callable[..., Tensor]) -> None:
        self.teacher = teacher

    def __call__(  # type: ignore[override]
        self, inputs: Views, network: Callable[..., Tensor], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Of the student ``[V, B, K]``, and of the teacher, without gradients, ``[G, B, K]``."""
        with torch.no_grad():
            teacher = self.teacher(inputs.large)
        return network(inputs), teacher
