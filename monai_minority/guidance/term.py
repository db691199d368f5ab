"""What every kind of guidance promises to the sampler."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .sum import SumGuidance

MaybeTensor = TypeVar("MaybeTensor", bound=Tensor | None)

Denoise: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""``denoise(x_t, timesteps) -> x0``, unclipped and differentiable with respect to ``x_t``."""

Draw: TypeAlias = Callable[[], Tensor]
"""``draw() -> [B, C, H, W]`` of standard normal noise, each image's from its own stream."""


class GuidanceTerm(ABC):
    """A gradient to add to the score of a diffusion model.

    Subclasses implement :meth:`gradient`. Terms add: ``a + b`` is the term whose gradient is the sum of both.

    Args:
        scale: strength ``w`` by which the gradient is multiplied. 0 warns: the term then does nothing and
            costs nothing.

    Raises:
        ValueError: if ``scale`` is not finite.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not math.isfinite(scale):
            raise ValueError(f"scale must be a finite number, got {scale}; 1.0 adds the gradient as it is.")
        if scale == 0:
            warnings.warn(f"{type(self).__name__} has scale 0 and does not guide.", stacklevel=3)
        self.scale = float(scale)
        self.scheduler: Any = None

    def attach(self, scheduler: Any) -> "GuidanceTerm":
        """Tell the term which chain is sampled; the inferer does so before it samples.

        A term is called with training indices. It needs the scheduler where a classifier wants its timesteps
        rescaled (``rescale_timesteps``), or where it acts at some of the respaced steps only.

        Args:
            scheduler: the scheduler of the sampler.

        Returns:
            the term itself.
        """
        self.scheduler = scheduler
        return self

    @abstractmethod
    def gradient(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        denoise: Denoise,
        class_labels: Tensor | None = None,
        minority_classes: Tensor | None = None,
        draw: Draw | None = None,
    ) -> Tensor:
        """Gradient to add to the score at ``x_t``, already multiplied by the scale.

        Image ``i`` of the result depends on image ``i`` of the arguments alone, and no gradient is left on
        the parameters of any network.

        Args:
            x_t: noisy images ``[B, C, H, W]``, float32.
            timesteps: training indices ``[B]`` in ``0 … T-1``, integer.
            denoise: ``denoise(x_t, timesteps)`` gives ``x0`` of the sampled model, unclipped and
                differentiable.
            class_labels: labels ``c`` of the data set ``[B]``, where there are any.
            minority_classes: ordinal classes wanted ``[B]``, 0 the most common.
            draw: ``draw()`` gives ``[B, C, H, W]`` of noise from the images' own streams.

        Returns:
            float32 ``[B, C, H, W]``.
        """

    def __add__(self, other: "GuidanceTerm") -> "SumGuidance":
        from .sum import SumGuidance

        if not isinstance(other, GuidanceTerm):
            return NotImplemented
        return SumGuidance(self, other)


def input_gradient(objective: Callable[[Tensor], Tensor], x_t: Tensor) -> Tensor:
    """Gradient of each image's objective with respect to that image.

    Works where gradients are switched off (``no_grad``, ``inference_mode``) and leaves none on parameters.

    Args:
        objective: maps ``[B, C, H, W]`` to one number an image, ``[B]``.
        x_t: where to take the gradient.

    Returns:
        ``[B, C, H, W]``, detached.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # a copy: a tensor made in inference mode cannot take part in differentiation
        x = x_t.detach().clone().requires_grad_(True)
        return torch.autograd.grad(objective(x).sum(), x)[0]


def plain(tensor: MaybeTensor) -> MaybeTensor:
    """The tensor in a form that differentiation may store (see :func:`input_gradient`)."""
    if tensor is None or not tensor.is_inference():
        return tensor
    with torch.inference_mode(False):
        return tensor.clone()  # type: ignore[return-value]


def largest_to_one(gradient: Tensor) -> Tensor:
    """Divide each image's gradient by its largest absolute value (a zero gradient stays zero)."""
    largest = gradient.abs().amax(dim=tuple(range(1, gradient.ndim)), keepdim=True)
    return gradient / largest.clamp_min(torch.finfo(gradient.dtype).tiny)
