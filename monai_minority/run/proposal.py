"""Settings for a cohort, from what it holds and from how fast this machine is."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data.cohort.private_tables import REJECTED
from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import read_csv
from monai_minority.keys import Column, Key, Split
from monai_minority.run.bundle import yaml_line
from monai_minority.run.folder import RunFolder

SIZES = (32, 48, 64, 96, 128, 192, 256)
"""Image sizes that are proposed; each divides by what the networks halve."""

WANTED_IMAGES = 2000
"""Training images that a small backbone learns well from; volumes give more slices where there are few of them."""

_MOST_SLICES = 15
_LOOKED_AT = 200  # headers
_CLASSIFIER_COST = 0.7  # of a training step of the backbone, whose encoder it is
_STEPS = 20  # of the sampler
_GUIDANCE_COST = 3  # forward passes of a guided step: the backbone, the classifier and the way back


@dataclass(frozen=True)
class Proposal:
    """What was found, and what is proposed for it.

    Attributes:
        found: sentences about the cohort.
        choices: sentences about what the user must choose.
        settings: proposed values, each with its reason.
        hours: of each stage on this machine, from a short measurement.

    Example:
        >>> from monai_minority.run import Proposal
        >>> proposal = Proposal(["40 volumes"], [], {"image_size": (64, "pixels")}, {"train": 1.5, "score": 0.1})
        >>> for line in proposal.told():
        ...     print(line)
        Found: 40 volumes.
        Proposed: image_size=64 (pixels)
        Time on this machine as it is now: about 1.6 h (train 1.5 h, score 6 min), and the evaluation.
        >>> print(proposal.overlay().splitlines()[-1])
        image_size: 64  # pixels
    """

    found: list[str]
    choices: list[str]
    settings: Mapping[str, tuple[Any, str]]
    hours: Mapping[str, float] = field(default_factory=dict)

    def told(self) -> list[str]:
        """Lines for the user: what was found, what is to be chosen, what is proposed and how long it takes."""
        lines = [f"Found: {line}." for line in self.found] + [f"Choose: {line}." for line in self.choices]
        lines += [f"Proposed: {name}={yaml_line(value)} ({reason})" for name, (value, reason) in self.settings.items()]
        total = sum(self.hours.values())
        parts = ", ".join(f"{name} {_duration(hours)}" for name, hours in self.hours.items())
        return [*lines, f"Time on this machine as it is now: about {_duration(total)} ({parts}), and the evaluation."]

    def overlay(self) -> str:
        """The text of an overlay with the proposed settings, their reasons as comments."""
        lines = ["# Overlay: proposed by `monai-minority plan`. Edit it as you like."]
        lines += [f"# {line}" for line in (*self.found, *self.choices)]
        lines += [f"{name}: {yaml_line(value)}  # {reason}" for name, (value, reason) in self.settings.items()]
        return "\n".join(lines) + "\n"


def describe_cohort(folder: RunFolder) -> tuple[list[str], list[str], float]:
    """Say what a prepared run folder holds.

    Returns:
        Sentences about what was found; about what the user must choose; and the median side of the slices in pixels
        of the volumes, 0 where it is not known.

    Raises:
        FileNotFoundError: the stage has not run.
    """
    store = ImageStore.open(folder.store)
    cohort = read_csv(folder.cohort, dtype={REJECTED: str}, keep_default_na=True)
    used = cohort[cohort[REJECTED].isna()] if REJECTED in cohort else cohort
    table = store.table
    found = [
        f"{len(used):,} volumes or pictures of {table[Column.SUBJECT].nunique():,} subjects, "
        f"{len(cohort) - len(used):,} entries left out; {len(table):,} images of {store.image_shape[-1]} pixels"
    ]
    splits = table.groupby(Column.SPLIT)[str(Column.SUBJECT)].agg(["size", "nunique"])
    found.append(
        "; ".join(f"{name}: {one['size']:,} images, {one['nunique']:,} subjects" for name, one in splits.iterrows())
    )
    side, sizes = _sizes(used)
    found += sizes
    choices = []
    kinds = _contrasts(used)
    if len(kinds) > 1:
        listed = ", ".join(f"{name} ({count})" for name, count in kinds.head(5).items())
        choices.append(
            f"there is more than one contrast: {listed}. Choose one with dataset_options; a mixture makes contrast, "
            "not disease, the rarest thing"
        )
    return found, choices, side


def propose(folder: RunFolder, make_network: Any, accelerator: bool | None = None) -> Proposal:
    """Propose settings for a prepared cohort.

    Args:
        folder: after the stage ``prepare``.
        make_network: of an image size, the backbone for it, whose steps are timed.
        accelerator: whether there is a GPU; ``None`` looks.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import pandas as pd
        >>> import torch
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.run import RunFolder, propose
        >>> class Network(torch.nn.Conv2d):
        ...     def forward(self, x, timesteps):
        ...         return super().forward(x)
        >>> with tempfile.TemporaryDirectory() as place:
        ...     folder = RunFolder(place)
        ...     table = {"source": ["a", "b"], "subject": ["a", "b"], "split": ["train", "test"]}
        ...     store = ImageStore.create(folder.store, np.zeros((2, 1, 8, 8), np.uint8), table, (0, 255))
        ...     pd.DataFrame({"image": ["a.png", "b.png"]}).to_csv(folder.cohort, index=False)
        ...     proposal = propose(folder, lambda size: Network(1, 1, 3, padding=1), accelerator=False)
        >>> proposal.found[0], proposal.settings["batch_size"]
        ('2 volumes or pictures of 2 subjects, 0 entries left out; 2 images of 8 pixels', (16, 'over all processes'))
    """
    found, choices, side = describe_cohort(folder)
    store = ImageStore.open(folder.store)
    table = store.table
    train = table[table[Column.SPLIT] == Split.TRAIN]
    gpu = torch.cuda.is_available() if accelerator is None else accelerator
    limit = 128 if gpu else 64
    size = max([one for one in SIZES if one <= min(limit, side or limit)], default=SIZES[0])
    why = f"volumes have {side:.0f} pixels; " if side else ""
    settings: dict[str, tuple[Any, str]] = {
        "image_size": (
            size,
            f"{why}up to {limit} {'on a GPU' if gpu else 'without a GPU'}; a training takes longer by its square",
        )
    }
    volumes = train.groupby(Column.SOURCE).size()
    if len(volumes) and volumes.max() > 1:
        slices = min(int(np.clip(-(-WANTED_IMAGES // len(volumes)), 5, _MOST_SLICES)), _room(store))
        positions = [round(float(place), 3) for place in np.linspace(0.4, 0.6, slices)]
        settings["slice_positions"] = (positions, f"{slices} a volume, for {slices * len(volumes):,} training images")
        settings["slice_unit"] = ("fraction", "of the head")
        images = slices * len(volumes)
    else:
        images = len(train)
    steps = int(np.clip(round(images * 4, -3), 8000, 60_000)) if gpu else 8000
    batch = 32 if gpu else 16
    settings["iterations"] = (steps, "of the backbone; double it if dispersion.csv says that samples are too typical")
    settings["batch_size"] = (batch, "over all processes")
    settings["learning_rate"] = (1.0e-3 if steps <= 10_000 else 2.0e-4, "higher for short trainings")
    settings["num_classes"] = ("auto", f"{images:,} training images, 24 of them in the rarest class at least")
    settings["class_spacing"] = ("tail", "finer towards the rare end; equal classes as fine aim at the rare less well")
    settings["classifier_iterations"] = (2000 if steps <= 10_000 else 5000, "of the minority classifier")
    settings["guidance_scale"] = (4.0, "lower it where too few guided images look real")
    settings["solver"] = ("monai_minority.diffusion.RespacedDPMSolverScheduler", "for few steps")
    settings["sampling_steps"] = (_STEPS, "with this solver as good as 250 ancestral ones")
    settings["sampling_eta"] = (1.0, "stochastic: deterministic steps lose the rare kinds")
    per_class = 128
    settings["images_per_class"] = (per_class, "enough for shares within about 8 percentage points")
    network = make_network(size)
    train_step, forward = step_seconds(network, (store.image_shape[0], size, size), batch)
    everything = images * len(table) / max(1, len(train))
    guided = 6 * per_class * _STEPS * forward * _GUIDANCE_COST
    seconds = {
        "train": steps * train_step,
        "score": 5 * everything * forward,
        "train_classifier": settings["classifier_iterations"][0] * train_step * _CLASSIFIER_COST * 64 / batch,
        "inference": guided + per_class * _STEPS * forward,
    }
    return Proposal(found, choices, settings, {name: one / 3600 for name, one in seconds.items()})


def step_seconds(network: nn.Module, shape: tuple[int, int, int], batch: int, steps: int = 3) -> tuple[float, float]:
    """Time a network on this machine.

    Args:
        network: takes images and timesteps.
        shape: ``(C, H, W)`` of an image.
        batch: images of a training step.
        steps: that are timed, after one that is not.

    Returns:
        Seconds of a training step, and of a forward pass of one image.

    Example:
        >>> import torch
        >>> from monai_minority.run import step_seconds
        >>> class Network(torch.nn.Conv2d):
        ...     def forward(self, x, timesteps):
        ...         return super().forward(x)
        >>> train, forward = step_seconds(Network(1, 1, 3, padding=1), (1, 8, 8), batch=2)
        >>> train > 0 and forward > 0
        True
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0)
    images = torch.randn(batch, *shape, device=device)
    timesteps = torch.zeros(batch, dtype=torch.int64, device=device)

    def step() -> None:
        optimizer.zero_grad()
        network(images, timesteps).square().mean().backward()
        optimizer.step()

    def forward() -> None:
        with torch.no_grad():
            network(images, timesteps)

    return _seconds(step, steps), _seconds(forward, steps) / batch


def _seconds(work: Any, times: int) -> float:
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(times):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / times


def _room(store: ImageStore) -> int:
    """How many positions of the middle fifth fall on slices of their own in every volume, as far as slices tell."""
    if store.meta.get("position_unit") != "fraction":
        return _MOST_SLICES
    volumes = store.table.groupby(Column.SOURCE)[[str(Column.SLICE), str(Column.POSITION)]]
    span = (volumes.max() - volumes.min()).query(f"{Column.POSITION} > 0")
    slices = 0.2 * (span[Column.SLICE] - 1) / span[Column.POSITION]  # one less, since both ends were rounded
    return max(1, 1 + int(slices.min() + 1e-6)) if len(slices) else _MOST_SLICES


def _sizes(cohort: pd.DataFrame) -> tuple[float, list[str]]:
    """The median side of a slice, and sentences about sizes and spacings of NIfTI files, from their headers."""
    files = [Path(file) for file in cohort[str(Key.IMAGE)].astype(str) if file.endswith((".nii", ".nii.gz"))][
        :_LOOKED_AT
    ]
    headers: list[Any] = [nibabel.load(file).header for file in files if file.is_file()]
    if not headers:
        return 0.0, []
    shapes = pd.Series([" x ".join(map(str, header.get_data_shape()[:3])) for header in headers]).value_counts()
    spacings = pd.Series(
        [" x ".join(f"{size:.3g}" for size in header.get_zooms()[:3]) for header in headers]
    ).value_counts()
    side = float(np.median([sorted(header.get_data_shape()[:3])[1] for header in headers]))
    return side, [
        f"voxels {_most(shapes)}; spacing in mm {_most(spacings)}"
        + (f" (of the first {_LOOKED_AT})" if len(headers) == _LOOKED_AT else "")
    ]


def _most(counts: pd.Series) -> str:
    more = f" and {len(counts) - 3} others" if len(counts) > 3 else ""
    return ", ".join(f"{name} ({count})" for name, count in counts.head(3).items()) + more


def _contrasts(cohort: pd.DataFrame) -> pd.Series:
    """Numbers of images by contrast: the description of a DICOM series, or the last part of a NIfTI file's name."""
    if "description" in cohort:
        return cohort["description"].fillna("").str.lower().value_counts()
    names = cohort[str(Key.IMAGE)].astype(str).str.extract(r"_([A-Za-z][A-Za-z0-9]*)\.nii(?:\.gz)?$")[0].dropna()
    return names.value_counts()


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(60 * hours))} min"
