"""The documentation's own guidance term, run as it stands there, against the closed form of Gaussian pixels.

Pixels are N(0, 1) and the image aimed at is 0.8 throughout with std 1, so guided pixels are N(0.4, 0.5). What 250 steps
make of that follows exactly from three probes a step, for every step is affine: ancestral sampling with the posterior's
variance loses 4 % of it (tests/diffusion/test_closed_form.py shows the same).
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from monai_minority.diffusion import RespacedDDPMScheduler

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def block():
    section = PAGE.read_text(encoding="utf-8").partition("## A guidance term of your own\n")[2]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]


def moments(scheduler):
    """Exact mean and variance of guided pixels, with ``x0 = sqrt(a) x`` and its gradient written out."""
    x, noise = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64).view(2, 3, 1, 1, 1)
    mean, variance = 0.0, 1.0
    for t in scheduler.timesteps:
        a = scheduler.alphas_cumprod[t]
        gradient = a.sqrt() * (0.8 - a.sqrt() * x) / (1 + 1 - a)
        step = scheduler.step((1 - a).sqrt() * x, t, x, guidance=gradient, mode="score", noise=noise)[0]
        offset, at_one, at_noise = step.flatten().tolist()
        mean = offset + (at_one - offset) * mean
        variance = (at_one - offset) ** 2 * variance + (at_noise - offset) ** 2
    return mean, variance


def test_the_term_gives_the_closed_form(block):
    scheduler = RespacedDDPMScheduler(1000, clip_sample=False)
    sigma = (1 - scheduler.alphas_cumprod).sqrt().float()
    calls = []

    def unet(x, timesteps):
        """The exact denoiser: ``x_t`` is N(0, 1) at every step, so the noise expected is ``sqrt(1 - a_t) x_t``."""
        calls.append(len(x))
        return sigma[timesteps.long()].view(-1, 1, 1, 1) * x

    store = SimpleNamespace(batch=lambda rows: torch.full((len(rows), 3, 64, 64), 0.8))
    found = {"scheduler": scheduler, "unet": unet, "store": store}
    exec(block, found)
    images = found["images"]
    assert images.shape == (16, 3, 64, 64)
    mean, variance = moments(scheduler)
    assert (mean, variance) == (pytest.approx(0.4, abs=0.001), pytest.approx(0.5, rel=0.05))
    # 16 x 12,288 pixels: standard errors of 0.0016
    assert images.mean().item() == pytest.approx(mean, abs=0.006)
    assert images.var().item() == pytest.approx(variance, abs=0.006)
    assert calls == [16] * 250, "the denoised image is shared with the step"


def test_a_term_is_ten_lines(block):
    term = block.partition("class Likeness")[2].partition("\n\nlike_7")[0]
    assert len([line for line in term.splitlines() if line.strip()]) <= 10
