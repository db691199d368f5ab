"""Ancestral sampling that is right at any number of steps."""

from typing import Any

import torch
from monai.networks.schedulers.ddpm import DDPMVarianceType

from monai_minority.diffusion.chain import at_timesteps
from monai_minority.diffusion.respaced import GuidanceMode, RespacedScheduler

__all__ = ["RespacedDDPMScheduler"]


class RespacedDDPMScheduler(RespacedScheduler):
    """Ancestral sampler of DDPM (Eq. 3) on a chain of any of the training timesteps.

    MONAI's ``DDPMScheduler`` takes ``timestep - 1`` as the previous step whatever steps are kept, so with 250
    of 1000 it undoes a quarter of the noise it should; and it mixes learned variances in linear space.

    Args:
        num_train_timesteps: see :class:`~monai_minority.diffusion.respaced.RespacedScheduler`.
        schedule: see there.
        variance_type: ``fixed_small`` (the posterior's), ``fixed_large`` (the betas), ``learned`` (the
            network gives the logarithm) or ``learned_range`` (the network gives a place between the first
            two). ``None`` (default) takes ``learned_range`` if the network has twice the channels of the
            image, else ``fixed_small``.
        kwargs: see there.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        schedule: str = "improved_linear",
        variance_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_train_timesteps, schedule, **kwargs)
        allowed = [kind.value for kind in DDPMVarianceType]
        if variance_type is not None and variance_type not in allowed:
            raise ValueError(f"variance_type must be one of {allowed} or None, got {variance_type!r}.")
        self.variance_type = variance_type

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        guidance: torch.Tensor | None = None,
        mode: GuidanceMode = "mean",
        eta: float = 0.0,
        noise: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Go from one kept timestep to the next.

        Args:
            model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` with the variance.
            timestep: training index of ``sample``; one of ``timesteps``.
            sample: ``x_t``, ``[B, C, ...]``.
            guidance: gradient to add to the score, ``[B, C, ...]``, scale included.
            mode: ``mean`` moves the posterior mean by variance x gradient (Dhariwal & Nichol, 2021, Algorithm
                1); ``score`` moves the noise estimate by ``-sqrt(1 - a_t)`` x gradient, which keeps its
                strength when steps are few.
            eta: belongs to DDIM; here it must be 0.
            noise: standard normal ``[B, C, ...]`` to use; drawn if ``None``. The last step adds none.
            generator: source of the noise that is drawn.

        Returns:
            The sample at the next kept timestep and the estimate of ``x_0`` (guided in ``score`` mode), both
            ``[B, C, ...]`` in the type of ``sample``.

        Raises:
            ValueError: if the timestep is not kept, a shape does not fit, or ``eta`` is not 0.
        """
        if eta != 0:
            raise ValueError(f"eta must be 0 for ancestral sampling, got {eta}; use RespacedDDIMScheduler.")
        index = self.chain.index_of(timestep)
        x0, learned = self._denoise(model_output, int(timestep), sample, guidance, mode)
        previous = self.chain.posterior_mean(x0, sample, index)
        variance, log_variance = self._variance(index, learned, sample)
        if guidance is not None and mode == "mean":
            previous = previous + variance * guidance
        if index > 0:
            previous = previous + (0.5 * log_variance).exp() * self._noise(sample, noise, generator)
        return previous.to(sample.dtype), x0.to(sample.dtype)

    def _variance(
        self, index: int, learned: torch.Tensor | None, sample: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Variance of the reverse step and its logarithm, which is clipped where the variance is 0."""
        kind = self.variance_type or ("fixed_small" if learned is None else "learned_range")
        if kind in ("learned", "learned_range"):
            if learned is None:
                raise ValueError(
                    f"variance_type {kind!r} needs a network with {2 * sample.shape[1]} output channels, got "
                    f"{sample.shape[1]}; use 'fixed_small' or 'fixed_large'."
                )
            log_variance = learned if kind == "learned" else self.chain.mixed_log_variance(learned, index)
            return log_variance.exp(), log_variance
        if kind == "fixed_large":
            variance = at_timesteps(self.chain.fixed_large_variance, index, sample)
            return variance, at_timesteps(self.chain.fixed_large_variance.log(), index, sample)
        variance = at_timesteps(self.chain.posterior_variance, index, sample)
        return variance, at_timesteps(self.chain.posterior_log_variance, index, sample)
