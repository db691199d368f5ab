"""A classifier of noisy images that is initialised with a diffusion backbone."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional as F

from monai_minority.networks.adm.blocks import without_autocast
from monai_minority.networks.adm.unet import ADMUNet
from monai_minority.networks.wrappers import SpaceToDepth
from monai_minority.side_by_side import hook_here

_GRID = 3
"""Cells a side that the last feature map is averaged to, so that the head knows left from right and front from back."""


class BackboneClassifier(nn.Module):
    """The descending half of a trained diffusion U-Net with a classification head, to be fine-tuned on noisy images.

    A denoiser has features for all noise levels. A classifier initialised with it needs far fewer steps and images than
    one trained from scratch. The head reads the means and standard deviations of all feature maps, and a 3 x 3 average
    of the last one.

    Args:
        backbone: :class:`ADMUNet`, MONAI's ``DiffusionModelUNet``, or either of them in :class:`SpaceToDepth`. The
            descending half is copied. The backbone is not changed.
        out_channels: number of logits.
        hidden: width of the head's hidden layer.
        dropout: dropout probability of the head.
        conditional: take class labels if the backbone takes them. Set to false to classify these labels themselves.

    Raises:
        ValueError: if the backbone is another kind of network.

    Example:
        >>> import torch
        >>> from monai.networks.nets import DiffusionModelUNet
        >>> from monai_minority.networks import BackboneClassifier
        >>> backbone = DiffusionModelUNet(
        ...     spatial_dims=2,
        ...     in_channels=1,
        ...     out_channels=1,
        ...     channels=[8, 16],
        ...     attention_levels=[False, False],
        ...     num_res_blocks=1,
        ...     norm_num_groups=4,
        ... )
        >>> classifier = BackboneClassifier(backbone, out_channels=10).eval()
        >>> classifier(torch.zeros(2, 1, 8, 8), torch.tensor([10, 999])).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        backbone: nn.Module,
        out_channels: int,
        hidden: int = 256,
        dropout: float = 0.2,
        conditional: bool = True,
    ) -> None:
        super().__init__()
        network, self.factor = _unwrapped(backbone)
        if isinstance(network, ADMUNet):
            ascending = ["output_blocks", "out"]
        elif isinstance(network, DiffusionModelUNet):
            ascending = ["up_blocks", "out"]
        else:
            raise ValueError(
                "backbone must be an ADMUNet, MONAI's DiffusionModelUNet, or either in SpaceToDepth, got "
                f"{type(network).__name__}; train an ADMEncoder from scratch for other networks"
            )
        self.encoder: Any = copy.deepcopy(network).requires_grad_(True).train()
        for name in ascending:
            delattr(self.encoder, name)
        attribute, table = (
            ("num_classes", "label_emb") if isinstance(network, ADMUNet) else ("num_class_embeds", "class_embedding")
        )
        if not conditional and getattr(network, attribute) is not None:
            setattr(self.encoder, attribute, None)
            delattr(self.encoder, table)
        self.num_classes: int | None = _labels_of(self.encoder)
        """Number of class labels that it is conditional on, ``None`` for none."""
        self.out_channels = out_channels
        self._compared: tuple[list[tuple[int, int]], bool] = [], False
        widths = self._widths()
        features = 2 * sum(widths) + _GRID**2 * widths[-1]
        self.head = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, out_channels),
        )

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        class_labels: Tensor | None = None,
    ) -> Tensor:
        """Logits ``[B, out_channels]`` of noisy images, in the type of ``x``. The call is :meth:`ADMUNet.forward`'s.

        Raises:
            ValueError: if ``context`` is given, or ``class_labels`` are missing.
        """
        if context is not None:
            raise ValueError("context must be None: BackboneClassifier has no cross-attention.")
        return self.logits_of(self._maps(self._blocks(x), timesteps, class_labels), x)

    def features(self, x: Tensor, timesteps: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """The normalised input ``[B, F]`` of the head: statistics of all feature maps, and the 3 x 3 grid."""
        pooled = self.pooled(x, timesteps, class_labels)
        with without_autocast(x):
            return self.head[0](pooled)

    def pooled(self, x: Tensor, timesteps: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Statistics ``[B, F]`` of all feature maps, and the 3 x 3 grid, before they are normalised."""
        return self._statistics(self._maps(self._blocks(x), timesteps, class_labels), x)

    def shares(self, network: Any) -> bool:
        """Whether the encoder is the descending half of ``network``, weight for weight: of a frozen classifier."""
        inner, factor = _unwrapped(network)
        if type(inner) is not type(self.encoder) or factor != self.factor or _labels_of(inner) != self.num_classes:
            return False
        own, theirs = dict(self.encoder.named_parameters()), dict(inner.named_parameters())
        stamp = [(id(value), value._version) for part in (own, theirs) for value in part.values()]
        if stamp != self._compared[0]:  # a look at every weight once, not at every step
            same = all(name in theirs and torch.equal(value, theirs[name]) for name, value in own.items())
            self._compared = stamp, same
        return self._compared[1]

    @contextmanager
    def overhearing(self, network: Any) -> Iterator[list[Tensor]]:
        """Collect the feature maps of a network that :meth:`shares` holds for, as it is called inside.

        The maps have gradients where these are on; what the network computes after them has none.
        """
        inner, _ = _unwrapped(network)
        maps: list[Tensor] = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            maps.extend(output[1] if isinstance(output, tuple) else [output])
            if module is inner.middle_block:
                torch.set_grad_enabled(False)

        first = inner.input_blocks if isinstance(inner, ADMUNet) else [inner.conv_in, *inner.down_blocks]
        hooks = [hook_here(module, keep) for module in (*first, inner.middle_block)]
        enabled = torch.is_grad_enabled()
        try:
            yield maps
        finally:
            torch.set_grad_enabled(enabled)
            for hook in hooks:
                hook.remove()

    def logits_of(self, maps: list[Tensor], x: Tensor) -> Tensor:
        """What :meth:`forward` gives for ``x``, from the maps of its pass through a network that has the encoder."""
        pooled = self._statistics(maps, x)
        with without_autocast(x):
            return self.head(pooled)

    def _statistics(self, maps: list[Tensor], x: Tensor) -> Tensor:
        with without_autocast(x):
            maps = [h.to(x.dtype) for h in maps]
            means = [h.mean(dim=(2, 3)) for h in maps]
            # the square root has no finite slope at 0, the variance of an empty map
            centred = [h - mean[..., None, None] for h, mean in zip(maps, means, strict=True)]
            spreads = [(h.square().mean(dim=(2, 3)) + 1e-6).sqrt() for h in centred]  # torch.var takes 10 times as long
            return torch.cat([*means, *spreads, F.adaptive_avg_pool2d(maps[-1], _GRID).flatten(1)], dim=1)

    def _blocks(self, x: Tensor) -> Tensor:
        return F.pixel_unshuffle(x, self.factor) if self.factor > 1 else x

    def _maps(self, x: Tensor, timesteps: Tensor, class_labels: Tensor | None) -> list[Tensor]:
        """Feature maps of every block of the descending half and of the middle."""
        if isinstance(self.encoder, ADMUNet):
            return self.encoder.descend(x, timesteps, class_labels=class_labels)[1]
        encoder = self.encoder
        emb = encoder.time_embed(get_timestep_embedding(timesteps, encoder.block_out_channels[0]).to(x.dtype))
        if self.num_classes is not None:
            if class_labels is None:
                raise ValueError("class_labels must be given: the backbone is conditional on them, got None.")
            emb = emb + encoder.class_embedding(class_labels).to(x.dtype)
        h = encoder.conv_in(x)
        maps = [h]
        for block in encoder.down_blocks:
            h, skips = block(hidden_states=h, temb=emb, context=None)
            maps.extend(skips)
        return [*maps, encoder.middle_block(hidden_states=h, temb=emb, context=None)]

    @torch.no_grad()
    def _widths(self) -> list[int]:
        """Channels of each feature map, from a pass over the smallest image that every normalisation takes."""
        adm = isinstance(self.encoder, ADMUNet)
        size = 2 * self.encoder.downsampling if adm else 2 ** len(self.encoder.down_blocks)
        x = next(self.encoder.parameters()).new_zeros(1, self.encoder.in_channels, size, size)
        labels = None if self.num_classes is None else torch.zeros(1, dtype=torch.int64, device=x.device)
        return [h.shape[1] for h in self._maps(x, x.new_zeros(1), labels)]


def _unwrapped(network: Any) -> tuple[Any, int]:
    """The U-Net itself, and the side of the blocks that it sees."""
    network = getattr(network, "module", network)
    return (network.network, network.factor) if isinstance(network, SpaceToDepth) else (network, 1)


def _labels_of(network: Any) -> int | None:
    return getattr(network, "num_classes" if isinstance(network, ADMUNet) else "num_class_embeds", None)
