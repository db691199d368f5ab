"""Whether a cohort is large enough for the stages that follow, told before any of them starts."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from monai_minority.data import ImageStore
from monai_minority.keys import Column, Key, Split
from monai_minority.run.folder import RunFolder
from monai_minority.run.jobs import Job, Planner
from monai_minority.stages.cut import IMAGES_A_CLASS

_FEWEST_COPIED = 3  # training subjects that the search for copies asks for
_FEWEST_RESAMPLED = 5  # subjects that an interval asks for


def lacking(table: pd.DataFrame, settings: Mapping[str, Any], stages: Sequence[str]) -> list[str]:
    """What later stages need and a cohort does not have, each with what would fit.

    Args:
        table: a row an image with ``split`` and ``subject``, and ``group_column`` where there is one.
        settings: ``validation_split``, ``num_classes``, ``class_spacing``, ``group_column``, ``neighbours`` and
            ``lof_neighbours``.
        stages: names of the stages that follow.

    Returns:
        A sentence for each stage that would stop; empty where all can run.
    """
    splits, subjects = table[Column.SPLIT], table[Column.SUBJECT]
    train = table[splits == Split.TRAIN]
    sizes = train[Column.SUBJECT].value_counts()
    found = []
    if not len(train):
        return [
            "every stage needs images of the split train, and there are none; see split_fractions and the splits given"
        ]
    held_out = settings.get("validation_split", Split.VALIDATION)
    if "train" in stages and not (splits == held_out).any():
        others = [str(name) for name in splits.dropna().unique() if name != Split.TRAIN]
        remedy = f"validation_split={others[0]}" if others else ""
        if not remedy and subjects.nunique() > 1:
            remedy = "split_fractions={train: 0.5, validation: 0.5}"
        found.append(f"train monitors the split {held_out}, which has no image; give {remedy or 'more subjects'}")
    found += _classes(train, settings) if "cut" in stages else []
    if "memorization" in stages and len(sizes) < _FEWEST_COPIED:
        found.append(
            f"memorization needs {_FEWEST_COPIED} training subjects to tell copies, and there are {len(sizes)}; give "
            "more subjects, or leave it out of the pipeline"
        )
    if "evaluate" in stages:
        lof, near = int(settings.get("lof_neighbours", 20)), int(settings.get("neighbours", 5))
        apart = len(train) - int(sizes.max())
        if len(train) <= max(lof, near):
            found.append(
                f"evaluate measures LOF with k = {lof}, which needs {max(lof, near) + 1} training images, and "
                f"there are {len(train)}; give more images, such as more slice_positions"
            )
        if apart < near:
            found.append(
                f"evaluate needs {near} training images of other subjects than the largest, and there are {apart}; "
                "give more subjects"
            )
    return found


def cautions(table: pd.DataFrame, settings: Mapping[str, Any]) -> list[str]:
    """What can run, and says little for so few subjects or images."""
    lines = []
    for name, group in table.groupby(Column.SPLIT):
        count = group[Column.SUBJECT].nunique()
        if count < _FEWEST_RESAMPLED:
            lines.append(f"the split {name} has {count} subject(s); an interval needs {_FEWEST_RESAMPLED}")
    held_out = int((table[Column.SPLIT] != Split.TRAIN).sum())
    wanted = settings.get("reference_size", 200)
    if isinstance(wanted, int) and wanted > held_out // 2:
        lines.append(f"reference_size is {wanted}; of {held_out} held-out images {held_out // 2} can be taken")
    return lines


def check_data(planner: Planner, rejected_status: int) -> tuple[list[str], int]:
    """Look at the data set of a command without its pixels.

    Returns:
        What it holds, what is left out, and what later stages lack; and the exit status: 1 if the pipeline would stop.
    """
    parser = planner.configured("prepare")
    cohort = parser.get_parsed_content("cohort")(**(parser.get_parsed_content("dataset_options") or {}))
    cohort = parser.get_parsed_content("split_cohort")(cohort)
    sliced = "ExtractSlicesd" in str(parser["preprocessing"])
    slices = len(parser.get_parsed_content("slice_positions")) if sliced else 1
    table = cohort.table.drop(columns=[Key.IMAGE, Key.FILES], errors="ignore")
    table = table.loc[table.index.repeat(slices)]
    needs, lines = _needs(planner), cohort.account()
    for name, group in table.groupby(Column.SPLIT):
        lines.append(f"{name}: about {len(group):,} images of {group[Column.SUBJECT].nunique():,} subjects")
    missing = lacking(table, needs, planner.setting("pipeline"))
    lines += [f"Caution: {line}" for line in cautions(table, needs)] + [f"Lacking: {line}" for line in missing]
    lines.append("The pipeline would stop." if missing else "The pipeline can run, if the pixels are sound.")
    return lines, 1 if missing else rejected_status if cohort.rejected else 0


def after_prepare(planner: Planner, job: Job, jobs: Sequence[Job]) -> list[str]:
    """What to say after the stage ``prepare`` about the stages that follow; nothing after other stages.

    Raises:
        ValueError: a stage of this command would stop for want of images.
    """
    if job.stage != "prepare":
        return []
    table, needs = ImageStore.open(RunFolder(planner.setting("run_dir")).store).table, _needs(planner)
    missing = lacking(table, needs, [one.stage for one in jobs])
    if missing:
        raise ValueError("the cohort is too small for these settings: " + "; ".join(missing))
    later = lacking(table, needs, planner.setting("pipeline"))
    return [
        *(f"  caution: {line}" for line in cautions(table, needs)),
        *(f"  a later stage would stop: {line}" for line in later),
    ]


def _needs(planner: Planner) -> dict[str, Any]:
    """The settings that the later stages have, from the configuration of a command."""
    names = ("validation_split", "num_classes", "class_spacing", "group_column")
    needs = {name: planner.setting(name) for name in names if name in planner.parser.config}
    if "evaluate" in planner.bundle.stages:
        parser = planner.configured("evaluate")
        measures = parser.config.get("measures") or {}
        needs |= {name: measures[name] for name in ("neighbours", "lof_neighbours") if name in measures}
        needs["reference_size"] = parser.get_parsed_content("reference_size", default=200)
    return needs


def _classes(train: pd.DataFrame, settings: Mapping[str, Any]) -> list[str]:
    column = settings.get("group_column")
    grouped = column is not None and column in train
    images = int(train[column].value_counts().min()) if grouped else len(train)
    wanted = settings.get("num_classes", "auto")
    least = 2 * IMAGES_A_CLASS
    where = f" in the smallest {column}" if grouped else ""
    if wanted == "auto" and images < least:
        return [
            f"cut makes at least 2 classes of {IMAGES_A_CLASS} training images, and there are {images}{where}; give "
            f"more images, such as more slice_positions, or num_classes={max(2, min(3, images))}"
        ]
    if isinstance(wanted, int) and wanted > images:
        return [
            f"cut makes {wanted} classes of {images} training images{where}; give num_classes={max(2, images // 2)}"
        ]
    return []
