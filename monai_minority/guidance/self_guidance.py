"""Minority sampling without a classifier."""

from collections.abc import Callable

import torch
from torch import Tensor

from .term import Denoise, Draw, GuidanceTerm, input_gradient, largest_to_one


class SelfGuidance(GuidanceTerm):
    r"""Away from what the model itself restores well (Um & Ye, ECCV 2024).

    The denoised image ``x0 = denoise(x_t)`` is noised again to a fixed level and denoised once more. How far
    the second image lies from the first is a minority score of the state, and its gradient with respect to
    ``x_t`` (the second image held fixed) is the guidance: ``w * grad d(x0,
    stop_gradient(denoise(renoise(x0))))``. It acts at every fifth step.

    Args:
        distance: ``d``: a callable from two ``[B, C, H, W]`` to ``[B]``, such as ``scoring.LPIPS``; a number
            ``p`` stands for the ``p``-norm of the difference.
        scale: strength ``w``.
        renoise_share: level of the second noising, as a share of the respaced steps.
        every: act where the index of the respaced step (counted from the clean end) is a multiple of this.
        draws: second noisings averaged over.
        stop_share: act only while that index is above this share of the steps; ``None`` for all of them.
        normalize: divide each image's gradient by its largest absolute value.
        clip: clip both denoised images to [-1, 1].

    Raises:
        ValueError: if a number is outside its range.
    """

    def __init__(
        self,
        distance: Callable[[Tensor, Tensor], Tensor] | float = 2.0,
        scale: float = 1.0,
        renoise_share: float = 0.8,
        every: int = 5,
        draws: int = 1,
        stop_share: float | None = None,
        normalize: bool = True,
        clip: bool = False,
    ) -> None:
        super().__init__(scale)
        if not 0 <= renoise_share < 1:
            raise ValueError(f"renoise_share must be in [0, 1), got {renoise_share}; it is a share of the steps.")
        if every < 1 or draws < 1:
            raise ValueError(f"every and draws must be at least 1, got every={every} and draws={draws}.")
        if isinstance(distance, int | float) and not distance > 0:
            raise ValueError(f"distance as a number is the order of a norm and must be positive, got {distance}.")
        self.distance = distance
        self.renoise_share = renoise_share
        self.every = every
        self.draws = draws
        self.stop_share = stop_share
        self.normalize = normalize
        self.clip = clip

    def gradient(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        denoise: Denoise,
        class_labels: Tensor | None = None,
        minority_classes: Tensor | None = None,
        draw: Draw | None = None,
    ) -> Tensor:
        """Gradient of the distance, zero at steps left out; see :meth:`GuidanceTerm.gradient`."""
        if self.scale == 0:
            return torch.zeros_like(x_t)
        kept = self._kept_steps()
        active = self._active(timesteps, kept)
        if not active.any():
            return torch.zeros_like(x_t)
        if draw is None:
            raise ValueError("draw must be given: self-guidance noises the denoised image again, got None.")
        renoise_timesteps = torch.full_like(timesteps, int(kept[int(len(kept) * self.renoise_share)]))

        def restore(x: Tensor, t: Tensor) -> Tensor:
            x0 = denoise(x, t)
            return x0.clamp(-1, 1) if self.clip else x0

        def objective(x: Tensor) -> Tensor:
            x0 = restore(x, timesteps)
            total = x0.new_zeros(len(x0))
            for _ in range(self.draws):
                with torch.no_grad():
                    renoised = self.scheduler.add_noise(x0, draw(), renoise_timesteps)
                    restored = restore(renoised, renoise_timesteps)
                total = total + self._compare(x0, restored)
            return total / self.draws

        gradient = input_gradient(objective, x_t)
        if self.normalize:
            gradient = largest_to_one(gradient)
        return self.scale * gradient * active.to(x_t)[:, None, None, None]

    def _kept_steps(self) -> Tensor:
        """Training indices of the respaced steps, ascending."""
        if self.scheduler is None:
            raise ValueError("scheduler is not known to SelfGuidance; call attach(scheduler) before gradient().")
        return self.scheduler.timesteps.flip(0).long()

    def _active(self, timesteps: Tensor, kept: Tensor) -> Tensor:
        """Which images, ``[B]``, are at a step to act at."""
        index = torch.searchsorted(kept.to(timesteps.device), timesteps.long())
        active = index % self.every == 0
        if self.stop_share is not None:
            active &= index > len(kept) * self.stop_share
        return active

    def _compare(self, x0: Tensor, restored: Tensor) -> Tensor:
        if callable(self.distance):
            return self.distance(x0, restored).flatten()
        return torch.linalg.vector_norm((x0 - restored).flatten(1), ord=self.distance, dim=1)
