"""Ordinary classifier guidance, towards a label of the data set."""

from torch import Tensor, nn

from .classifier_term import ClassifierTerm, log_probability


class LabelClassifierGuidance(ClassifierTerm):
    """``w * grad log p(c | x_t)``: towards images of one label (Dhariwal & Nichol, NeurIPS 2021).

    Added to minority guidance it gives rare images of the chosen label; the paper's label accuracy on
    ImageNet-64 goes from 46.86 to 99.16 % as the scale goes from 0 to 4.

    Args:
        classifier: classifier of the labels, from ``x_t`` and timesteps to logits ``[B, K]``; it is never
            given the labels.
        scale: strength ``w``.
    """

    def __init__(self, classifier: nn.Module, scale: float = 1.0) -> None:
        super().__init__(classifier, scale, class_conditional=False)

    def log_likelihood(self, logits: Tensor, class_labels: Tensor | None, minority_classes: Tensor | None) -> Tensor:
        """``log p(class_label | x_t)`` of each image, ``[B]``."""
        return log_probability(logits, class_labels, "class_labels")
