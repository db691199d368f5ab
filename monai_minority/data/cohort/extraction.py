"""From a cohort's files to an image store, whatever their kind: the transform makes the difference."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from monai_minority import __version__
from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.private_tables import write_private_tables
from monai_minority.data.cohort.pseudonyms import Pseudonyms
from monai_minority.data.cohort.slice_spool import SliceSpool
from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.volumes.intensity_scale import IntensityScale
from monai_minority.keys import Column, Key, Split

VALUE_RANGES = {"uint8": (0.0, 255.0), "float16": (-1.0, 1.0), "float32": (-1.0, 1.0)}
# Smooth resampling may overshoot the range a little and is clamped; more than this means a transform is
# missing.
_OVERSHOOT = 0.25


def extract_images(
    cohort: Cohort,
    transform: Callable[[dict[str, Any]], dict[str, Any] | list[dict[str, Any]]],
    path: str | os.PathLike[str],
    *,
    dtype: str = "uint8",
    columns: Sequence[str] = (),
    num_workers: int = 0,
    overwrite: bool = False,
    geometry: Mapping[str, Any] | None = None,
    intensity_scale: IntensityScale | None = None,
    intensity_path: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **meta: Any,
) -> ImageStore:
    """Read every file of a cohort once and keep the images its transform makes.

    A file that cannot be read or used is rejected with its reason and the rest goes on. The store knows
    subjects by their pseudonyms and files not at all. Beside it are written ``cohort.csv``, which resolves both and
    alone holds identifying names, ``rejected.csv`` with pseudonyms and reasons, and ``cohort.key``, the key
    of :class:`~monai_minority.data.Pseudonyms`.

    Args:
        cohort: the files.
        transform: takes a row of the cohort's table as a dictionary, gives one dictionary or a list of them,
            with ``image`` ``[C, H, W]`` in [-1, 1] and optionally ``slice`` and ``position``.
        path: folder of the store.
        dtype: of the stored pixels. ``uint8`` rounds [-1, 1] to 256 levels, an error of at most 1/255, as
            8-bit images have it (the paper's data are such); ``float16`` and ``float32`` keep more at two and
            four times the size.
        columns: names of further columns of the cohort that come along into the store. Choose none that
            identify.
        num_workers: processes that read; 0 reads in this one. The result is the same.
        overwrite: replace a store that exists.
        geometry: what the pixels measure, kept in the store.
        intensity_scale: maps measured values to [-1, 1]; the transform leaves them as they are and ends in slices that
            carry :class:`~monai_minority.transforms.MeasureIntensityd`'s measure. Unless it is fitted already it is
            fitted on the volumes of the training split. Meanwhile slices wait on the disk beside the store, so that
            every file is still read once. The fitted scale is kept in the store, too.
        intensity_path: where the fitted scale is written; ``None``: ``intensity.json`` beside the store.
        progress: show a progress bar.
        meta: provenance, kept in the store.

    Returns:
        The store; ``meta["files"]`` counts the files ``read`` and the entries ``rejected``.

    Raises:
        ValueError: no file is usable, an unknown dtype or column.
        FileExistsError: ``path`` exists and ``overwrite`` is off.
        OSError: the disk is full; no store is left.
    """
    path = Path(path)
    if dtype not in VALUE_RANGES:
        raise ValueError(f"dtype must be one of {', '.join(VALUE_RANGES)}, got {dtype!r}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another path or pass overwrite=True")
    pseudonyms = Pseudonyms(path.parent / "cohort.key")
    table = cohort.pseudonymized(pseudonyms)
    known = [Column.SPLIT, Column.GROUP, Column.SEVERITY, Column.CLASS_LABEL]
    carried = [*(c for c in known if c in table and table[c].notna().any()), *columns]
    absent = [name for name in columns if name not in table]
    if absent:
        raise ValueError(f"columns must be in the cohort, {', '.join(absent)} are not; it has {', '.join(table)}")
    unread: dict[int, str] = {}
    rows: dict[str, Any] = {}
    counts = {"read": 0, "rejected": 0}
    files = _Files(table, cohort.images, transform, None if intensity_scale else dtype)
    loader = DataLoader(files, batch_size=None, num_workers=num_workers, collate_fn=_as_is)

    fitted: dict[str, Any] = {}
    if intensity_scale:
        meta["intensity_scale"] = fitted
    else:  # that of an earlier extraction does not belong to this store
        Path(intensity_path or path.parent / "intensity.json").unlink(missing_ok=True)

    def batches() -> Iterator[np.ndarray]:
        return scaled() if intensity_scale else (result.pixels for _, result in results())

    def scaled() -> Iterator[np.ndarray]:
        assert intensity_scale is not None
        with SliceSpool(path.parent) as spool:
            for file, result in results():
                spool.append(file, result.pixels, result.measure)
            if not intensity_scale.is_fitted:
                train = (table[Column.SPLIT] == Split.TRAIN).to_numpy()
                intensity_scale.fit(spool.measures[train[spool.files]])
            intensity_scale.save(intensity_path or path.parent / "intensity.json")
            fitted.update(intensity_scale.describe())
            for pixels, measure in spool:
                yield quantised(torch.from_numpy(intensity_scale.transform(pixels, measure)), dtype)

    def results() -> Iterator[tuple[int, _Result]]:
        shape: tuple[int, ...] | None = None
        # Numbers, not a dictionary a row: a table of millions of images fits.
        origin: list[int] = []
        slices: list[int] = []
        positions: list[float] = []
        for file, result in enumerate(tqdm(loader, "extract", disable=not progress, unit="file")):
            reason = result.reason
            if not reason and shape not in (None, result.pixels.shape[1:]):
                own, before = list(result.pixels.shape[1:]), list(shape or ())
                reason = f"its images are {own} (C, H, W), those before are {before}"
            if reason:
                unread[file] = reason
                continue
            shape = result.pixels.shape[1:]
            origin += [file] * len(result.slices)
            slices += result.slices
            positions += result.positions
            counts["read"] += 1
            yield file, result
        counts["rejected"] = len(unread) + len(cohort.rejected)
        if not origin:
            raise ValueError(_nothing_usable([*unread.values(), *(entry.reason for entry in cohort.rejected)]))
        kept = table.iloc[origin]
        rows.update({str(Column.SOURCE): kept[Column.SOURCE], str(Column.SUBJECT): kept["pseudonym"]})
        rows[str(Column.SLICE)] = slices
        if not np.isnan(positions).all():
            rows[str(Column.POSITION)] = positions
        rows.update({str(name): kept[name] for name in carried})
        rows.update({name: np.asarray(values) for name, values in rows.items()})

    try:
        # Rows, counts and the fitted scale are there when the last batch has gone; the store reads them after it.
        return ImageStore.create(
            path,
            batches(),
            rows,
            VALUE_RANGES[dtype],
            overwrite=overwrite,
            geometry=geometry,
            files=counts,
            version=__version__,
            **meta,
        )
    finally:
        write_private_tables(
            table,
            unread,
            cohort.rejected,
            pseudonyms,
            path.parent / "cohort.csv",
            path.parent / "rejected.csv",
        )


@dataclass(frozen=True)
class _Result:
    """What one file gave: pixels ``[S, C, H, W]`` with a place each, or the reason why there are none."""

    pixels: np.ndarray
    slices: list[int]
    positions: list[float]
    measure: np.ndarray = field(default_factory=lambda: np.empty(0))
    reason: str = ""


class _Files(Dataset):
    """The files of a cohort, each read, transformed and quantised in the worker, so that little travels."""

    def __init__(
        self, table: pd.DataFrame, images: Sequence[Any] | None, transform: Callable, dtype: str | None
    ) -> None:
        self._columns = {str(name): table[name].to_numpy() for name in table}
        self._count = len(table)
        self._images = images
        self._transform = transform
        self._dtype = dtype

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> _Result:
        if not 0 <= index < self._count:
            raise IndexError(index)
        try:
            return self._read({name: values[index] for name, values in self._columns.items()})
        except Exception as error:  # whatever is wrong with a file, the others are still good
            return _Result(np.empty(0), [], [], reason=_reason(error))

    def _read(self, record: dict[str, Any]) -> _Result:
        if self._images is not None:
            record[Key.IMAGE] = self._images[record[Key.IMAGE]]
        elif Path(record[Key.IMAGE]).is_file() and Path(record[Key.IMAGE]).stat().st_size == 0:
            raise ValueError("the file is empty (0 bytes)")
        made = self._transform(record)
        items = made if isinstance(made, list) else [made]
        images = torch.stack([torch.as_tensor(item[Key.IMAGE]).as_subclass(torch.Tensor) for item in items]).float()
        if not torch.isfinite(images).all():
            raise ValueError("its images have NaN or infinite pixels after the transforms")
        slices = [int(item.get(Column.SLICE, 0)) for item in items]
        positions = [float(item.get(Column.POSITION, np.nan)) for item in items]
        if self._dtype is None:
            if Key.INTENSITY not in items[0]:
                raise ValueError("an intensity scale needs MeasureIntensityd among the transforms")
            return _Result(images.numpy(), slices, positions, items[0][Key.INTENSITY])
        if images.abs().max() > 1 + _OVERSHOOT:
            low, high = images.aminmax()
            raise ValueError(f"its images reach from {low:g} to {high:g} after the transforms, not from -1 to 1")
        return _Result(quantised(images.clamp_(-1, 1), self._dtype), slices, positions)


def quantised(images: torch.Tensor, dtype: str) -> np.ndarray:
    """Images in [-1, 1] as a store of ``dtype`` keeps them."""
    pixels = images.add(1).mul(127.5).round() if dtype == "uint8" else images
    return pixels.numpy().astype(dtype)


def _reason(error: BaseException) -> str:
    """The first cause, in one line: what wraps it names transforms, not the file's fault."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    if "cannot find a suitable reader" in text:  # MONAI lists every reader's traceback
        return "no reader recognises the file: it is damaged or not what its name says"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def _nothing_usable(reasons: list[str]) -> str:
    most = Counter(reasons).most_common(3)
    return "no file of the cohort is usable: " + "; ".join(f"{reason} ({count})" for reason, count in most)


def _as_is(result: Any) -> Any:
    return result
