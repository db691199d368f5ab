"""DDIM sampling on any subset of the training timesteps."""

import torch

from monai_minority.diffusion.respaced import GuidanceMode, RespacedScheduler
from monai_minority.diffusion.tweedie import epsilon_from_x0

__all__ = ["RespacedDDIMScheduler"]


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
        """Step from one kept timestep to the next (Song et al., 2021, Eq. 12).

        Args:
            model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` with a variance that is ignored.
            timestep: training index of ``sample``, one of ``timesteps``.
            sample: ``x_t``, ``[B, C, ...]``.
            guidance: gradient ``[B, C, ...]`` to add to the score, scale included.
            mode: ``score`` shifts the noise estimate by ``-sqrt(1 - a_t)`` x gradient (Dhariwal and Nichol, 2021,
                Algorithm 2). ``mean`` shifts the mean by variance x gradient and requires ``eta`` above 0.
            eta: fraction of the ancestral noise. 0 is deterministic; 1 has the variance of the DDPM posterior.
            noise: standard normal noise ``[B, C, ...]``. ``None`` draws it if needed. The last step adds none.
            generator: random generator for the drawn noise.

        Returns:
            The sample at the next kept timestep and the estimate of ``x_0`` (guided in ``score`` mode), both
            ``[B, C, ...]`` in the type of ``sample``.

        Raises:
            ValueError: if the timestep is not kept, a shape does not fit, ``eta`` is not in [0, 1], or guidance is
                given in ``mean`` mode at ``eta`` 0, where it would have no effect.
        """
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be in [0, 1], got {eta}.")
        if guidance is not None and mode == "mean" and eta == 0:
            raise ValueError(
                "mode 'mean' moves the mean by variance x gradient, and the variance of DDIM at eta=0 is 0, "
                "got guidance that would do nothing; use mode='score' or eta above 0."
            )
        index = self.chain.index_of(timestep)
        x0, _ = self._denoise(model_output, int(timestep), sample, guidance, mode)
        epsilon = epsilon_from_x0(x0, sample, int(timestep), self)

        alpha_prev = self.chain.alphas_cumprod_prev[index].item()
        variance = eta**2 * self.chain.posterior_variance[index].item()
        previous = alpha_prev**0.5 * x0 + (1 - alpha_prev - variance) ** 0.5 * epsilon
        if variance > 0:
            if guidance is not None and mode == "mean":
                previous = previous + variance * guidance
            previous = previous + variance**0.5 * self._noise(sample, noise, generator)
        return previous.to(sample.dtype), x0.to(sample.dtype)
