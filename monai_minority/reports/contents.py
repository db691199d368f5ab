"""A run folder, read for a report: its parts, the missing parts, and no name of a person or machine."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import read_checked, read_csv
from monai_minority.keys import Column
from monai_minority.samples.write import open_samples
from monai_minority.scoring import QuantileClasses
from monai_minority.tables.evaluation import RunEvaluation

_PATH = re.compile(r"(?<![\w.:/<])(?:[A-Za-z]:[\\/]|~?/)(?:[^\s'\",;:)\]}\\/]+[\\/])*([^\s'\",;:)\]}\\/]*)")
_OURS = (".yaml", ".json", ".pt", ".pth", ".safetensors")
"""Files whose names describe how a run was made; any other name may be a patient's."""
_WORD = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class RunContents:
    """The parts of a run folder. A missing part is ``None`` or empty, and is named in ``missing``.

    Attributes:
        store: the real images.
        samples: stores of generated images by name.
        evaluation: the tables of the evaluate stage.
        classes: the minority classes.
        timesteps: curve of the timestep choice, with the column ``chosen``.
        classifier: accuracy by noise level.
        rejected: reasons and their numbers of files, without file names.
        copies: images with their nearest training images; see
            :func:`~monai_minority.tables.copies.measure_copies`.
        copies_summary: suspected copies by set.
        copies_planted: results of the search for planted copies.
        membership: what is given away of training subjects; see :func:`~monai_minority.tables.membership.membership`.
        utility: classifiers of the rare group with and without generated images; see
            :func:`~monai_minority.evaluation.utility.augmentation_gain`.
        record: the run record, without paths and names.
        missing: one line for each missing part.
        studies: title, source, paragraph and path of the figure of each finished study.
        comparison: table of the compare stage.
        comparison_context: how the comparison was measured.
        comparison_picture: picture of the comparison, a PNG.
    """

    store: ImageStore
    samples: dict[str, ImageStore]
    evaluation: RunEvaluation
    classes: QuantileClasses | None = None
    timesteps: pd.DataFrame | None = None
    classifier: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    copies: pd.DataFrame | None = None
    copies_summary: pd.DataFrame | None = None
    copies_planted: pd.DataFrame | None = None
    membership: pd.DataFrame | None = None
    utility: pd.DataFrame | None = None
    record: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    studies: tuple[dict[str, str], ...] = ()
    comparison: pd.DataFrame | None = None
    comparison_context: dict[str, Any] | None = None
    comparison_picture: bytes | None = None

    @classmethod
    def open(cls, path: str | Path) -> "RunContents":
        """Read a run folder.

        Raises:
            FileNotFoundError: it has no store or no evaluation.
        """
        path = Path(path)
        parts = {
            "classes": ("classes.json", QuantileClasses.load, "the minority classes"),
            "timesteps": ("timestep.csv", read_csv, "the curve of the timestep choice"),
            "classifier": ("classifier/validation.csv", read_csv, "the classifier's accuracy by noise level"),
            "rejected": ("rejected.csv", read_csv, "the list of rejected files"),
            "copies": ("evaluation/copies.csv", read_csv, "the nearest training images (memorization stage)"),
            "copies_summary": ("evaluation/copies_summary.csv", read_csv, "suspected copies by set"),
            "copies_planted": ("evaluation/copies_planted.csv", read_csv, "the search for planted copies"),
            "membership": ("evaluation/membership.csv", read_csv, "what is given away of training subjects"),
            "utility": ("evaluation/utility.csv", read_csv, "the usefulness as training images (utility stage)"),
            "record": ("run.json", _read_json, "the run record"),
        }
        found = {
            name: read_checked(read, path / file) for name, (file, read, _) in parts.items() if (path / file).is_file()
        }
        missing = [f"{what} ({file})" for name, (file, _, what) in parts.items() if name not in found]
        if "utility" in found and "amount" not in found["utility"]:
            del found["utility"]
            missing.append("the usefulness of an earlier version (evaluation/utility.csv): run the stage utility again")
        compared = path / "comparison"
        if (compared / "context.json").is_file():  # optional, and written last
            found["comparison"] = read_csv(compared / "methods.csv")
            found["comparison_context"] = read_checked(_read_json, compared / "context.json")
            found["comparison_picture"] = read_checked(Path.read_bytes, compared / "methods.png")
        samples = open_samples(path / "samples")
        if not samples:
            missing.append("the generated images (samples/)")
        store = ImageStore.open(path / "store")
        names = _names(store.table)
        if "record" in found:
            found["record"] = redacted(found["record"], names)
        if "rejected" in found:
            found["rejected"]["reason"] = [redacted(reason, names) for reason in found["rejected"]["reason"]]
            counts = found["rejected"]["reason"].value_counts()
            found["rejected"] = counts.rename_axis("reason").reset_index(name="files")
        evaluation = RunEvaluation.load(path / "evaluation")
        studies = [
            {**read_checked(_read_json, told), "figure": str(told.with_suffix(".png"))}
            for told in sorted(path.glob("studies/*.json"))
        ]
        return cls(store, samples, evaluation, missing=tuple(missing), studies=tuple(studies), **found)

    def sample_settings(self) -> dict[str, dict[str, Any]]:
        """Settings of each set of generated images, without paths and names."""
        names = _names(self.store.table)
        return {name: redacted(store.meta, names) for name, store in self.samples.items()}


def redacted(value: Any, names: frozenset[str] = frozenset()) -> Any:
    """A JSON value without names and absolute paths; the file names of settings and weights stay."""
    if isinstance(value, dict):
        return {redacted(str(key), names): redacted(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, names) for item in value]
    if not isinstance(value, str):
        return value
    short = _PATH.sub(lambda found: f"…/{found[1]}" if found[1].endswith(_OURS) else "…", value)
    return _WORD.sub(lambda word: "[name]" if _is_name(word[0], names) else word[0], short)


def _is_name(word: str, names: frozenset[str]) -> bool:
    bare = word.strip(".")
    return bare in names or bare.split(".")[0] in names


def _names(table: pd.DataFrame) -> frozenset[str]:
    """Names of subjects and sources. Short names, which could be a word or a number, are left out."""
    columns = [column for column in (Column.SUBJECT, Column.SOURCE) if column in table]
    return frozenset(str(name) for column in columns for name in table[column].unique() if len(str(name)) > 3)


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
