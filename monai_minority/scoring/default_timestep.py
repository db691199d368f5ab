"""The paper's timestep for a schedule."""

import torch
from monai.networks.schedulers import Scheduler

LINEAR_SHARE = 0.6
COSINE_SHARE = 0.9


def default_timestep(scheduler: Scheduler) -> int:
    """Timestep of the minority score as the paper sets it: 0.6 T for linear schedules, 0.9 T for cosine ones.

    Both leave about 2 % of the signal's variance. The family is read off ``alphas_cumprod`` itself, a
    scheduler of MONAI not keeping its name: linear when the betas or their roots grow evenly, cosine when it
    follows Nichol & Dhariwal's formula.

    Args:
        scheduler: any scheduler with ``alphas_cumprod`` ``[T]``.

    Returns:
        A training index.

    Raises:
        ValueError: if the schedule is neither; the timestep must then be given.
    """
    alphas_cumprod = scheduler.alphas_cumprod.double().cpu()
    steps = len(alphas_cumprod)
    before = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    betas = 1 - alphas_cumprod / before
    if _even(betas) or _even(betas.clamp(min=0).sqrt()):
        return round(LINEAR_SHARE * steps)
    times = (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008
    cosine = torch.cos(times * torch.pi / 2) ** 2
    if torch.allclose(alphas_cumprod, cosine[1:] / cosine[0], rtol=0, atol=1e-3):
        return min(round(COSINE_SHARE * steps), steps - 1)
    raise ValueError(
        'timestep must be given, or be "auto": the paper has a default for linear and cosine schedules only, '
        "and this scheduler's alphas_cumprod follows neither."
    )


def _even(values: torch.Tensor) -> bool:
    """Whether values lie on a line, up to what float32 products leave of it."""
    line = torch.linspace(float(values[0]), float(values[-1]), len(values), dtype=values.dtype)
    return bool((values - line).abs().max() < 2e-3 * values.abs().max())
