"""The anatomy behind every phantom subject: the MNI152 template, its tissues and ventricles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage

FIELD_OF_VIEW = ((-88.0, 88.0), (-124.0, 92.0), (-72.0, 100.0))
"""Extent in mm along x, y and z (MNI space, RAS): the brain, with a margin for larger heads and rotation."""

CHANNELS = ("grey", "white", "brain", "ventricles", "texture", "depth", "cortex")


@dataclass(frozen=True)
class PhantomAnatomy:
    """Maps of the MNI152 template on one grid, which can be sampled at any point.

    Attributes:
        maps: float32 ``[1, 7, X, Y, Z]``, in the order of :data:`CHANNELS`: probabilities of grey matter, white
            matter, brain and lateral ventricle (all in [0, 1]), the residual intensity (in units of the white-matter
            mean), depth in mm below the nearest sulcus or surface of the brain, and the share of grey matter that is
            cerebral cortex.
        velocity: float32 ``[1, 3, X, Y, Z]``, velocity field that expands the ventricles. It points away from their
            wall, has length 1 there and decays on both sides.
        head: bool ``[X, Y, Z]``, the brain with a margin. Outside it every map except ``depth`` is 0.
        spacing: grid spacing of the maps in mm.
    """

    maps: torch.Tensor
    velocity: torch.Tensor
    head: torch.Tensor
    spacing: float

    @property
    def origin(self) -> torch.Tensor:
        """Position in mm of the first voxel, ``[3]``."""
        return torch.tensor([low for low, _ in FIELD_OF_VIEW])

    def sample(self, field: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Trilinear values of a field at points in mm.

        Args:
            field: ``maps`` or ``velocity``, ``[1, C, X, Y, Z]``.
            points: ``[N, 3]`` in mm, MNI space.

        Returns:
            ``[C, N]``. A point outside the field of view gets the nearest value inside.
        """
        sizes = torch.tensor(field.shape[2:])
        unit = (points - self.origin) * (2 / (self.spacing * (sizes - 1))) - 1
        # grid_sample reads the last coordinate first.
        values = torch.nn.functional.grid_sample(
            field, unit.flip(-1)[None, :, None, None], padding_mode="border", align_corners=True
        )
        return values[0, :, :, 0, 0]

    def in_head(self, points: torch.Tensor) -> torch.Tensor:
        """Whether the voxel nearest to each point ``[..., 3]`` is in ``head``, bool ``[...]``."""
        voxels = ((points - self.origin) / self.spacing).round().long()
        voxels = voxels.clamp(min=torch.zeros(3, dtype=torch.long), max=torch.tensor(self.head.shape) - 1)
        return self.head[tuple(voxels.unbind(-1))]


def grid_points(spacing: float) -> torch.Tensor:
    """Voxel centres of a grid over :data:`FIELD_OF_VIEW`, float32 ``[X, Y, Z, 3]`` in mm."""
    axes = [torch.arange(low, high + 1e-3, spacing, dtype=torch.float32) for low, high in FIELD_OF_VIEW]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def grid_affine(spacing: float) -> np.ndarray:
    """Affine ``[4, 4]`` from voxel indices of :func:`grid_points` to mm, axes to the right, front and top (RAS)."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [low for low, _ in FIELD_OF_VIEW]
    return affine


@lru_cache(maxsize=2)
def load_anatomy(resolution: int = 1) -> PhantomAnatomy:
    """Read the MNI152 template that nilearn ships, and derive the maps of a :class:`PhantomAnatomy` from it.

    The template (ICBM 152 nonlinear symmetric 2009a) and its tissue maps are skull-stripped. Brain voxels that are
    neither grey nor white matter are cerebrospinal fluid. Its largest connected part deep in the brain is the pair of
    lateral ventricles.

    Args:
        resolution: voxel size in mm, 1 (that of the template) or 2.
    """
    from nilearn import datasets  # imported here because it takes seconds, and only phantoms need it

    template, grey, white = (
        _crop(load(resolution=resolution))
        for load in (datasets.load_mni152_template, datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    )
    brain = ndimage.binary_fill_holes(template > 0.05)
    grey, white = grey.clip(0, 1) * brain, white.clip(0, 1) * brain
    total = np.maximum(grey + white, 1)
    grey, white = grey / total, white / total
    fluid = brain - grey - white
    x, y, z = (
        np.reshape(np.arange(low, high + 1e-3, resolution, dtype=np.float32), shape)
        for (low, high), shape in zip(FIELD_OF_VIEW, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)
    )

    ventricles = _lateral_ventricles(fluid, brain, (x, y, z), resolution)
    sulci = (fluid > 0.3) & ~ndimage.binary_dilation(ventricles, iterations=max(1, round(4 / resolution)))
    depth = ndimage.distance_transform_edt(brain & ~sulci) * resolution
    near_wall = ndimage.binary_dilation(ventricles, iterations=max(1, round(2 / resolution)))

    # The tissue levels of the template; the residual is texture: deep nuclei, vessels, partial volume.
    means = [np.average(template, weights=tissue**4) for tissue in (fluid, grey, white)]
    explained = means[0] * fluid + means[1] * grey + means[2] * white
    texture = (template * brain - explained) / means[2]

    return PhantomAnatomy(
        maps=_side_by_side([grey, white, brain, fluid * near_wall, texture, depth, _cortex_share(x, y, z) * brain]),
        velocity=_swelling_velocity(ventricles, resolution),
        head=torch.from_numpy(ndimage.distance_transform_edt(~brain) * resolution < 4),
        spacing=float(resolution),
    )


def _side_by_side(fields: list[np.ndarray]) -> torch.Tensor:
    """Fields as float32 ``[1, C, X, Y, Z]``, those of a voxel side by side in memory: they are read together."""
    return torch.from_numpy(np.stack(fields, axis=-1, dtype=np.float32, casting="same_kind")).movedim(-1, 0)[None]


def _crop(image) -> np.ndarray:
    """Crop a template, whose axes run to the right, front and top, to the field of view."""
    origin, step = image.affine[:3, 3], np.diag(image.affine)[:3]
    starts = [(low - o) / s for (low, _), o, s in zip(FIELD_OF_VIEW, origin, step, strict=True)]
    stops = [(high - o) / s + 1 for (_, high), o, s in zip(FIELD_OF_VIEW, origin, step, strict=True)]
    window = tuple(slice(round(a), round(b)) for a, b in zip(starts, stops, strict=True))
    return np.asarray(image.dataobj, dtype=np.float32)[window]


def _lateral_ventricles(fluid, brain, coordinates, resolution: float) -> np.ndarray:
    x, y, z = coordinates
    central = (np.abs(x) < 45) & (y > -62) & (y < 42) & (z > -18) & (z < 36)
    deep = ndimage.distance_transform_edt(brain) * resolution > 15
    parts, _ = ndimage.label((fluid > 0.5) & deep & central)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()


def _swelling_velocity(ventricles: np.ndarray, resolution: float, reach: float = 16.0) -> torch.Tensor:
    """Outward unit field ``[1, 3, X, Y, Z]`` of the ventricle wall, which decays over ``reach`` mm of tissue."""
    outside = ndimage.distance_transform_edt(~ventricles)
    inside = np.zeros_like(outside)
    box = tuple(slice(part.start - 1, part.stop + 1) for part in ndimage.find_objects(ventricles.view(np.int8))[0])
    inside[box] = ndimage.distance_transform_edt(ventricles[box])  # a voxel around them is enough
    # The wall lies halfway between the voxels on its two sides.
    distance = (np.where(ventricles, 0.5 - inside, outside - 0.5) * resolution).astype(np.float32)
    # Smoothing makes the direction change gradually where the walls of the two ventricles face each other.
    distance = ndimage.gaussian_filter(distance, 1.5 / resolution)
    fade = np.exp(-((np.maximum(distance, 0) / reach) ** 2))
    return _side_by_side([direction * fade for direction in np.gradient(distance, resolution)])


def _cortex_share(x, y, z) -> np.ndarray:
    """1 in the cerebral cortex, 0 in deep grey matter, brain stem and cerebellum, with soft borders."""
    deep = (x / 33) ** 2 + ((y + 10) / 38) ** 2 + ((z - 2) / 22) ** 2
    tentorium = -8 + 0.25 * (y + 40)
    below = np.clip((tentorium - z) / 6 + 0.5, 0, 1) * np.clip((-30 - y) / 6 + 0.5, 0, 1)
    return np.clip((deep - 1) * 4, 0, 1) * (1 - below)
