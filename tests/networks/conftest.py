"""Recorded networks, and helpers for small ones with every parameter far from zero."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

SMALL: dict[str, Any] = {
    "image_size": 16,
    "in_channels": 1,
    "model_channels": 32,
    "out_channels": 2,
    "num_res_blocks": 1,
    "attention_resolutions": (2,),
    "channel_mult": (1, 2),
    "num_head_channels": 16,
    "use_scale_shift_norm": True,
    "resblock_updown": True,
}


@pytest.fixture(scope="session")
def recorded(fixtures_dir: Path) -> dict[str, Any]:
    """Outputs of the reference networks."""
    return torch.load(fixtures_dir / "networks.pt", weights_only=True)


@pytest.fixture
def small() -> dict[str, Any]:
    """Constructor arguments of a small network."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def awake() -> Callable[..., Any]:
    """``awake(module)`` moves every parameter away from zero and returns the module, in evaluation mode."""
    return _awake


@pytest.fixture(scope="session")
def difference() -> Callable[[Tensor, Tensor], float]:
    """``difference(value, expected)``: the largest difference relative to the largest expected value."""
    return _difference


@pytest.fixture(scope="session")
def guided_diffusion_flags() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """``guided_diffusion_flags(config)``: the flags that a constructor's arguments correspond to."""
    return _guided_diffusion_flags


def _awake(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = max(parameter[0].numel(), 1) if parameter.ndim > 1 else 25
            parameter.normal_(generator=generator).mul_(fan_in**-0.5)
    return module.eval()


def _difference(value: Tensor, expected: Tensor) -> float:
    return ((value.double() - expected.double()).abs().max() / expected.double().abs().max()).item()


def _guided_diffusion_flags(config: dict[str, Any]) -> dict[str, Any]:
    flags = dict(config)
    flags["num_channels"] = flags.pop("model_channels")
    sizes = [config["image_size"] // factor for factor in config["attention_resolutions"]]
    flags["attention_resolutions"] = ",".join(map(str, sizes))
    flags["channel_mult"] = ",".join(map(str, config["channel_mult"]))
    flags["class_cond"] = config.get("num_classes") is not None
    if "pool" not in config:
        flags["learn_sigma"] = flags.pop("out_channels") == 2 * config["in_channels"]
    return flags
