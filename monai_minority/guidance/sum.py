"""Several terms at once."""

import torch
from torch import Tensor

from .term import Denoise, Draw, GuidanceTerm


class SumGuidance(GuidanceTerm):
    """The sum of terms, as ``a + b`` makes it. Their draws of noise come in the order of the terms.

    Args:
        *terms: the terms; a sum among them is taken apart.
    """

    def __init__(self, *terms: GuidanceTerm) -> None:
        super().__init__()
        self.terms: list[GuidanceTerm] = []
        for term in terms:
            self.terms += term.terms if isinstance(term, SumGuidance) else [term]
        if not self.terms:
            raise ValueError("terms must hold at least one guidance term, got none.")

    def attach(self, scheduler: object) -> "SumGuidance":
        """Pass the scheduler on to every term."""
        for term in self.terms:
            term.attach(scheduler)
        return self

    def gradient(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        denoise: Denoise,
        class_labels: Tensor | None = None,
        minority_classes: Tensor | None = None,
        draw: Draw | None = None,
    ) -> Tensor:
        """Sum of the terms' gradients; see :meth:`GuidanceTerm.gradient`."""
        total = torch.zeros_like(x_t)
        for term in self.terms:
            total += term.gradient(x_t, timesteps, denoise, class_labels, minority_classes, draw)
        return total
