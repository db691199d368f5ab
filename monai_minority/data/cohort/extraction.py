"""Read the files of a cohort into an image store. The transform decides what becomes of each file."""

import logging
import os
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.cohort.group_names import public_groups
from monai_minority.data.cohort.private_tables import write_private_tables
from monai_minority.data.cohort.pseudonyms import Pseudonyms
from monai_minority.data.paths import printable
from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.volumes.intensity_scale import IntensityScale
from monai_minority.keys import Column, Key, Split
from monai_minority.progress import progress_bar
from monai_minority.version import __version__

logger = logging.getLogger(__name__)
VALUE_RANGES = {"uint8": (0.0, 255.0), "float16": (-1.0, 1.0), "float32": (-1.0, 1.0)}
# Smooth resampling may overshoot the range slightly and is clamped. A larger overshoot means that a transform is
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
    time_limit: float | None = None,
    keep_groups: bool = False,
    **meta: Any,
) -> ImageStore:
    """Read every file of a cohort once and store the images that the transform makes.

    A file that cannot be read or used is rejected with its reason, and extraction continues. The store has
    pseudonyms of subjects and no file names. Three files are written beside the store: ``cohort.csv``, the only file
    with identifying names, which maps pseudonyms to subjects and files; ``rejected.csv`` with pseudonyms and reasons;
    and ``cohort.key``, the key of :class:`~monai_minority.data.Pseudonyms`.

    Args:
        cohort: the files.
        transform: takes a row of the cohort's table as a dictionary. Returns one dictionary or a list of them, with
            ``image`` ``[C, H, W]`` in [-1, 1] and optionally ``slice`` and ``position``.
        path: folder of the store.
        dtype: dtype of the stored pixels. ``uint8`` rounds [-1, 1] to 256 levels, an error of at most 1/255, like
            8-bit images (the paper's data are 8-bit). ``float16`` and ``float32`` are more precise and need two and
            four times the space.
        columns: names of further columns of the cohort to copy to the store. Choose no identifying columns.
        num_workers: number of processes that read; 0 reads in this process. The result is the same.
        overwrite: replace an existing store.
        geometry: what the pixels measure, kept in the store.
        intensity_scale: maps measured values to [-1, 1]. The transform must then leave values unscaled, and its slices
            must carry the measure of :class:`~monai_minority.transforms.MeasureIntensityd`. A scale that is not
            fitted yet is fitted on the volumes of the training split; until then, slices are kept in a temporary file
            beside the store, so that every file is still read once. The store keeps the fitted scale as well.
        intensity_path: where to write the fitted scale. ``None``: ``intensity.json`` beside the store.
        progress: show a progress bar.
        time_limit: seconds for a file, after which it is rejected. ``None``: no limit. It holds on systems that have
            alarm signals, in the main thread of a process.
        keep_groups: keep the names of groups in the store even if they look like those of patients, see
            :func:`~monai_minority.data.cohort.group_names.public_groups`.
        meta: provenance, kept in the store.

    Returns:
        The store. ``meta["files"]`` has the number of files ``read`` and of entries ``rejected``.

    Raises:
        ValueError: no file is usable, or the dtype or a column is unknown.
        FileExistsError: ``path`` exists and ``overwrite`` is false.
        OSError: the disk is full. No store is left.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai.transforms import Compose, ScaleIntensityRanged
        >>> from PIL import Image
        >>> from monai_minority.data import cohort_from_pictures, extract_images
        >>> from monai_minority.transforms import LoadPictured
        >>> transform = Compose([LoadPictured(), ScaleIntensityRanged("image", 0, 255, -1, 1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "raw").mkdir()
        ...     Image.new("L", (2, 2), 255).save(f"{folder}/raw/white.png")
        ...     size = Path(f"{folder}/raw/broken.png").write_text("no picture")
        ...     cohort = cohort_from_pictures(f"{folder}/raw")
        ...     store = extract_images(cohort, transform, f"{folder}/run/store", progress=False)
        ...     store.meta["files"], store.batch([0]).flatten().tolist()
        ({'read': 1, 'rejected': 1}, [1.0, 1.0, 1.0, 1.0])
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
        raise ValueError(f"columns must be in the cohort, but it lacks {', '.join(absent)}; it has {', '.join(table)}")
    for name in carried:
        table[name] = table[name].map(printable)
    if Column.GROUP in carried and not keep_groups:
        public = public_groups(table)
        if not public.equals(table[Column.GROUP]):
            table["group_label"] = public
    unread: dict[int, str] = {}
    rows: dict[str, Any] = {}
    counts = {"read": 0, "rejected": 0}
    files = _Files(table, cohort.images, transform, None if intensity_scale else dtype, time_limit)
    loader = DataLoader(files, batch_size=None, num_workers=num_workers)

    fitted: dict[str, Any] = {}
    if intensity_scale:
        meta["intensity_scale"] = fitted
    else:  # a scale of an earlier extraction does not belong to this store
        Path(intensity_path or path.parent / "intensity.json").unlink(missing_ok=True)

    def batches() -> Iterator[np.ndarray]:
        return scaled() if intensity_scale else (result.pixels for _, result in results())

    def scaled() -> Iterator[np.ndarray]:
        assert intensity_scale is not None
        with _SliceSpool(path.parent) as spool:
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
        # Lists of numbers instead of a dictionary per row, so that a table of millions of images fits in memory.
        origin: list[int] = []
        slices: list[int] = []
        positions: list[float] = []
        assumed: list[bool] = []
        for file, result in enumerate(progress_bar(loader, "extract", unit="file", enabled=progress)):
            reason = result.reason
            if not reason and shape not in (None, result.pixels.shape[1:]):
                own, before = list(result.pixels.shape[1:]), list(shape or ())
                reason = f"its images are {own} (C, H, W), but the earlier ones are {before}"
            if reason:
                unread[file] = reason
                continue
            shape = result.pixels.shape[1:]
            origin += [file] * len(result.slices)
            slices += result.slices
            positions += result.positions
            counts["read"] += 1
            assumed.append(result.assumed)
            yield file, result
        if any(assumed):
            counts["orientation_assumed"] = sum(assumed)
            logger.warning(
                "the headers of %d volumes do not say how they lie; nifti_orientation is assumed", sum(assumed)
            )
        counts["rejected"] = len(unread) + len(cohort.rejected)
        if not origin:
            reasons = Counter([*unread.values(), *(entry.reason for entry in cohort.rejected)]).most_common(3)
            most = "; ".join(f"{reason} ({count})" for reason, count in reasons)
            raise ValueError(f"no file of the cohort is usable: {most}")
        kept = table.iloc[origin]
        rows.update({str(Column.SOURCE): kept[Column.SOURCE], str(Column.SUBJECT): kept["pseudonym"]})
        rows[str(Column.SLICE)] = slices
        if not np.isnan(positions).all():
            rows[str(Column.POSITION)] = positions
        rows.update({str(name): kept[name] for name in carried})
        if "group_label" in kept:
            rows[str(Column.GROUP)] = kept["group_label"]
        rows.update({name: np.asarray(values) for name, values in rows.items()})

    try:
        # Rows, counts and the fitted scale are complete after the last batch; the store reads them after it.
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
            cohort.passed_over,
        )


@dataclass(frozen=True)
class _Result:
    """The result of one file: pixels ``[S, C, H, W]`` and their positions, or the reason for its rejection."""

    pixels: np.ndarray
    slices: list[int]
    positions: list[float]
    measure: np.ndarray = field(default_factory=lambda: np.empty(0))
    reason: str = ""
    assumed: bool = False


class _Files(Dataset):
    """The files of a cohort. The worker reads, transforms and quantises, so that little data is transferred."""

    def __init__(
        self,
        table: pd.DataFrame,
        images: Sequence[Any] | None,
        transform: Callable,
        dtype: str | None,
        time_limit: float | None,
    ) -> None:
        self._columns = {str(name): table[name].to_numpy() for name in table}
        self._count = len(table)
        self._images = images
        self._transform = transform
        self._dtype = dtype
        self._time_limit = time_limit

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> _Result:
        if not 0 <= index < self._count:
            raise IndexError(index)
        try:
            with _seconds(self._time_limit):
                return self._read({name: values[index] for name, values in self._columns.items()})
        except Exception as error:  # one bad file must not stop the others
            return _Result(np.empty(0), [], [], reason=_reason(error))

    def _read(self, record: dict[str, Any]) -> _Result:
        if self._images is not None:
            record[Key.IMAGE] = self._images[record[Key.IMAGE]]
        made = self._transform(record)
        items = made if isinstance(made, list) else [made]
        images = torch.stack([torch.as_tensor(item[Key.IMAGE]).as_subclass(torch.Tensor) for item in items]).float()
        if not torch.isfinite(images).all():
            raise ValueError("its images have NaN or infinite pixels after the transforms")
        slices = [int(item.get(Column.SLICE, 0)) for item in items]
        positions = [float(item.get(Column.POSITION, np.nan)) for item in items]
        assumed = bool(items[0].get(Key.ORIENTATION_ASSUMED, False))
        if self._dtype is None:
            if Key.INTENSITY not in items[0]:
                raise ValueError("an intensity scale needs MeasureIntensityd among the transforms")
            return _Result(images.numpy(), slices, positions, items[0][Key.INTENSITY], assumed=assumed)
        if images.abs().max() > 1 + _OVERSHOOT:
            low, high = images.aminmax()
            raise ValueError(f"its images range from {low:g} to {high:g} after the transforms, not from -1 to 1")
        return _Result(quantised(images.clamp_(-1, 1), self._dtype), slices, positions, assumed=assumed)


class _SliceSpool:
    """Slices in an unnamed file of a folder, which the end of the process removes, and the measure of each volume."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder
        self._shapes: list[tuple[int, ...]] = []
        self._measures: list[np.ndarray] = []
        self.files: list[int] = []

    def __enter__(self) -> Self:
        self._file: Any = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, file: int, slices: np.ndarray, measure: np.ndarray) -> None:
        """Add the slices ``[S, C, H, W]`` of a file and the measure of its volume."""
        self._file.write(np.ascontiguousarray(slices, dtype=np.float32).data)
        self._shapes.append(slices.shape)
        self._measures.append(measure)
        self.files.append(file)

    @property
    def measures(self) -> np.ndarray:
        """All measures ``[N, 13]``."""
        return np.stack(self._measures) if self._measures else np.empty((0, 13))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        self._file.seek(0)
        for shape, measure in zip(self._shapes, self._measures, strict=True):
            content = self._file.read(4 * int(np.prod(shape)))
            yield np.frombuffer(content, dtype=np.float32).reshape(shape), measure


@contextmanager
def _seconds(limit: float | None) -> Iterator[None]:
    """Interrupt what takes longer."""
    if not limit or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise ValueError(f"reading takes longer than the {limit:g} s allowed; raise time_limit")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def quantised(images: torch.Tensor, dtype: str) -> np.ndarray:
    """Images in [-1, 1], converted to the pixels of a store of ``dtype``."""
    pixels = images.add(1).mul(127.5).round() if dtype == "uint8" else images
    return pixels.numpy().astype(dtype)


def _reason(error: BaseException) -> str:
    """The root cause, in one line: the exceptions around it name transforms, not the fault of the file."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    if "cannot find a suitable reader" in text:  # MONAI lists every reader's traceback
        return "no reader recognises the file: it is damaged, or its ending is wrong"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
