"""A diffusion network that is told how rare its images are."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_minority.networks.adm.blocks import timestep_embedding, zeroed
from monai_minority.networks.wrappers import SpaceToDepth
from monai_minority.side_by_side import hook_here

NO_RANK = -1.0
"""In place of a rank: the null condition."""

_PLACES = 1000
"""Ranks in [0, 1] are embedded as timesteps of 0 to this are."""


class ScoreConditioned(nn.Module):
    """A backbone with a continuous condition beside the timestep: the rank in [0, 1] of an image's minority score.

    The rank is embedded as timesteps are, by sinusoids and a small network, and added to the timestep's embedding. The
    last layer of the small network starts at zero, so that before training the output is that of the backbone, bit for
    bit, whatever the rank. The null condition adds nothing: with it the network is an ordinary unconditional one, and
    takes a backbone's place everywhere. Continuous conditions of a score follow CCDM (Ding et al., 2024); dropping them
    in training and guiding by the difference follow Ho and Salimans (2022).

    Args:
        network: :class:`ADMUNet`, MONAI's ``DiffusionModelUNet``, or either of them in :class:`SpaceToDepth`. It is
            copied.
        class_ranks: rank that stands for each minority class, ``[L]``, ascending; needed to sample a class.

    Raises:
        ValueError: if the network has no timestep embedding of that form, or a rank is outside [0, 1].

    Example:
        >>> import torch
        >>> from monai.networks.nets import DiffusionModelUNet
        >>> from monai_minority.networks import ScoreConditioned
        >>> backbone = DiffusionModelUNet(
        ...     spatial_dims=2,
        ...     in_channels=1,
        ...     out_channels=1,
        ...     channels=[8, 16],
        ...     attention_levels=[False, False],
        ...     num_res_blocks=1,
        ...     norm_num_groups=4,
        ... ).eval()
        >>> network = ScoreConditioned(backbone, class_ranks=[0.25, 0.75]).eval()
        >>> x, timesteps = torch.randn(2, 1, 8, 8), torch.tensor([10, 999])
        >>> rarest = network(x, timesteps, target_class=torch.tensor([1, 1]))
        >>> torch.equal(rarest, backbone(x, timesteps))  # before training
        True
    """

    takes_target_class = True
    """The sampler hands it the minority class to aim at."""

    def __init__(self, network: nn.Module, class_ranks: Sequence[float] | None = None) -> None:
        super().__init__()
        self.network: Any = copy.deepcopy(network).requires_grad_(True).train()
        if not isinstance(getattr(self._inner, "time_embed", None), nn.Sequential):
            raise ValueError(
                "network must be an ADMUNet, MONAI's DiffusionModelUNet, or either in SpaceToDepth, got "
                f"{type(self._inner).__name__}, which has no time_embed"
            )
        if class_ranks is not None and not all(0 <= rank <= 1 for rank in class_ranks):
            raise ValueError(f"class_ranks must be in [0, 1], got {list(class_ranks)}; 1 is the rarest.")
        self.class_ranks = None if class_ranks is None else [float(rank) for rank in class_ranks]
        width = self._inner.time_embed[-1].out_features
        self._sinusoids = width // 4
        self.rank_embed = nn.Sequential(nn.Linear(self._sinusoids, width), nn.SiLU(), zeroed(nn.Linear(width, width)))
        for name in ("num_classes", "num_class_embeds"):  # whether it takes class labels too
            if hasattr(self._inner, name):
                setattr(self, name, getattr(self._inner, name))

    @property
    def _inner(self) -> Any:
        return self.network.network if isinstance(self.network, SpaceToDepth) else self.network

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
        ranks: Tensor | None = None,
        target_class: Tensor | None = None,
    ) -> Tensor:
        """The backbone's output under a rank. The call without one is that of MONAI's ``DiffusionModelUNet``.

        Args:
            x: noisy images ``[B, C, H, W]``.
            timesteps: ``[B]``, training indices.
            context: as the backbone takes it.
            class_labels: as the backbone takes them.
            ranks: share of the training images that are less rare, in [0, 1], ``[B]``; a negative one is the null
                condition, and so is ``None`` for all.
            target_class: minority classes ``[B]`` in place of the ranks; -1 is the null condition.

        Returns:
            What the backbone gives, ``[B, C, H, W]`` or ``[B, 2 C, H, W]``.

        Raises:
            ValueError: if both ``ranks`` and ``target_class`` are given, or a class has no rank.
        """
        call = {"context": context, "class_labels": class_labels}
        call = {name: value for name, value in call.items() if value is not None}
        if target_class is not None:
            if ranks is not None:
                raise ValueError("ranks and target_class say the same and must not both be given; give one.")
            ranks = self._ranks_of(target_class)
        if ranks is None:
            return self.network(x, timesteps, **call)
        shift = self.rank_embed(timestep_embedding(_PLACES * ranks, self._sinusoids))
        shift = torch.where(ranks[:, None] >= 0, shift, torch.zeros_like(shift))
        added = hook_here(self._inner.time_embed, lambda module, inputs, output: output + shift.to(output))
        try:
            return self.network(x, timesteps, **call)
        finally:
            added.remove()

    def extra_repr(self) -> str:
        """The ranks of the classes, which are no weights."""
        return f"class_ranks={self.class_ranks}"

    def _ranks_of(self, target_class: Tensor) -> Tensor:
        table = self.class_ranks or []
        # an accelerator would be waited for at each step; there the look-up itself fails
        on_cpu = target_class.device.type == "cpu"
        low, high = (int(end) for end in torch.aminmax(target_class)) if on_cpu else (0, -1)
        if low < -1 or high >= len(table):
            raise ValueError(
                f"target_class must be in [0, {len(table)}), the classes of class_ranks, or -1 for none, got {low} to "
                f"{high}; give class_ranks a rank for each class."
            )
        return torch.tensor([*table, NO_RANK], device=target_class.device)[target_class.long()]
