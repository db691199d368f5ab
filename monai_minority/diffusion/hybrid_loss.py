"""The hybrid loss of Nichol & Dhariwal (2021), with which a network learns its variances."""

import math
from typing import Any, Literal, NamedTuple

import torch

from monai_minority.diffusion.chain import DiffusionChain, at_timesteps
from monai_minority.diffusion.schedules import REFERENCE_STEPS
from monai_minority.diffusion.tweedie import predict_x0, split_variance

__all__ = ["HybridLoss", "LossTerms"]

Objective = Literal["hybrid", "mse", "kl"]


class LossTerms(NamedTuple):
    """Loss of each image and the terms it is made of, all ``[B]``.

    Attributes:
        loss: what to minimise; average it over the images, weighted where timesteps are sampled by
            importance.
        mse: mean squared error of the prediction.
        vb: term of the variational bound in bits a dimension, rescaled as it enters ``loss``.
    """

    loss: torch.Tensor
    mse: torch.Tensor
    vb: torch.Tensor


class HybridLoss(torch.nn.Module):
    """Mean squared error plus the variational bound, one value an image.

    ``hybrid`` (default) is ``mse + vb``: the bound teaches the variances alone, its gradient being stopped at
    the mean (Nichol & Dhariwal, 2021, Eq. 16). ``kl`` is T times the bound, for mean and variances, an
    estimate of the whole bound. ``mse`` is the simple loss of Ho et al. (2020). The terms of all are reported
    with each.

    Args:
        scheduler: a scheduler of this package or of MONAI, read for ``alphas_cumprod`` (the training chain,
            whatever steps it samples with) and ``prediction_type``.
        objective: ``hybrid``, ``mse`` or ``kl``.
        rescale: in ``hybrid``, multiply the bound by T / 1000, so that its part of the loss is that of a
            chain of 1000 steps (``rescale_learned_sigmas`` of guided-diffusion).

    Raises:
        ValueError: if ``objective`` is unknown.
    """

    def __init__(self, scheduler: Any, objective: Objective = "hybrid", rescale: bool = True) -> None:
        super().__init__()
        if objective not in ("hybrid", "mse", "kl"):
            raise ValueError(f"objective must be 'hybrid', 'mse' or 'kl', got {objective!r}.")
        self.scheduler = scheduler
        self.objective = objective
        self.chain = DiffusionChain(scheduler.alphas_cumprod)
        steps = len(self.chain)
        self.vb_scale = {
            "hybrid": steps / REFERENCE_STEPS if rescale else 1.0,
            "mse": 1.0,
            "kl": float(steps),
        }[objective]

    def forward(
        self,
        model_output: torch.Tensor,
        x_0: torch.Tensor,
        x_t: torch.Tensor,
        timesteps: torch.Tensor,
        noise: torch.Tensor,
    ) -> LossTerms:
        """Loss of each image.

        Args:
            model_output: of the network for ``x_t``: ``[B, 2 C, ...]``, or ``[B, C, ...]`` for ``mse`` and
                ``kl``, whose bound then takes the posterior variance.
            x_0: clean images ``[B, C, ...]`` in [-1, 1].
            x_t: the images noised, ``scheduler.add_noise(x_0, noise, timesteps)``.
            timesteps: training indices ``0 ... T - 1``, ``[B]``.
            noise: standard normal noise in ``x_t``, ``[B, C, ...]``.

        Returns:
            Loss and terms, ``[B]`` each.

        Raises:
            ValueError: if the network learns no variance but the objective is ``hybrid``.
        """
        prediction, variance = split_variance(model_output, x_t)
        if variance is None and self.objective == "hybrid":
            raise ValueError(
                f"objective 'hybrid' needs a network with {2 * x_t.shape[1]} output channels, got "
                f"{model_output.shape[1]}; double out_channels or use objective='mse'."
            )
        mse = _image_mean((self._target(x_0, noise, timesteps) - prediction) ** 2)
        frozen = prediction if self.objective == "kl" else prediction.detach()
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.objective != "mse"):
            vb = self.vb_scale * self.variational_bound(frozen, variance, x_0, x_t, timesteps)
        loss = {"hybrid": mse + vb, "mse": mse, "kl": vb}[self.objective]
        return LossTerms(loss, mse, vb)

    def variational_bound(
        self,
        prediction: torch.Tensor,
        variance: torch.Tensor | None,
        x_0: torch.Tensor,
        x_t: torch.Tensor,
        timesteps: torch.Tensor,
    ) -> torch.Tensor:
        """The term ``L_t`` of the variational bound, in bits a dimension.

        ``KL(q(x_prev | x_t, x_0) || p(x_prev | x_t))``, and at t = 0 the negative log-likelihood of the image
        under a Gaussian discretised to 256 grey levels (Ho et al., 2020, Eq. 13).

        Args:
            prediction: ``[B, C, ...]``, of the scheduler's prediction type.
            variance: learned range ``[B, C, ...]`` (its logarithm if the scheduler's ``variance_type`` is
                ``learned``); ``None`` takes the posterior variance.
            x_0: clean images ``[B, C, ...]`` in [-1, 1].
            x_t: noised images ``[B, C, ...]``.
            timesteps: training indices ``[B]``.

        Returns:
            ``[B]``.
        """
        x0_estimate = predict_x0(prediction, x_t, timesteps, self.scheduler, clip=False)
        mean = self.chain.posterior_mean(x0_estimate, x_t, timesteps)
        true_mean = self.chain.posterior_mean(x_0, x_t, timesteps)
        true_log_variance = at_timesteps(self.chain.posterior_log_variance, timesteps, x_t)
        if variance is None:
            log_variance = true_log_variance.expand_as(x_t)
        elif getattr(self.scheduler, "variance_type", None) == "learned":
            log_variance = variance
        else:
            log_variance = self.chain.mixed_log_variance(variance, timesteps)

        divergence = _gaussian_kl(true_mean, true_log_variance, mean, log_variance)
        likelihood = discretised_log_likelihood(x_0, mean, log_variance)
        is_first = (timesteps == 0).to(x_t.device)
        return torch.where(is_first, -_image_mean(likelihood), _image_mean(divergence)) / math.log(2)

    def _target(self, x_0: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        match self.scheduler.prediction_type:
            case "epsilon":
                return noise
            case "v_prediction":
                return self.scheduler.get_velocity(x_0, noise, timesteps)
            case _:
                return x_0


def discretised_log_likelihood(x: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Log-probability of grey levels under a Gaussian that is integrated over each level's bin.

    Args:
        x: images of 256 grey levels mapped to [-1, 1], of any shape; a bin is 2 / 255 wide, the outer ones
            unbounded.
        mean: of the Gaussian, same shape.
        log_variance: of the Gaussian, same shape.

    Returns:
        Log-probability (natural) of each pixel. The normal distribution function is the tanh approximation of
        the published models (Page, 1977; error below 4e-4), so that bounds compare with theirs.
    """
    half_bin = 1 / 255
    precision = (-0.5 * log_variance).exp()
    upper = _normal_cdf(precision * (x - mean + half_bin))
    lower = _normal_cdf(precision * (x - mean - half_bin))
    inside = torch.where(x > 0.999, 1 - lower, upper - lower)
    return torch.where(x < -0.999, upper, inside).clamp(min=1e-12).log()


def _normal_cdf(z: torch.Tensor) -> torch.Tensor:
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def _gaussian_kl(
    mean_p: torch.Tensor, log_variance_p: torch.Tensor, mean_q: torch.Tensor, log_variance_q: torch.Tensor
) -> torch.Tensor:
    """KL divergence of two Gaussians, pixel by pixel, in nats."""
    return 0.5 * (
        log_variance_q
        - log_variance_p
        - 1
        + (log_variance_p - log_variance_q).exp()
        + (mean_p - mean_q) ** 2 * (-log_variance_q).exp()
    )


def _image_mean(values: torch.Tensor) -> torch.Tensor:
    return values.flatten(1).mean(1)
