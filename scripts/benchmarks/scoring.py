"""Minority scores in batches, beside one image and one draw at a time."""

import torch
from benchmarks.comparison import Comparison
from benchmarks.settings import Networks, Settings

from monai_minority.data import ImageStore
from monai_minority.diffusion import predict_x0
from monai_minority.inferers import ScoringInferer
from monai_minority.run import fast_dtype
from monai_minority.scoring import L2, MinorityScore
from monai_minority.scoring.distances import Distance

LESS_VARIANCE = 10
"""Of the difference of two scores with ``common_noise``, measured on the embedded cohort: see docs/performance.md."""


def compare_scoring(
    store: ImageStore, bundle: Networks, settings: Settings, device: torch.device, distance: Distance | None = None
) -> Comparison:
    """A row for the bundle's score, or for another distance."""
    network, scheduler = bundle.network().eval(), bundle.scheduler
    distance = (distance or L2()).to(device)
    at_once, dtype = bundle.get("score_batch_size"), fast_dtype(device)
    score = MinorityScore(network, scheduler, distance, 400, settings.draws, max_batch=at_once, autocast=dtype)
    inferer = ScoringInferer(score)
    images = store.batch(range(min(settings.batch, len(store)))).to(device)
    seeds = torch.arange(len(images))
    few = images[: max(1, len(images) // 4)]

    def ours() -> None:
        with torch.no_grad():
            inferer(images, network, seeds=seeds)

    @torch.no_grad()
    def plain() -> None:
        for image in few.split(1):
            t = torch.tensor([400], device=device)
            distances = []
            for _ in range(settings.draws):
                x_t = scheduler.add_noise(image, torch.randn_like(image), t)
                x0 = predict_x0(network(x_t, t), x_t, t, scheduler)
                distances.append(distance(image, x0).item())

    way = f"one image and one draw of {settings.draws} at a time, the clean image embedded anew for each, float32"
    stage = f"scoring, {type(distance).__name__}"
    return Comparison(stage, store.path.resolve().parent.name, way, ours, len(images), plain, len(few))


def compare_errors(store: ImageStore, bundle: Networks, settings: Settings, device: torch.device) -> Comparison:
    """A row for scores whose differences are equally certain: with one noise for all images, and with their own."""
    network, scheduler = bundle.network().eval(), bundle.scheduler
    images = store.batch(range(min(settings.batch, len(store)))).to(device)
    few, seeds = images[: max(1, len(images) // 4)], torch.arange(len(images))
    ours, plain = (
        MinorityScore(network, scheduler, L2(), 400, draws, autocast=fast_dtype(device), common_noise=common)
        for draws, common in ((2, True), (2 * LESS_VARIANCE, False))
    )
    return Comparison(
        "scoring, equal error of differences",
        store.path.resolve().parent.name,
        f"{LESS_VARIANCE} times the draws, with noise of its own for each image",
        torch.no_grad()(lambda: ours(images, seeds=seeds)),
        len(images),
        torch.no_grad()(lambda: plain(few, seeds=seeds[: len(few)])),
        len(few),
    )
