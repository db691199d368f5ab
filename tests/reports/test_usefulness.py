"""Where generated images help is said with how much, and where they do not with what could have been seen."""

import math

import pandas as pd
import pytest

from monai_minority.reports.usefulness import (
    sensitivity_rows,
    usefulness_chart,
    usefulness_findings,
    usefulness_reading,
)

NAN = math.nan
UNKNOWN = (NAN, NAN, NAN)


def row(arm, size, amount, added, duplicated=UNKNOWN, augmented=UNKNOWN, generated="guided"):
    head = {"arm": arm, "generated": generated, "rare_subjects": size, "amount": amount, "added": added}
    head |= {"figure": "sensitivity at 0.9 specificity", "train_rare": 4.0 * size, "generated_a_set": 60}
    head |= {"gain": 0.02, "gain_low": -0.01, "gain_high": 0.05, "backbone": "learned from all 20"}
    for name, ends in (("gain_over_duplicated", duplicated), ("gain_over_augmented", augmented)):
        head |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return head


@pytest.fixture
def utility():
    rows = [row("real", size, NAN, 0.0, generated=None) for size in (5, 20)]
    rows += [row("real, rare duplicated", 5, 1.0, 20.0, (0, NAN, NAN), generated=None)]
    rows += [
        row("real and guided", 5, 0.25, 5.0, (0.02, -0.02, 0.06)),
        row("real and guided", 5, 1.0, 20.0, (0.08, 0.03, 0.13)),
        row("real and guided", 20, 1.0, 60.0, (-0.05, -0.09, -0.01)),
        row("real and guided", 20, 5.0, 60.0, (-0.05, -0.09, -0.01)),
        row("real and guided, augmented", 5, 1.0, 20.0, (0.2, 0.1, 0.3), (0.0, -0.03, 0.03)),
        row("pretrained on guided", 5, 1.0, 20.0),
    ]
    table = pd.DataFrame(rows)
    return pd.concat([table, table.assign(figure="AUC")], ignore_index=True)


def test_findings_say_where_it_helps_where_it_harms_and_what_could_have_been_seen(utility):
    assert usefulness_findings(utility) == [
        "Sensitivity of a classifier trained on real and guided, against the rare duplicated to the same number: helps "
        "with 5 rare subjects and 1 times the rare images (+8 points [+3, +13]); harms with 20 rare subjects and 0.75 "
        "times the rare images (-5 points [-9, -1]); no gain is shown at the other 1 of 3 sizes and amounts; 4 points "
        "or more would have been seen.",
        "Sensitivity of a classifier trained on real and guided, augmented, against classical augmentation alone: no "
        "gain is shown with 5 rare subjects and 1 times the rare images; 3 points or more would have been seen.",
        "Sensitivity of a classifier pretrained on guided, against the rare duplicated to the same number: 1 without "
        "an interval (too few trainings or test subjects, or no difference).",
        "These are 4 comparisons with 95 % intervals: by chance alone 0.1 of them would seem to help and as many to "
        "harm.",
        "Amounts above 60 images are cut to these: the sets have no more.",
        "The generated images are of a backbone that learned from all 20.",
    ]


def test_readings(utility):
    arms = dict(list(sensitivity_rows(utility).groupby("arm")))
    guided = arms["real and guided"]
    assert len(guided) == 3, "two amounts that are cut to one number are one comparison"
    assert usefulness_reading(guided) == "helps at 1 of 3 sizes and amounts, harms at 1"
    assert usefulness_reading(guided[1:2]) == "helps"
    assert (
        usefulness_reading(guided[:1])
        == "no gain is shown at the one size and amount; 4 points or more would have been"
    )
    unknown = "no interval: too few trainings or test subjects, or no difference"
    assert usefulness_reading(arms["pretrained on guided"]) == unknown


def test_the_chart_has_a_panel_for_each_size_and_a_line_for_each_arm_and_amount(utility):
    axes = usefulness_chart(utility).axes
    assert [one.get_title() for one in axes] == ["5 rare subjects", "20 rare subjects"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [
        "real, rare duplicated, 1 x",
        "real and guided, 0.25 x",
        "real and guided, 1 x",
        "real and guided, augmented, 1 x",
        "pretrained on guided, 1 x",
    ]
