"""What the ADM U-Net and the ADM encoder share: embeddings, the descending half and the middle."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from monai_minority.networks.adm.attention import AttentionBlock
from monai_minority.networks.adm.blocks import Downsample, ResBlock, timestep_embedding, without_autocast
from monai_minority.networks.adm.config import ADMConfig
from monai_minority.networks.checkpoints import build_from_state_dict


class ADMBlock(nn.Sequential):
    """Layers of one step through an ADM network; residual blocks among them also get the embedding."""

    def forward(self, x: Tensor, emb: Tensor, recompute: bool = False) -> Tensor:  # type: ignore[override]
        """Apply the layers to ``x``; with ``recompute`` their activations are not kept but computed again."""
        for layer in self:
            inputs = (x, emb) if isinstance(layer, ResBlock) else (x,)
            if recompute and isinstance(layer, ResBlock | AttentionBlock):
                x = checkpoint(layer, *inputs, use_reentrant=False)
            else:
                x = layer(*inputs)
        return x


class ADMBase(nn.Module):
    """The descending half and the middle of an ADM network (Dhariwal and Nichol, 2021). Base of U-Net and encoder.

    Args:
        config: the settings.
    """

    _arguments_of: Callable[..., dict[str, Any]]
    """From published flags to the arguments of the class."""

    def __init__(self, config: ADMConfig) -> None:
        super().__init__()
        self.config = config
        """The settings that the network was built with."""
        self.image_size = config.image_size
        self.in_channels = config.in_channels
        self.out_channels = config.out_channels
        self.num_classes = config.num_classes
        self.use_checkpoint = config.use_checkpoint
        self.model_channels = config.model_channels
        self.downsampling = config.downsampling
        """Height and width must be multiples of this; the middle works on maps smaller by it."""

        self._emb_channels = 4 * config.model_channels
        self.time_embed = nn.Sequential(
            nn.Linear(config.model_channels, self._emb_channels),
            nn.SiLU(),
            nn.Linear(self._emb_channels, self._emb_channels),
        )
        if config.num_classes is not None:
            self.label_emb = nn.Embedding(config.num_classes, self._emb_channels)

        channels = config.widths[0]
        self.input_blocks = nn.ModuleList([ADMBlock(nn.Conv2d(config.in_channels, channels, 3, padding=1))])
        self._block_channels = [channels]
        for level, width in enumerate(config.widths):
            for _ in range(config.num_res_blocks):
                layers: list[nn.Module] = [self._res_block(channels, width)]
                channels = width
                if 2**level in config.attention_resolutions:
                    layers.append(self._attention(channels))
                self.input_blocks.append(ADMBlock(*layers))
                self._block_channels.append(channels)
            if level < len(config.widths) - 1:
                down = (
                    self._res_block(channels, channels, resample="down")
                    if config.resblock_updown
                    else Downsample(channels, config.conv_resample)
                )
                self.input_blocks.append(ADMBlock(down))
                self._block_channels.append(channels)
        self.middle_block = ADMBlock(
            self._res_block(channels, channels), self._attention(channels), self._res_block(channels, channels)
        )

    @classmethod
    def from_flags(cls, **flags: Any) -> Self:
        """Build an untrained network from published flags, see :mod:`~monai_minority.networks.adm.flags`.

        Raises:
            ValueError: if a flag is unknown or its value cannot be read.
        """
        return cls(**cls._arguments_of(**flags))

    @classmethod
    def from_guided_diffusion(cls, state_dict: Mapping[str, Tensor] | str | Path, **flags: Any) -> Self:
        """Load a checkpoint of guided-diffusion or improved-diffusion.

        Args:
            state_dict: weights, or the path of their file (``.pt`` or ``.safetensors``).
            **flags: flags published with the checkpoint, see :mod:`~monai_minority.networks.adm.flags`.

        Returns:
            The network in evaluation mode, in float32 on the device of the weights. A file is read to the CPU.

        Raises:
            FileNotFoundError: if the file does not exist.
            ValueError: if a flag is unknown, or weights and flags do not match. The message names what does not match.
        """
        return build_from_state_dict(cls, cls._arguments_of(**flags), state_dict).eval()

    def _res_block(self, channels: int, out_channels: int, resample: str | None = None) -> ResBlock:
        return ResBlock(
            channels,
            self._emb_channels,
            dropout=self.config.dropout,
            out_channels=out_channels,
            use_scale_shift_norm=self.config.use_scale_shift_norm,
            resample=resample,
        )

    def _attention(self, channels: int, num_heads: int | None = None) -> AttentionBlock:
        return AttentionBlock(
            channels,
            self.config.num_heads if num_heads is None else num_heads,
            num_head_channels=self.config.num_head_channels,
            use_new_attention_order=self.config.use_new_attention_order,
        )

    @property
    def _recompute(self) -> bool:
        return self.use_checkpoint and torch.is_grad_enabled()

    def _embed(self, x: Tensor, timesteps: Tensor, context: Tensor | None, class_labels: Tensor | None) -> Tensor:
        """Check the inputs and return the embedding ``[B or 1, E]`` of timesteps and labels."""
        self._check(x, timesteps, context, class_labels)
        with without_autocast(x):
            # MONAI's inferers give one timestep for the whole batch; it stays one and broadcasts.
            steps = timesteps.reshape(-1).to(x.device)
            dtype = next(self.time_embed.parameters()).dtype
            emb = self.time_embed(timestep_embedding(steps, self.model_channels).to(dtype))
            return emb if class_labels is None else emb + self.label_emb(class_labels)

    def descend(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
        keep: bool = True,
    ) -> tuple[Tensor, list[Tensor]]:
        """Map noisy images to the middle of the network; the arguments are those of :meth:`ADMUNet.forward`.

        Args:
            keep: return the feature maps of all blocks instead of the last one only.

        Returns:
            The embedding ``[B or 1, E]`` of timesteps and labels, and the list of feature maps. The map of the middle
            block is the last one.
        """
        emb = self._embed(x, timesteps, context, class_labels)
        h, maps = x, []
        for block in self.input_blocks:
            h = block(h, emb, self._recompute)
            if keep:
                maps.append(h)
        return emb, [*maps, self.middle_block(h, emb, self._recompute)]

    def _check(self, x: Tensor, timesteps: Tensor, context: Tensor | None, class_labels: Tensor | None) -> None:
        name = type(self).__name__
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"x must have shape [B, {self.in_channels}, H, W] for this {name}, got {list(x.shape)}; "
                "in_channels is fixed when the network is built."
            )
        if x.shape[2] % self.downsampling or x.shape[3] % self.downsampling:
            raise ValueError(
                f"height and width of x must be multiples of {self.downsampling} (a halving for each level "
                f"of channel_mult after the first), got {list(x.shape[2:])}; pad or resize the images."
            )
        if timesteps.numel() not in (1, len(x)):
            raise ValueError(
                f"timesteps must hold one value, or one for each of the {len(x)} images, got shape "
                f"{list(timesteps.shape)}."
            )
        if context is not None:
            raise ValueError(
                f"context must be None: {name} has no cross-attention; give integer labels as class_labels."
            )
        if self.num_classes is None and class_labels is not None:
            raise ValueError(
                f"class_labels must be None: this {name} is not class-conditional; build it with num_classes."
            )
        if self.num_classes is not None and (class_labels is None or class_labels.shape != x.shape[:1]):
            got = "None" if class_labels is None else f"shape {list(class_labels.shape)}"
            raise ValueError(
                f"class_labels must have shape [{len(x)}] with values in [0, {self.num_classes}) for this "
                f"class-conditional {name}, got {got}."
            )
