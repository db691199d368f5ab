"""The hybrid loss of Nichol and Dhariwal (2021) for learned variances."""

import math
from typing import Any, Literal, NamedTuple

import torch

from monai_minority.diffusion.chain import DiffusionChain, at_timesteps
from monai_minority.diffusion.schedules import REFERENCE_STEPS
from monai_minority.diffusion.tweedie import predict_x0, split_variance

Objective = Literal["hybrid", "mse", "kl"]


class LossTerms(NamedTuple):
    """Loss per image and its terms, all ``[B]``.

    Attributes:
        loss: value to minimise. Average it over the images, weighted if timesteps are sampled by importance.
        mse: mean squared error of the prediction.
        vb: term of the variational bound in bits per dimension, scaled as it enters ``loss``.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import LossTerms
        >>> terms = LossTerms(torch.tensor([0.75, 0.5]), torch.tensor([0.5, 0.25]), torch.tensor([0.25, 0.25]))
        >>> terms.loss.mean().item()
        0.625
    """

    loss: torch.Tensor
    mse: torch.Tensor
    vb: torch.Tensor


class HybridLoss(torch.nn.Module):
    """Mean squared error plus the variational bound, one value per image.

    Each objective reports the terms of all:

    - ``hybrid`` (default): ``mse + vb``. The bound trains the variances only, because its gradient is stopped at the
      mean (Nichol and Dhariwal, 2021, Eq. 16).
    - ``kl``: T times the bound, for mean and variances. This estimates the whole bound.
    - ``mse``: the simple loss of Ho et al. (2020).

    Args:
        scheduler: scheduler of this package or of MONAI. Its ``alphas_cumprod`` (the training chain, whatever its
            sampling steps) and ``prediction_type`` are read.
        objective: ``hybrid``, ``mse`` or ``kl``.
        rescale: multiply the bound by T / 1000 in ``hybrid``, so that it has the weight of a chain of 1000 steps
            (``rescale_learned_sigmas`` of guided-diffusion).

    Raises:
        ValueError: if ``objective`` is unknown.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import HybridLoss, RespacedDDPMScheduler
        >>> scheduler = RespacedDDPMScheduler(1000)
        >>> x_0, noise, timesteps = torch.zeros(2, 1, 4, 4), torch.randn(2, 1, 4, 4), torch.tensor([10, 500])
        >>> x_t = scheduler.add_noise(x_0, noise, timesteps)
        >>> model_output = torch.cat([noise, torch.zeros_like(noise)], dim=1)  # exact noise, and a variance
        >>> terms = HybridLoss(scheduler)(model_output, x_0, x_t, timesteps, noise)
        >>> terms.mse.tolist(), terms.vb.shape
        ([0.0, 0.0], torch.Size([2]))
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
        """Loss per image.

        Args:
            model_output: output of the network for ``x_t``: ``[B, 2 C, ...]``, or ``[B, C, ...]`` for ``mse`` and
                ``kl``. The bound then uses the posterior variance.
            x_0: clean images ``[B, C, ...]`` in [-1, 1].
            x_t: noised images, ``scheduler.add_noise(x_0, noise, timesteps)``.
            timesteps: training indices ``[B]`` in ``0 ... T - 1``.
            noise: standard normal noise ``[B, C, ...]`` in ``x_t``.

        Returns:
            Loss and terms, ``[B]`` each.

        Raises:
            ValueError: if the objective is ``hybrid`` and the network does not learn its variances.
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
        """The term ``L_t`` of the variational bound, in bits per dimension.

        It is ``KL(q(x_prev | x_t, x_0) || p(x_prev | x_t))``. At t = 0 it is the negative log-likelihood of the image
        under a Gaussian discretised to 256 grey levels (Ho et al., 2020, Eq. 13).

        Args:
            prediction: ``[B, C, ...]``, of the scheduler's prediction type.
            variance: learned range ``[B, C, ...]`` (its logarithm if the scheduler's ``variance_type`` is ``learned``).
                ``None`` uses the posterior variance.
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
    """Log-probability of grey levels under a Gaussian that is integrated over the bin of each level.

    Args:
        x: images of 256 grey levels mapped to [-1, 1], of any shape. A bin is 2 / 255 wide; the outer bins are
            unbounded.
        mean: mean of the Gaussian, of the same shape.
        log_variance: logarithm of its variance, of the same shape.

    Returns:
        Natural log-probability per pixel. The normal distribution function is the tanh approximation of the published
        models (Page, 1977; error below 4e-4), so the bounds are comparable with theirs.
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
