"""Every published setting at its full size, on the meta device: names, shapes and parameter counts.

The names and shapes are written down a second time here, from the architecture's description. That list is
itself held against the recorded state dicts, so a full-size network that equals it takes the published file.
"""

from typing import Any

import pytest
import torch

from monai_minority.networks import ADMEncoder, ADMUNet
from monai_minority.networks.adm.flags import encoder_arguments, unet_arguments

Shapes = dict[str, tuple[int, ...]]


def _affine(name: str, *weight: int) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": (weight[0],)}


def _res(name: str, channels: int, out: int, emb: int, scale_shift: bool) -> Shapes:
    shapes = _affine(f"{name}.in_layers.0", channels) | _affine(f"{name}.in_layers.2", out, channels, 3, 3)
    shapes |= _affine(f"{name}.emb_layers.1", 2 * out if scale_shift else out, emb)
    shapes |= _affine(f"{name}.out_layers.0", out) | _affine(f"{name}.out_layers.3", out, out, 3, 3)
    return shapes if out == channels else shapes | _affine(f"{name}.skip_connection", out, channels, 1, 1)


def _attention(name: str, channels: int) -> Shapes:
    shapes = _affine(f"{name}.norm", channels) | _affine(f"{name}.qkv", 3 * channels, channels, 1)
    return shapes | _affine(f"{name}.proj_out", channels, channels, 1)


def expected_shapes(config: dict[str, Any]) -> Shapes:
    """For the constructor arguments ``config`` of a U-Net, or of an encoder if they have ``pool``."""
    width, blocks = config["model_channels"], config["num_res_blocks"]
    emb, factors = 4 * width, config["attention_resolutions"]
    scale_shift, by_block = config.get("use_scale_shift_norm", False), config.get("resblock_updown", False)
    widths = [int(mult * width) for mult in config["channel_mult"]]
    outputs = config["out_channels"]

    shapes = _affine("time_embed.0", emb, width) | _affine("time_embed.2", emb, emb)
    if config.get("num_classes") is not None:
        shapes["label_emb.weight"] = (config["num_classes"], emb)
    shapes |= _affine("input_blocks.0.0", widths[0], config["in_channels"], 3, 3)
    steps, channels = [widths[0]], widths[0]
    for level, out in enumerate(widths):
        for _ in range(blocks):
            shapes |= _res(f"input_blocks.{len(steps)}.0", channels, out, emb, scale_shift)
            if 2**level in factors:
                shapes |= _attention(f"input_blocks.{len(steps)}.1", out)
            channels = out
            steps.append(out)
        if level < len(widths) - 1:
            name = f"input_blocks.{len(steps)}.0"
            shapes |= _res(name, out, out, emb, scale_shift) if by_block else _affine(f"{name}.op", out, out, 3, 3)
            steps.append(out)
    for name in ("middle_block.0", "middle_block.2"):
        shapes |= _res(name, channels, channels, emb, scale_shift)
    shapes |= _attention("middle_block.1", channels)

    pool = config.get("pool")
    if pool == "attention":
        size = config["image_size"] // 2 ** (len(widths) - 1)
        shapes |= _affine("out.0", channels) | {"out.2.positional_embedding": (channels, size * size + 1)}
        shapes |= _affine("out.2.qkv_proj", 3 * channels, channels, 1)
        return shapes | _affine("out.2.c_proj", outputs, channels, 1)
    if pool == "adaptive":
        return shapes | _affine("out.0", channels) | _affine("out.3", outputs, channels, 1, 1)
    if pool is not None:
        last = "out.2" if pool == "spatial" else "out.3"
        shapes |= _affine("out.0", 2048, sum(steps) + channels) | _affine(last, outputs, 2048)
        return shapes if pool == "spatial" else shapes | _affine("out.1", 2048)

    index = 0
    for level, out in reversed(list(enumerate(widths))):
        for block in range(blocks + 1):
            name, layer = f"output_blocks.{index}", 1
            shapes |= _res(f"{name}.0", channels + steps.pop(), out, emb, scale_shift)
            channels = out
            if 2**level in factors:
                shapes |= _attention(f"{name}.{layer}", out)
                layer += 1
            if level and block == blocks:
                up = f"{name}.{layer}"
                shapes |= _res(up, out, out, emb, scale_shift) if by_block else _affine(f"{up}.conv", out, out, 3, 3)
            index += 1
    return shapes | _affine("out.0", channels) | _affine("out.2", outputs, channels, 3, 3)


ADM_256 = {
    "image_size": 256,
    "num_channels": 256,
    "num_res_blocks": 2,
    "attention_resolutions": "32,16,8",
    "num_head_channels": 64,
    "resblock_updown": True,
    "learn_sigma": True,
    "use_scale_shift_norm": True,
}
ADM_64 = {
    "image_size": 64,
    "num_channels": 192,
    "num_res_blocks": 3,
    "attention_resolutions": "32,16,8",
    "num_head_channels": 64,
    "resblock_updown": True,
    "use_new_attention_order": True,
    "learn_sigma": True,
    "dropout": 0.1,
}
IDDPM_CIFAR = {
    "image_size": 32,
    "num_channels": 128,
    "num_res_blocks": 3,
    "attention_resolutions": "16,8",
    "num_heads": 4,
    "learn_sigma": True,
    "dropout": 0.3,
    "diffusion_steps": 4000,
    "noise_schedule": "cosine",
    "rescale_timesteps": True,
}
UNETS = {
    "ImageNet-64": (ADM_64 | {"class_cond": True}, 296),
    "ImageNet-128": (
        ADM_256 | {"image_size": 128, "num_head_channels": -1, "num_heads": 4, "class_cond": True},
        422,
    ),
    "ImageNet-256": (ADM_256 | {"class_cond": True}, 554),
    "ImageNet-512": (ADM_256 | {"image_size": 512, "class_cond": True}, 559),
    "LSUN": (ADM_256 | {"dropout": 0.1}, 552),
    "CelebA": (ADM_64, None),
    "IDDPM CIFAR-10": (IDDPM_CIFAR, None),
    "brain MRI": (ADM_256 | {"in_channels": 1}, None),
}
"""Flags, and millions of parameters where Dhariwal and Nichol (2021) state them."""

MINORITY = {"num_head_channels": 64, "pool": "attention"}
ENCODERS = {
    "ImageNet-64": ({"image_size": 64, "classifier_width": 128, "classifier_depth": 4}, 65),
    "ImageNet-128": ({"image_size": 128, "classifier_width": 128, "classifier_depth": 2}, 43),
    "ImageNet-256": ({"image_size": 256, "classifier_width": 128, "classifier_depth": 2}, 54),
    "ImageNet-512": ({"image_size": 512, "classifier_width": 128, "classifier_depth": 2}, 54),
    "minority CelebA": (
        MINORITY | {"image_size": 64, "num_channels": 64, "channel_mult": "1,2,3,4", "out_channels": 100},
        None,
    ),
    "minority CIFAR-10": (
        MINORITY
        | {
            "image_size": 32,
            "num_channels": 32,
            "channel_mult": "1,2,2,4",
            "attention_resolutions": "16,8",
            "out_channels": 100,
        },
        None,
    ),
    "minority LSUN": (
        MINORITY
        | {
            "image_size": 8,
            "in_channels": 512,
            "num_channels": 128,
            "channel_mult": "1",
            "attention_resolutions": "8",
            "resblock_updown": False,
            "out_channels": 100,
        },
        None,
    ),
    "minority ImageNet": (
        MINORITY
        | {
            "image_size": 8,
            "in_channels": 512,
            "num_channels": 128,
            "num_res_blocks": 4,
            "attention_resolutions": "8",
            "resblock_updown": False,
            "out_channels": 25,
            "class_cond": True,
        },
        None,
    ),
    "minority brain MRI": (
        MINORITY
        | {
            "image_size": 256,
            "in_channels": 1,
            "num_channels": 32,
            "num_res_blocks": 4,
            "channel_mult": "1,1,2,2,4,4",
            "attention_resolutions": "32,16,8",
            "out_channels": 50,
        },
        None,
    ),
    "spatial": ({"image_size": 64, "pool": "spatial"}, None),
    "spatial_v2": ({"image_size": 64, "pool": "spatial_v2", "resblock_updown": False}, None),
}


def shapes_of(module: torch.nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("kind", ["unet", "encoder"])
def test_written_list_equals_the_recorded_state_dicts(recorded, kind):
    for name, entry in recorded[kind].items():
        stored = {key: tuple(tensor.shape) for key, tensor in entry["state_dict"].items()}
        assert expected_shapes(entry["config"]) == stored, name


@pytest.mark.parametrize("name", UNETS)
def test_published_unet_takes_its_checkpoint(name):
    flags, millions = UNETS[name]
    expected = expected_shapes(unet_arguments(**flags))
    checkpoint = {key: torch.empty(shape, device="meta") for key, shape in expected.items()}
    network = ADMUNet.from_guided_diffusion(checkpoint, **flags)
    assert shapes_of(network) == expected
    if millions is not None:
        assert abs(sum(p.numel() for p in network.parameters()) / 1e6 - millions) < 1


@pytest.mark.parametrize("name", ENCODERS)
def test_published_encoder_takes_its_checkpoint(name):
    flags, millions = ENCODERS[name]
    expected = expected_shapes(encoder_arguments(**flags))
    checkpoint = {key: torch.empty(shape, device="meta") for key, shape in expected.items()}
    network = ADMEncoder.from_guided_diffusion(checkpoint, **flags)
    assert shapes_of(network) == expected
    if millions is not None:
        assert abs(sum(p.numel() for p in network.parameters()) / 1e6 - millions) < 1


@pytest.mark.parametrize("depth", [2, 4])
def test_published_extractors_give_the_features_of_the_cascade(depth):
    with torch.device("meta"):
        extractor = ADMEncoder.from_flags(image_size=256 if depth == 2 else 64, classifier_depth=depth)
    assert (extractor.feature_channels, extractor.feature_size) == (512, 8)


def test_well_known_places_of_the_imagenet_256_checkpoint():
    with torch.device("meta"):
        shapes = shapes_of(ADMUNet.from_flags(**ADM_256, class_cond=True))
    assert shapes["label_emb.weight"] == (1000, 1024)
    assert shapes["input_blocks.17.1.qkv.weight"] == (3072, 1024, 1)
    assert shapes["output_blocks.17.0.in_layers.2.weight"] == (256, 512, 3, 3)
    assert shapes["out.2.weight"] == (6, 256, 3, 3)
    assert not any(key.startswith(("input_blocks.18", "output_blocks.18")) for key in shapes)
