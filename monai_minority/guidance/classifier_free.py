"""Guidance by a network's own condition, without a classifier."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from monai_minority.diffusion import predict_epsilon
from monai_minority.diffusion.chain import at_timesteps
from monai_minority.networks.wrappers import takes_class_labels

from .term import GuidanceTerm, SamplingState


class ClassifierFreeGuidance(GuidanceTerm):
    r"""``w * (s(x_t | r) - s(x_t))``: further along what the condition changes (Ho & Salimans, 2022).

    The sampler's own evaluation is conditional, such as that of a :class:`~monai_minority.networks.ScoreConditioned`
    network, which the sampler gives its ``target_class``; the term evaluates the network once more without the
    condition. In ``mode="score"`` the noise estimate of a step is then ``e(x_t | r) + w (e(x_t | r) - e(x_t))``. Scale
    0 samples under the condition, and the published guidance weight is ``1 + w``. Where the sampler's ``interval``
    leaves a step out, the condition stays and costs one evaluation (Kynkäänniemi et al., NeurIPS 2024).

    Args:
        network: the network that is sampled from; called without a target class it is unconditional.
        scale: strength ``w`` beyond the condition itself.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import ClassifierFreeGuidance, SamplingState
        >>> scheduler = RespacedDDPMScheduler(1000)
        >>> def network(x, timesteps, target_class=None):  # the noise estimate falls by one under the condition
        ...     return x if target_class is None else x - 1
        >>> x_t, timesteps = torch.zeros(1, 1, 1, 1), torch.tensor([999])  # noise alone, sqrt(1 - a_t) = 1
        >>> state = SamplingState(x_t, timesteps, scheduler, lambda x, t: network(x, t, target_class=1))
        >>> round(ClassifierFreeGuidance(network, scale=2.0).gradient(state).item(), 3)
        2.0
    """

    def __init__(self, network: Callable[..., Tensor], scale: float = 1.0) -> None:
        super().__init__(scale)
        self.network = network.eval() if isinstance(network, nn.Module) else network

    def gradient(self, state: SamplingState) -> Tensor:
        """Scaled difference of the two scores; see :meth:`GuidanceTerm.gradient`."""
        x_t = state.x_t.detach()
        if self.scale == 0:
            return torch.zeros_like(x_t)
        labels = {}
        if state.class_labels is not None and takes_class_labels(self.network, unknown=False):
            labels["class_labels"] = state.class_labels
        with torch.no_grad():
            without = self.network(x_t, state.network_timesteps, **labels).float()
            conditional, unconditional = (
                predict_epsilon(output, x_t, state.timesteps, state.scheduler) for output in (state.output, without)
            )
            noise = at_timesteps((1 - state.scheduler.alphas_cumprod.double()).sqrt(), state.timesteps, x_t)
            return self.scale * (unconditional - conditional) / noise
