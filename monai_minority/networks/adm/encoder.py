"""The descending half of the ADM U-Net as a classifier of noisy images."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from monai_minority.networks.adm.attention import AttentionPool2d
from monai_minority.networks.adm.base import ADMBase
from monai_minority.networks.adm.blocks import GroupNorm32, without_autocast, zeroed
from monai_minority.networks.adm.flags import POOLS, encoder_arguments

_HIDDEN = 2048
"""Width of the hidden layer behind spatial pooling, as in the reference."""


class ADMEncoder(ADMBase):
    """The noise-aware classifier of Dhariwal and Nichol (2021): their U-Net's encoder with a pooling head.

    With ``num_classes`` it is the class-conditional minority classifier ``p(l | x_t, c)`` (Um et al., 2024,
    Appendix B): the label is embedded and added to the timestep's embedding, as in the U-Net.

    Args:
        image_size: height and width of the images; with ``pool="attention"`` the only size the network takes.
        in_channels: channels of an image (or of a feature map, in a cascade).
        model_channels: width, see :class:`~monai_minority.networks.ADMUNet`.
        out_channels: number of logits.
        num_res_blocks: residual blocks a level.
        attention_resolutions: *down-sampling factors* (not sizes) at which attention follows each residual
            block.
        dropout: probability of dropping an activation in a residual block.
        channel_mult: multiple of ``model_channels`` at each level.
        conv_resample: resampling by convolution rather than by averaging.
        num_classes: number of class labels to condition on, ``None`` for none. Not the number of logits.
        use_checkpoint: keep no activations inside blocks and compute them again in the backward pass.
        num_heads: attention heads, where ``num_head_channels`` is -1.
        num_head_channels: channels of an attention head; needed with ``pool="attention"``.
        use_scale_shift_norm: embeddings scale and shift normalised activations instead of being added.
        resblock_updown: residual blocks do the down-sampling.
        use_new_attention_order: layout of the attention projections.
        pool: ``"attention"``, the mean of the last map attends to its pixels; ``"adaptive"``, mean of the
            last map; ``"spatial"``, means of the maps of every block through a hidden layer;
            ``"spatial_v2"``, the same with the hidden layer normalised.

    Raises:
        ValueError: for an unknown ``pool``, a width that is no multiple of 32 or cannot be divided into the
            heads asked for.
    """

    _arguments_of = staticmethod(encoder_arguments)

    def __init__(
        self,
        image_size: int,
        in_channels: int,
        model_channels: int,
        out_channels: int,
        num_res_blocks: int,
        attention_resolutions: Collection[int],
        dropout: float = 0.0,
        channel_mult: Sequence[float] = (1, 2, 4, 8),
        conv_resample: bool = True,
        num_classes: int | None = None,
        use_checkpoint: bool = False,
        num_heads: int = 1,
        num_head_channels: int = -1,
        use_scale_shift_norm: bool = False,
        resblock_updown: bool = False,
        use_new_attention_order: bool = False,
        pool: str = "adaptive",
    ) -> None:
        super().__init__(
            image_size=image_size,
            in_channels=in_channels,
            model_channels=model_channels,
            out_channels=out_channels,
            num_res_blocks=num_res_blocks,
            attention_resolutions=attention_resolutions,
            dropout=dropout,
            channel_mult=channel_mult,
            conv_resample=conv_resample,
            num_classes=num_classes,
            use_checkpoint=use_checkpoint,
            num_heads=num_heads,
            num_head_channels=num_head_channels,
            use_scale_shift_norm=use_scale_shift_norm,
            resblock_updown=resblock_updown,
            use_new_attention_order=use_new_attention_order,
        )
        self.pool = pool
        self.feature_channels = self._block_channels[-1]
        self.feature_size = image_size // self.downsampling
        self.out = self._head(num_head_channels)

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
        """The last feature map, before normalisation and pooling.

        Args:
            x: noisy images ``[B, in_channels, H, W]``.
            timesteps: ``[B]`` or ``[1]``, training indices; fractions are allowed.
            class_labels: ``[B]`` integers, for a class-conditional encoder.

        Returns:
            ``[B, feature_channels, H / downsampling, W / downsampling]`` in the type of ``x``, also under
            autocast.
        """
        return self.descend(x, timesteps, None, class_labels, keep=False)[1][-1].to(x.dtype)

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
    ) -> Tensor:
        """Logits of noisy images; the call is that of MONAI's ``DiffusionModelUNet``.

        Args:
            x: noisy images ``[B, in_channels, H, W]``.
            timesteps: ``[B]`` or ``[1]``, training indices; fractions are allowed.
            context: must be ``None``; there is no cross-attention.
            class_labels: ``[B]`` integers, for a class-conditional encoder.

        Returns:
            ``[B, out_channels]`` in the type of ``x``, also under autocast.
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
