"""DDIM sampling on any subset of the training timesteps."""

import torch

from monai_minority.diffusion.respaced import RespacedScheduler, Step
from monai_minority.diffusion.tweedie import epsilon_from_x0


class RespacedDDIMScheduler(RespacedScheduler):
    """DDIM sampler (Song et al., 2021) on any subset of the training timesteps.

    MONAI's ``DDIMScheduler`` assumes a constant stride of ``T // N`` and, after clipping ``x_0``, continues with the
    noise of the unclipped one. This scheduler uses the kept timesteps and the noise of the clipped ``x_0``. It ignores
    learned variances, because ``eta`` determines the variance of DDIM.

    The arguments are those of :class:`~monai_minority.diffusion.RespacedScheduler`.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDIMScheduler
        >>> scheduler = RespacedDDIMScheduler(1000)
        >>> scheduler.set_timesteps("ddim25")
        >>> x = torch.randn(2, 1, 4, 4)
        >>> for timestep in scheduler.timesteps:
        ...     x, x_0 = scheduler.step(torch.zeros_like(x), timestep, x)  # a network that predicts no noise
        >>> x.shape, bool((x_0.abs() <= 1).all())
        (torch.Size([2, 1, 4, 4]), True)
    """

    def _step(self, step: Step) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= step.eta <= 1:
            raise ValueError(f"eta must be in [0, 1], got {step.eta}.")
        if step.guidance is not None and step.mode == "mean" and step.eta == 0:
            raise ValueError(
                "mode 'mean' moves the mean by variance x gradient, and the variance of DDIM at eta=0 is 0, "
                "got guidance that would do nothing; use mode='score' or eta above 0."
            )
        x0, _ = self._denoise(step)
        epsilon = epsilon_from_x0(x0, step.sample, step.timestep, self)

        alpha_prev = self.chain.alphas_cumprod_prev[step.place].item()
        variance = step.eta**2 * self.chain.posterior_variance[step.place].item()
        previous = alpha_prev**0.5 * x0 + (1 - alpha_prev - variance) ** 0.5 * epsilon
        if variance > 0:
            if step.guidance is not None and step.mode == "mean":
                previous = previous + variance * step.guidance
            previous = previous + variance**0.5 * step.noise()
        return previous, x0
