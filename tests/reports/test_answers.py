"""The first screen answers five questions from the tables, whichever way their figures fall."""

from dataclasses import replace

import pandas as pd
import pytest

from monai_minority.reports.answers import answers_of
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.severity import COLUMNS


def three(name, value, low, high):
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def row(name, target, scale, looks_real, recall, duplicates=0.0):
    head = {"set": name, "target_class": target, "guidance_scale": scale, "n": 100, "duplicates": duplicates}
    return head | {"extractor": "Pooled"} | three("rarity_valid", *looks_real) | three("recall", *recall)


def judged(name, target, scale, share, ratio, known=""):
    head = {"set": name, "target_class": target, "guidance_scale": scale, "n": 100, "known": known, "clusters": 50}
    head |= {"judge": "corner", "threshold_of": "normal real images"}
    return head | three("share_above_99", *share) | three("ratio_to_unguided", *ratio)


@pytest.fixture
def evaluation() -> RunEvaluation:
    none, nan = float("nan"), (float("nan"),) * 3
    summary = [
        row("real, never trained on", "all", none, (0.9, 0.85, 0.94), nan, none),
        row("plain", "all", 0.0, (0.3, 0.25, 0.35), (0.05, 0.02, 0.1)),
        row("guided", "0", 4.0, (0.4, 0.3, 0.5), (0.01, 0.0, 0.03)),
        row("guided", "7", 4.0, (0.1, 0.05, 0.15), (0.4, 0.3, 0.5)),
    ]
    severity = [
        judged("real, training", "all", none, (0.8, 0.7, 0.9), nan, "rare"),
        judged("plain", "all", 0.0, (0.01, 0.002, 0.03), nan),
        judged("guided", "7", 4.0, (0.6, 0.5, 0.7), (60.0, 20.0, 180.0)),
    ]
    empty = pd.DataFrame()
    tables = dict.fromkeys(RunEvaluation.__dataclass_fields__, empty) | {"context": {}}
    tables |= {"summary": pd.DataFrame(summary), "severity": pd.DataFrame(severity).reindex(columns=COLUMNS)}
    return RunEvaluation(**tables)


def test_each_question_has_its_figures_and_what_they_say_of_each_other(evaluation):
    copies = pd.DataFrame(
        [
            {"set": "guided"} | three("suspected_copy", 0.2, 0.15, 0.25),
            {"set": "plain"} | three("suspected_copy", 0.1, 0.07, 0.14),
            {"set": "real, never trained on"} | three("suspected_copy", 0.02, 0.01, 0.05),
        ]
    )
    gains = {  # at a quarter and at once the rare images
        "real, rare duplicated": [(0.02, 0.01, 0.03), (0.01, -0.01, 0.03)],
        "real and guided": [(0.0, -0.04, 0.04), (0.03, 0.012, 0.05)],
        "real and plain": [(0.0, -0.02, 0.02), (0.0, -0.02, 0.02)],
    }
    utility = pd.DataFrame(
        {"arm": arm, "figure": figure, "rare_subjects": 9, "amount": amount, "added": 20 * amount}
        | three("gain", *gain)
        | three("gain_over_duplicated", *gain)
        for figure in ("AUC", "sensitivity at 0.9 specificity")
        for arm, both in gains.items()
        for amount, gain in zip((0.25, 1.0), both, strict=True)
    )
    reaches, looks_real, copied, covers, helps = answers_of(evaluation, copies, utility)
    assert reaches[1:5] == (
        "60 % [50, 70]",
        "1 % [0.2, 3]",
        "80 % [70, 90] of the rare group",
        "60 times as many [20, 180]",
    )
    assert reaches.sentence.startswith(
        "Guidance reaches the rare: 60 % [50, 70] of the images guided to the rarest class"
    )
    assert looks_real[1:5] == ("10 % [5, 15]", "30 % [25, 35]", "90 % [85, 94] of those never trained on", "fewer")
    assert copied[1:5] == (
        "20 % [15, 25]",
        "10 % [7, 14]",
        "2 % [1, 5] of those never trained on",
        "against real images: more",
    )
    assert covers[1:5] == ("40 % [30, 50]", "5 % [2, 10]", "–", "more")
    assert helps[:5] == (
        "Helps: gain in sensitivity at 0.9 specificity, over the rare duplicated to the same number",
        "+3 points [+1.2, +5]",
        "+0 points [-2, +2]",
        "+1 points [-1, +3] by duplicating the rare",
        "helps at 1 of 2 sizes and amounts, harms at 0",
    )


def test_what_was_not_reached_is_said_as_plainly(evaluation):
    last = evaluation.severity.index[-1]
    columns = [f"ratio_to_unguided{end}" for end in ("", "_low", "_high")]
    evaluation.severity.loc[last, columns] = [1.5, 0.4, 5.0]
    assert answers_of(evaluation)[0].sentence.startswith("It is not shown that guidance reaches the rare: ")
    evaluation.severity.loc[last, columns] = [0.2, 0.1, 0.7]
    assert answers_of(evaluation)[0].sentence.startswith("Guidance leads away from the rare: ")


def test_what_was_not_measured_names_the_stage_that_measures_it(evaluation):
    readings = [answer.reading for answer in answers_of(evaluation)]
    assert readings[2] == "not measured: run the stage memorization"
    assert readings[4] == "not measured: run the stage utility"
    without = replace(evaluation, summary=evaluation.summary.drop(1))
    assert answers_of(without) == [], "nothing to compare with"
