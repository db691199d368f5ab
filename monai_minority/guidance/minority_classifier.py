"""Minority guidance itself: steering by the minority classifier."""

from torch import Tensor

from .classifier_term import ClassifierTerm, log_probability


class MinorityClassifierGuidance(ClassifierTerm):
    r"""``w * grad log p(l | x_t)``: towards images of one minority class (Um, Lee, Ye, ICLR 2024).

    Eq. 8 of the paper, or Eq. 17, ``w * grad log p(l | x_t, c)``, where the classifier is conditional on
    labels. The class ``l`` says how rare (``L - 1`` the rarest), the scale ``w`` how sharply.

    Args:
        classifier: minority classifier, from ``x_t`` and timesteps to logits ``[B, L]``.
        scale: strength ``w``; the paper uses 1.5 to 8.
        class_conditional: see :class:`ClassifierTerm`.
    """

    def log_likelihood(self, logits: Tensor, class_labels: Tensor | None, minority_classes: Tensor | None) -> Tensor:
        """``log p(minority_class | x_t)`` of each image, ``[B]``."""
        return log_probability(logits, minority_classes, "minority_classes")
