"""A planted bias field is found and divided out."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_minority.transforms import CorrectBiasd


def _head(bias: float) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Two tissues in an ellipsoid, and the same under a field of ``exp(bias * …)``; where the first tissue is."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (48, 56, 40)), indexing="ij"))
    radius = np.sqrt((grid**2).sum(0))
    tissue = np.where(radius < 0.9, np.where(np.sin(9 * grid[0]) * np.cos(8 * grid[1]) > 0, 100.0, 60.0), 0)
    noise = np.random.default_rng(0).normal(0, 1, tissue.shape)
    field = np.exp(bias * (grid[0] + 0.5 * grid[1] ** 2))
    values = np.where(tissue > 0, (tissue + noise) * field, 0).astype(np.float32)
    return torch.from_numpy(values)[None], tissue, field


def _spread(values: np.ndarray, inside: np.ndarray) -> float:
    return float(values[inside].std() / values[inside].mean())


def test_a_planted_field_is_reduced():
    values, tissue, _ = _head(0.5)
    corrected = CorrectBiasd(shrink=2)({"image": MetaTensor(values, affine=torch.eye(4))})["image"]
    assert corrected.shape == values.shape and corrected.dtype == torch.float32
    bright = tissue == 100
    before, after = _spread(values[0].numpy(), bright), _spread(corrected[0].numpy(), bright)
    assert before > 0.2 and after < before / 4
    assert (corrected[0].numpy()[tissue == 0] == 0).all()


def test_an_even_volume_stays_as_it_is():
    values, tissue, _ = _head(0.0)
    corrected = CorrectBiasd(shrink=2)({"image": MetaTensor(values, affine=torch.eye(4))})["image"]
    ratio = (corrected / values)[0].numpy()[tissue > 0]
    assert abs(ratio.mean() - 1) < 0.01 and ratio.std() < 0.02


def test_impossible_settings_raise():
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        CorrectBiasd(shrink=0)
