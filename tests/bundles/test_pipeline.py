"""The whole of ``brain_mri`` on a small cohort: what it leaves, what it repeats, and what a kill costs."""

import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow
from monai.utils import set_determinism
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_minority.data import ImageStore
from monai_minority.networks import read_state_dict
from monai_minority.reports import findings
from monai_minority.stages import Sample
from tests.small_cohort import BUNDLE, SUBJECTS, configs, invoke, run_pipeline, write_cohort

STAGES = [
    "prepare",
    "backbone",
    "score",
    "cut",
    "classifier",
    "samples/unguided",
    "samples/guided",
    "memorization",
    "evaluate",
    "report",
]
DROPOUT = {
    "_target_": "monai_minority.networks.SpaceToDepth",
    "network": {
        "_target_": "monai_minority.networks.ADMUNet",
        "image_size": 8,
        "in_channels": 4,
        "model_channels": 32,
        "out_channels": 8,
        "num_res_blocks": 1,
        "attention_resolutions": [2],
        "channel_mult": [1, 2],
        "num_head_channels": 32,
        "dropout": 0.3,
    },
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital")
    write_cohort(folder)
    return folder


@pytest.fixture(scope="module")
def first_run(cohort, tmp_path_factory):
    """Run folder and outcome of the whole pipeline."""
    run_dir = tmp_path_factory.mktemp("runs") / "first"
    return run_dir, run_pipeline(run_dir, "--dataset-dir", cohort)


@pytest.fixture
def run_dir(first_run, tmp_path):
    """A copy of that run folder, to change at will."""
    shutil.copytree(first_run[0], tmp_path / "run")
    return tmp_path / "run"


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def pixels(run_dir: Path, name: str) -> np.ndarray:
    """Stored grey levels of a sample set."""
    return np.load(run_dir / "samples" / name / "images.npy").astype(int)


def workflow(stage: str, run_dir: Path, *overlays: str, **overrides: object) -> ConfigWorkflow:
    """A stage as MONAI runs it, with fresh objects; the smoke overlay is merged after the others."""
    return ConfigWorkflow(
        configs("common", stage, *overlays, "smoke"),
        logging_file=False,
        bundle_root=str(BUNDLE),
        run_dir=str(run_dir),
        **overrides,
    )


def execute(flow: ConfigWorkflow, engine: str | None = None, kill_after: int | None = None) -> list[int]:
    """Run a stage; ``kill_after`` is the iteration of ``engine`` after which it is killed.

    Returns:
        The numbers of the batches that ``engine`` had.
    """
    steps: list[int] = []

    def watch(running: Engine) -> None:
        if len(steps) == kill_after:
            raise KeyboardInterrupt
        steps.append(running.state.batch["step"])

    try:
        flow.initialize()
        if engine is not None:
            flow.parser.get_parsed_content(engine).add_event_handler(Events.ITERATION_STARTED, watch)
        if kill_after is None:
            flow.run()
            flow.finalize()
        else:
            with pytest.raises(KeyboardInterrupt):
                flow.run()
    finally:
        set_determinism(None)
    return steps


class TestFirstRun:
    def test_it_is_whole_and_the_status_tells_of_the_bad_files(self, first_run):
        run_dir, result = first_run
        assert result.exit_code == 3, result.output
        assert (run_dir / "report.html").is_file()
        assert (run_dir / "evaluation" / "summary.csv").is_file()
        assert f"Report:      {run_dir / 'report.html'}" in result.output
        assert list(json.loads((run_dir / "run.json").read_text())["stages"]) == STAGES
        assert not list(run_dir.rglob("*.partial")), "what was half done is cleared away"

    def test_bad_files_are_named_with_their_reasons(self, first_run, cohort):
        rejected = pd.read_csv(first_run[0] / "cohort.csv").dropna(subset="rejected")
        reasons = {
            Path(file).name: reason for file, reason in zip(rejected["image"], rejected["rejected"], strict=True)
        }
        assert set(reasons) == {"sub-empty.nii.gz", "sub-truncated.nii", "sub-series.nii.gz", "sub-nan.nii.gz"}
        assert "4" in reasons["sub-series.nii.gz"]
        assert "finite" in reasons["sub-nan.nii.gz"] or "NaN" in reasons["sub-nan.nii.gz"]
        assert all(reasons.values())

    def test_every_slice_of_the_good_volumes_is_scored_and_classed(self, first_run):
        store = ImageStore.open(first_run[0] / "store")
        assert len(store) == 5 * SUBJECTS
        table = store.table
        assert np.isfinite(table["minority_score"]).all()
        assert (table["minority_score_error"] >= 0).all()
        train = table[table["split"] == "train"]
        assert train["minority_class"].value_counts().sub(len(train) / 3).abs().max() <= 1
        assert train.groupby("minority_class")["minority_score"].max().is_monotonic_increasing
        assert table.groupby("subject")["split"].nunique().max() == 1

    def test_samples_are_what_was_asked_for(self, first_run):
        guided = ImageStore.open(first_run[0] / "samples" / "guided").table
        assert guided["target_class"].tolist() == [0, 0, 1, 1, 2, 2]
        assert guided["seed"].tolist() == [0, 1] * 3
        assert (guided["guidance_scale"] == 2.0).all()
        assert (guided["synthetic"] == 1).all()
        unguided = ImageStore.open(first_run[0] / "samples" / "unguided").table
        assert (unguided["target_class"] == -1).all()
        assert (unguided["guidance_scale"] == 0).all()

    def test_the_report_names_the_most_unusual_by_pseudonym(self, first_run):
        store = ImageStore.open(first_run[0] / "store").table
        unusual = pd.read_csv(first_run[0] / "evaluation" / "unusual_images.csv")
        assert unusual["subject"].tolist() == store["subject"].to_numpy()[unusual["row"]].tolist()
        assert unusual["row"].iloc[0] == store["minority_score"].idxmax()
        assert (unusual["neighbour_1_subject"] != unusual["subject"]).all()
        subjects = pd.read_csv(first_run[0] / "evaluation" / "unusual_subjects.csv")
        assert subjects["images"].tolist() == [5] * SUBJECTS
        report = (first_run[0] / "report.html").read_text()
        assert all(f">{subject}</td>" in report for subject in subjects["subject"])

    def test_tensorboard_shows_every_class_above_its_look_alikes(self, first_run):
        folder = first_run[0] / "tensorboard" / "evaluation"
        for name, rows in (("guided_scale_2", 3), ("unguided", 1)):
            (image,) = (
                EventAccumulator(str(folder / name)).Reload().Images("synthetic/common_above_rare_nearest_real_in_blue")
            )
            assert image.height == 2 * rows * (16 + 4 + 2) + 2

    def test_nothing_that_identifies_leaves_the_cohort_tables(self, first_run, cohort):
        names = [str(cohort), "sub-P", "sub-truncated"]
        private = {"cohort.csv"}
        for path in first_run[0].rglob("*"):
            if path.is_file() and path.name not in private:
                content = path.read_bytes()
                assert [name for name in names if name.encode() in content] == [], path

    def test_a_second_run_does_nothing(self, first_run, cohort):
        run_dir, _ = first_run
        before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file()}
        result = run_pipeline(run_dir, "--dataset-dir", cohort)
        assert result.exit_code == 3, result.output
        assert [
            line.split(":")[0] for line in result.stdout.splitlines() if "unchanged, not run again" in line
        ] == STAGES
        assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file()} == before


class TestExport:
    def test_every_sample_set_in_every_format(self, run_dir):
        result = run_pipeline(run_dir, "pipeline=[export]")
        assert result.exit_code == 3, result.output
        for name, classes in (("guided", ["class_0", "class_1", "class_2"]), ("unguided", ["unguided"])):
            folder = run_dir / "exports" / name
            files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
            singles = [f"{c}/00000{i}" for c in classes for i in (1, 2)]
            endings = {"dicom": "dcm", "png": "png", "nifti": "nii.gz"}
            expected = [f"{kind}/{single}.{ending}" for kind, ending in endings.items() for single in singles]
            assert files == sorted([*expected, "datalist.json", "images.csv"])
        image = pydicom.dcmread(run_dir / "exports" / "guided" / "dicom" / "class_2" / "000001.dcm")
        assert np.array_equal(image.pixel_array, pixels(run_dir, "guided")[4, 0])
        made = ImageStore.open(run_dir / "samples" / "guided").meta
        described = image.ContributingEquipmentSequence[0].ContributionDescription
        assert f"backbone={made['backbone']}; classifier={made['classifier']}" in described
        assert run_pipeline(run_dir, "pipeline=[export]").stdout.count("unchanged, not run again") == 2

    def test_a_format_that_is_none(self, run_dir):
        result = run_pipeline(run_dir, "pipeline=[export]", "formats=[jpeg]")
        assert result.exit_code == 1
        assert "formats must be some of png, nifti, dicom, got ['jpeg']" in result.output


class TestRepetition:
    def test_images_do_not_depend_on_the_batch_they_ride_in(self, run_dir):
        result = run_pipeline(
            run_dir, "--stage", "inference", "sampling_batch_size=5", "sample_sets={other: {}}", "sampling_mode=mean"
        )
        assert result.exit_code == 3, result.output
        assert np.abs(pixels(run_dir, "other") - pixels(run_dir, "guided")).max() <= 1

    def test_a_sample_set_has_a_solver_of_its_own(self, run_dir):
        solver = "monai_minority.diffusion.RespacedDPMSolverScheduler"
        fast = f"sample_sets={{fast: {{solver: {solver}, sampling_steps: 3, target_classes: [1]}}}}"
        result = run_pipeline(run_dir, "--stage", "inference", fast, "sampling_batch_size=5")
        assert result.exit_code == 3, result.output
        meta = ImageStore.open(run_dir / "samples" / "fast").meta
        assert (meta["solver"], meta["mode"], meta["steps"]) == (solver, "score", 3)
        assert (meta["backbone_evaluations"], meta["classifier_evaluations"]) == (3, 3)
        before = pixels(run_dir, "fast")
        run_pipeline(run_dir, "--stage", "inference", fast, "sampling_batch_size=3")
        assert np.abs(pixels(run_dir, "fast") - before).max() <= 1

    def test_a_stronger_guidance_samples_the_guided_set_alone_again(self, run_dir):
        before = {name: pixels(run_dir, name) for name in ("guided", "unguided")}
        result = run_pipeline(run_dir, "--stage", "inference", "guidance_scale=1.0e+8")
        assert result.stdout.count("unchanged, not run again") == 1
        assert "samples/unguided: unchanged" in result.stdout
        assert np.abs(pixels(run_dir, "guided") - before["guided"]).max() > 1
        assert np.array_equal(pixels(run_dir, "unguided"), before["unguided"])

    def test_postprocessing_changes_the_samples_and_is_told(self, run_dir):
        before = pixels(run_dir, "guided")
        black = {"_target_": "monai.transforms.ThresholdIntensityd", "keys": "pred", "threshold": -0.5, "cval": -1.0}
        execute(workflow("inference", run_dir, postprocessing=black))
        after = pixels(run_dir, "guided")
        clear = np.abs(before - 63.75) > 2  # of the threshold in grey levels
        assert np.abs(after - np.where(before > 63.75, before, 0))[clear].max() <= 1
        assert (after == 0).mean() > (before == 0).mean()
        assert ImageStore.open(run_dir / "samples" / "guided").meta["postprocessing"]

    def test_scores_come_back_after_the_same_pixels_are_extracted_again(self, run_dir, cohort, tmp_path):
        before = ImageStore.open(run_dir / "store")
        moved = tmp_path / "moved"
        shutil.copytree(cohort, moved, copy_function=shutil.copyfile)  # other times: extraction runs again
        stages = ["prepare", "train", "score", "cut", "train_classifier"]
        arguments = [part for stage in stages for part in ("--stage", stage)]
        result = run_pipeline(run_dir, "--dataset-dir", moved, *arguments)
        assert result.exit_code == 3, result.output
        skipped = [line.split(":")[0] for line in result.stdout.splitlines() if "unchanged, not run again" in line]
        assert skipped == ["backbone", "classifier"]
        after = ImageStore.open(run_dir / "store")
        assert after.content_hash == before.content_hash
        assert after.table["minority_score"].tolist() == before.table["minority_score"].tolist()
        assert after.table["minority_class"].tolist() == before.table["minority_class"].tolist()


class TestKill:
    def test_training_goes_on_to_the_same_bits(self, run_dir, tmp_path):
        """Four epochs at once against a kill in the third, with dropout and averaged weights."""
        settings = {"network_def": DROPOUT, "iterations": 8}
        folders = [tmp_path / "whole", tmp_path / "killed"]
        for folder in folders:
            shutil.copytree(run_dir / "store", folder / "store")
        execute(workflow("train", folders[0], **settings))
        execute(workflow("train", folders[1], **settings), "train::trainer", kill_after=5)
        assert not (folders[1] / "backbone" / "model.pt").exists()
        assert execute(workflow("train", folders[1], **settings), "train::trainer") == [4, 5, 6, 7]
        whole, resumed = (torch.load(folder / "backbone" / "model.pt", weights_only=True) for folder in folders)
        assert whole.keys() == resumed.keys()
        assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
        checkpoints = [torch.load(folder / "backbone" / "checkpoint.pt", weights_only=True) for folder in folders]
        assert [checkpoint["step"] for checkpoint in checkpoints] == [8, 8]
        plain = checkpoints[0]["objects"]["network"]
        assert any(not torch.equal(plain[name], whole[name]) for name in whole), "the averaged weights are others"

    def test_a_kill_before_the_last_validation_leaves_no_older_one(self, run_dir):
        path = run_dir / "classifier" / "validation.csv"
        expected = path.read_bytes()
        for left in (expected.replace(b"0", b"1"), None):  # of an earlier epoch; of none
            path.unlink() if left is None else path.write_bytes(left)
            execute(workflow("train_classifier", run_dir))
            assert path.read_bytes() == expected

    def test_a_checkpoint_of_other_settings_is_kept_and_comes_back_with_them(self, run_dir):
        weights = (run_dir / "backbone" / "model.pt").read_bytes()
        result = run_pipeline(run_dir, "--stage", "train", "learning_rate=0.5")
        assert result.exit_code == 3, result.output
        assert "backbone: trained from the start, since" in result.output
        assert "the checkpoint of before is kept as" in result.output
        result = run_pipeline(run_dir, "--stage", "train")
        assert "backbone: goes on from checkpoint-" in result.output
        assert (run_dir / "backbone" / "model.pt").read_bytes() == weights

    def test_an_epoch_that_does_not_divide_the_iterations(self, run_dir, tmp_path):
        shutil.copytree(run_dir / "store", tmp_path / "odd" / "store")
        execute(workflow("train", tmp_path / "odd", iterations=3))
        checkpoint = torch.load(tmp_path / "odd" / "backbone" / "checkpoint.pt", weights_only=True)
        assert checkpoint["step"] == 4, "rounded up to whole epochs"

    def test_scoring_goes_on_with_the_batches_that_remain(self, run_dir):
        expected = pd.read_csv(run_dir / "scores.csv")
        (run_dir / "scores.csv").unlink()
        execute(workflow("score", run_dir, score_batch_size=16), "evaluator", kill_after=2)
        assert len(list((run_dir / "scores.partial").rglob("*.npy"))) == 2
        steps = execute(workflow("score", run_dir, score_batch_size=16), "evaluator")
        assert steps == [2, 3]
        found = pd.read_csv(run_dir / "scores.csv")
        np.testing.assert_allclose(found["minority_score"], expected["minority_score"], rtol=1e-5)
        assert not (run_dir / "scores.partial").exists()

    def test_sampling_goes_on_with_the_batches_that_remain(self, run_dir):
        expected = pixels(run_dir, "guided")
        shutil.rmtree(run_dir / "samples" / "guided")
        execute(workflow("inference", run_dir, sampling_batch_size=2), "evaluator", kill_after=1)
        assert len(list((run_dir / "samples").rglob("*.npy"))) - 1 == 1, "one batch, beside the unguided store"
        steps = execute(workflow("inference", run_dir, sampling_batch_size=2), "evaluator")
        assert steps == [1, 2]
        assert np.abs(pixels(run_dir, "guided") - expected).max() <= 1


class TestBlows:
    """Nothing damaged is used, and the remedy that is told works; beside the short form of ``scripts/blows``."""

    @pytest.mark.parametrize(
        "name, stage, blow",
        [
            ("backbone/model.pt", "train", "flip"),
            ("classifier/model.pt", "train_classifier", "cut"),
            ("store/images.npy", "prepare", "flip"),
            ("store/table.csv", "prepare", "cut"),
            ("samples/guided/images.npy", "inference", "cut"),
            ("samples/guided/table.csv", "inference", "flip"),
            ("classes.json", "cut", "cut"),
            ("scores.csv", "score", "flip"),
            ("evaluation/summary.csv", "evaluate", "cut"),
            ("report.html", "report", "flip"),
        ],
    )
    def test_a_damaged_file_is_named_and_made_anew(self, run_dir, cohort, name, stage, blow):
        path = run_dir / name
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content if blow == "flip" else content[: len(content) // 2])
        result = run_pipeline(run_dir, "--dataset-dir", cohort)
        assert result.exit_code == 1, result.output
        assert str(path) in result.output
        assert f"--stage {stage} makes it anew" in result.output
        assert "Traceback" not in result.output
        if stage not in ("prepare", "evaluate"):  # what depends on their results takes long
            assert run_pipeline(run_dir, "--dataset-dir", cohort, "--stage", stage).exit_code == 3
            assert run_pipeline(run_dir, "--dataset-dir", cohort).exit_code == 3

    @pytest.mark.parametrize("kind", ["zeros", "noise"])
    def test_a_backbone_that_learned_nothing_is_said_first(self, run_dir, kind):
        make = torch.zeros_like if kind == "zeros" else lambda value: 0.3 * torch.randn(value.shape)
        torch.manual_seed(0)
        weights = {name: make(value) for name, value in read_state_dict(run_dir / "backbone" / "model.pt").items()}
        torch.save(weights, broken := run_dir.parent / "broken.pt")
        for name in ("unguided", "guided"):
            execute(workflow("inference", run_dir, backbone_path=str(broken), sample_set=name))
        for stage in ("evaluate", "report"):
            execute(workflow(stage, run_dir, backbone_path=str(broken)))
        line = findings(run_dir)[0]
        assert line.startswith("Trained too short, or broken: nothing below means anything. The loss of the backbone")
        loss = json.loads((run_dir / "evaluation" / "context.json").read_text())["denoising_loss"]
        assert loss["loss"] == pytest.approx(1, abs=0.05) if kind == "zeros" else loss["loss"] > 1
        assert f"is {loss['loss']:.2f} [" in line and "lie in the neighbourhood of a training image" in line
        text = html.unescape((run_dir / "report.html").read_text(encoding="utf-8"))
        assert text.index(line) < text.index("<img"), "above all else"

    def test_a_backbone_of_nan_is_stopped_at_its_first_batch(self, run_dir):
        weights = read_state_dict(run_dir / "backbone" / "model.pt")
        torch.save({name: torch.full_like(value, torch.nan) for name, value in weights.items()}, run_dir / "nan.pt")
        flow = workflow("inference", run_dir, backbone_path=str(run_dir / "nan.pt"), sampling_batch_size=2)
        with pytest.raises(RuntimeError) as raised:
            execute(flow, "evaluator")
        assert "guided must be finite, got NaN or infinity in 2 of a batch of 2" in str(raised.value.__cause__)
        assert not list((run_dir / "samples" / ".guided.partial").rglob("*.npy"))

    def test_results_of_other_settings_that_were_killed_are_not_taken_for_these(self, run_dir, cohort):
        expected = pixels(run_dir, "guided")
        other = workflow("inference", run_dir, guidance_scale=1.0e8)
        other.initialize()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Sample, "_record", interrupted)
            other.run()
        set_determinism(None)
        assert np.abs(pixels(run_dir, "guided") - expected).max() > 0
        result = run_pipeline(run_dir, "--dataset-dir", cohort, "--stage", "evaluate")
        assert result.exit_code == 1
        assert "is of stage samples/guided, which began on" in result.output
        assert "did not end; run it again first (--stage inference)" in result.output
        result = run_pipeline(run_dir, "--dataset-dir", cohort)
        assert result.exit_code == 3, result.output
        assert np.array_equal(pixels(run_dir, "guided"), expected)

    def test_a_corrected_split_is_accepted_and_used(self, run_dir, cohort):
        path = run_dir / "store" / "table.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.sort_values("split").to_csv(path, index=False)
        result = invoke("accept", path)
        assert result.exit_code == 1
        assert "must keep its rows and their order" in result.output
        moved = table["subject"] == table["subject"][table["split"] == "test"].iloc[0]
        table.loc[moved, "split"] = "train"
        table.to_csv(path, index=False)
        assert f"{path} is accepted with other values in split" in invoke("accept", path).output
        result = run_pipeline(run_dir, "--dataset-dir", cohort, "--stage", "cut")
        assert result.exit_code == 3, result.output
        assert "cut: unchanged" not in result.output


def test_two_processes_give_the_samples_of_one(run_dir, tmp_path):
    shared = tmp_path / "shared"
    shutil.copytree(run_dir / "store", shared / "store")
    stages = [
        part for stage in ("train", "score", "cut", "train_classifier", "inference") for part in ("--stage", stage)
    ]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [
        "-m",
        "monai_minority.cli",
        "run",
        "--bundle",
        BUNDLE,
        "--overlay",
        "smoke",
        "--run-dir",
        shared,
        *stages,
    ]
    # the smoke overlay computes on the processor, and two processes could not share a GPU in NCCL
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    scores = [pd.read_csv(folder / "scores.csv")["minority_score"] for folder in (run_dir, shared)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3)
    for name in ("unguided", "guided"):
        assert np.abs(pixels(shared, name) - pixels(run_dir, name)).max() <= 1
