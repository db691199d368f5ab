"""Ancestral sampling that is correct for any number of steps."""

from typing import Any

import torch
from monai.networks.schedulers.ddpm import DDPMVarianceType

from monai_minority.diffusion.chain import at_timesteps
from monai_minority.diffusion.respaced import RespacedScheduler, Step


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

    def _step(self, step: Step) -> tuple[torch.Tensor, torch.Tensor]:
        if step.eta != 0:
            raise ValueError(f"eta must be 0 for ancestral sampling, got {step.eta}; use RespacedDDIMScheduler.")
        x0, learned = self._denoise(step)
        previous = self.chain.posterior_mean(x0, step.sample, step.place)
        variance, log_variance = self._variance(step.place, learned, step.sample)
        if step.guidance is not None and step.mode == "mean":
            previous = previous + variance * step.guidance
        if step.place > 0:
            previous = previous + (0.5 * log_variance).exp() * step.noise()
        return previous, x0

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
