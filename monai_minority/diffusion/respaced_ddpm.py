"""Ancestral sampling that is correct for any number of steps."""

from typing import Any

import torch
from monai.networks.schedulers.ddpm import DDPMVarianceType

from monai_minority.diffusion.chain import at_timesteps
from monai_minority.diffusion.respaced import GuidanceMode, RespacedScheduler

__all__ = ["RespacedDDPMScheduler"]


class RespacedDDPMScheduler(RespacedScheduler):
    """Ancestral sampler of DDPM (Um et al., 2024, Eq. 3) on any subset of the training timesteps.

    MONAI's ``DDPMScheduler`` takes ``timestep - 1`` as the previous step whatever steps are kept, so with 250 of 1000
    steps it removes only a quarter of the noise. It also mixes learned variances in linear space. This scheduler uses
    the kept timesteps and mixes in log space.

    Args:
        num_train_timesteps: see :class:`~monai_minority.diffusion.RespacedScheduler`.
        schedule: see there.
        variance_type: ``fixed_small`` (posterior variance), ``fixed_large`` (betas), ``learned`` (the network gives the
            logarithm) or ``learned_range`` (the network interpolates between the first two). ``None`` (default) means
            ``learned_range`` if the network has twice the channels of the image, else ``fixed_small``.
        **kwargs: see there.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> scheduler = RespacedDDPMScheduler(1000)
        >>> scheduler.set_timesteps(10)
        >>> x, gradient = torch.randn(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
        >>> for timestep in scheduler.timesteps:
        ...     x, x_0 = scheduler.step(torch.zeros_like(x), timestep, x, guidance=gradient)
        >>> x.shape, bool((x_0.abs() <= 1).all())
        (torch.Size([2, 1, 4, 4]), True)
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
        """Step from one kept timestep to the next.

        Args:
            model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` with the variance.
            timestep: training index of ``sample``, one of ``timesteps``.
            sample: ``x_t``, ``[B, C, ...]``.
            guidance: gradient ``[B, C, ...]`` to add to the score, scale included.
            mode: ``mean`` shifts the posterior mean by variance x gradient (Dhariwal and Nichol, 2021, Algorithm 1).
                ``score`` shifts the noise estimate by ``-sqrt(1 - a_t)`` x gradient, whose effect does not shrink with
                few steps.
            eta: argument of DDIM. It must be 0.
            noise: standard normal noise ``[B, C, ...]``. ``None`` draws it. The last step adds none.
            generator: random generator for the drawn noise.

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
