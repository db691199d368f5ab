"""Minority scores, as MONAI's evaluator asks for them."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_minority.scoring import MinorityScore


class ScoringInferer(Inferer):
    """Scores the images of a batch (Eq. 7, and Eq. 16 with labels) inside a ``SupervisedEvaluator``.

    Args:
        scheduler: noise schedule the network was trained on.
        distance: distance of ``scoring``, from two ``[B, C, H, W]`` to ``[B]``.
        timestep: training index; ``None`` for the paper's share of T (see ``scoring.MinorityScore``).
        draws: noises averaged over.
    """

    def __init__(self, scheduler: Any, distance: Any, timestep: int | None = None, draws: int = 1) -> None:
        self.scheduler = scheduler
        self.distance = distance
        self.timestep = timestep
        self.draws = draws

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
            network: the diffusion network.
            class_labels: integer labels ``[B]`` where the network is conditional on them.
            seeds: integers ``[B]``; an image's score depends on its seed, not on its batch.
            noise: ``[draws, B, C, H, W]`` in place of the seeds.

        Returns:
            float32 ``[B, 2]``: score and standard error of each image.
        """
        score = MinorityScore(network, self.scheduler, self.distance, self.timestep, self.draws)
        result = score(inputs, class_labels=class_labels, seeds=seeds, noise=noise)
        return torch.stack([result.mean, result.standard_error], dim=-1)
