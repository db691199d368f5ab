"""Whole trajectories against those recorded from the reference implementations, fed the recorded noise.

Tolerances are a few times what one rounding of the initial noise makes of the result: about 1e-5 for ancestral
sampling and 1e-4 for guided DDIM with the linear schedule (the same trajectory in float64 lands 9e-5 from the
recorded float32 result). Guided DDIM with the cosine schedule is chaotic and is compared step by step.
"""

from itertools import chain

import pytest
import torch

from monai_minority.diffusion import RespacedDDIMScheduler, RespacedDDPMScheduler
from monai_minority.guidance import MinorityClassifierGuidance, SelfGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.networks import ADMEncoder, ADMUNet
from monai_minority.scoring import LPIPS


@pytest.fixture(scope="module")
def sampling(fixtures_dir):
    return torch.load(fixtures_dir / "sampling.pt", weights_only=True)


@pytest.fixture(scope="module")
def later(fixtures_dir):
    return torch.load(fixtures_dir / "later_methods.pt", weights_only=True)


def loaded(kind, config, state_dict):
    network = kind(**config)
    network.load_state_dict(state_dict)
    return network.eval()


def scheduler_of(entry, ddim):
    kind = RespacedDDIMScheduler if ddim else RespacedDDPMScheduler
    return kind(entry["steps"], f"improved_{entry['noise_schedule']}")


def replay(entry):
    return chain([entry["x_T"]], entry["noises"]).__next__


def inferer_of(entry, nets):
    classifier = loaded(ADMEncoder, nets["classifier_config"], nets["classifier"])
    return GuidedDiffusionInferer(
        scheduler_of(entry, entry["ddim"]),
        MinorityClassifierGuidance(classifier, nets["classifier_scale"]) if entry["guided"] else None,
        mode="score" if entry["ddim"] else "mean",
        eta=entry["eta"],
        steps=entry["timestep_respacing"],
    )


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("linear/ancestral", 3e-5),
        ("linear/ancestral_unguided", 3e-5),
        ("cosine/ancestral", 3e-5),
        ("linear/ddim_eta0", 4e-4),
    ],
)
def test_final_samples(sampling, name, tolerance):
    nets, entry = sampling["nets"], sampling[name]
    inferer = inferer_of(entry, nets)
    assert inferer.scheduler.timesteps.flip(0).equal(entry["timestep_map"])
    images = inferer.sample(
        loaded(ADMUNet, nets["unet_config"], nets["unet"]),
        seeds=range(len(entry["x_T"])),
        shape=(1, 32, 32),
        target_class=nets["y"],
        noise=replay(entry),
        progress=False,
    )
    torch.testing.assert_close(images, entry["final"], rtol=0, atol=tolerance)


def test_guided_cosine_ddim_step_by_step(sampling):
    nets, entry = sampling["nets"], sampling["cosine/ddim_eta0.5"]
    inferer = inferer_of(entry, nets)
    network = loaded(ADMUNet, nets["unet_config"], nets["unet"])
    states = [entry["x_T"], *entry["samples"]]
    for i, t in enumerate(inferer.scheduler.timesteps.tolist()):
        with torch.no_grad():
            step = inferer._step(network, t, states[i], None, nets["y"], lambda i=i: entry["noises"][i])
        # far from the data x0 is thousands of times the error of the network: compare relative to the state
        scale = entry["samples"][i].abs().max().clamp_min(1)
        torch.testing.assert_close(step / scale, entry["samples"][i] / scale, rtol=0, atol=1e-4)


def test_self_guided_trajectory(later, fixtures_dir):
    entry = later["self_guided"]["items"]["trajectory/linear_1ch"]
    settings = entry["mg_kwargs"]
    lpips = LPIPS("alex", fixtures_dir / "lpips_alex_random.pt")

    def remapped(x0, restored):
        """The authors' code maps images of one channel by 2x - 1 before LPIPS, although they are in [-1, 1]."""
        return lpips(2 * x0 - 1, 2 * restored - 1)

    term = SelfGuidance(
        remapped,
        scale=settings["mg_scale"],
        renoise_share=settings["p_ratio"],
        every=settings["inter_rate"],
        draws=settings["num_mc_samples"],
        normalize=settings["use_normed_grad"],
        clip=settings["mg_clip_denoised"],
    )
    inferer = GuidedDiffusionInferer(scheduler_of(entry, False), term, steps=entry["timestep_respacing"])
    network = loaded(ADMUNet, entry["config"], later["self_guided"]["networks"][entry["network"]])
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    images = inferer.sample(network, range(len(entry["x_T"])), (1, 32, 32), noise=replay(entry), progress=False)
    torch.testing.assert_close(images, entry["final"], rtol=0, atol=5e-5)
    assert len(calls) == 25 + 5  # one a step, one more for each second denoising


@pytest.mark.parametrize("name", ["linear_ancestral_gamma4.0_skip3", "cosine_ddim_gamma2.5_skip1"])
def test_boost_and_skip(later, name):
    entry = later["boost_and_skip"]["items"][name]
    inferer = GuidedDiffusionInferer(
        scheduler_of(entry, "ddim" in name),
        steps=entry["timestep_respacing"],
        boost=entry["gamma"],
        skip=entry["Delta_t"],
    )
    network = loaded(ADMUNet, entry["config"], later["boost_and_skip"]["networks"][entry["network"]])
    images = inferer.sample(network, range(len(entry["x_T"])), (1, 32, 32), noise=replay(entry), progress=False)
    torch.testing.assert_close(images, entry["final"], rtol=0, atol=1e-4 if "ddim" in name else 5e-5)
