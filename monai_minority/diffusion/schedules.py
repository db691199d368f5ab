"""Noise schedules in float64, and the choice of sampling timesteps.

Importing this module adds three entries to MONAI's ``NoiseSchedules``, which any MONAI scheduler accepts by name.
MONAI's own entries are unchanged. The differences are:

==========================  ==============================================================================
``improved_linear``         ``linear_beta`` with its ends scaled by 1000 / T, so that the chain ends in the
                            same noise for every T (``linear_beta`` is 4 times too large for T = 4000)
``improved_scaled_linear``  ``scaled_linear_beta``, scaled in the same way
``improved_cosine``         ``cosine`` in float64; float32 loses most digits of a long chain's first betas
==========================  ==============================================================================
"""

from collections.abc import Sequence

import numpy as np
import torch
from monai.networks.schedulers.scheduler import NoiseSchedules

REFERENCE_STEPS = 1000
"""Length of the chain for which the published ends of the linear schedules were chosen."""


def _scaled_ends(num_train_timesteps: int, beta_start: float, beta_end: float) -> tuple[float, float]:
    if num_train_timesteps < 1:
        raise ValueError(f"num_train_timesteps must be at least 1, got {num_train_timesteps}.")
    scale = REFERENCE_STEPS / num_train_timesteps
    if not 0 < beta_start * scale <= beta_end * scale < 1:
        raise ValueError(
            f"beta_start and beta_end, scaled by {REFERENCE_STEPS} / num_train_timesteps, must satisfy "
            f"0 < beta_start <= beta_end < 1, got {beta_start * scale:g} and {beta_end * scale:g} for "
            f"{num_train_timesteps} steps; use more training steps or 'improved_cosine'."
        )
    return beta_start * scale, beta_end * scale


@NoiseSchedules.add_def("improved_linear", "Linear betas in float64, ends scaled by 1000 / T")
def improved_linear(num_train_timesteps: int, beta_start: float = 1e-4, beta_end: float = 2e-2) -> torch.Tensor:
    """Linear schedule of Ho et al. (2020) for a chain of any length.

    Args:
        num_train_timesteps: length T of the chain.
        beta_start: first beta of a chain of 1000 steps. It is scaled by 1000 / T.
        beta_end: last beta of a chain of 1000 steps. It is scaled by 1000 / T.

    Returns:
        Betas ``[T]``, float64.

    Raises:
        ValueError: if the scaled ends are outside (0, 1). With the default ends this happens for T of 20 or less.

    Example:
        >>> from monai_minority.diffusion import improved_linear
        >>> improved_linear(1000)[[0, -1]].tolist()
        [0.0001, 0.02]
        >>> improved_linear(4000)[[0, -1]].tolist()
        [2.5e-05, 0.005]
    """
    start, end = _scaled_ends(num_train_timesteps, beta_start, beta_end)
    return torch.linspace(start, end, num_train_timesteps, dtype=torch.float64)


@NoiseSchedules.add_def("improved_scaled_linear", "Squares of linear roots in float64, ends scaled by 1000 / T")
def improved_scaled_linear(
    num_train_timesteps: int, beta_start: float = 8.5e-4, beta_end: float = 1.2e-2
) -> torch.Tensor:
    """Schedule that is linear in the square root of beta (Rombach et al., 2022), for a chain of any length.

    Args:
        num_train_timesteps: length T of the chain.
        beta_start: first beta of a chain of 1000 steps. It is scaled by 1000 / T. The default is that of latent
            diffusion.
        beta_end: last beta of a chain of 1000 steps. It is scaled by 1000 / T.

    Returns:
        Betas ``[T]``, float64.

    Raises:
        ValueError: if the scaled ends are outside (0, 1).

    Example:
        >>> from monai_minority.diffusion import improved_scaled_linear
        >>> [round(beta, 6) for beta in improved_scaled_linear(1000)[[0, -1]].tolist()]
        [0.00085, 0.012]
    """
    start, end = _scaled_ends(num_train_timesteps, beta_start, beta_end)
    return torch.linspace(start**0.5, end**0.5, num_train_timesteps, dtype=torch.float64) ** 2


@NoiseSchedules.add_def("improved_cosine", "Cosine schedule of Nichol & Dhariwal in float64, betas at most 0.999")
def improved_cosine(num_train_timesteps: int, s: float = 8e-3, max_beta: float = 0.999) -> torch.Tensor:
    """Cosine schedule of Nichol and Dhariwal (2021), Eq. 17.

    The betas are those of the discrete chain through ``cos^2(pi / 2 * (t / T + s) / (1 + s))``, limited to
    ``max_beta``.

    Args:
        num_train_timesteps: length T of the chain.
        s: offset that keeps the first betas above zero.
        max_beta: largest beta. Without it the last beta would be 1, which no reverse step can undo.

    Returns:
        Betas ``[T]``, float64.

    Raises:
        ValueError: if ``num_train_timesteps`` is below 1 or ``max_beta`` is not in (0, 1).

    Example:
        >>> from monai_minority.diffusion import improved_cosine
        >>> betas = improved_cosine(1000)
        >>> betas.shape, betas.max().item()
        (torch.Size([1000]), 0.999)
    """
    if num_train_timesteps < 1:
        raise ValueError(f"num_train_timesteps must be at least 1, got {num_train_timesteps}.")
    if not 0 < max_beta < 1:
        raise ValueError(f"max_beta must be in (0, 1), got {max_beta}.")
    time = torch.arange(num_train_timesteps + 1, dtype=torch.float64) / num_train_timesteps
    alphas_cumprod = torch.cos((time + s) / (1 + s) * torch.pi / 2) ** 2
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(max=max_beta)


def space_timesteps(num_timesteps: int, sections: int | str | Sequence[int]) -> list[int]:
    """Choose the training timesteps of a shorter chain, as guided-diffusion does.

    The chain is divided into sections of equal length. The first sections are one step longer if T is not divisible. In
    each section a given number of steps is kept, evenly spaced from its first step to its last.

    Args:
        num_timesteps: length T of the training chain.
        sections: one number for the whole chain (``250`` or ``"250"``), one number per section (``[10, 15, 20]`` or
            ``"10,15,20"``), or ``"ddimN"`` for N steps with a constant integer stride from 0 (Song et al., 2021).

    Returns:
        Kept timesteps in ascending order, each in ``0 ... T - 1``.

    Raises:
        ValueError: if a number cannot be read or is larger than its section, no number is positive, or no stride gives
            N steps.

    Example:
        >>> from monai_minority.diffusion import space_timesteps
        >>> space_timesteps(1000, 5)
        [0, 250, 500, 749, 999]
        >>> space_timesteps(1000, "ddim5")
        [0, 200, 400, 600, 800]
        >>> space_timesteps(10, "2,1")
        [0, 4, 5]
    """
    if isinstance(sections, str) and sections.startswith("ddim"):
        wanted = sum(_counts(sections.removeprefix("ddim"), sections, most=1))
        for stride in range(1, num_timesteps + 1):
            kept = range(0, num_timesteps, stride)
            if len(kept) == wanted:
                return list(kept)
        raise ValueError(
            f"sections={sections!r}: no integer stride through {num_timesteps} timesteps keeps {wanted} of "
            f"them; use a divisor of {num_timesteps}, or the plain number {wanted}."
        )

    counts = _counts(sections, sections)
    length, longer = divmod(num_timesteps, len(counts))
    kept_steps: list[int] = []
    start = 0
    for section, count in enumerate(counts):
        size = length + (section < longer)
        if not 0 <= count <= size:
            raise ValueError(
                f"sections={sections!r}: section {section} has {size} of the {num_timesteps} timesteps, "
                f"so its count must be between 0 and {size}, got {count}."
            )
        stride_within = (size - 1) / (count - 1) if count > 1 else 1.0
        # Summed, not multiplied: halves must round to the same side as in the published samplers.
        offsets = np.cumsum([0.0] + [stride_within] * (count - 1)) if count else np.empty(0)
        kept_steps += (start + np.rint(offsets).astype(int)).tolist()
        start += size
    if not kept_steps:
        raise ValueError(f"sections={sections!r} keeps no timestep; give at least one positive count.")
    return kept_steps


def count_steps(sections: int | str | Sequence[int]) -> int:
    """How many timesteps ``sections`` of :func:`space_timesteps` keep.

    >>> count_steps(250), count_steps([10, 15, 20]), count_steps("10,15,20"), count_steps("ddim25")
    (250, 45, 45, 25)
    """
    return sum(_counts(sections.removeprefix("ddim") if isinstance(sections, str) else sections, sections))


def _counts(sections: int | str | Sequence[int], given: object, most: int | None = None) -> list[int]:
    parts = sections.split(",") if isinstance(sections, str) else [sections] if isinstance(sections, int) else sections
    try:
        counts = [int(part) for part in parts]
    except (TypeError, ValueError):
        counts = []
    if not counts or (most is not None and len(counts) > most):
        raise ValueError(
            f"sections must be a number of steps, a list of numbers ('10,15,20') or 'ddimN', got {given!r}."
        )
    return counts
