"""The sentences of the findings: every number in them is the table's, and a disappointing result is said."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_minority.data import ImageStore
from monai_minority.reports import findings, write_report, write_tensorboard
from monai_minority.reports.findings import findings_of
from monai_minority.reports.html_report import rounded
from monai_minority.reports.severity_chart import severity_chart
from monai_minority.reports.severity_findings import highest_guided
from monai_minority.samples.write import open_samples
from monai_minority.scoring import QuantileClasses
from monai_minority.tables import MeasureSettings
from monai_minority.tables.copies import measure_copies
from monai_minority.tables.evaluate import evaluate_run
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.membership import FOLDS, NEAREST, Evidence, membership
from monai_minority.tables.rows import REAL
from tests.run_folder import Pooled, exact_score, make_run

ABOVE = ["share_above_99", "share_above_99_low", "share_above_99_high"]
RATIO = ["ratio_to_unguided", "ratio_to_unguided_low", "ratio_to_unguided_high"]
BROKEN = "Trained too short, or broken: nothing below means anything."
RISES = ["rank_correlation_with_class", "rank_correlation_with_class_low", "rank_correlation_with_class_high"]


def corner(images):
    """Brightness of the corner that the rare pictures have bright."""
    return images[:, 0, :4, :4].mean(dim=(1, 2))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"))
    store, samples = ImageStore.open(folder / "store"), open_samples(folder / "samples")
    evaluate_run(
        store,
        samples,
        Pooled(),
        exact_score(),
        output_dir=folder / "evaluation",
        classes=QuantileClasses.load(folder / "classes.json"),
        severity=corner,
        measures=MeasureSettings(reference_size=20, resamples=200, progress=False),
    )
    quiet = MeasureSettings(progress=False)
    measure_copies(store, samples, Pooled(), folder / "evaluation", planted=10, measures=quiet, max_shift=1)
    return folder


@pytest.fixture
def evaluation(run) -> RunEvaluation:
    """Read anew, to be changed at will."""
    return RunEvaluation.load(run / "evaluation")


def in_class(table: pd.DataFrame, name: str, target: str = "all") -> pd.Series:
    return (table["set"] == name) & (table["target_class"] == target)


def line_of(lines: list[str], words: str) -> str:
    found = [line for line in lines if words in line]
    assert len(found) == 1, lines
    return found[0]


def test_the_first_sentence_is_about_severity_and_its_numbers_are_the_tables(run, evaluation):
    table = evaluation.severity
    line = findings(run)[0]
    (share, low, high), (_, _, plain) = (
        table.loc[in_class(table, *key), ABOVE].to_numpy()[0] * 100 for key in (("guided", "2"), ("plain", "all"))
    )
    at_least = table.loc[in_class(table, "guided", "2"), RATIO[1]].item()
    rises = table.loc[in_class(table, "guided"), RISES].to_numpy()[0]
    assert line.startswith(
        f"{share:.0f} % [{low:.0f}, {high:.0f}] of the images guided to class 2 are as severe as the worst 1 % of "
        f"normal real images by corner; 0 % [0, {plain:.1f}] of unguided ones are: at least {at_least:.0f} times as "
        "many. Of the rare group (real, never trained on) 100 % [70, 100] are. "
    )
    own = table.loc[in_class(table, "real, training", "2"), ABOVE].to_numpy()[0] * 100
    assert f"Of the real training images of that class {own[0]:.0f} % [{own[1]:.0f}, {own[2]:.0f}] are." in line
    real = table.loc[in_class(table, "real, training") & table[RISES[0]].notna(), RISES].to_numpy()[0]
    assert (
        f"Severity rises with the class (rank correlation {rises[0]:.2f} [{rises[1]:.2f}, {rises[2]:.2f}]). In real "
        f"training images and their own classes it is {real[0]:.2f} [{real[1]:.2f}, {real[2]:.2f}]." in line
    )
    assert "AUC 1.00" in line


def test_the_sentence_of_the_issue(evaluation):
    table = evaluation.severity
    table.loc[in_class(table, "guided", "2"), ABOVE + RATIO] = [0.614, 0.52, 0.69, 51.2, 18.3, 140.4]
    table.loc[in_class(table, "plain"), ABOVE] = [0.012, 0.004, 0.034]
    table.loc[in_class(table, "guided"), RISES] = [0.78, 0.72, 0.83]
    line = findings_of(evaluation)[0]
    assert line.startswith(
        "61 % [52, 69] of the images guided to class 2 are as severe as the worst 1 % of normal real "
    )
    assert "; 1.2 % [0.4, 3.4] of unguided ones are: 51 times as many [18, 140]." in line
    assert "Severity rises with the class (rank correlation 0.78 [0.72, 0.83])." in line


def test_the_score_is_judged_on_one_scope(run, evaluation):
    line = line_of(findings(run), "minority score ranks")
    assert "could not be measured: AUC 1.00 on images never trained on, with 9 subjects of the rare group" in line
    table = evaluation.agreement
    top = table[(table["figure"] == "share in the top tenth") & (table["images"] == "images never trained on")]
    assert top["overall"].iloc[0] == pytest.approx(0.2)
    assert "100 % of the top tenth of them, 20 % of them overall" in line


def test_the_score_is_judged_among_images_of_similar_height(evaluation):
    table = evaluation.agreement
    auc = table[(table["figure"] == "AUC") & table["measure"].isin(["minority_score", "average_knn"])]
    matched = auc.assign(figure="AUC among images of similar z", value=0.62, low=0.55, high=0.69)
    told = RunEvaluation(**{**vars(evaluation), "agreement": pd.concat([table, matched], ignore_index=True)})
    line = line_of(findings_of(told), "minority score ranks")
    assert line.endswith(" Between images of similar z the order is there too: AUC 0.62 [0.55, 0.69] (AvgkNN: 0.62).")
    told.agreement.loc[told.agreement["figure"].str.endswith("z"), ["value", "low"]] = [0.52, 0.35]
    line = line_of(findings_of(told), "minority score ranks")
    assert "is not measurably there: AUC 0.52 [0.35, 0.69] (0.17 or more from 0.5 would have been seen)" in line
    assert "similar" not in line_of(findings_of(evaluation), "minority score ranks")


def test_what_looks_real_and_what_is_copied(run, evaluation):
    lines = findings(run)
    table = evaluation.summary
    guided, plain, unseen = (
        100 * table.loc[in_class(table, *key), "rarity_valid"].item()
        for key in (("guided", "2"), ("plain", "all"), ("real, never trained on", "all"))
    )
    line = line_of(lines, "look real")
    assert line.startswith(f"{guided:.0f} % [76, 100] of the images guided to class 2 look real")
    assert f"{plain:.0f} % [71, 94] of unguided ones do, which is not measurably" in line
    assert f"and {unseen:.0f} % of real images never trained on" in line
    assert "Fréchet" not in line, "of so few images it is not given"
    copies = pd.read_csv(run / "evaluation" / "copies_summary.csv").set_index("set")["suspected_copy"]
    assert f"{100 * copies['plain']:.0f} % [" in line_of(lines, "Suspected copies")
    assert lines.index(line) < lines.index(line_of(lines, "Suspected copies"))


def test_what_is_given_away_of_training_subjects_is_told_beside_what_chance_gives(evaluation):
    table = pd.DataFrame({"subject": range(60), "split": ["train", "test"] * 30, "minority_class": [0, 0, 1] * 20})
    values = np.random.default_rng(0).normal(size=60)
    odd = np.arange(60) % 2 == 0
    guided = highest_guided(evaluation.summary[evaluation.summary["duplicates"].notna()])
    evidence = {f"{NEAREST}{guided['set']}": Evidence(np.where(odd, values, np.nan), np.where(odd, np.nan, values))}
    evidence[FOLDS] = Evidence(np.where(odd, values - 9, np.nan), np.where(odd, values, np.nan))
    members = membership(table, evidence)[1].assign(rare_subjects=10, least_rare_subjects=11)
    lines = findings_of(evaluation, members=members)
    line = line_of(lines, "Membership (10 % where nothing is given away")
    assert f"of 30 training subjects lie nearer to an image of the set {guided['set']}" in line
    assert "; 100 % [89, 100] of 30 training subjects score lower by a network that learned from them" in line
    assert line.endswith("; 100 % [72, 100] of 10 rare ones do.")
    assert "learned from 10 training subjects, fewer than 11" in lines[0], "first of all"
    few = membership(table[:20], {name: Evidence(*(values[:20] for values in of)) for name, of in evidence.items()})[1]
    line = line_of(findings_of(evaluation, members=few.assign(rare_subjects=10, least_rare_subjects=9)), "Membership")
    assert "; it is not known how many of 3 rare ones (fewer than nine others to compare each with) do" in line
    assert not [line for line in findings_of(evaluation) if "Membership" in line]


def test_frechet_is_told_above_its_floor(evaluation):
    table = evaluation.summary
    names = ["frechet_above_floor", "frechet_above_floor_low", "frechet_above_floor_high"]
    table.loc[in_class(table, "guided", "2"), names] = [0.6, 0.5, 0.7]
    assert "is 0.60 [0.50, 0.70] times that of unguided ones (nearer), each less" in line_of(
        findings_of(evaluation), "look real"
    )
    table.loc[in_class(table, "guided", "2"), names] = [0.9, 0.7, 1.1]
    line = line_of(findings_of(evaluation), "look real")
    assert "(not measurably nearer or farther)" in line and "(0.20 or more from 1 would have been seen)" in line


def test_a_disappointing_result_is_said_with_what_it_could_have_seen(evaluation):
    table = evaluation.severity
    table.loc[in_class(table, "guided", "2"), ABOVE + RATIO] = [0.1, 0.05, 0.15, 1.0, 0.4, 2.5]
    table.loc[in_class(table, "plain"), ABOVE] = [0.1, 0.05, 0.15]
    table.loc[in_class(table, "guided"), RISES] = [0.1, -0.1, 0.3]
    evaluation.agreement[["value", "low", "high"]] = [0.5, -0.1, 0.6]
    summary, classes = evaluation.summary, evaluation.summary["target_class"] != "all"
    summary.loc[classes, ["above_p90", "above_p90_low", "above_p90_high"]] = [0.0, 0.0, 0.01]
    summary.loc[~classes, ["above_p90", "above_p90_low", "above_p90_high"]] = [0.2, 0.1, 0.3]
    taken = ["taken_for_rare", "taken_for_rare_low", "taken_for_rare_high"]
    evaluation.groups.loc[evaluation.groups["target_class"] != "all", taken] = [0.1, 0.05, 0.2]
    evaluation.groups.loc[evaluation.groups["set"] == "plain", taken] = [0.4, 0.3, 0.5]
    lines = findings_of(evaluation)
    half = 100 * np.hypot(0.05, 0.05)
    assert (
        f"unguided ones are: not measurably more or fewer ({half:.1f} points or more would have been seen)." in lines[0]
    )
    assert "does not measurably follow the class (rank correlation 0.10 [-0.10, 0.30]) (0.20 or more would" in lines[0]
    assert "does not measurably rank" in line_of(lines, "The minority score")
    assert "(0.35 or more from 0.5 would have been seen)" in line_of(lines, "The minority score")
    assert "does not measurably move the score" in line_of(lines, "target class")
    assert "fewer than of unguided ones (20 % [10, 30])" in line_of(lines, "90th percentile of AvgkNN")
    low, high = -30 - 100 * np.hypot(0.05, 0.1), -30 + 100 * np.hypot(0.1, 0.1)
    assert f"against unguided ones: 30 points fewer [{low:.0f}, {high:.0f}]" in line_of(
        lines, "nearest training images"
    )


def test_unguided_images_that_keep_to_the_middle_are_told(evaluation):
    ends = ["share_above_95", "share_above_95_low", "share_above_95_high"]
    dispersion = evaluation.dispersion
    assert not [line for line in findings_of(evaluation) if "keep to the middle" in line], "thirty-six cannot tell"
    dispersion.loc[(dispersion["set"] == "plain") & (dispersion["measure"] == "corner"), ends] = [0.004, 0.001, 0.02]
    line = line_of(findings_of(evaluation), "keep to the middle")
    assert "0.4 % [0.1, 2] above the real 95th percentile of corner, where 5 % would be right" in line
    # A measure that has many equal values at its end, such as no lesion: real training images have none beyond either.
    dispersion.loc[(dispersion["set"] == REAL) & (dispersion["measure"] == "corner"), "share_above_95"] = 0.0
    assert not [line for line in findings_of(evaluation) if "keep to the middle" in line]


def test_without_a_judge_the_truth_is_not_known_and_what_to_give_is_said(evaluation):
    empty = RunEvaluation(**{**vars(evaluation), "severity": evaluation.severity.iloc[:0]})
    line = findings_of(empty)[0]
    assert line.startswith("Whether guided images show what is rare is not known")
    assert "3 subjects of the rare group" in line and "(the setting severity)" in line and "(the column group)" in line


def test_the_report_opens_with_three_sentences_pictures_the_chart_and_one_table(run, evaluation):
    html = write_report(run).read_text(encoding="utf-8")
    opening = html[: html.index("<details>")]
    assert "as severe as the worst 1 % of normal real images by corner" in opening
    assert opening.count("data:image/png") == 2 and opening.count("<table") == 1 and opening.count('class="lead"') == 3
    assert all(line.replace("'", "&#39;") in html[html.index("<details>") :] for line in findings(run))
    cells = set(re.findall(r"<td[^>]*>([^<]*)</td>", html))
    for table in (evaluation.severity, evaluation.dispersion):
        for column in table.columns[table.columns.str.contains("share|ratio|rank|mean|n_measured")]:
            assert {rounded(value) for value in table[column].tolist()} <= cells, column


def test_the_chart_has_the_numbers_of_the_table(evaluation):
    figure = severity_chart(evaluation.severity)
    table = evaluation.severity
    shares, means = figure.axes
    guided = table[(table["set"] == "guided") & (table["target_class"] != "all")]
    for axes, name in ((shares, "share_above_99"), (means, "mean")):
        line = axes.containers[0].lines[0]
        assert line.get_xdata().tolist() == [0, 1, 2]
        assert line.get_ydata().tolist() == pytest.approx(guided[name].tolist())
    labels = [tick.get_text() for tick in shares.get_xticklabels()]
    assert labels == ["0", "1", "2", "plain", "real, training", "real, normal", "real, rare"]
    assert severity_chart(table.iloc[:0]) is None


def test_tensorboard_has_the_shares_by_class(run, evaluation):
    events = EventAccumulator(str(write_tensorboard(run) / "guided_scale_4"), size_guidance={"histograms": 0}).Reload()
    scalars = events.Scalars("1_severity/share_above_99_corner")
    table = evaluation.severity
    guided = table[(table["set"] == "guided") & (table["target_class"] != "all")]
    assert [event.step for event in scalars] == [0, 1, 2]
    assert [event.value for event in scalars] == pytest.approx(guided["share_above_99"].tolist())
    measured = {event.step: event.histogram_value for event in events.Histograms("severity_measure")}
    for target, part in evaluation.generated[evaluation.generated["set"] == "guided"].groupby("target_class"):
        assert measured[target].num == len(part) and measured[target].max == part["severity_measure"].max()


def test_a_run_without_evaluation_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the evaluate stage"):
        findings(tmp_path)


def test_a_backbone_that_a_guess_beats_is_said_first_and_another_is_not(evaluation):
    loss = {"loss": 0.4, "loss_low": 0.3, "loss_high": 0.5, "guess": 0.31, "images": 64}
    evaluation.context["denoising_loss"] = loss
    assert not any("Trained too short" in line for line in findings_of(evaluation)), "its interval holds the guess"
    evaluation.context["denoising_loss"] = loss | {"guess": 0.29}
    first = findings_of(evaluation)[0]
    assert first.startswith(f"{BROKEN} The loss of the backbone on real images is 0.40 [0.30, 0.50]; a guess that ")
    assert "the mean and the spread of each pixel alone has 0.29. " in first
    guided = ~(evaluation.summary["set"] == "plain")
    without = dataclasses.replace(evaluation, summary=evaluation.summary[guided])
    assert "images of set guided lie in" in findings_of(without)[0]
    evaluation.context["denoising_loss"] = {}
    assert not any("Trained too short" in line for line in findings_of(evaluation)), "an older evaluation has none"


def test_images_that_are_noise_are_said_first(evaluation):
    plain = in_class(evaluation.summary, "plain")
    evaluation.summary.loc[plain, ["rarity_valid", "rarity_valid_low", "rarity_valid_high"]] = 0, 0, 0.01
    first = findings_of(evaluation)[0]
    assert first.startswith(f"{BROKEN} 0 % [0, 1] of the images of set plain")
