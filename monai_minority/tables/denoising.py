"""Whether the backbone has learned what images look like: its loss on real images, beside that of a blind guess."""

from copy import copy
from typing import Any, cast

import numpy as np
import torch

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.intervals import bootstrap
from monai_minority.evaluation.weighted_statistics import weighted_mean
from monai_minority.keys import Column, Split
from monai_minority.networks.wrappers import takes_class_labels
from monai_minority.scoring import L2, MinorityScore
from monai_minority.tables.settings import MeasureSettings

_IMAGES, _FOR_SPREAD, _LEVELS = 64, 256, 4


def denoising_loss(store: ImageStore, score: MinorityScore, settings: MeasureSettings) -> dict[str, float]:
    """Mean squared error of the predicted noise, over four noise levels, on real images that were not trained on.

    The guess knows the mean and the variance ``v`` of each pixel, and nothing of what stands together. Where ``a`` is
    the share of the image in the noised one, its error is ``a v / (a v + 1 - a)``. A network that predicts no noise at
    all has the loss 1.

    Args:
        store: real images with the column ``split``; of those ``held_out``, or else of all, 64 are taken.
        score: whose network and schedule are judged.
        settings: ``held_out``, ``device``, ``resamples`` and ``seed``.

    Returns:
        ``loss`` with its 95 % bootstrap interval of subjects ``loss_low`` and ``loss_high``, ``guess``, and the number
        of ``images``; empty for a network that wants class labels which the store has not.
    """
    table = store.table
    conditional = takes_class_labels(score.network, unknown=False)
    if conditional and Column.CLASS_LABEL not in table:
        return {}
    unseen = settings.is_held_out(table)
    rows = _spread(unseen if unseen.any() else ~unseen, _IMAGES)
    device = settings.device or score.device
    labels = torch.from_numpy(table[Column.CLASS_LABEL].to_numpy()[rows]).to(device) if conditional else None
    timesteps = [(2 * level + 1) * score.scheduler.num_train_timesteps // (2 * _LEVELS) for level in range(_LEVELS)]
    signal = score.scheduler.alphas_cumprod.double().cpu()[timesteps]

    judged, scheduler = copy(score), cast("Any", copy(score.scheduler))
    judged.distance, judged.draws, judged.common_noise = L2(), 1, False
    judged.scheduler = scheduler
    scheduler.clip_sample = False
    errors = judged.distances(store.batch(rows).to(device), timesteps, labels, seeds=rows.tolist())[:, 0].double().cpu()
    losses = ((signal / (1 - signal))[:, None] * errors).mean(0).numpy()  # of images, hence of noise

    known = store.batch(_spread((table[Column.SPLIT] == Split.TRAIN).to_numpy(), _FOR_SPREAD))
    if (encode := getattr(score, "encode", None)) is not None:
        with torch.no_grad():
            known = torch.cat([encode(part.to(device)).cpu() for part in known.split(score.max_batch)])
    image = signal[:, None] * known.double().var(0).flatten()
    subjects = table[Column.SUBJECT].to_numpy()[rows]
    interval = bootstrap(weighted_mean(losses), subjects, settings.resamples, seed=settings.seed)
    return {
        "loss": float(losses.mean()),
        "loss_low": interval.low,
        "loss_high": interval.high,
        "guess": float((image / (image + 1 - signal[:, None])).mean()),
        "images": len(rows),
    }


def _spread(wanted: np.ndarray, count: int) -> np.ndarray:
    """Rows of ``count`` of these images, or all, evenly spread over the store."""
    rows = np.flatnonzero(wanted)
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
