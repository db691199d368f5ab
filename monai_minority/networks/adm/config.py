"""The settings of the ADM networks, named, documented and checked once."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

GROUPS = 32
"""Groups of every group normalisation; the channels of each level are a multiple of it."""

_COUNTS = ("image_size", "in_channels", "model_channels", "out_channels", "num_res_blocks")


@dataclass(frozen=True, kw_only=True)
class ADMConfig:
    """Settings that the ADM U-Net and the ADM encoder share (Dhariwal and Nichol, 2021).

    :class:`ADMUNet` and :class:`ADMEncoder` take these settings as keyword arguments, or take a configuration as their
    first argument. Each adds a single setting of its own.

    Args:
        image_size: height and width of the images in pixels. The U-Net and encoders without attention pooling also
            accept other sizes that are multiples of :attr:`downsampling`.
        in_channels: number of channels of an image, or of a feature map in a cascade.
        model_channels: base width. Level ``i`` has ``int(channel_mult[i] * model_channels)`` channels.
        out_channels: U-Net: ``in_channels``, or ``2 * in_channels`` if the variances are learned. Encoder: number of
            logits.
        num_res_blocks: number of residual blocks per level.
        attention_resolutions: downsampling factors (not sizes) at which attention follows each residual block.
        dropout: dropout probability in residual blocks.
        channel_mult: multiple of ``model_channels`` at each level.
        conv_resample: resample by convolution rather than by averaging and repeating. This has no effect if
            ``resblock_updown`` is true.
        num_classes: number of class labels that the network is conditioned on, or ``None``. This is not the number of
            logits.
        use_checkpoint: recompute the activations of blocks in the backward pass instead of storing them. This saves
            memory and takes about a third more time.
        num_heads: number of attention heads. It applies where ``num_head_channels`` is -1.
        num_head_channels: number of channels per attention head, or -1 to use ``num_heads``.
        use_scale_shift_norm: the embedding scales and shifts normalised activations instead of being added to them.
        resblock_updown: residual blocks do the resampling.
        use_new_attention_order: layout of the attention projections, see
            :class:`~monai_minority.networks.adm.attention.AttentionBlock`.

    Raises:
        TypeError: if a required setting is missing.
        ValueError: if a setting is out of range, or a level's channels are not a multiple of 32.

    Example:
        >>> from monai_minority.networks import ADMConfig, ADMEncoder, ADMUNet
        >>> config = ADMConfig(
        ...     image_size=16,
        ...     in_channels=1,
        ...     model_channels=32,
        ...     out_channels=2,
        ...     num_res_blocks=1,
        ...     attention_resolutions=[2],
        ...     channel_mult=[1, 2],
        ... )
        >>> config.widths, config.downsampling
        ((32, 64), 2)
        >>> unet = ADMUNet(config)
        >>> classifier = ADMEncoder(config, out_channels=10, pool="spatial")
        >>> classifier.config.out_channels
        10
    """

    image_size: int
    in_channels: int
    model_channels: int
    out_channels: int
    num_res_blocks: int
    attention_resolutions: Sequence[int]
    dropout: float = 0.0
    channel_mult: Sequence[float] = (1, 2, 4, 8)
    conv_resample: bool = True
    num_classes: int | None = None
    use_checkpoint: bool = False
    num_heads: int = 1
    num_head_channels: int = -1
    use_scale_shift_norm: bool = False
    resblock_updown: bool = False
    use_new_attention_order: bool = False

    def __post_init__(self) -> None:
        for name in ("attention_resolutions", "channel_mult"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # lists of YAML too
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.channel_mult:
            raise ValueError("channel_mult must hold a multiple of model_channels for each level, got none.")
        if any(width < 1 or width % GROUPS for width in self.widths):
            raise ValueError(
                f"channel_mult must give each level a multiple of {GROUPS} channels, got {list(self.widths)} of "
                f"channel_mult={list(self.channel_mult)} and model_channels={self.model_channels}; change either."
            )
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout must be in [0, 1], got {self.dropout}; 0.0 drops nothing.")
        if self.num_classes is not None and self.num_classes < 1:
            raise ValueError(
                f"num_classes must be at least 1, got {self.num_classes}; None makes a network without labels."
            )
        if self.num_head_channels != -1 and self.num_head_channels < 1:
            raise ValueError(
                f"num_head_channels must be at least 1, got {self.num_head_channels}; -1 leaves it to num_heads."
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of channels of each level."""
        return tuple(int(mult * self.model_channels) for mult in self.channel_mult)

    @property
    def downsampling(self) -> int:
        """Factor between the image and the middle of the network: a halving per level after the first."""
        return 2 ** (len(self.channel_mult) - 1)

    @classmethod
    def of(cls, config: Self | None, settings: Mapping[str, Any], also: Sequence[str] = ()) -> Self:
        """Build a configuration from keyword arguments, or change some settings of a given one.

        Args:
            config: configuration to start from, or ``None``.
            settings: values by name.
            also: other names that the caller accepts. They are suggested for misspelt names too.

        Raises:
            TypeError: if a name is unknown; the message gives the nearest known name.
        """
        known = [field.name for field in fields(cls)]
        for name, value in settings.items():
            if name not in known:
                near = nearest_name(name, [*known, *also])
                raise TypeError(f"{name} is not a setting of this network, got {value!r}; did you mean {near}?")
        return cls(**settings) if config is None else replace(config, **settings)


def with_settings(init: Callable[..., None]) -> Callable[..., None]:
    """Replace ``**settings`` by the fields of :class:`ADMConfig` in the signature of a constructor.

    ``help()`` then shows every setting, and binding arguments to the signature refuses misspelt ones.
    """
    signature = inspect.signature(init)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    settings = inspect.signature(ADMConfig).parameters.values()
    init.__signature__ = signature.replace(parameters=[*own, *settings])  # type: ignore[attr-defined]
    return init


def nearest_name(name: str, known: Sequence[str]) -> str:
    """The known name that is most like a misspelt one."""
    return difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
