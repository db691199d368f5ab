"""Tweedie's formula (Um et al., 2024, Eq. 4 and 6): the posterior mean of the clean image."""

from typing import Any

import torch

from monai_minority.diffusion.chain import at_timesteps


def split_variance(model_output: torch.Tensor, x_t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Split the output of a network into its prediction and its learned variance.

    Args:
        model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` if the variance is learned.
        x_t: noised images ``[B, C, ...]``, which determine C.

    Returns:
        Prediction ``[B, C, ...]`` and learned variance ``[B, C, ...]`` or ``None``, in the precision of ``x_t`` (at
        least float32), so that mixed precision ends at the network.

    Raises:
        ValueError: if the output has neither C nor 2 C channels, or another batch or image size.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import split_variance
        >>> prediction, variance = split_variance(torch.zeros(2, 6, 4, 4), torch.zeros(2, 3, 4, 4))
        >>> prediction.shape, variance.shape
        (torch.Size([2, 3, 4, 4]), torch.Size([2, 3, 4, 4]))
        >>> split_variance(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4))[1] is None
        True
    """
    channels = x_t.shape[1]
    same_otherwise = model_output.shape[:1] + model_output.shape[2:] == x_t.shape[:1] + x_t.shape[2:]
    if not same_otherwise or model_output.shape[1] not in (channels, 2 * channels):
        raise ValueError(
            f"model_output must have the shape of the sample {tuple(x_t.shape)}, or twice its channels "
            f"for a learned variance, got {tuple(model_output.shape)}; check the network's out_channels."
        )
    model_output = model_output.to(torch.promote_types(x_t.dtype, torch.float32))
    if model_output.shape[1] == channels:
        return model_output, None
    prediction, variance = model_output.split(channels, dim=1)
    return prediction, variance


def predict_x0(
    model_output: torch.Tensor,
    x_t: torch.Tensor,
    timesteps: int | torch.Tensor,
    scheduler: Any,
    *,
    clip: bool | None = None,
) -> torch.Tensor:
    """Estimate ``x_0`` from the output of a network in one step (Um et al., 2024, Eq. 4).

    For noise prediction ``x_0 = (x_t - sqrt(1 - a_t) eps) / sqrt(a_t)``. ``sample`` and ``v_prediction`` are supported
    too. The result is differentiable in ``model_output`` and ``x_t``.

    Args:
        model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` with a learned variance that is dropped.
        x_t: noised images ``[B, C, ...]``.
        timesteps: training indices in ``0 ... T - 1``, ``[B]`` or one for all.
        scheduler: scheduler of this package or of MONAI. Its ``alphas_cumprod``, ``prediction_type``, ``clip_sample``
            and ``clip_sample_values`` are read.
        clip: clip the estimate to the scheduler's range. ``None`` uses ``scheduler.clip_sample``. Corollary 1 of the
            paper holds for unclipped estimates.

    Returns:
        Estimate ``[B, C, ...]`` of the clean images.

    Raises:
        ValueError: if shapes, timesteps or the prediction type do not fit.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler, predict_x0
        >>> scheduler = RespacedDDPMScheduler(1000)
        >>> x_0, noise, timesteps = torch.full((2, 1, 4, 4), 0.5), torch.randn(2, 1, 4, 4), torch.tensor([10, 500])
        >>> x_t = scheduler.add_noise(x_0, noise, timesteps)
        >>> torch.allclose(predict_x0(noise, x_t, timesteps, scheduler), x_0, atol=1e-4)
        True
    """
    prediction, _ = split_variance(model_output, x_t)
    alphas_cumprod = scheduler.alphas_cumprod.double()
    match scheduler.prediction_type:
        case "epsilon":
            weight_xt = at_timesteps((1 / alphas_cumprod).sqrt(), timesteps, x_t)
            weight_output = at_timesteps((1 / alphas_cumprod - 1).sqrt(), timesteps, x_t)
            x0 = weight_xt * x_t - weight_output * prediction
        case "v_prediction":
            weight_xt = at_timesteps(alphas_cumprod.sqrt(), timesteps, x_t)
            weight_output = at_timesteps((1 - alphas_cumprod).sqrt(), timesteps, x_t)
            x0 = weight_xt * x_t - weight_output * prediction
        case "sample":
            x0 = prediction
        case other:
            raise ValueError(f"prediction_type must be 'epsilon', 'sample' or 'v_prediction', got {other!r}.")
    if scheduler.clip_sample if clip is None else clip:
        x0 = x0.clamp(*scheduler.clip_sample_values)
    return x0


def epsilon_from_x0(x0: torch.Tensor, x_t: torch.Tensor, timesteps: int | torch.Tensor, scheduler: Any) -> torch.Tensor:
    """The noise that leads from ``x_0`` to ``x_t``: ``(x_t / sqrt(a_t) - x_0) / sqrt(1 / a_t - 1)``.

    Args:
        x0: clean images ``[B, C, ...]``.
        x_t: noised images ``[B, C, ...]``.
        timesteps: training indices, ``[B]`` or one for all.
        scheduler: scheduler of this package or of MONAI. Its ``alphas_cumprod`` is read.

    Returns:
        Noise ``[B, C, ...]``.

    Raises:
        ValueError: if the timesteps do not fit.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler, epsilon_from_x0
        >>> scheduler = RespacedDDPMScheduler(1000)
        >>> x_0, noise, timesteps = torch.zeros(2, 1, 4, 4), torch.randn(2, 1, 4, 4), torch.tensor([10, 500])
        >>> x_t = scheduler.add_noise(x_0, noise, timesteps)
        >>> torch.allclose(epsilon_from_x0(x_0, x_t, timesteps, scheduler), noise, atol=1e-4)
        True
    """
    alphas_cumprod = scheduler.alphas_cumprod.double()
    weight_xt = at_timesteps((1 / alphas_cumprod).sqrt(), timesteps, x_t)
    scale = at_timesteps((1 / alphas_cumprod - 1).sqrt(), timesteps, x_t)
    return (weight_xt * x_t - x0) / scale


def predict_epsilon(
    model_output: torch.Tensor, x_t: torch.Tensor, timesteps: int | torch.Tensor, scheduler: Any
) -> torch.Tensor:
    """Estimate the noise from the output of a network, for every prediction type. Nothing is clipped.

    Args:
        model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` with a learned variance that is dropped.
        x_t: noised images ``[B, C, ...]``.
        timesteps: training indices, ``[B]`` or one for all.
        scheduler: scheduler of this package or of MONAI. Its ``alphas_cumprod`` and ``prediction_type`` are read.

    Returns:
        Noise ``[B, C, ...]``. The score is ``-noise / sqrt(1 - a_t)``.

    Raises:
        ValueError: if shapes, timesteps or the prediction type do not fit.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler, predict_epsilon
        >>> scheduler = RespacedDDPMScheduler(1000, prediction_type="sample")
        >>> x_0, noise, timesteps = torch.zeros(2, 1, 4, 4), torch.randn(2, 1, 4, 4), torch.tensor([10, 500])
        >>> x_t = scheduler.add_noise(x_0, noise, timesteps)
        >>> torch.allclose(predict_epsilon(x_0, x_t, timesteps, scheduler), noise, atol=1e-4)
        True
    """
    if scheduler.prediction_type == "epsilon":
        return split_variance(model_output, x_t)[0]
    return epsilon_from_x0(predict_x0(model_output, x_t, timesteps, scheduler, clip=False), x_t, timesteps, scheduler)
