"""The U-Net of Dhariwal and Nichol (2021)."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from monai_minority.networks.adm.attention import AttentionBlock
from monai_minority.networks.adm.base import ADMBase, ADMBlock
from monai_minority.networks.adm.blocks import GroupNorm32, Upsample, without_autocast, zeroed
from monai_minority.networks.adm.flags import unet_arguments


class ADMUNet(ADMBase):
    """The ablated diffusion model (ADM) of "Diffusion Models Beat GANs on Image Synthesis" (NeurIPS 2021).

    Parameters carry the names of guided-diffusion's and improved-diffusion's checkpoints. Untrained, the last
    convolution of every residual branch and of the network is zero, so that each block starts as the
    identity.

    Args:
        image_size: height and width that the network is meant for; it takes any multiple of ``downsampling``.
        in_channels: channels of an image.
        model_channels: width of the network; the channels of a level are ``int(mult * model_channels)``, a
            multiple of 32.
        out_channels: ``in_channels`` for the noise alone, twice as many with learned variances.
        num_res_blocks: residual blocks a level.
        attention_resolutions: *down-sampling factors* (not sizes) at which attention follows each residual
            block.
        dropout: probability of dropping an activation in a residual block.
        channel_mult: multiple of ``model_channels`` at each level.
        conv_resample: resampling by convolution rather than by averaging and repeating. Without effect where
            ``resblock_updown`` is on.
        num_classes: number of class labels, ``None`` for a network without.
        use_checkpoint: keep no activations inside blocks and compute them again in the backward pass: less
            memory, about a third more time. Nothing is ever recomputed without it.
        num_heads: attention heads, where ``num_head_channels`` is -1.
        num_head_channels: channels of an attention head; -1 leaves the number to ``num_heads``.
        num_heads_upsample: attention heads in the ascending half; -1 for as many as ``num_heads``.
        use_scale_shift_norm: embeddings scale and shift normalised activations instead of being added.
        resblock_updown: residual blocks do the resampling.
        use_new_attention_order: layout of the attention projections, see :class:`AttentionBlock`.

    Raises:
        ValueError: if a width is no multiple of 32, or cannot be divided into the heads asked for.
    """

    _arguments_of = staticmethod(unet_arguments)

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
        num_heads_upsample: int = -1,
        use_scale_shift_norm: bool = False,
        resblock_updown: bool = False,
        use_new_attention_order: bool = False,
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
        heads = num_heads if num_heads_upsample == -1 else num_heads_upsample
        channels = self._block_channels[-1]
        skips = list(self._block_channels)
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(channel_mult))):
            width = int(channel_mult[level] * model_channels)
            for block in range(num_res_blocks + 1):
                layers: list[nn.Module] = [self._res_block(channels + skips.pop(), width)]
                channels = width
                if 2**level in attention_resolutions:
                    layers.append(AttentionBlock(channels, heads, **self._attention_options))
                if level and block == num_res_blocks:
                    layers.append(
                        self._res_block(channels, channels, resample="up")
                        if resblock_updown
                        else Upsample(channels, conv_resample)
                    )
                self.output_blocks.append(ADMBlock(*layers))
        self.out = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), zeroed(nn.Conv2d(channels, out_channels, 3, padding=1))
        )

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
    ) -> Tensor:
        """Predict noise, and variances where they are learned; the call of MONAI's ``DiffusionModelUNet``.

        Args:
            x: noisy images ``[B, in_channels, H, W]``.
            timesteps: ``[B]`` or ``[1]``, training indices; fractions are allowed.
            context: must be ``None``; there is no cross-attention.
            class_labels: ``[B]`` integers, for a class-conditional network.
            down_block_additional_residuals: must be ``None``; control networks are not supported.
            mid_block_additional_residual: must be ``None``; control networks are not supported.

        Returns:
            ``[B, out_channels, H, W]`` in the type of ``x``, also under autocast.
        """
        if down_block_additional_residuals is not None or mid_block_additional_residual is not None:
            raise ValueError(
                "down_block_additional_residuals and mid_block_additional_residual must be None: ADMUNet "
                "takes no residuals of a control network; use MONAI's DiffusionModelUNet for that."
            )
        emb, (*skips, h) = self.descend(x, timesteps, context, class_labels)
        for block in self.output_blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), emb, self._recompute)
        # Three digits of bfloat16 are too few for the noise a sampler divides by sqrt(alphas_cumprod).
        with without_autocast(x):
            return self.out(h.to(x.dtype))
