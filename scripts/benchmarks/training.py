"""A training step of the backbone, beside a plain loop over MONAI's pieces."""

from copy import deepcopy

import torch
from benchmarks.comparison import Comparison
from benchmarks.settings import Networks, Settings
from monai.engines import SupervisedTrainer
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDPMScheduler
from torch.utils.data import DataLoader

from monai_minority.data import ImageStore, ShuffledBatches, StoreBatches
from monai_minority.inferers import AutocastInferer, DenoisingInferer
from monai_minority.run import fast_dtype
from monai_minority.training import DenoisingLoss, GradientClipping, NoisingPrepareBatch, WeightAverage

RATE, DECAY, MAX_NORM = 2e-4, 0.999, 1.0


def compare_training(store: ImageStore, bundle: Networks, settings: Settings, device: torch.device) -> Comparison:
    """A row for the stage's engine against a loop; both with AdamW, EMA and gradient clipping."""
    batch = min(settings.batch, len(store))
    total = bundle.scheduler.num_train_timesteps
    network = bundle.network()
    sampler = ShuffledBatches(len(store), batch)
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=1,
        epoch_length=settings.steps,
        train_data_loader=DataLoader(StoreBatches(store), sampler=sampler, batch_size=None),
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), RATE),
        loss_function=DenoisingLoss(bundle.scheduler),
        prepare_batch=NoisingPrepareBatch(total, flip=True),
        inferer=AutocastInferer(DenoisingInferer(bundle.scheduler), fast_dtype(device)),
        train_handlers=[
            GradientClipping(network.parameters(), MAX_NORM),
            WeightAverage(network, momentum=1 - DECAY),
        ],
        decollate=False,
        optim_set_to_none=True,
    )
    trainer.logger.disabled = True

    plain_network = bundle.network()
    average = deepcopy(plain_network)
    optimizer = torch.optim.AdamW(plain_network.parameters(), RATE)
    inferer = DiffusionInferer(DDPMScheduler(num_train_timesteps=total))
    loader = DataLoader(store, batch_size=batch, shuffle=True, drop_last=True, collate_fn=_stacked)

    def ours() -> None:
        trainer.run()

    def plain() -> None:
        done = 0
        while done < settings.steps:
            for images in loader:
                images = images.to(device)
                images = torch.stack([image.flip(-1) if torch.rand(()) < 0.5 else image for image in images])
                noise = torch.randn_like(images)
                timesteps = torch.randint(total, (len(images),), device=device)
                loss = torch.nn.functional.mse_loss(inferer(images, plain_network, noise, timesteps), noise)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(plain_network.parameters(), MAX_NORM, foreach=False)
                optimizer.step()
                with torch.no_grad():
                    for mean, value in zip(average.parameters(), plain_network.parameters(), strict=True):
                        mean.mul_(DECAY).add_(value, alpha=1 - DECAY)
                done += 1
                if done == settings.steps:
                    break

    images = batch * settings.steps
    way = "DiffusionInferer on the same network in a loop, float32, images read and stacked one by one"
    return Comparison("training step", store.path.resolve().parent.name, way, ours, images, plain, images)


def _stacked(items: list[dict]) -> torch.Tensor:
    return torch.stack([item["image"] for item in items])
