"""One phantom subject: the template, deformed, with atrophy of a known severity, and imaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import AdjustContrast, RandBiasField, RandRicianNoise
from scipy.interpolate import BSpline
from scipy.spatial.transform import Rotation

from monai_minority.data.phantom.anatomy import FIELD_OF_VIEW, PhantomAnatomy, grid_points

VENTRICLE_SWELLING_MM = 6.5
"""Outward displacement of the ventricle walls at severity 1."""

CORTEX_LOSS_MM = 1.6
"""Thickness of outer cortex that turns into fluid at severity 1."""


@dataclass(frozen=True)
class PhantomSubject:
    """An image and its ground truth.

    Attributes:
        image: float32 ``[X, Y, Z]``, arbitrary units (white matter near 1), exactly 0 outside the brain.
        severity: simulated severity of atrophy, in [0, 1].
        ventricle_volume_mm3: volume of the lateral ventricles, summed over the deformed probability map.
        cortex_volume_mm3: volume of cortical grey matter, summed in the same way.
        cortex_thickness_mm: cortical volume divided by the area of its border with white matter.
        brain_volume_mm3: volume of grey and white matter.
    """

    image: np.ndarray
    severity: float
    ventricle_volume_mm3: float
    cortex_volume_mm3: float
    cortex_thickness_mm: float
    brain_volume_mm3: float


def simulate_subject(
    anatomy: PhantomAnatomy, seed: int | np.random.SeedSequence, severity: float = 0.0, spacing: float = 2.0
) -> PhantomSubject:
    """Deform the template, add atrophy and simulate a scan.

    The seed determines everything except the atrophy: head size and shape, pose, asymmetry, natural width of
    ventricles and sulci, contrast, bias field, gamma and noise. The same seed with another severity is the same person
    at another stage. Atrophy expands the ventricles along a diffeomorphic flow, which compresses the white matter
    around them. It also turns the outermost cortex into fluid, which opens the sulci.

    Args:
        anatomy: result of :func:`~monai_minority.data.phantom.anatomy.load_anatomy`.
        seed: seed of the subject.
        severity: severity of atrophy in [0, 1]; 0 is normal.
        spacing: voxel size of the image in mm.

    Raises:
        ValueError: the severity is out of range.
    """
    if not 0 <= severity <= 1:
        raise ValueError(f"severity must be in [0, 1], got {severity}; 0 is a normal brain")
    rng = np.random.default_rng(seed)
    points = _pose_and_shape(grid_points(spacing), rng)
    shape = points.shape[:3]
    points += _spline_field(shape, 3, knots_mm=45.0, spacing=spacing, std=2.6, rng=rng).movedim(0, -1)
    points += _spline_field(shape, 3, knots_mm=16.0, spacing=spacing, std=1.5, rng=rng).movedim(0, -1)
    swelling = 1 + _spline_field(shape, 1, knots_mm=60.0, spacing=spacing, std=0.15, rng=rng)[0]
    swelling *= VENTRICLE_SWELLING_MM * severity + rng.normal(0.0, 0.7)
    opening = _spline_field(shape, 1, knots_mm=24.0, spacing=spacing, std=0.35, rng=rng)[0]
    opening += CORTEX_LOSS_MM * severity + rng.normal(-0.2, 0.25)

    # Two thirds of the volume are air, so only the head is sampled.
    head = anatomy.in_head(points)
    points = _swell(anatomy, points[head], swelling[head])
    grey, white, brain, ventricles, texture, depth, cortex = anatomy.sample(anatomy.maps, points)
    lost = grey * cortex * (opening[head] - depth + anatomy.spacing).clamp(0, 1)
    grey = grey - lost
    fluid = (brain - grey - white).clamp(min=0)
    ribbon = grey * cortex

    def on_grid(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros(shape).masked_scatter_(head, values)

    clean = _contrast(fluid, grey, white, texture * (1 - lost), rng)
    image = _scan(on_grid(clean), rng) * on_grid((brain > 0.5).float()).numpy()
    slopes = torch.gradient(on_grid(white), spacing=spacing)
    border = (slopes[0].square() + slopes[1].square() + slopes[2].square()).sqrt()[head] * cortex

    voxel = spacing**3
    ribbon_volume = _total(ribbon) * voxel
    return PhantomSubject(
        image=image,
        severity=float(severity),
        ventricle_volume_mm3=_total(ventricles) * voxel,
        cortex_volume_mm3=ribbon_volume,
        cortex_thickness_mm=ribbon_volume / (_total(border) * voxel),
        brain_volume_mm3=_total(grey + white) * voxel,
    )


def _total(values: torch.Tensor) -> float:
    return float(values.sum(dtype=torch.float64))


def _pose_and_shape(points: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Map points of the subject to points of the template by rotation, translation, head size and proportions."""
    rotation = Rotation.from_euler("xyz", rng.normal(0, (3.0, 1.5, 2.5)), degrees=True).as_matrix()
    scale = np.exp(rng.normal(0, 0.025) + rng.normal(0, 0.015, size=3))
    shift = rng.normal(0, 1.5, size=3)
    centre = np.mean(FIELD_OF_VIEW, axis=1)
    matrix = torch.from_numpy(rotation / scale).float()
    offset = torch.from_numpy(centre + shift).float()
    return (points - torch.from_numpy(centre).float()) @ matrix.T + offset


def _spline_field(
    shape: torch.Size, channels: int, *, knots_mm: float, spacing: float, std: float, rng: np.random.Generator
) -> torch.Tensor:
    """Smooth random fields ``[channels, *shape]``: cubic B-splines with normal coefficients."""
    bases = []
    for size in shape:
        positions = np.arange(size) * spacing / knots_mm
        count = int(np.ceil(positions[-1])) + 4
        # Knots begin three intervals early, so that every position has four basis functions.
        basis = BSpline(np.arange(count + 4) - 3.0, np.eye(count), 3)(positions)
        bases.append(torch.from_numpy(basis).float())
    coefficients = rng.normal(size=(channels, *(basis.shape[1] for basis in bases)))
    # A cubic B-spline of unit-normal coefficients has a mean square of 151 / 315 along each axis.
    field = torch.from_numpy(coefficients * std / (151 / 315) ** 1.5).float()
    for basis in bases:
        field = torch.tensordot(field, basis, dims=([1], [1]))
    return field


def _swell(anatomy: PhantomAnatomy, points: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """Follow the flow backwards by ``amount`` mm. Steps of at most 1 mm keep the map invertible."""
    steps = max(1, int(np.ceil(amount.abs().max().item())))
    step = (amount / steps)[..., None]
    for _ in range(steps):
        points = points - step * anatomy.sample(anatomy.velocity, points).movedim(0, -1)
    return points


def _contrast(fluid, grey, white, texture, rng: np.random.Generator) -> torch.Tensor:
    """T1-like intensities: a level of each tissue for this scan, the texture of the template and a random gamma."""
    levels = rng.normal((0.20, 0.62, 1.0), (0.025, 0.03, 0.02))
    image = levels[0] * fluid + levels[1] * grey + levels[2] * white + rng.uniform(0.7, 1.0) * texture
    return torch.as_tensor(AdjustContrast(gamma=float(np.exp(rng.normal(0, 0.1))))(image.clamp(min=0)))


def _scan(image: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Add a bias field and Rician noise to an image ``[X, Y, Z]``."""
    bias = RandBiasField(prob=1.0, degree=3, coeff_range=(-0.06, 0.06))
    noise = RandRicianNoise(prob=1.0, std=float(rng.uniform(0.01, 0.03)), sample_std=False)
    for transform in (bias, noise):
        transform.set_random_state(seed=int(rng.integers(2**31)))
    return np.asarray(noise(bias(image[None]))[0], dtype=np.float32)
