"""A small run folder of closed-form pictures: what is rare in it, and what is copied, is known beforehand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring import L2, MinorityScore, QuantileClasses

SIZE, TRAIN, HELD, RARE, CLASSES = 16, 90, 45, 9, 3
COMMON_STD = 0.05
SUBJECT = "sub-meyer-hans"


class Pooled(nn.Module):
    """Features that can be told by hand: the means of the 16 squares of 4 x 4 pixels."""

    name, resizing, normalisation = "means of 4 x 4 pixels", "none", "x"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x, 4).flatten(1)


def _pictures(rng: np.random.Generator, amounts: np.ndarray) -> np.ndarray:
    """A grey picture, a little noise of whole squares, and ``amounts`` of brightness in a corner square."""
    squares = rng.normal(0, COMMON_STD, (len(amounts), 4, 4))
    squares[:, 0, 0] += amounts
    pictures = squares.repeat(4, axis=1).repeat(4, axis=2)[:, None]
    return np.clip(np.round((pictures + 1) * 127.5), 0, 255).astype(np.uint8)


def exact_score() -> MinorityScore:
    """The minority score under the exact denoiser of the common pictures, taken as N(0, COMMON_STD^2)."""
    scheduler = RespacedDDPMScheduler(num_train_timesteps=1000)

    def network(x: torch.Tensor, timesteps: torch.Tensor, **_: object) -> torch.Tensor:
        alpha = scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1).to(x)
        return (1 - alpha).sqrt() * x / (alpha * COMMON_STD**2 + 1 - alpha)

    return MinorityScore(network, scheduler, L2(), timestep=400, draws=2)


def make_run(folder: Path) -> Path:
    """Write the run folder, up to but without its evaluation.

    Of the training pictures rows 0 … RARE - 1 have a bright corner of growing amount, and so has every fifth of
    those held out. The set ``guided`` brightens the corner with its target class; ``plain`` has none, and its
    first five pictures are training pictures 20 … 24 copied.
    """
    rng = np.random.default_rng(0)
    amounts = np.zeros(TRAIN + HELD)
    amounts[:RARE] = np.linspace(0.5, 0.9, RARE)
    amounts[TRAIN::5] = np.linspace(0.4, 0.9, HELD // 5)
    images = _pictures(rng, amounts)
    table = pd.DataFrame(
        {
            "source": [f"{SUBJECT}_{i:03d}" for i in range(len(amounts))],
            "subject": [f"{SUBJECT}-{i // 3:03d}" for i in range(len(amounts))],
            "slice": np.arange(len(amounts)),
            "split": ["train"] * TRAIN + ["test"] * HELD,
            "group": np.where(amounts > 0, "bright", "plain"),
            "severity": amounts,
        }
    )
    store = ImageStore.create(folder / "store", images, table, (0, 255))
    score = exact_score()
    result = score(store.batch(slice(None)), seeds=torch.arange(len(store)))
    classes = QuantileClasses(CLASSES).fit(result.mean[:TRAIN])
    classes.save(folder / "classes.json")
    store.add_columns(
        minority_score=result.mean,
        minority_score_error=result.standard_error,
        minority_class=classes.transform(result.mean),
    )
    targets = np.repeat(np.arange(CLASSES), 12)
    sets = {
        "guided": (_pictures(rng, 0.3 * targets), targets, 4.0),
        "plain": (_pictures(rng, np.zeros(36)), np.full(36, -1), 0.0),
    }
    sets["plain"][0][:5] = images[20:25]
    for name, (pictures, target, scale) in sets.items():
        columns = {"seed": np.arange(36), "target_class": target, "guidance_scale": scale, "synthetic": True}
        ImageStore.create(folder / "samples" / name, pictures, columns, (0, 255), method="ancestral", steps=25)

    steps = np.arange(100, 1000, 100)
    curve = pd.DataFrame({"timestep": steps, "skewness": -((steps - 400) ** 2) / 1e5, "reliability": steps / 1000})
    curve.assign(chosen=steps == 400).to_csv(folder / "timestep.csv", index=False)
    (folder / "classifier").mkdir()
    validation = pd.DataFrame({"timestep": steps, "images": 45, "accuracy": 0.9 - steps / 2000})
    validation.assign(mean_absolute_error=steps / 1000).to_csv(folder / "classifier" / "validation.csv", index=False)
    (folder / "rejected.csv").write_text("source,subject,reason\nfile-0123456789,,not a NIfTI file\n")
    record = {
        "versions": {"torch": torch.__version__},
        "stages": {"prepare": {"seconds": 12.5, "source": f"/data/hospital/{SUBJECT}", "subject": f"{SUBJECT}-003"}},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder
