"""The tables of an evaluation, written and read."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from monai_minority.files import read_csv, reading, whole_file, write_csv

_TEXT = {name: {"target_class": str} for name in ("summary", "spaces", "groups", "severity")}


@dataclass(frozen=True)
class RunEvaluation:
    """What :func:`evaluate_run` measured, and wrote under the same names.

    Attributes:
        real: one row a real image; see :func:`~monai_minority.tables.images.real_table`.
        generated: one row a generated image; see
            :func:`~monai_minority.tables.images.generated_table`.
        summary: one row a set and target class; see
            :func:`~monai_minority.tables.summary.summary_table`.
        fidelity: one row a set, feature space and figure; see
            :func:`~monai_minority.tables.fidelity.fidelity_table`. Empty where no further space was asked for.
        agreement: one row a figure; see :func:`~monai_minority.tables.agreement.agreement_table`.
        unusual_images: the images of the highest scores, with their neighbours; see
            :func:`~monai_minority.tables.unusual.unusual_images`.
        unusual_subjects: every subject by its scores; see
            :func:`~monai_minority.tables.unusual.unusual_subjects`.
        spaces: density and fidelity in every feature space; see
            :func:`~monai_minority.tables.spaces.space_table`.
        groups: how many images the groups of their neighbours take for rare; see
            :func:`~monai_minority.tables.groups.group_table`.
        severity: how many images of each set, class and group are as severe as the worst normal ones; see
            :func:`~monai_minority.tables.severity.severity_table`. Empty where nothing judges severity.
        dispersion: whether unguided images are as various as real ones; see
            :func:`~monai_minority.tables.dispersion.dispersion_table`. Empty without unguided images.
        context: how all of it was measured.
    """

    real: pd.DataFrame
    generated: pd.DataFrame
    summary: pd.DataFrame
    fidelity: pd.DataFrame
    agreement: pd.DataFrame
    unusual_images: pd.DataFrame
    unusual_subjects: pd.DataFrame
    spaces: pd.DataFrame
    groups: pd.DataFrame
    severity: pd.DataFrame
    dispersion: pd.DataFrame
    context: dict[str, Any]

    @classmethod
    def tables(cls) -> list[str]:
        """The names of the tables."""
        return [field.name for field in fields(cls) if field.name != "context"]

    def save(self, folder: str | Path) -> None:
        """Write a CSV file a table, under its name, and, last, ``context.json``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.tables():
            write_csv(getattr(self, name), folder / f"{name}.csv")
        with whole_file(folder / "context.json") as partial:
            partial.write_text(json.dumps(self.context, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "RunEvaluation":
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: the folder holds no whole evaluation.
        """
        folder = Path(folder)
        if not (folder / "context.json").is_file():
            raise FileNotFoundError(f"{folder} holds no evaluation (context.json is missing); run the evaluate stage")
        missing = [name for name in cls.tables() if not (folder / f"{name}.csv").is_file()]
        if missing:
            raise FileNotFoundError(f"{folder} has no {missing[0]}.csv; run the evaluate stage again, which writes it")
        tables = {name: read_csv(folder / f"{name}.csv", dtype=_TEXT.get(name)) for name in cls.tables()}
        with reading(folder / "context.json") as path:
            context = json.loads(path.read_text(encoding="utf-8"))
        return cls(**tables, context=context)
