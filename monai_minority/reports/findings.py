"""The findings of a run, in a few sentences that are computed from the figures."""

import math
from pathlib import Path

import pandas as pd

from monai_minority.keys import Column
from monai_minority.tables.agreement import AUC, EVERY, NOT_TRAINED_ON, RANKS, TOP_TENTH
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.groups import NORMAL, RARE, TAKEN
from monai_minority.tables.measures import LABELS
from monai_minority.tables.rows import ALL


def findings(run_dir: str | Path) -> list[str]:
    """The findings in three or four sentences.

    They say whether the score ranks rare images, whether a higher class gives rarer images, whether guidance reaches
    rare images better than no guidance, and, if groups are known, whether it generates the rare group.

    Args:
        run_dir: a run folder with its ``evaluation/``.

    Raises:
        FileNotFoundError: the run has not been evaluated.
    """
    folder = Path(run_dir) / "evaluation"
    copies = folder / "copies_summary.csv"
    return findings_of(RunEvaluation.load(folder), pd.read_csv(copies) if copies.is_file() else None)


def findings_of(evaluation: RunEvaluation, copies: pd.DataFrame | None = None) -> list[str]:
    """The findings of an evaluation, and of the summary of the memorization stage if there is one."""
    guidance = _guidance(evaluation.summary, evaluation.spaces, copies)
    return [_ranking(evaluation.agreement), _class_shift(evaluation), guidance, *_groups(evaluation.groups)]


def _ranking(agreement: pd.DataFrame) -> str:
    score = agreement[agreement["measure"] == Column.SCORE]
    for scope in (NOT_TRAINED_ON, EVERY):
        auc = score[(score["figure"] == AUC) & (score["images"] == scope)]
        if len(auc):
            row = auc.iloc[0]
            if _unknown(row):
                line = (
                    f"Whether the minority score ranks the rare group ({row['against']}) could not be measured: AUC "
                    f"{_value(row)} on {scope}, with {_counted(row['rare_subjects'], 'subject')} of the rare group and "
                    f"{row['other_subjects']:.0f} of the others, has no interval"
                )
            else:
                verdict = _against(row, 0.5, "ranks", "does not rank", "ranks in reverse")
                line = f"The minority score {verdict} the rare group ({row['against']}): AUC {_value(row)} on {scope}"
            plain = agreement[(agreement["figure"] == AUC) & (agreement["measure"] == "average_knn")]
            plain = plain[(plain["images"] == scope) & (plain["against"] == row["against"])]
            if len(plain):
                line += f" (AvgkNN, which needs no diffusion model: {plain.iloc[0]['value']:.2f})"
            tops = score[(score["figure"] == TOP_TENTH) & (score["against"] == row["against"])]
            top = tops[tops["images"] == EVERY]
            if len(top):
                share, overall = top.iloc[0]["value"], top.iloc[0]["overall"]
                line += f"; it makes up {share:.0%} of the top tenth of all images, {overall:.0%} of them overall"
            return line + "."
    ranks = score[(score["figure"] == RANKS) & (score["images"] == EVERY)]
    severity = ranks[ranks["against"] == Column.SEVERITY]
    if not len(ranks):
        return "Whether the score ranks rare images was not measured: too few scored images."
    row = (severity if len(severity) else ranks).iloc[0]
    what = LABELS.get(row["against"], str(row["against"]).replace("_", " "))
    if _unknown(row):
        return (
            f"Whether the minority score rises with {what} could not be measured: rank correlation {_value(row)} over "
            f"{EVERY} of {_counted(row['subjects'], 'subject')} has no interval."
        )
    verdict = _against(row, 0, "rises with", "does not follow", "falls with")
    return f"The minority score {verdict} {what}: rank correlation {_value(row)} over {EVERY}."


def _class_shift(evaluation: RunEvaluation) -> str:
    agreement, summary = evaluation.agreement, evaluation.summary
    shifts = agreement[(agreement["against"] == Column.TARGET_CLASS) & (agreement["measure"] == Column.SCORE)]
    if not len(shifts):
        return "Whether a higher target class gives rarer images was not measured: no set has more than one class."
    row = shifts.loc[shifts["n"].idxmax()]
    name = row["images"]
    classes = summary[(summary["set"] == name) & (summary["target_class"] != ALL)]
    classes = classes.assign(order=classes["target_class"].astype(float)).sort_values("order")
    low, high = classes.iloc[0], classes.iloc[-1]
    if _unknown(row):
        line = (
            f"Whether a higher target class raises the score of generated images (set {name}) could not be measured: "
            f"rank correlation {_value(row)} of images of {_counted(row['subjects'], 'seed')} has no interval, "
        )
    else:
        verdict = _against(row, 0, "raises", "does not move", "lowers")
        line = (
            f"A higher target class {verdict} the score of generated images (set {name}): rank correlation "
            f"{_value(row)}, "
        )
    line += (
        f"mean score {low['minority_score_mean']:.3g} at class {low['target_class']} and "
        f"{high['minority_score_mean']:.3g} at class {high['target_class']}"
    )
    density = agreement[(agreement["against"] == Column.TARGET_CLASS) & (agreement["images"] == name)]
    density = density[density["measure"] == "average_knn"]
    if len(density):
        density = density.iloc[0]
        if _unknown(density):
            line += f"; AvgkNN: {_value(density)}, without an interval"
        else:
            verdict = _against(density, 0, "rises", "does not change measurably", "falls")
            line += f"; AvgkNN {verdict} with it ({_value(density)})"
    return line + "."


def _guidance(summary: pd.DataFrame, spaces: pd.DataFrame, suspected: pd.DataFrame | None) -> str:
    generated = summary[summary["duplicates"].notna()]
    plain = generated[(generated[Column.SCALE] == 0) & (generated["target_class"] == ALL)]
    guided = generated[(generated["target_class"] != ALL) & (generated[Column.SCALE] != 0)]
    if not len(plain) or not len(guided):
        return "Guided and unguided samples were not compared: the run has only one of the two."
    unguided = plain.loc[plain["n"].idxmax()]
    highest = guided[guided["target_class"].astype(float) == guided["target_class"].astype(float).max()]
    row = highest.loc[highest["n"].idxmax()]
    if row["above_p90_low"] > unguided["above_p90_high"]:
        verdict = "more than"
    elif row["above_p90_high"] < unguided["above_p90_low"]:
        verdict = "less than"
    else:
        verdict = "not measurably different from"
    line = (
        f"Guided to class {row['target_class']} at scale {row[Column.SCALE]:g} (set {row['set']}), "
        f"{row['above_p90']:.0%} of samples lie above the real 90th percentile of AvgkNN, {verdict} the "
        f"{unguided['above_p90']:.0%} of unguided ones"
    )
    if (near := _nearer(row, unguided)) is not None:
        line += f"; their Fréchet distance to the most unique real images is {near}"
        further = spaces[spaces["extractor"] != spaces["extractor"].iloc[0]] if len(spaces) else spaces
        for name, part in further.groupby("extractor", sort=False):
            there, plain_there = _same_row(part, row), _same_row(part, unguided)
            near = None if there is None or plain_there is None else _nearer(there, plain_there)
            if near is not None:
                line += f", seen by {name} {near}"
    copies = 0.0
    if suspected is not None:
        copies = float(suspected.loc[suspected["set"].isin([row["set"], unguided["set"]]), "suspected_copy"].max())
    return line + (f". Up to {copies:.0%} of a set are suspected copies of training images." if copies > 0.05 else ".")


def _groups(groups: pd.DataFrame) -> list[str]:
    guided = groups[(groups["target_class"] != ALL) & (groups[Column.SCALE] > 0)]
    plain = groups[(groups["target_class"] == ALL) & (groups[Column.SCALE] == 0)]
    if not len(guided) or not len(plain):
        return []
    highest = guided[guided["target_class"].astype(float) == guided["target_class"].astype(float).max()]
    ours, theirs = (part.loc[part["n"].idxmax()] for part in (highest, plain))
    low, high = f"{TAKEN}_low", f"{TAKEN}_high"
    more = "more" if ours[low] > theirs[high] else "less" if ours[high] < theirs[low] else "not measurably more or less"
    line = (
        f"{ours[TAKEN]:.0%} [{ours[low]:.0%}, {ours[high]:.0%}] of the images guided to class {ours['target_class']} "
        f"look like the rare group by their nearest training images, {more} than of unguided ones "
        f"({theirs[TAKEN]:.0%} [{theirs[low]:.0%}, {theirs[high]:.0%}])"
    )
    known = groups.set_index("known")[TAKEN]
    if {RARE, NORMAL} <= set(known.index):
        line += (
            f"; of real images never trained on, {known[RARE]:.0%} of the rare and {known[NORMAL]:.0%} of the others"
        )
    return [line + "."]


def _nearer(row: pd.Series, plain: pd.Series) -> str | None:
    """The distances of two rows at equal numbers of images, with a verdict only if the intervals do not overlap."""
    names = ("frechet_distance_equal_n", "frechet_distance_equal_n_low", "frechet_distance_equal_n_high")
    (ours, low, high), (theirs, plain_low, plain_high) = ([there[name] for name in names] for there in (row, plain))
    if math.isnan(ours) or math.isnan(theirs):
        return None
    verdict = "nearer" if ours < theirs else "farther"
    if math.isnan(low) or math.isnan(plain_low):
        return f"{ours:.3g} to {theirs:.3g} ({verdict})"
    if low <= plain_high and plain_low <= high:
        verdict = "not measurably nearer or farther"
    return f"{ours:.3g} [{low:.3g}, {high:.3g}] to {theirs:.3g} [{plain_low:.3g}, {plain_high:.3g}] ({verdict})"


def _same_row(table: pd.DataFrame, row: pd.Series) -> pd.Series | None:
    """The row with the same set, target class and scale."""
    same = table[(table["set"] == row["set"]) & (table["target_class"].astype(str) == str(row["target_class"]))]
    same = same[same[Column.SCALE] == row[Column.SCALE]]
    return same.iloc[0] if len(same) else None


def _unknown(row: pd.Series) -> bool:
    """Whether no interval could be measured, so that a figure allows no verdict."""
    return math.isnan(row["low"])


def _counted(count: float, noun: str) -> str:
    return f"{count:.0f} {noun}" + ("" if count == 1 else "s")


def _value(row: pd.Series) -> str:
    interval = "" if math.isnan(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{row['value']:.2f}{interval}"


def _against(row: pd.Series, chance: float, above: str, neither: str, below: str) -> str:
    """The word that the interval allows."""
    return above if row["low"] > chance else below if row["high"] < chance else neither
