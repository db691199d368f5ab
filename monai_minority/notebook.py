"""A few lines for a notebook: score a folder, sample from what ships, and look at what came of it.

PyTorch and MONAI are imported when the first of them is called, not with their names.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_minority.keys import Column

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from monai_minority.run.jobs import Job, Planner

__all__ = ["Run", "sample", "score_folder"]


class Run:
    """What a run folder holds, to look at.

    Args:
        path: the run folder.

    Raises:
        FileNotFoundError: it holds neither real nor generated images.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from monai_minority import Run
        >>> from monai_minority.data import ImageStore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = {"subject": ["a", "b"], "minority_score": [0.1, 0.4]}
        ...     _ = ImageStore.create(f"{folder}/store", np.zeros((2, 1, 8, 8), np.uint8), table, (0, 255))
        ...     run = Run(folder)
        ...     run.scores["subject"].tolist(), run.show().size[0] > 100
        (['b', 'a'], True)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from monai_minority.data import ImageStore
        from monai_minority.run import RunFolder
        from monai_minority.samples.write import open_samples

        self.folder = RunFolder(path)
        self.store = ImageStore.open(self.folder.store) if self.folder.store.is_dir() else None
        """The real images."""
        self.samples = open_samples(self.folder.path / "samples")
        """The sets of generated images by name."""
        if self.store is None and not self.samples:
            raise FileNotFoundError(f"{path} must be a run folder, but it has no store/ and no samples/; run a stage")

    @property
    def scores(self) -> "pd.DataFrame":
        """The table of the real images, the rarest first.

        Raises:
            ValueError: they have no scores.
        """
        if self.store is None or Column.SCORE not in self.store.table:
            raise ValueError(f"{self.folder.path} has no scores; run the stage score first")
        return self.store.table.sort_values(Column.SCORE.value, ascending=False, kind="stable")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that each stage depended on."""
        from monai_minority.run.stage import read_record

        stages = read_record(self.folder).get("stages", {})
        return {name: entry.get("settings", {}) for name, entry in stages.items()}

    def show(self, columns: int = 8) -> "Image.Image":
        """One picture: the most common and the rarest real images, and the first of each class of each sample set.

        Args:
            columns: images in a row.
        """
        from PIL import Image

        from monai_minority.samples.pictures import picture_rows

        rows, labels = [], []
        if self.store is not None and Column.SCORE in self.store.table:
            order = self.scores.index.to_numpy()
            rows = [self.store.batch(order[::-1][:columns]), self.store.batch(order[:columns])]
            labels = ["real, common", "real, rare"]
        elif self.store is not None:
            rows, labels = [self.store.batch(range(min(columns, len(self.store))))], ["real"]
        made = [False] * len(rows)
        for name, images in self.samples.items():
            for target, part in images.table.groupby(Column.TARGET_CLASS.value):
                rows.append(images.batch(part.index.to_numpy()[:columns]))
                labels.append(f"{name}, class {target}" if target >= 0 else name)
                made.append(True)
        marks = [[mark] * len(row) for mark, row in zip(made, rows, strict=True)]
        drawn = io.BytesIO()
        figure = picture_rows(rows, labels, self.folder.path.name, synthetic=marks)
        figure.savefig(drawn, format="png", dpi=110, bbox_inches="tight")
        return Image.open(drawn)

    def __repr__(self) -> str:
        from monai_minority.reports.findings import findings

        real = [] if self.store is None else [f"real: {self.store}"]
        made = [f"samples/{name}: {images}" for name, images in self.samples.items()]
        told = findings(self.folder.path) if (self.folder.evaluation / "summary.csv").is_file() else []
        return "\n".join([f"Run({str(self.folder.path)!r})", *real, *made, *told])


def score_folder(
    path: str | os.PathLike[str],
    bundle: str | os.PathLike[str] = "brain_mri",
    run_dir: str | os.PathLike[str] | None = None,
    overlays: Sequence[str] = (),
    **settings: Any,
) -> Run:
    """Prepare the images of a folder and score how unusual each is; what has not changed is not done again.

    Args:
        path: folder of volumes or pictures, table or data list, as for ``--dataset-dir``.
        bundle: name or folder of the bundle.
        run_dir: folder for everything it leaves; ``None`` for the bundle's own, ``runs/brain_mri`` below the current
            folder, where that is within no clone.
        overlays: of the bundle. Without one that brings a backbone, one is trained first, which takes hours; with
            ``["phantom"]`` that of the embedded cohort scores, which knows T1-weighted heads in MNI space alone.
        settings: overrides of any setting.

    Returns:
        The run, with its ``scores``.

    Raises:
        FileNotFoundError: there is no such folder, bundle or overlay.
        ValueError: a setting has no place, or ``run_dir`` has to be given.

    Example:
        >>> from monai_minority import score_folder
        >>> run = score_folder("/data/t1", overlays=["phantom"], run_dir="runs/mine")  # doctest: +SKIP
        >>> run.scores.head()  # doctest: +SKIP
    """
    planner, jobs = _planned(bundle, run_dir, overlays, {**settings, "dataset_dir": str(Path(path).absolute())})
    names = [job.stage for job in jobs]
    planner.run(jobs[names.index("prepare") : names.index("score") + 1], _say_nothing)
    return Run(planner.setting("run_dir"))


def sample(
    bundle: str | os.PathLike[str] = "brain_mri",
    target: str | int | None = "rarest",
    n: int = 16,
    run_dir: str | os.PathLike[str] = "runs/sampled",
    overlays: Sequence[str] = ("phantom", "demo"),
    **settings: Any,
) -> Run:
    """Sample images with the networks of a bundle or of a run; the same call again samples nothing anew.

    Args:
        bundle: name or folder of the bundle.
        target: a minority class, ``"rarest"`` or ``"commonest"``; ``None`` for unguided sampling.
        n: number of images.
        run_dir: folder for everything it leaves. The networks of a run are taken where ``overlays`` are that run's.
        overlays: of the bundle; without others, those of the networks that ship with ``brain_mri``.
        settings: overrides of any setting, such as ``guidance_scale``.

    Returns:
        The run, with the images in ``samples``.

    Raises:
        FileNotFoundError: there is no such bundle or overlay, or a network is missing.
        ValueError: the target is another word, or a setting has no place.

    Example:
        >>> from monai_minority import sample
        >>> run = sample("brain_mri", target="rarest", n=16)  # doctest: +SKIP
        >>> run.show()  # doctest: +SKIP
    """
    words: dict[Any, str | int] = {"rarest": "$@class_count - 1", "commonest": 0}
    if isinstance(target, str) and target not in words:
        raise ValueError(f"target must be a class, None, rarest or commonest, got {target!r}")
    targets = [] if target is None else [words.get(target, target)]
    from monai_minority.run.jobs import Job

    planner, jobs = _planned(bundle, run_dir, overlays, settings)
    names = [job.stage for job in jobs]
    name = "unguided" if target is None else str(target) if isinstance(target, str) else f"class_{target}"
    drawn = Job("inference", name, (), {"target_classes": targets, "images_per_class": n}, {"sample_set": name})
    planner.run([*jobs[: names.index("inference")], drawn], _say_nothing)
    return Run(run_dir)


def _planned(
    bundle: str | os.PathLike[str],
    run_dir: str | os.PathLike[str] | None,
    overlays: Sequence[str],
    given: dict[str, Any],
) -> tuple["Planner", list["Job"]]:
    from monai_minority.run.bundle import Bundle
    from monai_minority.run.jobs import Planner, pipeline_jobs
    from monai_minority.terminal import quiet_monai

    quiet_monai()
    where = {} if run_dir is None else {"run_dir": str(Path(run_dir).absolute())}
    planner = Planner(Bundle(os.fspath(bundle)), overlays, {**given, **where})
    return planner, pipeline_jobs(planner)


def _say_nothing(line: str) -> None:
    """MONAI's commands, which the command line shows, are noise in a notebook."""
