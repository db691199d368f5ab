"""The terms that follow a noise-aware classifier: minority guidance, its mixture, and guidance to a label."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monai_minority.networks.wrappers import takes_class_labels

from .term import GuidanceTerm, SamplingState


class ClassifierTerm(GuidanceTerm):
    """Gradient of a log-likelihood that a classifier of noisy images gives.

    The classifier is called as the diffusion network is, ``classifier(x_t, timesteps)``, with the same
    timesteps: training indices, rescaled where the scheduler's ``rescale_timesteps`` is on. It gets
    ``class_labels`` too where it is conditional on them.

    Args:
        classifier: network from noisy images ``[B, C, H, W]`` and timesteps ``[B]`` to logits ``[B, L]``.
            It is put into evaluation mode; its parameters collect no gradients.
        scale: strength ``w`` of the guidance.
        class_conditional: whether the classifier takes ``class_labels``. By default it is asked itself: its
            attribute ``num_classes`` (or MONAI's ``num_class_embeds``) is then not ``None``.
    """

    def __init__(self, classifier: nn.Module, scale: float = 1.0, class_conditional: bool | None = None) -> None:
        super().__init__(scale)
        self.classifier = classifier.eval() if isinstance(classifier, nn.Module) else classifier
        self.class_conditional = (
            takes_class_labels(classifier, unknown=False) if class_conditional is None else class_conditional
        )

    @abstractmethod
    def log_likelihood(self, logits: Tensor, state: SamplingState) -> Tensor:
        """The objective of each image, ``[B]``, from the float32 logits ``[B, L]`` of its noisy state."""

    def gradient(self, state: SamplingState) -> Tensor:
        """Scaled gradient of :meth:`log_likelihood`; see :meth:`GuidanceTerm.gradient`."""
        if self.scale == 0:
            return torch.zeros_like(state.x_t)
        if self.class_conditional and state.class_labels is None:
            raise ValueError(
                "class_labels must be given where the classifier is conditional on them, got None; "
                "give the sampler one label an image."
            )
        conditions = {"class_labels": state.class_labels} if self.class_conditional else {}
        return self.scale * state.gradient_of(
            lambda: self.log_likelihood(state.logits(self.classifier, **conditions), state)
        )


class MinorityClassifierGuidance(ClassifierTerm):
    r"""``w * grad log p(l | x_t)``: towards images of one minority class (Um, Lee, Ye, ICLR 2024).

    Eq. 8 of the paper, or Eq. 17, ``w * grad log p(l | x_t, c)``, where the classifier is conditional on
    labels. The class ``l``, the state's ``target_class``, says how rare (``L - 1`` the rarest), the scale ``w`` how
    sharply.

    Args:
        classifier: minority classifier, from ``x_t`` and timesteps to logits ``[B, L]``.
        scale: strength ``w``; the paper uses 1.5 to 8.
        class_conditional: see :class:`ClassifierTerm`.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import MinorityClassifierGuidance, SamplingState
        >>> def classifier(x, timesteps):  # two classes; the second is the brighter one
        ...     return torch.stack([-x.sum((1, 2, 3)), x.sum((1, 2, 3))], dim=1)
        >>> term = MinorityClassifierGuidance(classifier, scale=2.0)
        >>> state = SamplingState(
        ...     torch.zeros(2, 1, 1, 1),
        ...     torch.tensor([500, 500]),
        ...     RespacedDDPMScheduler(1000),
        ...     target_class=torch.tensor([0, 1]),
        ... )
        >>> term.gradient(state).flatten().tolist()
        [-2.0, 2.0]
    """

    def log_likelihood(self, logits: Tensor, state: SamplingState) -> Tensor:
        """``log p(target_class | x_t)`` of each image, ``[B]``."""
        return log_probability(logits, state.target_class, "target_class")


class LabelClassifierGuidance(ClassifierTerm):
    """``w * grad log p(c | x_t)``: towards images of one label (Dhariwal & Nichol, NeurIPS 2021).

    Added to minority guidance it gives rare images of the chosen label; the paper's label accuracy on
    ImageNet-64 goes from 46.86 to 99.16 % as the scale goes from 0 to 4.

    Args:
        classifier: classifier of the labels, from ``x_t`` and timesteps to logits ``[B, K]``; it is never
            given the labels.
        scale: strength ``w``.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import LabelClassifierGuidance, SamplingState
        >>> term = LabelClassifierGuidance(lambda x, timesteps: x.flatten(1), scale=4.0)  # a label a pixel
        >>> state = SamplingState(
        ...     torch.zeros(1, 1, 1, 2),
        ...     torch.tensor([500]),
        ...     RespacedDDPMScheduler(1000),
        ...     class_labels=torch.tensor([1]),
        ... )
        >>> term.gradient(state).flatten().tolist()
        [-2.0, 2.0]
    """

    def __init__(self, classifier: nn.Module, scale: float = 1.0) -> None:
        super().__init__(classifier, scale, class_conditional=False)

    def log_likelihood(self, logits: Tensor, state: SamplingState) -> Tensor:
        """``log p(class_label | x_t)`` of each image, ``[B]``."""
        return log_probability(logits, state.class_labels, "class_labels")


class MixedDensityGuidance(ClassifierTerm):
    """``w * grad log sum_i tau_i p(i | x_t)``: samples from ``p(x) l(x)`` (Eq. 18 of Um, Lee, Ye, ICLR 2024).

    Each class counts as much as its score threshold, so samples are rarer on average but no class is chosen.

    Args:
        classifier: minority classifier, from ``x_t`` and timesteps to logits ``[B, L]``.
        thresholds: the score thresholds ``tau`` of the classes, ``[L]``, none negative; or ``[G, L]``, a row
            for each class label, where the thresholds were taken within labels.
        scale: strength ``w``.
        class_conditional: see :class:`ClassifierTerm`.

    Raises:
        ValueError: if a threshold is negative or not finite, or none is positive.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import MixedDensityGuidance, SamplingState
        >>> term = MixedDensityGuidance(lambda x, timesteps: x.flatten(1), thresholds=[0.25, 0.75])
        >>> state = SamplingState(torch.zeros(1, 1, 1, 2), torch.tensor([500]), RespacedDDPMScheduler(1000))
        >>> term.gradient(state).flatten()
        tensor([-0.2500,  0.2500])
    """

    def __init__(
        self,
        classifier: nn.Module,
        thresholds: Tensor | Sequence[float] | Sequence[Sequence[float]],
        scale: float = 1.0,
        class_conditional: bool | None = None,
    ) -> None:
        super().__init__(classifier, scale, class_conditional)
        tau = torch.as_tensor(thresholds, dtype=torch.float64)
        if tau.ndim not in (1, 2) or not tau.isfinite().all() or (tau < 0).any() or not (tau > 0).any(-1).all():
            raise ValueError(
                f"thresholds must be [L] or [G, L], finite, not negative and not all 0, got {tau.tolist()}; "
                "give the score thresholds of the fitted minority classes."
            )
        self.log_thresholds = tau.log().float()

    def log_likelihood(self, logits: Tensor, state: SamplingState) -> Tensor:
        """``log sum_i tau_i p(i | x_t)`` of each image, ``[B]``."""
        weights = self.log_thresholds.to(logits.device)
        if weights.shape[-1] != logits.shape[-1]:
            raise ValueError(
                f"thresholds must have one entry for each of the classifier's {logits.shape[-1]} classes, "
                f"got {weights.shape[-1]}; give those of the classes that it was trained on."
            )
        if weights.ndim == 2:
            if state.class_labels is None:
                raise ValueError(
                    "class_labels must be given where thresholds has a row a label, got None; "
                    "give the sampler one label an image."
                )
            weights = weights[state.class_labels]
        return (logits.log_softmax(dim=-1) + weights).logsumexp(dim=-1)


def log_probability(logits: Tensor, classes: Tensor | None, name: str) -> Tensor:
    """``log p(class | x)`` ``[B]`` of one class an image, from logits ``[B, L]``.

    Raises:
        ValueError: if ``classes`` is missing, or out of range on the CPU. On an accelerator that check would wait for
            the device at every step; there the look-up itself fails.
    """
    number = logits.shape[-1]
    if classes is None:
        raise ValueError(
            f"{name} must be given where guidance aims at one of {number} classes, got None; "
            "give the sampler one integer an image."
        )
    if classes.device.type == "cpu":
        low, high = (int(end) for end in torch.aminmax(classes))
        if low < 0 or high >= number:
            raise ValueError(f"{name} must be in [0, {number}), got {low} to {high}; 0 is the first class.")
    return logits.log_softmax(dim=-1).gather(-1, classes.long()[:, None]).squeeze(-1)
