"""Classification of noised images: how the minority classifier is trained and validated."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_minority.diffusion import SeededNoise
from monai_minority.networks.wrappers import takes_class_labels


class NoisyClassifierInferer(Inferer):
    """Noises each image at a timestep of its own and classifies what results (Um, Lee, Ye, ICLR 2024).

    In training the timesteps are drawn uniformly from ``0 … T-1``. For validation by noise level, ``grid``
    names fixed timesteps, and every image is classified at each of them.

    Args:
        scheduler: noise schedule of the diffusion model to be guided. The classifier gets the timesteps as
            the diffusion network does (rescaled where ``rescale_timesteps`` is on).
        grid: training indices to classify every image at, ``[G]``; ``None`` draws one an image.

    Raises:
        ValueError: if a timestep of the grid is outside ``0 … T-1``.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.inferers import NoisyClassifierInferer
        >>> inferer = NoisyClassifierInferer(RespacedDDPMScheduler(1000), grid=[0, 500, 999])
        >>> inferer(torch.zeros(4, 1, 2, 2), lambda x, timesteps: x.flatten(1), seeds=torch.arange(4)).shape
        torch.Size([4, 3, 4])
    """

    def __init__(self, scheduler: Any, grid: Sequence[int] | None = None) -> None:
        self.scheduler = scheduler
        self.grid = None if grid is None else [int(t) for t in grid]
        total = scheduler.num_train_timesteps
        if self.grid is not None and not (self.grid and all(0 <= t < total for t in self.grid)):
            raise ValueError(f"grid must hold training timesteps in [0, {total}), got {self.grid}.")

    def __call__(  # type: ignore[override]
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        class_labels: Tensor | None = None,
        timesteps: Tensor | None = None,
        noise: Tensor | None = None,
        seeds: Tensor | None = None,
    ) -> Tensor:
        """Logits of noised images.

        Args:
            inputs: clean images ``[B, C, H, W]`` in [-1, 1].
            network: classifier from noisy images and timesteps to logits ``[B, L]``.
            class_labels: integer labels ``[B]``, for a classifier conditional on them; others are not given
                them.
            timesteps: training indices ``[B]`` in place of drawn ones; not with ``grid``.
            noise: ``[B, C, H, W]``, or ``[G, B, C, H, W]`` with ``grid``, in place of drawn noise.
            seeds: integers ``[B]``: draws timestep and noise from the images' own streams, so that
                validation sees the same noisy images each time. Without, PyTorch's global stream is drawn
                from.

        Returns:
            float32 logits ``[B, L]``, or ``[B, G, L]`` with ``grid``.
        """
        if self.grid is not None and timesteps is not None:
            raise ValueError("timesteps must be None where the inferer has a grid of its own; got both.")
        streams = None if seeds is None else SeededNoise(seeds, inputs.shape[1:], inputs.device)

        def classify(t: Tensor, given: Tensor | None) -> Tensor:
            if given is None:
                given = torch.randn_like(inputs) if streams is None else streams().to(inputs)
            x_t = self.scheduler.add_noise(inputs, given, t)
            labels = {}
            if class_labels is not None and takes_class_labels(network, unknown=False):
                labels["class_labels"] = class_labels
            return network(x_t, self.scheduler.network_timesteps(t), **labels).float()

        if self.grid is None:
            if timesteps is None:
                timesteps = self._draw_timesteps(inputs, streams)
            return classify(timesteps, noise)
        levels = [torch.full((len(inputs),), t, device=inputs.device) for t in self.grid]
        given = [None] * len(levels) if noise is None else list(noise)
        return torch.stack([classify(*level) for level in zip(levels, given, strict=True)], dim=1)

    def _draw_timesteps(self, inputs: Tensor, streams: SeededNoise | None) -> Tensor:
        total = self.scheduler.num_train_timesteps
        if streams is not None:
            return streams.integers(total)
        return torch.randint(total, (len(inputs),), device=inputs.device)
