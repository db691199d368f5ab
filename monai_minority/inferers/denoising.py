"""The diffusion network's training call."""

from collections.abc import Callable
from typing import Any

from monai.inferers import Inferer
from torch import Tensor


class DenoisingInferer(Inferer):
    """Noises clean images (Eq. 1) and returns what the network makes of them.

    MONAI's ``DiffusionInferer`` does the same for networks that take no class labels and no rescaled timesteps.

    Args:
        scheduler: noise schedule, one of this project's ``diffusion``.
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
    ) -> Tensor:
        """Network output at ``x_t``.

        Args:
            inputs: clean images ``[B, C, H, W]`` in [-1, 1].
            network: the diffusion network.
            noise: standard normal, like ``inputs``.
            timesteps: training indices ``[B]``.
            class_labels: integers ``[B]`` where the network is conditional on them.

        Returns:
            float32 ``[B, C, H, W]``, or ``[B, 2 C, H, W]`` where the network learns its variances.
        """
        x_t = self.scheduler.add_noise(inputs, noise, timesteps)
        labels = {} if class_labels is None else {"class_labels": class_labels}
        return network(x_t, self.scheduler.network_timesteps(timesteps), **labels).float()
