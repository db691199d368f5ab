"""Minority guidance without choosing a class."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .classifier_term import ClassifierTerm


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

    def log_likelihood(self, logits: Tensor, class_labels: Tensor | None, minority_classes: Tensor | None) -> Tensor:
        """``log sum_i tau_i p(i | x_t)`` of each image, ``[B]``."""
        weights = self.log_thresholds.to(logits.device)
        if weights.shape[-1] != logits.shape[-1]:
            raise ValueError(
                f"thresholds must have one entry for each of the classifier's {logits.shape[-1]} classes, "
                f"got {weights.shape[-1]}."
            )
        if weights.ndim == 2:
            if class_labels is None:
                raise ValueError("class_labels must be given where thresholds has a row a label, got None.")
            weights = weights[class_labels]
        return (logits.log_softmax(dim=-1) + weights).logsumexp(dim=-1)
