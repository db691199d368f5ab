"""The stages that studies need, with their settings and folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_minority.diffusion.schedules import count_steps
from monai_minority.run import RunFolder
from monai_minority.run.jobs import Job

SHARED = "shared"
"""Folder of the sample sets that studies share, which use the run's own scores and classifier."""

GRADIENT = 3
"""A gradient costs about three forward passes: the backward pass costs two."""


def leaves(job: Job) -> Path | None:
    """The result of a job that a study reads; ``None`` if only other stages read it."""
    folder = RunFolder(job.identity["run_dir"])
    if job.stage == "inference":
        return folder.samples(job.identity["sample_set"])
    return folder.scores if job.stage == "score" else None


@dataclass(frozen=True)
class StudyPlan:
    """Settings of the studies, and the jobs that the studies consist of.

    The settings are those of ``study.yaml``, whose comments tell their meaning, and of the run that is studied.
    """

    run_dir: Path
    store_path: Path
    backbone_path: Path
    classifier_path: Path
    num_classes: int
    num_train_timesteps: int
    timestep: int
    store_images: int
    train_images: int
    class_labels: int
    images: int
    steps: int
    first_seed: int
    scale: float
    scales: Sequence[float]
    classes: Sequence[int] | None
    class_counts: Sequence[int]
    labelled_shares: Sequence[float]
    timesteps: Sequence[float]
    distances: Mapping[str, Any]
    score_images: int | None
    score_draws: int
    label_scales: Sequence[float]
    solvers: Mapping[str, Mapping[str, Any]]
    solver_steps: Sequence[int]
    guided_steps: Mapping[str, Mapping[str, Any]]
    classifier_iterations: int
    classifier_batch_size: int

    def __post_init__(self) -> None:
        for name in ("run_dir", "store_path", "backbone_path", "classifier_path"):
            object.__setattr__(self, name, Path(getattr(self, name)).resolve())
        classes = self.classes if self.classes is not None else (0, (self.num_classes - 1) // 2, self.num_classes - 1)
        outside = [c for c in classes if not 0 <= c < self.num_classes]
        if outside:
            raise ValueError(f"study_classes must be in 0 … {self.num_classes - 1}, got {outside}")
        if self.images < 2 or self.steps < 1:
            raise ValueError(
                f"study_images must be at least 2 and study_steps positive, got {self.images} and {self.steps}"
            )
        object.__setattr__(self, "classes", sorted(set(classes)))

    @property
    def settings(self) -> dict[str, Any]:
        """All settings except paths, for the record of a run."""
        return {
            key: list(value) if isinstance(value, Sequence | Mapping) and not isinstance(value, str) else value
            for key, value in vars(self).items()
            if not isinstance(value, Path)
        }

    @property
    def folder(self) -> Path:
        """``studies/`` of the run."""
        return self.run_dir / "studies"

    @property
    def chosen(self) -> list[int]:
        """The minority classes to compare, ascending."""
        assert self.classes is not None
        return list(self.classes)

    @property
    def rescored(self) -> int:
        """Number of images in each scoring."""
        return min(self.score_images or self.store_images, self.store_images)

    @property
    def top(self) -> int:
        """The rarest class."""
        return self.num_classes - 1

    @staticmethod
    def set_name(target: int | None, scale: float) -> str:
        """Name of a sample set, from its target class and guidance scale."""
        return "unguided" if target is None else f"class{target}_scale{scale:g}"

    def sampling(self, target: int | None, scale: float | None = None, **settings: Any) -> Job:
        """The job of a shared sample set with the run's own classifier; without a target class it is unguided."""
        strength = self.scale if scale is None else scale
        own = {"classifier_path": str(self.classifier_path)}
        return self.sampling_in(SHARED, self.set_name(target, strength), target, strength, **own | settings)

    def sampling_in(
        self, folder: str, name: str, target: int | None, scale: float, guided: bool = False, **settings: Any
    ) -> Job:
        """The job of a sample set in a folder, which may have its own classifier.

        ``guided`` counts the cost of guidance without a target class.
        """
        guided = guided or target is not None
        chosen: dict[str, Any] = {
            "sample_set": name,
            "target_classes": [] if target is None else [target],
            "guidance_scale": float(scale),
            "images_per_class": self.images,
            "sampling_steps": self.steps,
            "first_seed": self.first_seed,
            "store_path": str(self.store_path),
        }
        each = 1 + GRADIENT * guided + GRADIENT * bool(settings.get("label_guidance_scale"))
        chosen |= settings
        return self._job("inference", folder, self.images * count_steps(chosen["sampling_steps"]) * each, **chosen)

    def scoring(self, folder: str, timestep: int | None = None, **settings: Any) -> list[Job]:
        """The jobs that score the store's images with other settings, in a folder with its own store."""
        store = self.own_store(folder, images=self.rescored)
        cost = self.rescored * self.score_draws
        at = self.timestep if timestep is None else timestep
        return [store, self._job("score", folder, cost, score_timestep=at, score_draws=self.score_draws, **settings)]

    def own_store(self, folder: str, images: int | None = None, share: float = 1.0) -> Job:
        """The job that creates a folder's own store; see :func:`~monai_minority.studies.own_store.own_store`."""
        return self._job(
            "study_store",
            folder,
            0,
            study_source=str(self.store_path),
            study_store_images=images if images is not None else "$None",
            study_store_share=share,
        )

    def classifying(self, folder: str, num_classes: int, share: float = 1.0) -> list[Job]:
        """The jobs of a folder's own classes and classifier: the store, the classes and the training."""
        cost = self.classifier_iterations * self.classifier_batch_size * GRADIENT
        classes = {"num_classes": num_classes}
        return [
            self.own_store(folder, share=share),
            self._job("cut", folder, 0, **classes),
            self._job("train_classifier", folder, cost, **classes),
        ]

    def label_classifying(self, folder: str, definition: Mapping[str, Any]) -> list[Job]:
        """The jobs of a classifier of class labels."""
        cost = self.classifier_iterations * self.classifier_batch_size * GRADIENT
        settings = {
            "label_classifier_def": dict(definition),
            "classifier_name": "label_classifier",
            "classifier_target": "class_label",
            "classifier_network": "@label_classifier_def",
        }
        return [self.own_store(folder), self._job("train_classifier", folder, cost, **settings)]

    def _job(self, stage: str, folder: str, evaluations: int, **settings: Any) -> Job:
        """A stage in its own folder under ``studies/``; jobs with the same title do the same work."""
        title = f"{stage}: {folder}" + (f", {name}" if (name := settings.get("sample_set")) else "")
        own = {
            "run_dir": str(self.folder / folder),
            "backbone_path": str(self.backbone_path),
            "fold_dir": str(self.folder.parent),  # of the overlay cross_fit
        }
        return Job(stage, title, identity=own | settings, evaluations=evaluations)
