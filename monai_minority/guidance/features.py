"""Guidance by features of the denoised estimate, towards those of the rare training images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor, nn

from monai_minority.diffusion import predict_x0
from monai_minority.networks.adm.blocks import without_autocast

from .term import GuidanceTerm, SamplingState


@dataclass(frozen=True)
class FeatureGaussians:
    """Gaussians of the features of common and of rare images, with one covariance for both.

    One covariance, because the rare images are too few for their own: a broad one of few images would take whatever is
    unlike a real image for rare.

    Attributes:
        common: mean of the common images, float32 ``[D]``.
        rare: mean of the rare ones, ``[D]``.
        covariance: of both, ``[D, D]``.
        noise: variance that a feature gets from noise of unit variance on the images.

    Example:
        >>> import torch
        >>> from monai_minority.guidance import FeatureGaussians
        >>> gaussians = FeatureGaussians(torch.zeros(2), torch.tensor([2.0, 0.0]), torch.eye(2))
        >>> gaussians.log_ratio(torch.tensor([[1.0, 5.0], [2.0, 0.0]]))  # half way; at the rare mean
        tensor([0., 2.])
    """

    common: Tensor
    rare: Tensor
    covariance: Tensor
    noise: float = 1.0

    @cached_property
    def _axes(self) -> tuple[Tensor, Tensor]:
        """Principal variances ``[D]`` and axes ``[D, D]``."""
        return tuple(torch.linalg.eigh(self.covariance))

    def direction(self, alphas: Tensor) -> Tensor:
        """Gradient of :meth:`log_ratio`, the same for all features.

        Args:
            alphas: ``a_t`` of each image ``[B]``; 1 for clean images.

        Returns:
            ``(a_t covariance + (1 - a_t) noise)^-1 (rare - common)``, float32 ``[B, D]``.
        """
        with without_autocast(alphas):  # three digits are too few for an inverse
            variances, axes = (part.to(alphas.device) for part in self._axes)
            along = (self.rare - self.common).to(alphas.device) @ axes
            share = alphas.float()[:, None]
            return (along / (share * variances + (1 - share) * self.noise)) @ axes.T

    def log_ratio(self, features: Tensor, alphas: Tensor | None = None) -> Tensor:
        """Half of the squared Mahalanobis distance to the common mean less that to the rare one.

        The covariance is that of features at a noise level, ``a_t covariance + (1 - a_t) noise``. For clean images the
        result is the logarithm of the ratio of the densities, rare to common: features that follow the common Gaussian,
        weighted by its exponential, follow the rare one.

        Args:
            features: ``[B, D]``.
            alphas: ``a_t`` of each image ``[B]``; ``None`` for clean images.

        Returns:
            float32 ``[B]``, higher for rarer.
        """
        alphas = torch.ones(len(features), device=features.device) if alphas is None else alphas
        middle = ((self.common + self.rare) / 2).to(features.device)
        return ((features.float() - middle) * self.direction(alphas)).sum(dim=1)


def fit_feature_gaussians(
    features: np.ndarray, scores: np.ndarray, common_up_to: float, rare_from: float, noise: float = 1.0
) -> FeatureGaussians:
    """Fit the Gaussians to the images of the lowest and of the highest scores.

    The covariance is that of both parts, each about its own mean, shrunk towards a multiple of the identity by the
    amount of Ledoit and Wolf (2004).

    Args:
        features: of the training images ``[N, D]``.
        scores: minority scores ``[N]``, higher for rarer.
        common_up_to: highest score of the common images, and
        rare_from: lowest score of the rare ones; what lies between is neither.
        noise: variance that a feature gets from noise of unit variance on the images: 1 for pixels, one over their
            number for a mean of pixels.

    Returns:
        The Gaussians, on the CPU.

    Raises:
        ValueError: the parts overlap or have fewer than two images, or features or scores are not finite, or features
            do not vary, or ``noise`` is not positive.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from monai_minority.guidance import fit_feature_gaussians
        >>> rng = np.random.default_rng(0)
        >>> scores = np.arange(1000)
        >>> features = rng.normal(size=(1000, 2)) + np.where(scores[:, None] < 900, 0.0, [3.0, 0.0])
        >>> gaussians = fit_feature_gaussians(features, scores, common_up_to=500, rare_from=900)
        >>> ((gaussians.direction(torch.ones(1)) - torch.tensor([3.0, 0.0])).abs() < 0.5).tolist()
        [[True, True]]
    """
    features, scores = np.asarray(features, np.float64), np.asarray(scores, np.float64)
    if features.ndim != 2 or len(features) != len(scores):
        raise ValueError(
            f"features must be [N, D] for N = {len(scores)} scores, got {list(features.shape)}; choose an extractor "
            "that gives a vector an image"
        )
    if not (np.isfinite(features).all() and np.isfinite(scores).all()):
        raise ValueError("features and scores must be finite, got NaN or infinity; run the stage score, or mend it")
    if not noise > 0:
        raise ValueError(f"noise must be positive, got {noise}; measure what noise on the images does to the features")
    if not common_up_to < rare_from:
        raise ValueError(f"common_up_to must be below rare_from, got {common_up_to} and {rare_from}; lower the first")
    parts = [features[scores <= common_up_to], features[scores >= rare_from]]
    if min(map(len, parts)) < 2:
        raise ValueError(
            f"two images at least must be common and two rare, got {len(parts[0])} up to a score of {common_up_to} and "
            f"{len(parts[1])} from {rare_from}; let the bounds leave more"
        )
    means = [part.mean(axis=0) for part in parts]
    around = np.concatenate([part - mean for part, mean in zip(parts, means, strict=True)])
    if not around.any():
        raise ValueError("features must vary, those of all images of a part are the same; choose another extractor")
    covariance = ledoit_wolf(around, assume_centered=True)[0]
    common, rare, shrunk = (torch.from_numpy(value).float() for value in (*means, covariance))
    return FeatureGaussians(common, rare, shrunk, float(noise))


class FeatureGuidance(GuidanceTerm):
    r"""``w * grad log p(rare | f(x0)) / p(common | f(x0))``, by Gaussians of the features of training images.

    It needs no training: features of the denoised estimate are compared with those of the common and of the rare
    training images (:meth:`FeatureGaussians.log_ratio`), and the gradient leads from the common to the rare. Scale 1
    turns one Gaussian into the other where data are Gaussian and features linear.

    The way from ``x_t`` to ``x0`` through the network is left out, which saves its backward pass. For such data the
    Jacobian only adds the noise of ``x_t`` to the covariance, so the gradient is ``sqrt(a_t)`` times that of the log
    ratio with ``a_t covariance + (1 - a_t) noise``. Under strong noise it leads along the difference of the means, and
    at no step of ``mode="score"`` does it move the estimate by more than that difference, times the scale. With
    ``jacobian`` the network is differentiated, and the covariance is that of clean images.

    Args:
        extractor: from images in [-1, 1] (or latents, where these are sampled) to features ``[B, D]``.
        gaussians: of the features of the training images, from :func:`fit_feature_gaussians`.
        scale: strength ``w``.
        jacobian: differentiate through the network.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import FeatureGaussians, FeatureGuidance, SamplingState
        >>> gaussians = FeatureGaussians(torch.zeros(1), torch.tensor([2.0]), torch.eye(1))
        >>> term = FeatureGuidance(torch.nn.Flatten(), gaussians, scale=0.5)
        >>> state = SamplingState(
        ...     torch.zeros(1, 1, 1, 1), torch.tensor([0]), RespacedDDPMScheduler(1000), lambda x, timesteps: x
        ... )
        >>> term.gradient(state).round(decimals=3)
        tensor([[[[1.]]]])
    """

    def __init__(
        self,
        extractor: Callable[[Tensor], Tensor],
        gaussians: FeatureGaussians,
        scale: float = 1.0,
        jacobian: bool = False,
    ) -> None:
        super().__init__(scale)
        self.extractor = extractor.eval() if isinstance(extractor, nn.Module) else extractor
        self.gaussians = gaussians
        self.jacobian = jacobian

    def gradient(self, state: SamplingState) -> Tensor:
        """Scaled gradient of the log ratio; see :meth:`GuidanceTerm.gradient`."""
        if self.scale == 0:
            return torch.zeros_like(state.x_t)
        if self.jacobian:
            return self.scale * state.gradient_of(lambda: self._log_ratio(state.x0))
        alphas = state.scheduler.alphas_cumprod.to(state.x_t.device)[state.timesteps].float()
        with torch.inference_mode(False), torch.enable_grad():
            x_t = state.x_t.detach()
            x0 = predict_x0(state.output, x_t, state.timesteps, state.scheduler, clip=False).requires_grad_()
            (at_x0,) = torch.autograd.grad(self._log_ratio(x0, alphas).sum(), x0)
        return self.scale * alphas.sqrt()[:, None, None, None] * at_x0

    def _log_ratio(self, x0: Tensor, alphas: Tensor | None = None) -> Tensor:
        features = self.extractor(x0)
        if features.ndim != 2 or features.shape[1] != len(self.gaussians.common):
            raise ValueError(
                f"extractor must give [B, {len(self.gaussians.common)}], the features that the gaussians were fitted "
                f"to, got {list(features.shape)}; fit them with the same extractor."
            )
        return self.gaussians.log_ratio(features, alphas)
