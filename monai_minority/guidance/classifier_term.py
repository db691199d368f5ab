"""What the terms that follow a noise-aware classifier have in common."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from monai_minority.networks.conditioning import takes_class_labels

from .term import Denoise, Draw, GuidanceTerm, input_gradient, plain


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
    def log_likelihood(self, logits: Tensor, class_labels: Tensor | None, minority_classes: Tensor | None) -> Tensor:
        """The objective of each image, ``[B]``, from the float32 logits ``[B, L]`` of its noisy state."""

    def gradient(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        denoise: Denoise,
        class_labels: Tensor | None = None,
        minority_classes: Tensor | None = None,
        draw: Draw | None = None,
    ) -> Tensor:
        """Scaled gradient of :meth:`log_likelihood`; see :meth:`GuidanceTerm.gradient`."""
        if self.scale == 0:
            return torch.zeros_like(x_t)
        class_labels, minority_classes = plain(class_labels), plain(minority_classes)
        timesteps = plain(timesteps if self.scheduler is None else self.scheduler.network_timesteps(timesteps))
        if self.class_conditional and class_labels is None:
            raise ValueError("class_labels must be given: the classifier is conditional on them, got None.")
        conditions = {"class_labels": class_labels} if self.class_conditional else {}

        def objective(x: Tensor) -> Tensor:
            logits = self.classifier(x, timesteps, **conditions).float()
            return self.log_likelihood(logits, class_labels, minority_classes)

        return self.scale * input_gradient(objective, x_t)


def log_probability(logits: Tensor, classes: Tensor | None, name: str) -> Tensor:
    """``log p(class | x)`` of one class an image.

    Args:
        logits: ``[B, L]``.
        classes: integer ``[B]`` in ``0 … L-1``.
        name: the argument's name, for the messages.

    Returns:
        ``[B]``.

    Raises:
        ValueError: if ``classes`` is missing or out of range.
    """
    number = logits.shape[-1]
    if classes is None:
        raise ValueError(f"{name} must be given: this guidance aims at one of {number} classes, got None.")
    low, high = torch.aminmax(classes)
    if low < 0 or high >= number:
        raise ValueError(f"{name} must be in [0, {number}), got {int(low)} to {int(high)}; 0 is the first class.")
    return logits.log_softmax(dim=-1).gather(-1, classes.long()[:, None]).squeeze(-1)
