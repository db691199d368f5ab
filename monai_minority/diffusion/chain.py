"""The Markov chain over the kept timesteps, in float64."""

import torch


def at_timesteps(table: torch.Tensor, index: int | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Read a table of coefficients at one index, or at one index per image.

    Args:
        table: coefficients ``[T]``, float64.
        index: position in the table: an integer, a tensor without dimensions, or ``[B]``.
        like: images ``[B, ...]`` that the result is multiplied with.

    Returns:
        Coefficients that broadcast over ``like``, in its precision (at least float32).

    Raises:
        ValueError: if ``index`` is not an integer, has more than one dimension, or is outside ``0 ... T - 1``.
    """
    dtype = torch.promote_types(like.dtype, torch.float32)
    steps = len(table)
    if not isinstance(index, torch.Tensor) or (index.ndim == 0 and not index.is_floating_point()):
        if not 0 <= int(index) < steps:
            raise ValueError(f"timesteps must be training indices in 0 ... {steps - 1}, got {int(index)}.")
        # A single value works from the CPU with tensors of any device.
        return table[int(index)].to(dtype)
    if index.is_floating_point() or index.ndim != 1:
        raise ValueError(
            "timesteps must be integer training indices, one for all images or one an image, "
            f"got {index.dtype} of shape {tuple(index.shape)}."
        )
    # On an accelerator this check would wait for the device at every training step.
    on_cpu = index.device.type == "cpu"
    if on_cpu and index.numel() and not 0 <= int(index.min()) <= int(index.max()) < steps:
        raise ValueError(
            f"timesteps must be training indices in 0 ... {steps - 1}, "
            f"got values from {int(index.min())} to {int(index.max())}."
        )
    # Cast before moving: not every device has float64.
    values = table.to(dtype).to(like.device)[index.to(like.device)]
    return values.reshape(-1, *[1] * (like.ndim - 1))


class DiffusionChain:
    """Betas and posterior of a diffusion process that visits a subset of its training timesteps.

    The noise added between two kept timesteps is that of all training steps between them, so every marginal equals the
    training marginal (Nichol and Dhariwal, 2021, Section 4). All tables are float64 with one entry per kept timestep,
    in ascending order.

    Attributes:
        timesteps: training indices of the kept steps ``[S]``, int64.
        alphas_cumprod: cumulative products of the alphas at the kept steps.
        alphas_cumprod_prev: the same at the previous kept step; 1 before the first step.
        betas: variances of the forward steps of the shortened chain.
        posterior_variance: variance of ``q(x_prev | x_t, x_0)``; 0 at the first step.
        posterior_log_variance: its logarithm, with the first entry replaced by the second.
        fixed_large_variance: the betas, with the first entry replaced by the second posterior variance.
        x0_coefficient: weight of ``x_0`` in the posterior mean.
        xt_coefficient: weight of ``x_t`` in the posterior mean.

    Args:
        alphas_cumprod: cumulative products of the training chain ``[T]``.
        timesteps: kept training indices in ascending order. ``None`` keeps all.

    Example:
        >>> from monai_minority.diffusion import DiffusionChain, improved_linear
        >>> alphas_cumprod = (1 - improved_linear(1000)).cumprod(0)
        >>> chain = DiffusionChain(alphas_cumprod, [0, 333, 666, 999])
        >>> len(chain), chain.index_of(666)
        (4, 2)
        >>> bool((chain.alphas_cumprod == alphas_cumprod[[0, 333, 666, 999]]).all())
        True
        >>> chain.posterior_variance[0].item()
        0.0
    """

    def __init__(self, alphas_cumprod: torch.Tensor, timesteps: list[int] | None = None) -> None:
        steps = len(alphas_cumprod)
        self.timesteps = torch.arange(steps) if timesteps is None else torch.tensor(timesteps, dtype=torch.int64)
        self._index = {int(timestep): index for index, timestep in enumerate(self.timesteps)}

        self.alphas_cumprod = alphas_cumprod.double()[self.timesteps]
        self.alphas_cumprod_prev = torch.cat([self.alphas_cumprod.new_ones(1), self.alphas_cumprod[:-1]])
        alphas = self.alphas_cumprod / self.alphas_cumprod_prev
        self.betas = 1 - alphas

        remaining = 1 - self.alphas_cumprod
        self.posterior_variance = self.betas * (1 - self.alphas_cumprod_prev) / remaining
        self.x0_coefficient = self.betas * self.alphas_cumprod_prev.sqrt() / remaining
        self.xt_coefficient = (1 - self.alphas_cumprod_prev) * alphas.sqrt() / remaining

        # The first posterior variance is 0; its logarithm is needed all the same, to mix learned variances.
        first = self.posterior_variance[1:2] if len(self.timesteps) > 1 else self.betas[:1]
        self.posterior_log_variance = torch.cat([first, self.posterior_variance[1:]]).log()
        self.fixed_large_variance = torch.cat([first, self.betas[1:]])

    def __len__(self) -> int:
        return len(self.timesteps)

    def index_of(self, timestep: int | torch.Tensor) -> int:
        """Position of a training timestep among the kept ones, counted from the least noisy.

        Raises:
            ValueError: if the timestep is not kept.
        """
        index = self._index.get(int(timestep))
        if index is None:
            raise ValueError(
                f"timestep {int(timestep)} is not one of the {len(self)} kept timesteps "
                f"(from {int(self.timesteps[-1])} down to {int(self.timesteps[0])}); "
                "step through scheduler.timesteps."
            )
        return index

    def posterior_mean(self, x0: torch.Tensor, x_t: torch.Tensor, index: int | torch.Tensor) -> torch.Tensor:
        """Mean ``[B, C, ...]`` of ``q(x_prev | x_t, x_0)`` (Ho et al., 2020, Eq. 7)."""
        weight_x0 = at_timesteps(self.x0_coefficient, index, x_t)
        weight_xt = at_timesteps(self.xt_coefficient, index, x_t)
        return weight_x0 * x0 + weight_xt * x_t

    def mixed_log_variance(self, fraction: torch.Tensor, index: int | torch.Tensor) -> torch.Tensor:
        """Learned range: log-space mixture of the posterior variance and beta (Nichol and Dhariwal, 2021, Eq. 15).

        Args:
            fraction: output of the network ``[B, C, ...]``. -1 gives the posterior variance, 1 gives beta.
            index: position in the chain, one for all images or one per image.
        """
        low = at_timesteps(self.posterior_log_variance, index, fraction)
        high = at_timesteps(self.betas.log(), index, fraction)
        share = (fraction + 1) / 2
        return share * high + (1 - share) * low
