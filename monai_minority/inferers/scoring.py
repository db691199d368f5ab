"""Minority scores, as MONAI's evaluator asks for them."""

from collections.abc import Callable
from copy import copy

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_minority.scoring import MinorityScore


class ScoringInferer(Inferer):
    """Scores the images of a batch (Eq. 7, and Eq. 16 with labels) inside a ``SupervisedEvaluator``.

    Args:
        score: the score. Its timestep may be settled after the engine was built, but before it runs.
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
