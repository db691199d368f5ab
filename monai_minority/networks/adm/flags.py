"""From the flags that guided-diffusion and improved-diffusion publish to the arguments of the networks here.

The flags give resolutions where the constructors take down-sampling factors, and texts such as ``"32,16,8"``
where they take tuples. A flag left out has the default of guided-diffusion's command line.
"""

from collections.abc import Mapping
from typing import Any

from monai_minority.networks.adm.config import nearest_name

POOLS = ("attention", "adaptive", "spatial", "spatial_v2")
IMAGENET_CLASSES = 1000
"""Number of labels that ``class_cond`` stands for where ``num_classes`` is not given."""

CHANNEL_MULTIPLES: dict[int, tuple[float, ...]] = {
    512: (0.5, 1, 1, 2, 2, 4, 4),
    256: (1, 1, 2, 2, 4, 4),
    128: (1, 1, 2, 3, 4),
    64: (1, 2, 3, 4),
    32: (1, 2, 2, 2),
    8: (1,),
}
"""Published channel multiples by image size: what ``channel_mult=""`` means."""

_COMMON: dict[str, Any] = {
    "image_size": 64,
    "in_channels": 3,
    "num_channels": 128,
    "num_res_blocks": 2,
    "channel_mult": "",
    "dropout": 0.0,
    "class_cond": None,
    "num_classes": None,
    "use_checkpoint": False,
    "use_scale_shift_norm": True,
    "use_new_attention_order": False,
    "conv_resample": True,
}
_UNET = _COMMON | {
    "attention_resolutions": "16,8",
    "num_heads": 4,
    "num_head_channels": -1,
    "num_heads_upsample": -1,
    "resblock_updown": False,
    "learn_sigma": False,
}
_ENCODER = _COMMON | {
    "attention_resolutions": "32,16,8",
    "num_heads": 1,
    "num_head_channels": 64,
    "resblock_updown": True,
    "out_channels": IMAGENET_CLASSES,
    "pool": "attention",
}
_ENCODER_ALIASES = {
    "classifier_width": "num_channels",
    "classifier_depth": "num_res_blocks",
    "classifier_attention_resolutions": "attention_resolutions",
    "classifier_use_scale_shift_norm": "use_scale_shift_norm",
    "classifier_resblock_updown": "resblock_updown",
    "classifier_pool": "pool",
}
_WITHOUT_EFFECT = (
    "use_fp16",
    "diffusion_steps",
    "noise_schedule",
    "timestep_respacing",
    "use_kl",
    "predict_xstart",
    "rescale_timesteps",
    "rescale_learned_sigmas",
    "sigma_small",
)
"""Flags of the diffusion process, which the schedulers take, and of precision, which autocast decides."""


def unet_arguments(**flags: Any) -> dict[str, Any]:
    """Arguments of :class:`~monai_minority.networks.ADMUNet` for published flags.

    Args:
        **flags: ``image_size``, ``num_channels``, ``num_res_blocks``, ``channel_mult`` (``"1,2"``, or ``""``
            for the published multiples of the image size), ``attention_resolutions`` (sizes of feature maps,
            ``"32,16,8"``), ``num_heads``, ``num_head_channels``, ``num_heads_upsample``, ``dropout``,
            ``learn_sigma``, ``class_cond``, ``use_checkpoint``, ``use_scale_shift_norm``,
            ``resblock_updown``, ``use_new_attention_order``; besides these ``in_channels``, ``num_classes``
            (``None``: 1000 if ``class_cond``) and ``conv_resample``. Flags of the diffusion process and
            ``use_fp16`` are accepted and have no effect on the network.

    Raises:
        ValueError: for an unknown flag, naming the nearest known one, and for a value that cannot be read.
    """
    known = _fill(flags, _UNET, {})
    learn_sigma = known.pop("learn_sigma")
    return _arguments(known) | {"out_channels": known["in_channels"] * (2 if learn_sigma else 1)}


def encoder_arguments(**flags: Any) -> dict[str, Any]:
    """Arguments of :class:`~monai_minority.networks.ADMEncoder` for published flags.

    Args:
        **flags: as for :func:`unet_arguments`, with ``out_channels`` (logits) and ``pool``;
            ``classifier_width``, ``classifier_depth``, ``classifier_attention_resolutions``,
            ``classifier_use_scale_shift_norm``, ``classifier_resblock_updown`` and ``classifier_pool`` are
            other names of their kin. Defaults are those of guided-diffusion's classifier; ``num_heads``
            counts where ``num_head_channels`` is -1 or not given.

    Raises:
        ValueError: for an unknown flag, naming the nearest known one, and for a value that cannot be read.
    """
    effective = dict(flags)
    # Flags of the U-Net alone, which a shared set of flags brings along.
    for name in ("learn_sigma", "num_heads_upsample", "classifier_use_fp16"):
        effective.pop(name, None)
    if "num_heads" in effective:
        effective.setdefault("num_head_channels", -1)
    return _arguments(_fill(effective, _ENCODER, _ENCODER_ALIASES))


def _fill(flags: Mapping[str, Any], defaults: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Resolve aliases, drop flags without effect, fill in defaults and read booleans."""
    given: dict[str, Any] = {}
    for name, value in flags.items():
        target = aliases.get(name, name)
        if target in given:
            raise ValueError(f"{name} and another name of {target} were both given; keep one of them.")
        if target in defaults:
            given[target] = value
        elif target not in _WITHOUT_EFFECT:
            near = nearest_name(name, [*defaults, *aliases])
            raise ValueError(f"{name} is not a flag of this network, got {value!r}; did you mean {near}?")
    filled = {**defaults, **given}
    for name, value in filled.items():
        if isinstance(defaults[name], bool) or name == "class_cond":
            filled[name] = _boolean(name, value)
    return filled


def _arguments(flags: dict[str, Any]) -> dict[str, Any]:
    """Rename what differs between flags and constructors."""
    arguments = dict(flags)
    image_size = flags["image_size"]
    class_cond, num_classes = arguments.pop("class_cond"), flags["num_classes"]
    if class_cond is None:
        class_cond = num_classes is not None
    arguments["num_classes"] = (IMAGENET_CLASSES if num_classes is None else num_classes) if class_cond else None
    arguments["model_channels"] = arguments.pop("num_channels")
    sizes = _numbers("attention_resolutions", flags["attention_resolutions"])
    if any(size < 1 for size in sizes):
        raise ValueError(f"attention_resolutions must be sizes of at least 1, got {flags['attention_resolutions']!r}.")
    arguments["attention_resolutions"] = tuple(image_size // int(size) for size in sizes)
    multiples = _numbers("channel_mult", flags["channel_mult"])
    if not multiples and image_size not in CHANNEL_MULTIPLES:
        sizes_known = ", ".join(map(str, CHANNEL_MULTIPLES))
        raise ValueError(
            f"channel_mult must be given for image_size {image_size}: multiples are published for "
            f'{sizes_known} alone; for example channel_mult="1,2,2".'
        )
    arguments["channel_mult"] = multiples or CHANNEL_MULTIPLES[image_size]
    return arguments


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    """Read ``"1,2"``, a sequence of numbers or one number."""
    if isinstance(value, int | float):
        value = [value]
    try:
        parts = value.split(",") if isinstance(value, str) else value
        numbers = [float(part) for part in parts if str(part).strip()]
    except (TypeError, ValueError) as error:
        raise ValueError(f'{name} must be numbers such as "1,2,2" or (1, 2, 2), got {value!r}.') from error
    return tuple(int(number) if number.is_integer() else number for number in numbers)


def _boolean(name: str, value: Any) -> bool | None:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "none": None}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError(f"{name} must be true or false, got {value!r}.") from None
