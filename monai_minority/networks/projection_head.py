"""The head that self-distillation trains on top of a backbone and throws away."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ProjectionHead(nn.Module):
    """From features to a logit a prototype (Caron et al., 2021).

    A perceptron of three layers, then cosines of its unit-length output with the prototypes. The prototypes' length is
    1, as in the published code's ``norm_last_layer``.

    Args:
        width: of the features.
        prototypes: number of outputs; 65,536 in the paper, fewer for small cohorts.
        hidden: width of the hidden layers.
        bottleneck: width before the prototypes.
    """

    def __init__(self, width: int, prototypes: int = 65536, hidden: int = 2048, bottleneck: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``[B, prototypes]`` in [-1, 1] of features ``[B, width]``."""
        projected = functional.normalize(self.layers(features), dim=-1)
        return functional.linear(projected, functional.normalize(self.prototypes, dim=-1))
