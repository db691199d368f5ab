"""The diffusion network's training call."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from monai.inferers import Inferer
from torch import Tensor


class LabelPair(NamedTuple):
    """Outputs for the same noised images under two labels each, ``[B, C, H, W]`` or ``[B, 2 C, H, W]``.

    Example:
        >>> import torch
        >>> from monai_minority.inferers import LabelPair
        >>> pair = LabelPair(own=torch.ones(1, 1, 2, 2), other=torch.zeros(1, 1, 2, 2))
        >>> (pair.own - pair.other).mean().item()
        1.0
    """

    own: Tensor
    other: Tensor


class DenoisingInferer(Inferer):
    """Noises clean images (Eq. 1) and returns what the network makes of them.

    MONAI's ``DiffusionInferer`` does the same for networks that take no class labels and no rescaled timesteps.

    Args:
        scheduler: noise schedule, one of this project's ``diffusion``.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.inferers import DenoisingInferer
        >>> inferer, noise = DenoisingInferer(RespacedDDPMScheduler(1000)), torch.ones(2, 1, 4, 4)
        >>> x_t = inferer(torch.zeros(2, 1, 4, 4), lambda x, timesteps: x, noise, torch.tensor([0, 999]))
        >>> [round(value, 2) for value in x_t[:, 0, 0, 0].tolist()]  # the share of noise at the ends of the schedule
        [0.01, 1.0]
    """

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def __call__(  # type: ignore[override]
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        noise: Tensor,
        timesteps: Tensor,
        class_labels: Tensor | None = None,
        other_labels: Tensor | None = None,
        ranks: Tensor | None = None,
    ) -> Tensor | LabelPair:
        """Network output at ``x_t``.

        Args:
            inputs: clean images ``[B, C, H, W]`` in [-1, 1].
            network: the diffusion network.
            noise: standard normal, like ``inputs``.
            timesteps: training indices ``[B]``.
            class_labels: integers ``[B]`` where the network is conditional on them.
            other_labels: integers ``[B]``, to be asked for beside them (see
                :class:`~monai_minority.training.ClassBalancingLoss`).
            ranks: of the minority scores ``[B]``, where the network is conditional on them (see
                :class:`~monai_minority.networks.ScoreConditioned`); not beside ``other_labels``.

        Returns:
            float32 ``[B, C, H, W]``, or ``[B, 2 C, H, W]`` where the network learns its variances; with
            ``other_labels`` a :class:`LabelPair` of these.

        Raises:
            ValueError: there are ``other_labels`` but no ``class_labels``.
        """
        x_t = self.scheduler.add_noise(inputs, noise, timesteps)
        t = self.scheduler.network_timesteps(timesteps)
        if other_labels is None:
            given = {"class_labels": class_labels, "ranks": ranks}
            return network(x_t, t, **{name: value for name, value in given.items() if value is not None}).float()
        if class_labels is None:
            raise ValueError("class_labels must be given beside other_labels, got None; set class_conditional.")
        # one call of twice the images: a distributed network allows a single one before its gradients
        both = torch.cat([class_labels, other_labels])
        return LabelPair(*network(torch.cat([x_t, x_t]), torch.cat([t, t]), class_labels=both).float().chunk(2))
