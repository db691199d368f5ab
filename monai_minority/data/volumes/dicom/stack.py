"""Stack frames into volumes by their positions: grouping, order and affine."""

from dataclasses import dataclass

import numpy as np

# Scanners round positions to about a micrometre and directions to about six digits; real differences are far larger.
_SAME_PLACE = 0.02  # mm
_SAME_DIRECTION = 2e-3
_SAME_SPACING = 1e-3  # share
_EVEN = 0.02  # share of the median gap
_MISSING = 1.5  # times the median gap
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class DicomStack:
    """The volumes of a series.

    Attributes:
        frames: int ``[volumes, slices]``: number of the frame at each position, in order along the normal.
        affine: float64 ``[4, 4]``: voxel (column, row, slice) to mm in the patient's RAS axes.
        places: float64 ``[slices]``: ascending positions along the normal in mm.
        duplicates: frames that repeat another frame and are left out.
    """

    frames: np.ndarray
    affine: np.ndarray
    places: np.ndarray
    duplicates: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Distances between neighbouring slices in mm."""
        return np.diff(self.places)

    @property
    def is_even(self) -> bool:
        """Whether the slices are equally spaced. If not, the affine has their median distance."""
        return (
            bool((np.abs(self.gaps - np.median(self.gaps)) <= _gap_tolerance(self.gaps)).all())
            if len(self.gaps)
            else True
        )

    @property
    def spacing(self) -> np.ndarray:
        """float64 ``[3]``: voxel sizes in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def stack_frames(geometry: np.ndarray, order: np.ndarray, thickness: float = float("nan")) -> DicomStack:
    """Sort frames into volumes.

    Several frames at one position belong to different volumes, in the order of ``order``. The affine is computed from
    the positions, so a gantry tilt becomes a shear. The thickness in the header counts only for a single slice.

    Args:
        geometry: ``[frames, 13]``, see :class:`~monai_minority.data.volumes.dicom.header.DicomHeader`.
        order: ``[frames, 4]``, see there.
        thickness: thickness of a single slice in mm.

    Raises:
        ValueError: positions are missing, orientations or spacings differ, slices are missing, positions have
            different numbers of frames, or the slices do not form one stack.
    """
    if not np.isfinite(geometry[:, :11]).all():
        lacking = int((~np.isfinite(geometry[:, :11])).any(axis=1).sum())
        raise ValueError(f"{lacking} of {len(geometry)} slices lack position, orientation or pixel spacing")
    directions = geometry[:, 3:9]
    different = np.unique(np.round(directions / _SAME_DIRECTION / 4).astype(int), axis=0)
    if (np.abs(directions - directions[0]) > _SAME_DIRECTION).any():
        raise ValueError(f"mixed orientations: its slices lie in {max(2, len(different))} directions (a localiser?)")
    spacing = geometry[0, 9:11]
    if (np.abs(geometry[:, 9:11] - spacing) > _SAME_SPACING * spacing).any():
        raise ValueError("mixed pixel spacings in one series")
    row, column = directions.mean(axis=0).reshape(2, 3)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or abs(row @ column) > 0.01 or (spacing <= 0).any():
        raise ValueError(
            "orientation or pixel spacing is invalid: directions must be perpendicular unit vectors and spacings "
            "positive"
        )
    row, column = row / lengths[0], column / lengths[1]
    normal = np.cross(row, column)

    along = geometry[:, :3] @ normal
    keys = np.lexsort((*order.T[::-1], along))
    places = np.concatenate(([0], np.cumsum(np.diff(along[keys]) > _SAME_PLACE)))
    keys = keys[np.lexsort((*order[keys].T[::-1], places))]  # rounding of positions must not affect the order
    repeated = np.zeros(len(keys), dtype=bool)
    repeated[1:] = (np.diff(places) == 0) & (order[keys][1:] == order[keys][:-1]).all(axis=1)
    duplicates, keys, places = keys[repeated], keys[~repeated], places[~repeated]
    counts = np.bincount(places)
    if (counts != counts[0]).any():
        raise ValueError(
            f"its {len(counts)} slice positions hold {counts.min()} to {counts.max()} images each: "
            "the series is incomplete or mixes several volumes"
        )
    frames = keys.reshape(len(counts), -1).T
    first = geometry[frames[0], :3]
    depths = first @ normal
    step = _step(first, depths, spacing, normal, thickness)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row * spacing[1], column * spacing[0], step], axis=1)
    affine[:3, 3] = first[0]
    return DicomStack(frames, _LPS_TO_RAS @ affine, depths, duplicates)


def _step(
    first: np.ndarray, depths: np.ndarray, spacing: np.ndarray, normal: np.ndarray, thickness: float
) -> np.ndarray:
    """The vector from one slice to the next."""
    if len(depths) == 1:
        return normal * (thickness if thickness > 0 else 1.0)
    gaps = np.diff(depths)
    median = float(np.median(gaps))
    if gaps.max() > _MISSING * median:
        wide = gaps[gaps > _MISSING * median]
        lost = int(np.round(wide / median - 1).sum())
        raise ValueError(
            f"about {lost} slice(s) are missing: {len(wide)} gap(s) of up to {wide.max():.4g} mm, while the median "
            f"gap is {median:.4g} mm"
        )
    if gaps.min() < median / 2:
        raise ValueError(f"the gaps between its slices range from {gaps.min():.4g} to {gaps.max():.4g} mm")
    line = first[0] + np.outer((depths - depths[0]) / (depths[-1] - depths[0]), first[-1] - first[0])
    if np.linalg.norm(first - line, axis=1).max() > 0.25 * spacing.min():
        raise ValueError("its slices are shifted against each other and do not form a stack")
    whole = (first[-1] - first[0]) / (depths[-1] - depths[0])
    even = (np.abs(gaps - median) <= _gap_tolerance(gaps)).all()
    return whole * (float(gaps.mean()) if even else median)


def _gap_tolerance(gaps: np.ndarray) -> float:
    return max(_SAME_PLACE, _EVEN * float(np.median(gaps)))
