"""DDIM sampling on a chain of any of the training timesteps."""

import torch

from monai_minority.diffusion.respaced import GuidanceMode, RespacedScheduler
from monai_minority.diffusion.tweedie import epsilon_from_x0

__all__ = ["RespacedDDIMScheduler"]


class RespacedDDIMScheduler(RespacedScheduler):
    """DDIM (Song et al., 2021) on a chain of any of the training timesteps.

    MONAI's ``DDIMScheduler`` assumes a constant stride of ``T // N`` whatever steps are kept, and after
    clipping ``x_0`` goes on with the noise of the unclipped one; here the noise is that of the clipped
    ``x_0``.

    The arguments are those of :class:`~monai_minority.diffusion.respaced.RespacedScheduler`. A learned
    variance is
    ignored: the variance of DDIM is fixed by ``eta``.
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
        """Go from one kept timestep to the next (Song et al., 2021, Eq. 12).

        Args:
            model_output: ``[B, C, ...]``; of ``[B, 2 C, ...]`` the variance is ignored.
            timestep: training index of ``sample``; one of ``timesteps``.
            sample: ``x_t``, ``[B, C, ...]``.
            guidance: gradient to add to the score, ``[B, C, ...]``, scale included.
            mode: ``score`` moves the noise estimate by ``-sqrt(1 - a_t)`` x gradient (Dhariwal & Nichol,
                2021, Algorithm 2); ``mean`` moves the mean by variance x gradient and so needs ``eta`` above
                0.
            eta: share of the ancestral noise: 0 is deterministic, 1 has the variance of the DDPM posterior.
            noise: standard normal ``[B, C, ...]`` to use; drawn if ``None`` and needed. The last step adds
                none.
            generator: source of the noise that is drawn.

        Returns:
            The sample at the next kept timestep and the estimate of ``x_0`` (guided in ``score`` mode), both
            ``[B, C, ...]`` in the type of ``sample``.

        Raises:
            ValueError: if the timestep is not kept, a shape does not fit, ``eta`` is not in [0, 1], or
                guidance comes in ``mean`` mode at ``eta`` 0, where the variance is 0 and it would do nothing.
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
