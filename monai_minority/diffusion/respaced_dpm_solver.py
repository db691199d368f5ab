"""A second-order multistep solver on any subset of the training timesteps."""

import math
from typing import Any, NamedTuple

import torch

from monai_minority.diffusion.respaced import RespacedScheduler, Step


class _Last(NamedTuple):
    """What is remembered of a step: its place in the chain, and the estimates of ``x_0`` of the network and guided."""

    place: int
    x0: torch.Tensor
    guided: torch.Tensor | None


class RespacedDPMSolverScheduler(RespacedScheduler):
    """DPM-Solver++ (2M) of Lu et al. (2022), and its stochastic variant, on any subset of the training timesteps.

    The solver integrates the probability flow in half the log signal-to-noise ratio, with the exact solution of the
    linear part. The estimate of ``x_0`` is extrapolated from the last two evaluations of the network. The error without
    guidance therefore falls with the square of the number of steps, where that of DDIM falls with the number itself.
    The first step, and the last step to the clean image, are those of DDIM. In the published solver the extrapolation
    grows with the ratio of a step to the one before it. At few evenly spaced timesteps the last steps are several times
    as long as those before, and it overshoots; here that ratio is limited to 1, which keeps the order.

    With guidance, the order is ``guidance_order``. Order 2 extrapolates the guided estimate where this step and the
    last are guided. Order 1 extrapolates the network's estimate alone, and the gradient enters as in DDIM. It is meant
    for gradients that change at random or abruptly, with which solvers of higher order lose their order (Wizadwongsa
    and Suwajanakorn, 2023). Learned variances are ignored.

    The scheduler remembers the last estimate of ``x_0``. It uses it only if a step continues the trajectory of the
    last one; :meth:`restart` forgets it.

    Args:
        *args: see :class:`~monai_minority.diffusion.RespacedScheduler`.
        guidance_order: 1 or 2, see above.
        **kwargs: see there.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDPMSolverScheduler
        >>> scheduler = RespacedDPMSolverScheduler(1000)
        >>> scheduler.set_timesteps(20)
        >>> x = torch.randn(2, 1, 4, 4)
        >>> for timestep in scheduler.timesteps:
        ...     x, x_0 = scheduler.step(torch.zeros_like(x), timestep, x)  # a network that predicts no noise
        >>> x.shape, bool((x_0.abs() <= 1).all())
        (torch.Size([2, 1, 4, 4]), True)
    """

    def __init__(self, *args: Any, guidance_order: int = 2, **kwargs: Any) -> None:
        if guidance_order not in (1, 2):
            raise ValueError(f"guidance_order must be 1 or 2, got {guidance_order}.")
        self.guidance_order = guidance_order
        self.restart()
        super().__init__(*args, **kwargs)

    def restart(self) -> None:
        """Forget the last step, so that the next one starts a trajectory."""
        self._last: _Last | None = None

    def _step(self, step: Step) -> tuple[torch.Tensor, torch.Tensor]:
        index, eta, guidance = step.place, step.eta, step.guidance
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be in [0, 1], got {eta}.")
        if guidance is not None and step.mode == "mean":
            raise ValueError(
                "mode must be 'score' to guide this solver, got 'mean', which moves the mean of a random step."
            )
        x0, _ = self._denoise(step._replace(guidance=None))
        guided = x0 if guidance is None else self._denoise(step)[0]
        last, self._last = self._last, _Last(index, x0, None if guidance is None else guided)
        if index == 0:
            return guided, guided

        width = self._log_ratio(index - 1) - self._log_ratio(index)
        estimate = guided
        if last is not None and last.place == index + 1 and last.x0.shape == x0.shape:
            change = x0 - last.x0
            if self.guidance_order == 2 and guidance is not None and last.guided is not None:
                change = guided - last.guided
            last_width = self._log_ratio(index) - self._log_ratio(index + 1)
            estimate = guided + 0.5 * min(width / last_width, 1.0) * change
        signal = self.chain.alphas_cumprod[index - 1].item() ** 0.5
        sigma, sigma_now = ((1 - self.chain.alphas_cumprod[i].item()) ** 0.5 for i in (index - 1, index))
        previous = sigma / sigma_now * math.exp(-eta * width) * step.sample
        previous = previous - signal * math.expm1(-(1 + eta) * width) * estimate
        if eta > 0:
            amount = sigma * (-math.expm1(-2 * eta * width)) ** 0.5
            previous = previous + amount * step.noise()
        return previous, guided

    def _log_ratio(self, index: int) -> float:
        """Half the logarithm of the signal-to-noise ratio at a kept timestep."""
        alpha = self.chain.alphas_cumprod[index].item()
        return 0.5 * math.log(alpha / (1 - alpha))
