"""Minority sampling without a classifier."""

from collections.abc import Callable

import torch
from torch import Tensor

from .term import GuidanceTerm, SamplingState, largest_to_one


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

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler, SeededNoise
        >>> from monai_minority.guidance import SamplingState, SelfGuidance
        >>> scheduler = RespacedDDPMScheduler(1000, prediction_type="sample")
        >>> scheduler.set_timesteps(50)
        >>> state = SamplingState(
        ...     torch.ones(1, 1, 2, 2),
        ...     scheduler.timesteps[-6:-5],  # the fifth from the clean end
        ...     scheduler,
        ...     network=lambda x, timesteps: x / 2,
        ...     draw=SeededNoise([0], (1, 2, 2)),
        ... )
        >>> SelfGuidance(scale=0.4).gradient(state).abs().max()
        tensor(0.4000)
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
            raise ValueError(
                f"distance as a number is the order of a norm and must be positive, got {distance}; 2 is Euclid's."
            )
        self.distance = distance
        self.renoise_share = renoise_share
        self.every = every
        self.draws = draws
        self.stop_share = stop_share
        self.normalize = normalize
        self.clip = clip

    def gradient(self, state: SamplingState) -> Tensor:
        """Gradient of the distance, zero at steps left out; see :meth:`GuidanceTerm.gradient`."""
        if self.scale == 0:
            return torch.zeros_like(state.x_t)
        kept = state.scheduler.timesteps.flip(0).long()  # the respaced steps' training indices, ascending
        active = self._active(state.timesteps, kept)
        if not active.any():
            return torch.zeros_like(state.x_t)
        again = torch.full_like(state.timesteps, int(kept[int(len(kept) * self.renoise_share)]))

        def objective() -> Tensor:
            x0 = self._clipped(state.x0)
            total = x0.new_zeros(len(x0))
            for _ in range(self.draws):
                with torch.no_grad():
                    renoised = state.scheduler.add_noise(x0, state.draw(), again)
                    restored = self._clipped(state.denoise(renoised, again))
                total = total + self._compare(x0, restored)
            return total / self.draws

        gradient = state.gradient_of(objective)
        if self.normalize:
            gradient = largest_to_one(gradient)
        return self.scale * gradient * active.to(gradient)[:, None, None, None]

    def _clipped(self, x0: Tensor) -> Tensor:
        return x0.clamp(-1, 1) if self.clip else x0

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
