"""Recorded networks, trajectories and schedules."""

from pathlib import Path
from typing import Any

import pytest
import torch

NETWORK_FLAGS = {
    "image_size": 32,
    "in_channels": 1,
    "num_channels": 32,
    "num_res_blocks": 1,
    "channel_mult": "1,2",
    "attention_resolutions": "16",
    "num_head_channels": 16,
    "resblock_updown": True,
}
"""Published flags of the small networks that the trajectories and losses were recorded with."""


@pytest.fixture(scope="session")
def recorded_schedules(fixtures_dir: Path) -> dict[str, Any]:
    return torch.load(fixtures_dir / "schedules.pt", weights_only=True)


@pytest.fixture(scope="session")
def recorded_sampling(fixtures_dir: Path) -> dict[str, Any]:
    return torch.load(fixtures_dir / "sampling.pt", weights_only=True)


@pytest.fixture(scope="session")
def recorded_training(fixtures_dir: Path) -> dict[str, Any]:
    return torch.load(fixtures_dir / "training.pt", weights_only=True)


@pytest.fixture(scope="session")
def load_unet():
    """From a recorded state dict to the network, with learned variances."""
    networks = pytest.importorskip("monai_minority.networks")
    return lambda state_dict: networks.ADMUNet.from_guided_diffusion(state_dict, learn_sigma=True, **NETWORK_FLAGS)


@pytest.fixture(scope="session")
def sample_recorded(recorded_sampling, load_unet):
    """Walk a recorded trajectory; gives the largest differences of samples, x_0 and the end."""
    networks = pytest.importorskip("monai_minority.networks")
    recorded = recorded_sampling["nets"]
    unet = load_unet(recorded["unet"])
    classifier = networks.ADMEncoder.from_guided_diffusion(
        recorded["classifier"], out_channels=10, pool="attention", **NETWORK_FLAGS
    ).requires_grad_(False)

    def gradient(x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()
        log_probability = classifier(x, timesteps).log_softmax(1).gather(1, recorded["y"][:, None]).sum()
        return recorded["classifier_scale"] * torch.autograd.grad(log_probability, x)[0]

    def walk(
        name: str, scheduler: Any, mode: str, from_recorded_states: bool
    ) -> tuple[list[float], list[float], float]:
        entry = recorded_sampling[name]
        scheduler.set_timesteps(entry["timestep_respacing"])
        x, differences, x0_differences = entry["x_T"], [], []
        for i, t in enumerate(scheduler.timesteps):
            timesteps = scheduler.network_timesteps(t).expand(len(x))
            guidance = gradient(x, timesteps) if entry["guided"] else None
            with torch.no_grad():
                output = unet(x, timesteps)
            noise = entry["noises"][i]
            previous, x0 = scheduler.step(output, t, x, guidance=guidance, mode=mode, eta=entry["eta"], noise=noise)
            differences.append(float((previous - entry["samples"][i]).abs().max()))
            x0_scale = entry["pred_xstart"][i].abs().max()
            x0_differences.append(float((x0 - entry["pred_xstart"][i]).abs().max() / x0_scale))
            x = entry["samples"][i] if from_recorded_states else previous
        return differences, x0_differences, float((previous - entry["final"]).abs().max())

    return walk
