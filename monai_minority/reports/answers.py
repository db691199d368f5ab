"""The first screen of the report: five questions with what was measured of each, and a sentence for the first three."""

import math
from typing import NamedTuple

import pandas as pd

from monai_minority.evaluation.utility import SENSITIVITY
from monai_minority.reports.severity_findings import (
    best_known,
    control_row,
    highest_guided,
    name_of_judge,
    unguided_row,
)
from monai_minority.reports.usefulness import GAIN, OVER_DUPLICATED, sensitivity_rows, usefulness_reading
from monai_minority.reports.wording import (
    compared_shares,
    estimate_of,
    gain_in_points,
    per_cent,
    share_with_ends,
    times,
)
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.groups import RARE
from monai_minority.tables.rows import RARE_GROUP, UNSEEN
from monai_minority.tables.severity import ABOVE, RATIO

REAL_LOOKING = "rarity_valid"
"""Share inside the neighbourhood of some training image: the precision among all training images."""
COPY = "suspected_copy"
NOTHING = "–"


class Answer(NamedTuple):
    """A row of the table of the first screen.

    Attributes:
        question: what is asked.
        guided: the figure of the images guided to the rarest class.
        unguided: that of unguided images.
        real: that of the real images that it is held against.
        reading: what the figures say of each other.
        sentence: the same as a sentence; empty for the last rows, which the table alone has.
    """

    question: str
    guided: str
    unguided: str
    real: str
    reading: str
    sentence: str = ""


def answers_of(
    evaluation: RunEvaluation, copies: pd.DataFrame | None = None, utility: pd.DataFrame | None = None
) -> list[Answer]:
    """Does guidance reach the rare, do its images look real, are they copies, do they cover the rare, do they help?

    Returns:
        Five rows; none where the run has only one of guided and unguided images.
    """
    generated = evaluation.summary[evaluation.summary["duplicates"].notna()]
    guided, plain = highest_guided(generated), unguided_row(generated)
    if guided is None or plain is None:
        return []
    return [
        _reaches(evaluation),
        _looks_real(guided, plain, control_row(evaluation.summary)),
        _copies(copies, guided, plain),
        _covers(evaluation, guided, plain),
        _helps(utility, guided, plain),
    ]


def _reaches(evaluation: RunEvaluation) -> Answer:
    question = "Reaches the rare: as severe as the worst 1 %"
    table = evaluation.severity
    table = table[table["judge"] == table["judge"].iloc[0]] if len(table) else table
    guided, plain = highest_guided(table), unguided_row(table)
    if guided is None or plain is None:
        return Answer(question, NOTHING, NOTHING, NOTHING, "not known: nothing judges severity here")
    ours, theirs, ratio = estimate_of(guided, ABOVE), estimate_of(plain, ABOVE), estimate_of(guided, RATIO)
    rare = best_known(table, RARE)
    many = times(ratio) if ratio.low > 1 or ratio.high < 1 else compared_shares(ours, theirs)
    if ratio.low > 1:
        verdict = "Guidance reaches the rare"
    elif ratio.high < 1:
        verdict = "Guidance leads away from the rare"
    else:
        verdict = "It is not shown that guidance reaches the rare"
    return Answer(
        f"{question} of {guided['threshold_of']}, by {name_of_judge(guided['judge'])}",
        share_with_ends(ours),
        share_with_ends(theirs),
        NOTHING if rare is None else f"{share_with_ends(estimate_of(rare, ABOVE))} of the rare group",
        many,
        f"{verdict}: {share_with_ends(ours)} of the images guided to the rarest class, {guided['target_class']}, are "
        f"as severe as the worst 1 % of {guided['threshold_of']} by {name_of_judge(guided['judge'])}, and "
        f"{share_with_ends(theirs)} of unguided ones ({many}).",
    )


def _looks_real(guided: pd.Series, plain: pd.Series, unseen: pd.Series | None) -> Answer:
    ours, theirs = estimate_of(guided, REAL_LOOKING), estimate_of(plain, REAL_LOOKING)
    control = None if unseen is None else estimate_of(unseen, REAL_LOOKING)
    reading = compared_shares(ours, theirs)
    beside = "" if control is None else f", and {per_cent(control.value)} of real images never trained on"
    return Answer(
        f"Looks real: lies near a training image, by {guided['extractor']}",
        share_with_ends(ours),
        share_with_ends(theirs),
        NOTHING if control is None else f"{share_with_ends(control)} of those never trained on",
        reading,
        f"{share_with_ends(ours)} of them look real to {guided['extractor']}: they lie near a training image. So do "
        f"{share_with_ends(theirs)} of unguided images{beside}.",
    )


def _copies(copies: pd.DataFrame | None, guided: pd.Series, plain: pd.Series) -> Answer:
    question = "Copies: suspected to repeat a training image"
    rows = {} if copies is None else {row["set"]: estimate_of(row, COPY) for _, row in copies.iterrows()}
    if guided["set"] not in rows:
        return Answer(question, NOTHING, NOTHING, NOTHING, "not measured: run the stage memorization")
    ours, theirs, control = rows[guided["set"]], rows.get(plain["set"]), rows.get(UNSEEN)
    against = "" if control is None else f"; of real images never trained on {share_with_ends(control)}"
    return Answer(
        f"{question} (whole set)",
        share_with_ends(ours),
        NOTHING if theirs is None else share_with_ends(theirs),
        NOTHING if control is None else f"{share_with_ends(control)} of those never trained on",
        "no control" if control is None else f"against real images: {compared_shares(ours, control)}",
        f"{share_with_ends(ours)} of the set {guided['set']} are suspected copies of training images{against}.",
    )


def _covers(evaluation: RunEvaluation, guided: pd.Series, plain: pd.Series) -> Answer:
    ours, theirs = estimate_of(guided, "recall"), estimate_of(plain, "recall")
    question = f"Covers the rare: recall of {reference_named(evaluation)}"
    if math.isnan(ours.value) or math.isnan(theirs.value):
        return Answer(question, NOTHING, NOTHING, NOTHING, "not measured: too few images")
    reading = compared_shares(ours, theirs)
    return Answer(question, share_with_ends(ours), share_with_ends(theirs), NOTHING, reading)


def reference_named(evaluation: RunEvaluation) -> str:
    """What the images that fidelity is measured against are called in a sentence."""
    known = evaluation.context.get("reference_name") == RARE_GROUP
    return "real images of the rare group" if known else "the most unique real images"


def _helps(utility: pd.DataFrame | None, guided: pd.Series, plain: pd.Series) -> Answer:
    """Of all rare subjects and the amount nearest to the rare images; the reading is of all sizes and amounts."""
    question = "Helps: gain in sensitivity at a set specificity, over the rare duplicated to the same number"
    if utility is None:
        return Answer(question, NOTHING, NOTHING, NOTHING, "not measured: run the stage utility")
    rows = sensitivity_rows(utility)
    arms = dict(list(rows.groupby("arm")))
    ours, theirs, repeated = (
        _at_once_the_rare(arms.get(arm))
        for arm in (f"real and {guided['set']}", f"real and {plain['set']}", "real, rare duplicated")
    )
    if ours is None:
        return Answer(question, NOTHING, NOTHING, NOTHING, f"not measured of the set {guided['set']}")
    return Answer(
        question.replace("a set specificity", ours["figure"].removeprefix(SENSITIVITY).strip()),
        gain_in_points(estimate_of(ours, OVER_DUPLICATED)),
        NOTHING if theirs is None else gain_in_points(estimate_of(theirs, OVER_DUPLICATED)),
        NOTHING if repeated is None else f"{gain_in_points(estimate_of(repeated, GAIN))} by duplicating the rare",
        usefulness_reading(arms[ours["arm"]]),
    )


def _at_once_the_rare(rows: pd.DataFrame | None) -> pd.Series | None:
    if rows is None:
        return None
    most = rows[rows["rare_subjects"] == rows["rare_subjects"].max()]
    return most.loc[(most["amount"] - 1).abs().idxmin()]
