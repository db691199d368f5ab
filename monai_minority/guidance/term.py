"""What a sampler tells a guidance term, and what every term promises to the sampler."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from monai_minority.diffusion import predict_x0
from monai_minority.networks import BackboneClassifier
from monai_minority.shown import Shown

MaybeTensor = TypeVar("MaybeTensor", bound=Tensor | None)

Draw: TypeAlias = Callable[[], Tensor]
"""Each call gives the next standard normal noise ``[B, C, H, W]``, each image's from its own stream."""


class SamplingState:
    """What a sampler knows at one step; the one argument of every guidance term.

    The sampler makes one a step. The network is evaluated at the state when :attr:`x0` is first read, or else when the
    sampler itself asks for :attr:`output`, and no second time for either.

    Args:
        x_t: noisy images ``[B, C, H, W]``, float32.
        timesteps: training indices ``[B]`` in ``0 … T-1``, integer.
        scheduler: a scheduler of this project's ``diffusion``, set to the steps that are taken.
        network: ``network(x_t, network_timesteps)`` gives ``[B, C, H, W]``, or ``2 C`` channels (learned variance), of
            the network that is sampled, its labels and precision settled. ``None`` where no term denoises.
        class_labels: labels ``c`` of the data set ``[B]``, where there are any.
        target_class: minority classes aimed at ``[B]``, 0 the most common, where there are any.
        draw: gives ``[B, C, H, W]`` of standard normal noise at each call. ``None`` where no term draws.
        sampled: the module that ``network`` calls, whose pass :meth:`logits` may share.

    Attributes:
        x_t: the noisy images, requiring their gradient: :attr:`x0` is a differentiable function of this very tensor.
        timesteps, scheduler, class_labels, target_class: as given.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import SamplingState
        >>> scheduler = RespacedDDPMScheduler(1000, prediction_type="sample")
        >>> x_t = torch.tensor([0.5, -0.5]).view(2, 1, 1, 1)
        >>> state = SamplingState(x_t, torch.tensor([500, 500]), scheduler, lambda x, timesteps: x**2)
        >>> state.x0.flatten().tolist()
        [0.25, 0.25]
        >>> state.gradient_of(lambda: state.x0.flatten(1).sum(1)).flatten().tolist()
        [1.0, -1.0]
    """

    def __init__(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        scheduler: Any,
        network: Callable[[Tensor, Tensor], Tensor] | None = None,
        class_labels: Tensor | None = None,
        target_class: Tensor | None = None,
        draw: Draw | None = None,
        sampled: Any = None,
    ) -> None:
        with torch.inference_mode(False):
            self.x_t = plain(x_t).detach().requires_grad_()
        self.timesteps = plain(timesteps)
        self.scheduler = scheduler
        self.class_labels = plain(class_labels)
        self.target_class = plain(target_class)
        self._network = network
        self._draw = draw
        self._sampled = sampled
        self._output: Tensor | None = None
        self._x0: Tensor | None = None

    @property
    def network_timesteps(self) -> Tensor:
        """The timesteps ``[B]`` as networks and noise-aware classifiers take them (see ``rescale_timesteps``)."""
        return plain(self.scheduler.network_timesteps(self.timesteps))

    @property
    def x0(self) -> Tensor:
        """The network's estimate of the clean images ``[B, C, H, W]``, unclipped (Tweedie's formula, Eq. 4).

        It is made once for all terms and the step, and differentiable with respect to :attr:`x_t`.
        """
        if self._x0 is None:
            with torch.inference_mode(False), torch.enable_grad():
                output = self._evaluate(self.x_t, self.timesteps)
                self._x0 = predict_x0(output, self.x_t, self.timesteps, self.scheduler, clip=False)
            self._output = output.detach()
        return self._x0

    @property
    def output(self) -> Tensor:
        """What the network gives at the state, detached: the sampler reads it for its step, after the terms."""
        if self._output is None:
            with torch.no_grad():
                self._output = self._evaluate(self.x_t.detach(), self.timesteps)
        return self._output

    def logits(self, classifier: Any, **conditions: Tensor | None) -> Tensor:
        """What a classifier gives at the state, float32 ``[B, L]``, differentiable with respect to :attr:`x_t`.

        A classifier on frozen features reads them off the evaluation that the sampler needs anyway, unless that has
        been made; the logits are the same.

        Args:
            classifier: called as ``classifier(x_t, network_timesteps, **conditions)`` where it shares nothing.
            conditions: ``class_labels``, where it is conditional on them.
        """
        frozen = isinstance(classifier, BackboneClassifier) and classifier.shares(self._sampled)
        if frozen and self._output is None:
            with classifier.overhearing(self._sampled) as maps:
                self._output = self._evaluate(self.x_t, self.timesteps)
            return classifier.logits_of(maps, self.x_t).float()
        return classifier(self.x_t, self.network_timesteps, **conditions).float()

    def denoise(self, x_t: Tensor, timesteps: Tensor) -> Tensor:
        """The network's estimate of the clean images at another state: a new evaluation.

        Args:
            x_t: noisy images ``[B, C, H, W]``.
            timesteps: training indices ``[B]`` in ``0 … T-1``.

        Returns:
            ``[B, C, H, W]``, unclipped, and differentiable with respect to ``x_t`` where gradients are on.
        """
        return predict_x0(self._evaluate(x_t, timesteps), x_t, timesteps, self.scheduler, clip=False)

    def draw(self) -> Tensor:
        """The next standard normal noise ``[B, C, H, W]`` of the images' own streams.

        The sampler has drawn the step's own noise before; the terms draw in their order.
        """
        if self._draw is None:
            raise ValueError(
                "draw must be given to SamplingState where a term draws noise, got None; give a SeededNoise."
            )
        return plain(self._draw())

    def gradient_of(self, objective: Callable[[], Tensor]) -> Tensor:
        """Gradient of each image's objective with respect to :attr:`x_t`.

        Works where gradients are switched off (``no_grad``, ``inference_mode``) and leaves none on parameters.

        Args:
            objective: called once, with gradients on; gives one number an image, ``[B]``, made of :attr:`x_t`, of
                :attr:`x0` or of both.

        Returns:
            ``[B, C, H, W]``, detached.

        Raises:
            ValueError: if the objective gives anything but one number an image, or depends on neither.
        """
        with torch.inference_mode(False), torch.enable_grad():
            values = objective()
            if values.shape != self.x_t.shape[:1]:
                raise ValueError(
                    f"objective must give one number an image, [{len(self.x_t)}], got {list(values.shape)}; "
                    "sum over channels and pixels, and not over the batch."
                )
            if not values.requires_grad:
                raise ValueError(
                    "objective must be differentiable in state.x_t or state.x0, got values that depend on neither; "
                    "detach nothing between them."
                )
            # another term may need the way from x0 back to x_t again
            return torch.autograd.grad(values.sum(), self.x_t, retain_graph=self._x0 is not None)[0]

    def _evaluate(self, x_t: Tensor, timesteps: Tensor) -> Tensor:
        if self._network is None:
            raise ValueError("network must be given to SamplingState where a term or a step denoises, got None.")
        return self._network(x_t, plain(self.scheduler.network_timesteps(timesteps)))


class GuidanceTerm(Shown, ABC):
    """A gradient to add to the score of a diffusion model.

    Subclasses implement :meth:`gradient`. Terms add: ``a + b`` is the term whose gradient is the sum of both.

    Args:
        scale: strength ``w`` by which the gradient is multiplied. 0 warns: the term then does nothing and
            costs nothing.

    Raises:
        ValueError: if ``scale`` is not finite.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import GuidanceTerm, SamplingState
        >>> class Smaller(GuidanceTerm):
        ...     def gradient(self, state):
        ...         return -self.scale * state.x_t.detach()
        >>> state = SamplingState(torch.ones(1, 1, 1, 2), torch.tensor([500]), RespacedDDPMScheduler(1000))
        >>> (Smaller(0.5) + Smaller(1.5)).gradient(state).flatten().tolist()
        [-2.0, -2.0]
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not math.isfinite(scale):
            raise ValueError(f"scale must be a finite number, got {scale}; 1.0 adds the gradient as it is.")
        if scale == 0:
            warnings.warn(f"{type(self).__name__} has scale 0 and does not guide.", stacklevel=3)
        self.scale = float(scale)

    @abstractmethod
    def gradient(self, state: SamplingState) -> Tensor:
        """Gradient to add to the score at ``state.x_t``, already multiplied by the scale.

        Image ``i`` of the result depends on image ``i`` of the state alone, and no gradient is left on the
        parameters of any network.

        Args:
            state: what the sampler knows at this step; see :class:`SamplingState`.

        Returns:
            float32 ``[B, C, H, W]``.
        """

    def __add__(self, other: "GuidanceTerm") -> "SumGuidance":
        if not isinstance(other, GuidanceTerm):
            return NotImplemented
        return SumGuidance(self, other)


class SumGuidance(GuidanceTerm):
    """The sum of terms, as ``a + b`` makes it. Their draws of noise come in the order of the terms.

    Args:
        *terms: the terms; a sum among them is taken apart.

    Raises:
        ValueError: if there is no term.

    Example:
        >>> from monai_minority.guidance import LabelClassifierGuidance, MinorityClassifierGuidance, SumGuidance
        >>> minority = MinorityClassifierGuidance(lambda x, timesteps: x.flatten(1), scale=2.0)
        >>> label = LabelClassifierGuidance(lambda x, timesteps: x.flatten(1), scale=1.0)
        >>> [term.scale for term in SumGuidance(minority + label, minority).terms]
        [2.0, 1.0, 2.0]
    """

    def __init__(self, *terms: GuidanceTerm) -> None:
        super().__init__()
        self.terms: list[GuidanceTerm] = []
        for term in terms:
            self.terms += term.terms if isinstance(term, SumGuidance) else [term]
        if not self.terms:
            raise ValueError("terms must hold at least one guidance term, got none.")

    def gradient(self, state: SamplingState) -> Tensor:
        """Sum of the terms' gradients; see :meth:`GuidanceTerm.gradient`."""
        total = torch.zeros_like(state.x_t)
        for term in self.terms:
            total += term.gradient(state)
        return total


def largest_to_one(gradient: Tensor) -> Tensor:
    """Divide each image's gradient by its largest absolute value (a zero gradient stays zero)."""
    largest = gradient.abs().amax(dim=tuple(range(1, gradient.ndim)), keepdim=True)
    return gradient / largest.clamp_min(torch.finfo(gradient.dtype).tiny)


def plain(tensor: MaybeTensor) -> MaybeTensor:
    """The tensor as differentiation can store it: no ``MetaTensor``, and not one made in inference mode."""
    if tensor is None:
        return tensor
    with torch.inference_mode(False):
        bare = tensor.as_subclass(Tensor)
        return bare.clone() if bare.is_inference() else bare  # type: ignore[return-value]
