"""The report of a run whose figures are known: whole, self-contained, and silent about people and machines."""

import dataclasses
import html as markup
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_minority.data import ImageStore
from monai_minority.reports import RunContents, findings, write_report, write_tensorboard
from monai_minority.reports.contents import redacted
from monai_minority.reports.html_report import rounded
from monai_minority.reports.unusual import large_view, orientation, unusual_pictures
from monai_minority.samples.write import open_samples
from monai_minority.scoring import QuantileClasses
from monai_minority.tables import MeasureSettings, compare_methods
from monai_minority.tables.copies import measure_copies
from monai_minority.tables.evaluate import evaluate_run
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.membership import membership, nearest_samples
from tests.run_folder import SUBJECT, Pooled, exact_score, make_run

QUIET = MeasureSettings(progress=False)

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_PAGE = """<iframe id="report" src="report.html" style="width: {width}px; height: 800px; border: 0"></iframe>
<pre id="found"></pre>
<script>
window.addEventListener("load", () => {{
  const page = document.getElementById("report").contentDocument;
  page.querySelectorAll("details").forEach((section) => section.open = true);
  const broken = [...page.images].filter((image) => !image.naturalWidth).length;
  const found = {{wide: page.documentElement.scrollWidth, broken, images: page.images.length}};
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("hospital") / "run")
    evaluate_run(
        ImageStore.open(folder / "store"),
        open_samples(folder / "samples"),
        Pooled(),
        exact_score(),
        output_dir=folder / "evaluation",
        classes=QuantileClasses.load(folder / "classes.json"),
        measures=MeasureSettings(reference_size=20, resamples=200, progress=False),
    )
    store, samples = ImageStore.open(folder / "store"), open_samples(folder / "samples")
    measure_copies(store, samples, Pooled(), folder / "evaluation", planted=10, measures=QUIET, max_shift=1)
    known = membership(store.table, nearest_samples(store, samples, Pooled(), settings=QUIET), QUIET)[1]
    known.assign(rare_subjects=4, least_rare_subjects=11).to_csv(folder / "evaluation" / "membership.csv")
    arms = {"real": 0.0, "real, augmented": 0.05, "real and guided": -0.0321}
    pd.DataFrame(
        [
            {"arm": arm, "figure": figure, "value": 0.8 + gain, "low": 0.7, "high": 0.9, "seed_std": 0.0123}
            | {"gain": gain, "gain_low": gain - 0.0456, "gain_high": gain + 0.0456, "trainings": 3}
            | {"gain_over_duplicated": gain, "gain_over_duplicated_low": gain - 0.1, "gain_over_duplicated_high": gain}
            | dict.fromkeys(["gain_over_augmented", "gain_over_augmented_low", "gain_over_augmented_high"], gain)
            | {"generated": "guided" if arm == "real and guided" else None, "rare_subjects": 7, "added": 4.5}
            | {"amount": 0.5 if arm == "real and guided" else None, "backbone": "learned from all 7"}
            | {"train_rare": 9, "train_others": 81, "test_rare": 9, "test_others": 36, "generated_a_set": 12}
            for figure in ("AUC", "sensitivity at 0.9 specificity")
            for arm, gain in arms.items()
        ]
    ).to_csv(folder / "evaluation" / "utility.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def html(run):
    return write_report(run).read_text(encoding="utf-8")


def test_every_number_of_the_summary_and_of_agreement_is_in_the_report(run, html):
    cells = set(re.findall(r"<td[^>]*>([^<]*)</td>", html))
    evaluation = RunEvaluation.load(run / "evaluation")
    for table in (evaluation.summary, evaluation.agreement):
        for column in table.select_dtypes("number"):
            missing = {rounded(value) for value in table[column].tolist()} - cells
            assert not missing, (column, missing)


def test_the_file_needs_nothing_else(run, html):
    assert "<script" not in html
    assert not re.findall(r"(?:src|href)=\"(?!data:image/png;base64,)", html)
    assert "http" not in re.sub(r"base64,[^\"]*", "", html)
    assert (run / "report.html").stat().st_size < 5e6
    # first, real, unusual, two sets, shift, distributions, nearest, utility, timestep, classifier
    assert html.count("data:image/png") == 12


def test_compared_methods_have_a_section_with_their_table_and_picture(run, html, tmp_path):
    assert "Methods compared" not in html
    shutil.copytree(run, tmp_path / "run")
    samples = open_samples(run / "samples")
    table = compare_methods(
        ImageStore.open(run / "store"),
        samples,
        Pooled(),
        exact_score(),
        output_dir=tmp_path / "run" / "comparison",
        map_extractor=torch.nn.AvgPool2d(4),
        measures=MeasureSettings(reference_size=20, resamples=0, distance_resamples=0, progress=False),
    )
    text = write_report(tmp_path / "run").read_text(encoding="utf-8")
    section = text[text.index("<summary>Methods compared") : text.index("<summary>How the score")]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", section)
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", section)
    assert "spatial frechet distance high" in headings
    assert not {"extractor", "spatial extractor", "libraries", "k", "seed"} & set(headings), "said once, at the end"
    for column in ("frechet_distance", "spatial_frechet_distance", "average_knn_mean", "minority_score_mean"):
        assert {rounded(value) for value in table[column]} <= set(cells), column
    assert set(samples) <= set(cells) and section.count("data:image/png") == 1
    assert SUBJECT not in re.sub(r"base64,[^\"]*", "", section)


def test_no_name_and_no_path_is_told(run, html):
    text = re.sub(r"base64,[^\"]*", "", html)
    assert SUBJECT not in text
    assert str(run) not in text
    assert "hospital" not in text
    assert "not a NIfTI file" in text


def test_few_rare_training_subjects_are_told(html):
    few = "The rarest class was learned from 4 training subjects, fewer than 11"
    assert html.index(few) < html.index("<img"), "above all else"


def test_copies_and_usefulness_are_told_in_numbers(run, html):
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    for name in ("copies_summary", "copies_planted", "utility"):
        table = pd.read_csv(run / "evaluation" / f"{name}.csv")
        shown = ("suspected_copy", "suspected_copy_low", "nearer_than_any", "suspected", "gain", "gain_low", "seed_std")
        for column in table.columns.intersection(shown):
            missing = {rounded(value) for value in table[column].tolist()} - set(cells)
            assert not missing, (name, column, missing)
    plain = pd.read_csv(run / "evaluation" / "copies_summary.csv").set_index("set").loc["plain"]
    assert plain["suspected_copy"] >= 5 / 36, "the five copies of the set are found"
    assert "3 of each, and judged on\n9 rare and 36 other real images" in html


def test_it_tells_how_slices_lie(tmp_path):
    pixels, geometry = np.zeros((1, 1, 4, 4), np.uint8), {"axis": "coronal", "pixel_spacing_mm": [1.5, 2]}
    known = {"geometry": geometry, "position_unit": "mm"}
    store = ImageStore.create(tmp_path / "store", pixels, {"source": ["a"]}, (0, 255), **known)
    assert orientation(store) == (
        "The slices are coronal, with the patient's right on the left and the vertex at the top. "
        "A pixel is 1.5 x 2 mm. Positions along the axis are in mm."
    )


def test_it_tells_how_long_stages_took(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "run.json").write_text(json.dumps({"stages": {"score": {"seconds": 61.25, "finished": "2026-01-02"}}}))
    told = write_report(folder).read_text(encoding="utf-8")
    assert '<td class="text">score</td><td>61.25</td><td class="text">2026-01-02</td>' in told


def test_the_large_view_is_larger(run):
    contents = RunContents.open(run)
    small, large = unusual_pictures(contents, 2), large_view(contents)
    assert large.get_figwidth() > 8 > small.get_figwidth() and "nearest of others" in large.axes[0].get_title(
        loc="left"
    )
    assert orientation(contents.store) == ""  # of which nothing is known, nothing is said


def test_what_an_earlier_version_measured_is_not_taken_for_the_usefulness(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "evaluation" / "utility.csv"
    pd.read_csv(path).drop(columns="amount").to_csv(path, index=False)
    text = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "Do they help to recognise the rare group?" not in text
    assert "of an earlier version (evaluation/utility.csv): run the stage utility again" in text


def test_findings_are_in_the_report(run, html):
    lines = findings(run)
    assert len(lines) == 9
    for line in lines:
        assert line in html.replace("&#39;", "'")


@pytest.mark.parametrize(
    "low, high, said",
    [
        (0.6, 1.0, "The minority score ranks the rare group (bright against plain): AUC 0.48 [0.60, 1.00] on images"),
        (0.4, 0.6, "The minority score does not measurably rank the rare group"),
        (0.1, 0.4, "The minority score ranks in reverse the rare group"),
        (
            float("nan"),
            float("nan"),
            "Whether the minority score ranks the rare group (bright against plain)",
        ),
    ],
)
def test_the_verdict_on_the_score_follows_its_interval(run, tmp_path, low, high, said):
    evaluation = RunEvaluation.load(run / "evaluation")
    evaluation.agreement[["value", "low", "high"]] = [0.48, low, high]
    evaluation.agreement["rare_subjects"] = 1
    evaluation.save(tmp_path / "evaluation")
    lines = findings(tmp_path)
    (first,) = [
        line
        for line in lines
        if "the rare group (bright against plain)" in line
        and "score rank" in line
        or (line.startswith("The minority score does not measurably rank"))
    ]
    (second,) = [line for line in lines if "score of generated images (set guided)" in line]
    assert first.startswith(said)
    if low != low:
        assert (
            "AUC 0.48 on images never trained on, with 1 subject of the rare group and 15 of the others" in first
            and "could not be measured" in first
        )
        assert second.startswith(
            "Whether a higher target class raises the score of generated images (set guided) could"
        )
        assert "could not be measured: rank correlation 0.48 of images of 36 seeds has no interval" in second
        assert "reverse" not in first and "lowers" not in second and "AvgkNN: 0.48, without an interval" in second


def test_a_severity_that_the_score_cannot_be_measured_against(run, tmp_path):
    evaluation = RunEvaluation.load(run / "evaluation")
    kept = evaluation.agreement[evaluation.agreement["figure"] == "rank correlation"].copy()
    kept[["value", "low", "high"]] = [-0.5, float("nan"), float("nan")]
    dataclasses.replace(evaluation, agreement=kept).save(tmp_path / "evaluation")
    assert (
        "Whether the minority score rises with severity could not be measured: rank correlation -0.50 over all images "
        "of 45 subjects has no interval."
    ) in findings(tmp_path)


def test_missing_parts_are_left_out_and_named(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    for name in ("timestep.csv", "run.json", "rejected.csv", "classes.json", "classifier/validation.csv"):
        (tmp_path / "run" / name).unlink()
    html = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert html.count("data:image/png") == 10
    for name in ("timestep.csv", "run.json", "rejected.csv", "classes.json", "classifier/validation.csv"):
        assert name in html
    assert len(RunContents.open(run).missing) == 0


def test_a_run_without_evaluation_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the evaluate stage"):
        findings(tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/anna/study/run.yaml", "…/run.yaml"),
        ("/data/anna-meyer/", "…"),
        ("read /data/x/y.nii.gz and C:\\study\\z.csv", "read … and …"),
        ("loss mse/vb at 1/2", "loss mse/vb at 1/2"),
        ({"who": ["meyer01", "meyer01.nii.gz", "meyer012"]}, {"who": ["[name]", "[name]", "meyer012"]}),
        (0.25, 0.25),
    ],
)
def test_paths_and_names_are_taken_out(value, expected):
    assert redacted(value, frozenset({"meyer01"})) == expected


def test_tensorboard_has_a_run_for_each_set_with_the_same_tags(run):
    folder = write_tensorboard(run)
    write_tensorboard(run)  # again: nothing twice
    runs = {}
    for name in ("guided_scale_4", "plain", "real_training"):
        runs[name] = EventAccumulator(str(folder / name), size_guidance={"images": 0, "histograms": 0}).Reload()
    summary = RunEvaluation.load(run / "evaluation").summary
    guided = summary[(summary["set"] == "guided") & (summary["target_class"] != "all")]
    plain = summary[summary["set"] == "plain"]
    tag = "3_rarity/minority_score"
    curve, level = runs["guided_scale_4"].Scalars(tag), runs["plain"].Scalars(tag)
    assert [event.step for event in curve] == [0, 1, 2] and [event.step for event in level] == [0, 2]
    assert [event.value for event in curve] == pytest.approx(guided["minority_score_mean"].tolist())
    assert [event.value for event in level] == pytest.approx(plain["minority_score_mean"].tolist() * 2)
    assert len(runs["real_training"].Scalars(tag)) == 3, "a point for each minority class"
    for events in runs.values():
        assert len(events.Tags()["scalars"]) <= 12
        assert set(events.Tags()["histograms"]) == {"minority_score", "average_knn", "local_outlier_factor"}
    assert runs["guided_scale_4"].Tags()["images"] == ["synthetic/common_above_rare_nearest_real_in_blue"]
    assert runs["real_training"].Tags()["images"] == ["real/common_above_rare"]
    assert "settings/text_summary" in runs["plain"].Tags()["tensors"]
    texts = [events for events in runs.values() if "how_to_read/text_summary" in events.Tags()["tensors"]]
    assert len(texts) == 1, "what a step is, is said once"
    steps = [event.step for event in runs["real_training"].Histograms("minority_score")]
    assert steps == [0, 1, 2], "of each minority class"


def test_tensorboard_shows_synthetic_images_above_the_nearest_real_ones(run):
    """Two rows a class, the lower one in blue frames: the very pixels of the row of ``generated.csv``."""
    events = EventAccumulator(
        str(write_tensorboard(run) / "guided_scale_4"), size_guidance={"images": 0, "histograms": 0}
    ).Reload()
    (picture,) = events.Images("synthetic/common_above_rare_nearest_real_in_blue")
    pixels = np.asarray(PIL.Image.open(io.BytesIO(picture.encoded_image_string)))
    step = 16 + 2 * 2 + 2  # a tile with its frame and the gap
    assert pixels.shape == (6 * step + 2, 8 * step + 2, 3)
    contents = RunContents.open(run)
    generated = contents.evaluation.generated
    (first, *_) = generated[(generated["set"] == "guided") & (generated["target_class"] == 2)].itertuples()
    for row, store, image, frame in (
        (4, contents.samples["guided"], first.row, [255, 255, 255]),
        (5, contents.store, first.nearest_real, [0, 113, 177]),
    ):
        tile = pixels[row * step + 2 : (row + 1) * step, 2:step]
        assert np.abs(tile[0, 0].astype(int) - frame).max() <= 1
        expected = (store.batch([image])[0, 0].clamp(-1, 1) + 1) / 2 * 255
        assert np.abs(tile[2:-2, 2:-2, 0].astype(float) - expected.numpy()).max() <= 1


def test_synthetic_images_carry_their_mark_and_real_ones_do_not():
    from monai_minority.samples.pictures import picture_rows

    images = torch.zeros(2, 1, 8, 8)
    figure = picture_rows([images, images], ["a", "b"], "t", synthetic=[[True, True], [False, False]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["synthetic", "synthetic"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_nothing_overflows_and_every_picture_loads(run, tmp_path, width):
    write_report(run, tmp_path / "report.html")
    (tmp_path / "frame.html").write_text(_PAGE.format(width=width), encoding="utf-8")
    shown = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom"),
            (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    found = json.loads(markup.unescape(re.search(r'<pre id="found">(.*?)</pre>', shown)[1]))
    assert found["images"] == 12
    assert found["broken"] == 0
    assert found["wide"] <= width
