"""The descending half of the ADM U-Net as a classifier of noisy images."""

from typing import Any

import torch
from torch import Tensor, nn

from monai_minority.networks.adm.attention import AttentionPool2d
from monai_minority.networks.adm.base import ADMBase
from monai_minority.networks.adm.blocks import GroupNorm32, without_autocast, zeroed
from monai_minority.networks.adm.config import ADMConfig, with_settings
from monai_minority.networks.adm.flags import POOLS, encoder_arguments

_HIDDEN = 2048
"""Width of the hidden layer behind spatial pooling, as in the reference."""


class ADMEncoder(ADMBase):
    """The noise-aware classifier of Dhariwal and Nichol (2021): the encoder of their U-Net with a pooling head.

    With ``num_classes`` it is the class-conditional minority classifier ``p(l | x_t, c)`` of Um et al. (2024),
    Appendix B. The label embedding is added to the timestep embedding, as in the U-Net.

    Args:
        config: settings, or ``None`` if all are given by name.
        pool: pooling head.

            - ``"attention"``: the mean of the last feature map attends to its pixels. The network then takes images of
              ``image_size`` only, and ``num_head_channels`` is required.
            - ``"adaptive"``: mean of the last feature map.
            - ``"spatial"``: means of the feature maps of all blocks, followed by a hidden layer.
            - ``"spatial_v2"``: the same with a normalised hidden layer.
        **settings: settings by name, see :class:`ADMConfig`. They replace those of ``config``.

    Raises:
        TypeError: if a setting is unknown or missing. The message gives the nearest known name.
        ValueError: if ``pool`` is unknown, a setting is out of range, or the channels cannot be divided into the
            requested heads.

    Example:
        >>> import torch
        >>> from monai_minority.networks import ADMEncoder
        >>> classifier = ADMEncoder(
        ...     image_size=16,
        ...     in_channels=1,
        ...     model_channels=32,
        ...     out_channels=10,  # minority classes
        ...     num_res_blocks=1,
        ...     attention_resolutions=[2],
        ...     channel_mult=[1, 2],
        ... )
        >>> x, timesteps = torch.zeros(2, 1, 16, 16), torch.tensor([10, 999])
        >>> classifier(x, timesteps).shape
        torch.Size([2, 10])
        >>> classifier.features(x, timesteps).shape
        torch.Size([2, 64, 8, 8])
    """

    _arguments_of = staticmethod(encoder_arguments)

    @with_settings
    def __init__(self, config: ADMConfig | None = None, *, pool: str = "adaptive", **settings: Any) -> None:
        config = ADMConfig.of(config, settings, also=("pool",))
        super().__init__(config)
        self.pool = pool
        self.feature_channels = self._block_channels[-1]
        self.feature_size = config.image_size // config.downsampling
        self.out = self._head(config.num_head_channels)

    def _head(self, num_head_channels: int) -> nn.Sequential:
        channels, outputs = self.feature_channels, self.out_channels
        if self.pool == "attention":
            if num_head_channels == -1:
                raise ValueError(
                    "num_head_channels must be given with pool='attention', got -1; published classifiers use 64."
                )
            pooling = AttentionPool2d(self.feature_size, channels, num_head_channels, outputs)
            return nn.Sequential(GroupNorm32(channels), nn.SiLU(), pooling)
        if self.pool == "adaptive":
            return nn.Sequential(
                GroupNorm32(channels),
                nn.SiLU(),
                nn.AdaptiveAvgPool2d(1),
                zeroed(nn.Conv2d(channels, outputs, 1)),
                nn.Flatten(),
            )
        means = sum(self._block_channels) + channels
        if self.pool == "spatial":
            return nn.Sequential(nn.Linear(means, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, outputs))
        if self.pool == "spatial_v2":
            return nn.Sequential(
                nn.Linear(means, _HIDDEN), GroupNorm32(_HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, outputs)
            )
        raise ValueError(f"pool must be one of {', '.join(POOLS)}, got {self.pool!r}.")

    def features(self, x: Tensor, timesteps: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """The last feature map ``[B, feature_channels, H / downsampling, W / downsampling]``, before normalisation and
        pooling, in the type of ``x``. The arguments are those of :meth:`forward`.
        """
        return self.descend(x, timesteps, None, class_labels, keep=False)[1][-1].to(x.dtype)

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
    ) -> Tensor:
        """Logits ``[B, out_channels]`` of noisy images, in the type of ``x``. The call is :meth:`ADMUNet.forward`'s.

        Raises:
            ValueError: if an input has another shape or must be ``None``.
        """
        if self.pool == "attention" and x.shape[2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"x must be {self.image_size} x {self.image_size} (image_size) with pool='attention', whose "
                f"positions are learned, got {list(x.shape[2:])}; resize the images or use another pool."
            )
        spatial = self.pool.startswith("spatial")
        _, maps = self.descend(x, timesteps, context, class_labels, keep=spatial)
        with without_autocast(x):
            if spatial:
                return self.out(torch.cat([h.to(x.dtype).mean(dim=(2, 3)) for h in maps], dim=1))
            return self.out(maps[-1].to(x.dtype))
