"""Guidance to low density by class hardness and realism."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_minority.networks.wrappers import takes_class_labels

from .term import GuidanceTerm, SamplingState, largest_to_one


class LowDensityGuidance(GuidanceTerm):
    r"""Away from the dense heart of a class, but not off the data (Sehwag et al., CVPR 2022).

    Two gradients of noise-aware networks, each divided by its largest absolute value so that the scales
    ``alpha`` and ``beta`` mean the same at every step:

    ``alpha * grad hardness(x_t, c) + beta * grad log D(real | x_t)``

    With ``s_k`` the classifier's logit for label ``k`` (or, where ``class_means`` are given, the cosine of
    the angle between its features and the mean features of label ``k``), divided by the temperature, an
    image is hard where its own label is unlikely:

    - with labels, ``hardness = -log softmax(s)_c``;
    - without labels, its expectation under the classifier itself, the entropy of ``softmax(s)``; with a
      single row of means, the mean of all images, ``hardness = -s``.

    The paper's sampler needs labels; the two forms without them are this project's.

    Args:
        classifier: from ``x_t`` and timesteps to logits ``[B, K]``, or to features ``[B, F]`` where
            ``class_means`` are given. ``None`` leaves realism alone.
        discriminator: real-fake classifier of noisy images, to one logit (positive for real) or to two (real
            second). It gets the labels where it is conditional on them. ``None`` leaves hardness alone.
        scale: ``alpha``, strength of the push to low density.
        realism: ``beta``, strength of the pull back to the data.
        class_means: mean features ``[K, F]`` of the labels, or ``[1, F]`` of all images.
        temperature: divides logits and cosines.
        normalize: divide each gradient by its largest absolute value, image by image.

    Raises:
        ValueError: if neither network is given, or ``temperature`` is not positive.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import LowDensityGuidance, SamplingState
        >>> term = LowDensityGuidance(lambda x, timesteps: x.flatten(1), scale=0.5)  # a label a pixel
        >>> state = SamplingState(
        ...     torch.zeros(1, 1, 1, 2),
        ...     torch.tensor([500]),
        ...     RespacedDDPMScheduler(1000),
        ...     class_labels=torch.tensor([1]),
        ... )
        >>> term.gradient(state).flatten().tolist()  # away from the image's own label
        [0.5, -0.5]
    """

    def __init__(
        self,
        classifier: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        scale: float = 1.0,
        realism: float = 1.0,
        class_means: Tensor | None = None,
        temperature: float = 1.0,
        normalize: bool = True,
    ) -> None:
        super().__init__(scale)
        if classifier is None and discriminator is None:
            raise ValueError("classifier and discriminator are both None; low-density guidance needs one of them.")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}; 1.0 leaves the logits as they are.")
        self.classifier = classifier.eval() if isinstance(classifier, nn.Module) else classifier
        self.discriminator = discriminator.eval() if isinstance(discriminator, nn.Module) else discriminator
        self.realism = float(realism)
        self.class_means = class_means
        self.temperature = float(temperature)
        self.normalize = normalize

    def hardness(self, outputs: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Hardness of each image.

        Args:
            outputs: the classifier's logits ``[B, K]`` or features ``[B, F]``.
            class_labels: ``[B]`` in ``0 … K-1``, or ``None``.

        Returns:
            ``[B]``, higher for rarer.
        """
        similarities = outputs.float()
        if self.class_means is not None:
            means = self.class_means.to(similarities)
            similarities = F.normalize(similarities.flatten(1), dim=-1) @ F.normalize(means, dim=-1).T
        similarities = similarities / self.temperature
        if similarities.shape[-1] == 1:
            return -similarities[:, 0]
        log_p = similarities.log_softmax(dim=-1)
        if class_labels is None:
            return -(log_p.exp() * log_p).sum(dim=-1)
        return -log_p.gather(-1, class_labels.long()[:, None]).squeeze(-1)

    def gradient(self, state: SamplingState) -> Tensor:
        """Weighted sum of both gradients; see :meth:`GuidanceTerm.gradient`."""
        timesteps, labels = state.network_timesteps, state.class_labels
        classifier, discriminator = self.classifier, self.discriminator
        rescale = largest_to_one if self.normalize else (lambda gradient: gradient)
        total = torch.zeros_like(state.x_t)
        if classifier is not None and self.scale:
            rarer = state.gradient_of(lambda: self.hardness(classifier(state.x_t, timesteps), labels))
            total += self.scale * rescale(rarer)
        if discriminator is not None and self.realism:
            known = takes_class_labels(discriminator, unknown=False) and labels is not None
            conditions = {"class_labels": labels} if known else {}
            realer = state.gradient_of(lambda: _log_real(discriminator(state.x_t, timesteps, **conditions).float()))
            total += self.realism * rescale(realer)
        return total


def _log_real(logits: Tensor) -> Tensor:
    """``log D(real | x_t)`` from one logit or two, ``[B]``."""
    logits = logits.flatten(1) if logits.ndim > 1 else logits[:, None]
    if logits.shape[-1] == 1:
        return F.logsigmoid(logits[:, 0])
    if logits.shape[-1] == 2:
        return logits.log_softmax(dim=-1)[:, 1]
    raise ValueError(
        f"discriminator must give one or two logits an image, got {logits.shape[-1]}; the second of two is for real."
    )
