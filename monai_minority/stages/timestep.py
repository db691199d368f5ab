"""The score's timestep as a file of the run: chosen once, read by every later stage."""

import json
import os
from pathlib import Path
from typing import Any

import torch

from monai_minority.data import ImageStore
from monai_minority.data.store.image_store import evenly
from monai_minority.files import reading, whole_file, write_csv
from monai_minority.run import by_first_process
from monai_minority.scoring import MinorityScore


def settle_timestep(
    score: MinorityScore,
    images: ImageStore,
    run_dir: str | os.PathLike[str],
    class_label_column: str | None = None,
    max_images: int = 256,
    **options: Any,
) -> int:
    """Fix the timestep of ``score`` and write ``timestep.json``, with ``timestep="auto"`` also the curve.

    In a distributed run the first process chooses and writes, and the others are told.

    Args:
        score: with a timestep, or with ``"auto"``; then it is chosen on ``images`` and set.
        images: the training images; labels of rarity are neither needed nor read.
        run_dir: the run folder. ``timestep.csv`` in it gets the curve with a column ``chosen``.
        class_label_column: column of class labels for a conditional network.
        max_images: at most this many images are looked at, evenly over the store.
        options: of :func:`monai_minority.scoring.choose_timestep`.

    Returns:
        The training index.
    """
    score.timestep = by_first_process(
        lambda: _settle(score, images, Path(run_dir), class_label_column, max_images, **options)
    )
    return score.timestep


def _settle(
    score: MinorityScore,
    images: ImageStore,
    run_dir: Path,
    class_label_column: str | None,
    max_images: int,
    **options: Any,
) -> int:
    curve_path = run_dir / "timestep.csv"
    criterion = None
    if score.timestep is None:
        rows, device = evenly(len(images), max_images), score.device
        labels = None
        if class_label_column is not None:
            labels = torch.as_tensor(images.table[class_label_column].to_numpy()[rows], device=device)
        choice = score.choose_timestep(images.batch(rows).to(device), labels, max_images=max_images, **options)
        criterion = choice.criterion
        curve = choice.curve.assign(chosen=choice.curve["timestep"] == choice.timestep)
        write_csv(curve, curve_path)
    else:
        curve_path.unlink(missing_ok=True)  # the curve of an earlier choice would explain this one falsely
    assert score.timestep is not None
    settled = {"timestep": score.timestep, "criterion": criterion}
    with whole_file(run_dir / "timestep.json") as partial:
        partial.write_text(json.dumps(settled) + "\n", encoding="utf-8")
    return score.timestep


def read_timestep(run_dir: str | os.PathLike[str]) -> int:
    """The timestep that :func:`settle_timestep` fixed.

    Raises:
        FileNotFoundError: the score stage has not run in this folder.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.stages import read_timestep
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "timestep.json").write_text('{"timestep": 600, "criterion": null}')
        ...     read_timestep(folder)
        600
    """
    path = Path(run_dir) / "timestep.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the score stage first (configs/score.yaml)")
    with reading(path):
        return int(json.loads(path.read_text(encoding="utf-8"))["timestep"])
