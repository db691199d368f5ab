"""The U-Net of Dhariwal and Nichol (2021)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_minority.networks.adm.base import ADMBase, ADMBlock
from monai_minority.networks.adm.blocks import GroupNorm32, Upsample, without_autocast, zeroed
from monai_minority.networks.adm.config import ADMConfig, with_settings
from monai_minority.networks.adm.flags import unet_arguments


class ADMUNet(ADMBase):
    """The U-Net of the ablated diffusion model, ADM (Dhariwal and Nichol, NeurIPS 2021).

    Parameters have the names of the guided-diffusion and improved-diffusion checkpoints. In an untrained network the
    last convolution of every residual branch and of the network is zero, so each block starts as the identity.

    Args:
        config: settings, or ``None`` if all are given by name.
        num_heads_upsample: number of attention heads in the ascending half, or -1 to use ``num_heads``.
        **settings: settings by name, see :class:`ADMConfig`. They replace those of ``config``.

    Raises:
        TypeError: if a setting is unknown or missing. The message gives the nearest known name.
        ValueError: if a setting is out of range, or the channels cannot be divided into the requested heads.

    Example:
        >>> import torch
        >>> from monai_minority.networks import ADMUNet
        >>> unet = ADMUNet(
        ...     image_size=16,
        ...     in_channels=1,
        ...     model_channels=32,
        ...     out_channels=2,  # noise and variance
        ...     num_res_blocks=1,
        ...     attention_resolutions=[2],  # at 8 x 8 pixels
        ...     channel_mult=[1, 2],
        ... )
        >>> unet(torch.zeros(2, 1, 16, 16), timesteps=torch.tensor([10, 999])).shape
        torch.Size([2, 2, 16, 16])
        >>> ADMUNet.from_flags(image_size=16, num_channels=32, channel_mult="1,2", learn_sigma=True).out_channels
        6
    """

    _arguments_of = staticmethod(unet_arguments)

    @with_settings
    def __init__(self, config: ADMConfig | None = None, *, num_heads_upsample: int = -1, **settings: Any) -> None:
        config = ADMConfig.of(config, settings, also=("num_heads_upsample",))
        super().__init__(config)
        heads = config.num_heads if num_heads_upsample == -1 else num_heads_upsample
        channels = self._block_channels[-1]
        skips = list(self._block_channels)
        self.output_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(config.widths))):
            for block in range(config.num_res_blocks + 1):
                layers: list[nn.Module] = [self._res_block(channels + skips.pop(), width)]
                channels = width
                if 2**level in config.attention_resolutions:
                    layers.append(self._attention(channels, heads))
                if level and block == config.num_res_blocks:
                    layers.append(
                        self._res_block(channels, channels, resample="up")
                        if config.resblock_updown
                        else Upsample(channels, config.conv_resample)
                    )
                self.output_blocks.append(ADMBlock(*layers))
        self.out = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), zeroed(nn.Conv2d(channels, config.out_channels, 3, padding=1))
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
        """Predict the noise, and the variances if they are learned. The call is that of MONAI's ``DiffusionModelUNet``.

        Args:
            x: noisy images ``[B, in_channels, H, W]``.
            timesteps: ``[B]`` or ``[1]``, training indices. Fractions are allowed.
            context: must be ``None``. The network has no cross-attention.
            class_labels: integers ``[B]``, for a class-conditional network.
            down_block_additional_residuals: must be ``None``. Control networks are not supported.
            mid_block_additional_residual: must be ``None``. Control networks are not supported.

        Returns:
            ``[B, out_channels, H, W]`` in the type of ``x``, also under autocast.

        Raises:
            ValueError: if an input has another shape or must be ``None``.
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
