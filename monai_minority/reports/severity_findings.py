"""The first sentences of the findings: how severe guided images are, and whether unguided ones are various enough."""

import math

import pandas as pd

from monai_minority.evaluation.mover import difference_of
from monai_minority.keys import Column
from monai_minority.reports.wording import (
    against,
    estimate_of,
    nothing_seen,
    number_with_ends,
    per_cent,
    share_with_ends,
    times,
)
from monai_minority.tables.dispersion import ABOVE as BEYOND_HIGH
from monai_minority.tables.dispersion import BELOW as BEYOND_LOW
from monai_minority.tables.dispersion import TAIL
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.groups import RARE
from monai_minority.tables.judges import LABEL_JUDGE
from monai_minority.tables.measures import LABELS
from monai_minority.tables.rows import ALL, REAL, UNSEEN
from monai_minority.tables.severity import ABOVE, RATIO, RISES


def severity_findings(evaluation: RunEvaluation) -> list[str]:
    """A line a judge of severity; without any, one that says so and what to give."""
    table = evaluation.severity
    if not len(table):
        return [_not_known(evaluation)]
    return [_judged(table[table["judge"] == judge], judge) for judge in table["judge"].unique()]


def highest_guided(table: pd.DataFrame) -> pd.Series | None:
    """Of a table with a row a set and class the row of the highest class of guided images that has the most of them."""
    guided = table[(table["target_class"] != ALL) & (table[Column.SCALE] > 0)]
    if not len(guided):
        return None
    classes = guided["target_class"].astype(float)
    highest = guided[classes == classes.max()]
    return highest.loc[highest["n"].idxmax()]


def unguided_row(table: pd.DataFrame) -> pd.Series | None:
    """The row of the largest set of unguided images."""
    plain = table[(table["target_class"] == ALL) & (table[Column.SCALE] == 0)]
    return plain.loc[plain["n"].idxmax()] if len(plain) else None


def control_row(summary: pd.DataFrame) -> pd.Series | None:
    """The row of the real images that were never trained on."""
    rows = summary[(summary["set"] == UNSEEN) & (summary["target_class"] == ALL)]
    return rows.iloc[0] if len(rows) else None


def best_known(table: pd.DataFrame, known: str) -> pd.Series | None:
    """The row of a known group of real images, trained on or never trained on, whichever has more subjects."""
    rows = table[(table["known"] == known) & table["set"].isin([REAL, UNSEEN])]
    return rows.loc[rows["clusters"].idxmax()] if len(rows) else None


def dispersion_findings(dispersion: pd.DataFrame) -> list[str]:
    """A line where unguided images have measurably fewer than they should beyond a percentile of the real ones."""
    unguided = dispersion[~dispersion["set"].isin([REAL, UNSEEN])]
    sides = ((BEYOND_LOW, "below the real 5th"), (BEYOND_HIGH, "above the real 95th"))
    learned = dispersion[dispersion["set"] == REAL].set_index("measure")
    none_beyond = {(measure, name) for name, _ in sides for measure in learned.index[learned[name] == 0]}  # ties
    short = [
        f"{share_with_ends(estimate_of(row, name))} {side} percentile of {name_of_judge(row['measure'])}"
        for _, row in unguided.iterrows()
        for name, side in sides
        if row[f"{name}_high"] < TAIL and (row["measure"], name) not in none_beyond
    ]
    if not short:
        return []
    return [
        f"Unguided images keep to the middle: {'; '.join(short)}, where {per_cent(TAIL)} would be right. Before "
        "guiding harder, take the stochastic solver or more steps, or train the backbone further."
    ]


def name_of_judge(measure: str) -> str:
    """What a judge or a measure is called in a sentence."""
    return "the label judge" if measure == LABEL_JUDGE else LABELS.get(measure, str(measure).replace("_", " "))


def _not_known(evaluation: RunEvaluation) -> str:
    line = "Whether guided images show what is rare is not known: nothing judges severity here. "
    refused = evaluation.context.get("label_judge", {}).get("refused")
    if refused and len(evaluation.groups):
        line += f"The judge of the known groups was refused: {refused}. "
    return line + (
        "Give a measure of severity in the pixels (the setting severity), or the group of each real image, with at "
        "least five subjects of the rare one (the column group)."
    )


def _judged(table: pd.DataFrame, judge: str) -> str:
    guided, plain = highest_guided(table), unguided_row(table)
    if guided is None or plain is None:
        return (
            f"Severity by {name_of_judge(judge)} was not compared: the run has only one of guided and unguided samples."
        )
    ours, theirs, ratio = estimate_of(guided, ABOVE), estimate_of(plain, ABOVE), estimate_of(guided, RATIO)
    if math.isnan(ours.value) or math.isnan(theirs.value):
        return f"Severity by {name_of_judge(judge)} could not be measured in guided or in unguided images."
    verdict = times(ratio) if ratio.low > 1 or ratio.high < 1 else nothing_seen(difference_of(ours, theirs))
    line = (
        f"{share_with_ends(ours)} of the images guided to class {guided['target_class']} are as severe as the worst "
        f"1 % of {guided['threshold_of']} by {name_of_judge(judge)}; {share_with_ends(theirs)} of unguided ones are: "
        f"{verdict}."
    )
    if (rare := best_known(table, RARE)) is not None:
        line += f" Of the rare group ({rare['set']}) {share_with_ends(estimate_of(rare, ABOVE))} are."
    own = table[(table["set"] == REAL) & (table["target_class"] == guided["target_class"])]
    if len(own):
        line += f" Of the real training images of that class {share_with_ends(estimate_of(own.iloc[0], ABOVE))} are."
    return line + _rises(table, guided) + _trust(guided, judge)


def _rises(table: pd.DataFrame, guided: pd.Series) -> str:
    whole = table[(table["set"] == guided["set"]) & (table["target_class"] == ALL)]
    rises = estimate_of(whole.iloc[0], RISES)
    if math.isnan(rises.value):
        return ""
    word, note = against(
        rises._asdict(), 0, "rises with the class", "does not measurably follow the class", "falls with the class"
    )
    real = table[(table["set"] == REAL) & (table["target_class"] == ALL) & table[RISES].notna()]
    ends = [number_with_ends(estimate_of(row, RISES)) for _, row in real.iterrows()]
    beside = f" In real training images and their own classes it is {ends[0]}." if ends else ""
    return f" Severity {word} (rank correlation {number_with_ends(rises)}){note}.{beside}"


def _trust(guided: pd.Series, judge: str) -> str:
    auc = estimate_of(guided, "judge_auc")
    if math.isnan(auc.value):
        return ""
    what = "This judge, trained on real images alone," if judge == LABEL_JUDGE else "This measure"
    return f" {what} tells rare from normal images never trained on with AUC {number_with_ends(auc)}."
