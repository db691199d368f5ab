"""Every study through its stages on a small cohort: shared work is done once, and done work is not done again."""

import json
import shutil

import pandas as pd
import pytest

from tests.small_cohort import BUNDLE, SUBJECTS, invoke, run_pipeline, write_cohort

NEED_NO_COMPARISON = [
    "outlier_correlations",
    "distances",
    "timestep",
    "severity",
    "distribution",
    "scale_and_class",
    "mixed_density",
    "class_guidance",
    "labelled_samples",
    "num_classes",
    "solvers",
]


def study(run_dir, *arguments):
    return invoke("study", *arguments, "--bundle", BUNDLE, "--overlay", "smoke", "--run-dir", run_dir, "resamples=20")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    cohort = folder / "cohort"
    cohort.mkdir()
    write_cohort(cohort)
    groups = ["ill" if i % 3 == 0 else "healthy" for i in range(SUBJECTS)]
    names = [f"sub-P{i:02d}" for i in range(SUBJECTS)]
    images = [str(cohort / f"{name}.nii.gz") for name in names]
    pd.DataFrame({"image": images, "subject": names, "group": groups}).to_csv(cohort / "list.csv", index=False)
    result = run_pipeline(
        folder / "run", "pipeline=[prepare,train,score,cut,train_classifier]", "--dataset-dir", cohort / "list.csv"
    )
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_all_studies_run_and_leave_a_table_a_figure_and_a_paragraph(run_dir):
    result = study(run_dir, "all")
    assert result.exit_code == 0, result.output[-3000:]
    assert "baselines was left out" in result.output
    for name in NEED_NO_COMPARISON:
        told = json.loads((run_dir / "studies" / f"{name}.json").read_text())
        assert told["paragraph"], name
        assert "nan" not in told["paragraph"].replace("dominan", ""), name
        for ending in ("csv", "pdf", "png"):
            assert (run_dir / "studies" / f"{name}.{ending}").stat().st_size > 200
    sets = list((run_dir / "studies" / "shared" / "samples").glob("*/store.json"))
    titles = [line for line in result.output.splitlines() if "inference: shared" in line]
    assert len(titles) == len(sets), "each shared set is sampled once"
    run_record = json.loads((run_dir / "run.json").read_text())["stages"]
    assert {f"studies/{name}" for name in NEED_NO_COMPARISON} <= set(run_record)
    assert "studies" not in run_record["prepare"]


def test_done_again_nothing_is_done(run_dir):
    result = study(run_dir, "severity", "num_classes")
    assert result.exit_code == 0, result.output[-3000:]
    stages = [line for line in result.output.splitlines() if "unchanged, not run again" in line]
    jobs = [line for line in result.output.splitlines() if line.startswith("[")]
    assert len(stages) == len(jobs) > 8


def test_a_set_that_is_lost_is_made_again_alone(run_dir):
    lost = run_dir / "studies" / "shared" / "samples" / "class2_scale2"
    before = (lost / "images.npy").read_bytes()
    shutil.rmtree(lost)
    result = study(run_dir, "severity")
    assert result.exit_code == 0, result.output[-3000:]
    assert (lost / "images.npy").read_bytes() == before
    assert result.output.count("unchanged, not run again") == 3, "the other sets; the study itself looks again"


def test_the_plan_runs_nothing_and_counts(run_dir):
    before = sorted(run_dir.rglob("*"))
    result = study(run_dir, "severity", "distribution", "--plan")
    assert sorted(run_dir.rglob("*")) == before
    # Unguided: 3 images x 2 steps; each guided class as much and three times that for its gradient.
    assert "severity: 78 network evaluations, 78 beyond the studies above" in result.output
    assert "distribution: 78 network evaluations, 0 beyond the studies above" in result.output


def test_a_mistake_is_told(run_dir):
    result = study(run_dir, "severty")
    assert result.exit_code == 1
    assert "a study must be one of outlier_correlations, " in result.output
    assert "got severty" in result.output
    early = study(run_dir, "baselines")
    assert early.exit_code == 1
    assert "comparison/methods.csv is missing; run `monai-minority compare` first" in early.output
    assert "[1/1]" not in early.output, "told before a stage runs"
