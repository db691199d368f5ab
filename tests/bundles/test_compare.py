"""Every method of ``monai-minority compare`` on a small store: one table, and nothing run twice."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from tests.bundles.test_pipeline import execute, workflow
from tests.small_cohort import BUNDLE, invoke
from tests.small_store import make_store

METHODS = [
    "ancestral",
    "minority_guidance",
    "mixed_density",
    "label_minorities",
    "low_density",
    "low_density_unlabelled",
    "class_balancing",
    "self_guidance",
    "boost_and_skip",
    "score_conditioned",
    "feature_guidance",
]


def compare(run_dir, *arguments):
    command = ["compare", "--bundle", BUNDLE, "--overlay", "smoke", "--overlay", run_dir / "mine.yaml"]
    return invoke(*command, "--run-dir", run_dir, *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder up to the classifier: sixty pictures, a fifth of them ill, with a bright middle."""
    run_dir = tmp_path_factory.mktemp("run")
    make_store(run_dir, ill_every=5)
    for stage in ("train", "score", "cut", "train_classifier"):
        execute(workflow(stage, run_dir))
    (run_dir / "mine.yaml").write_text(
        "num_class_labels: 2\nlabel_column: group\nsampling_steps: 5\nbalancing_iterations: 2\n"
        "conditioning_iterations: 2\n"
        "extractor: {_target_: tests.run_folder.Pooled}\n"
        "+methods:\n  stronger: {target_classes: [0, 2], guidance_scale: 4.0}\n"
    )
    return run_dir


@pytest.fixture(scope="module")
def compared(trained):
    return trained, compare(trained)


def samples(run_dir, name, folder="comparison/samples"):
    return ImageStore.open(run_dir / folder / name)


def test_one_command_makes_one_table(compared):
    run_dir, result = compared
    assert result.exit_code == 0, result.output
    table = pd.read_csv(run_dir / "comparison" / "methods.csv")
    names = [*METHODS[:-2], "select_after_sampling", *METHODS[-2:], "stronger"]
    assert table["method"].tolist()[: len(names)] == names
    table = table.set_index("method").loc[names]
    assert (table["n"] == 6).all() and (table["steps"] == 5).all()
    assert np.isfinite(table[["frechet_distance", "average_knn_mean", "minority_score_mean"]]).all(axis=None)
    assert (table["seconds_an_image"] > 0).all()
    found = table[["backbone_evaluations", "classifier_evaluations"]].astype(int).values.tolist()
    # self-guidance acts at the last of 5 steps and denoises once more there; boost and skip leaves one step out; ten
    # candidates an image are sampled for selection, and each is judged at three timesteps; classifier-free guidance
    # denoises with the condition and without, and guidance by features extracts them at every step
    assert found[:6] == [[5, 0], [5, 5], [5, 5], [5, 5], [5, 10], [5, 10]]
    assert found[6:] == [[5, 0], [6, 0], [4, 0], [50, 30], [10, 0], [5, 5], [5, 5]]
    assert (run_dir / "comparison" / "methods.png").is_file()
    assert f"Methods:     {run_dir / 'comparison' / 'methods.csv'}" in result.output


def test_every_method_did_what_it_says(compared):
    run_dir, _ = compared
    pixels = {name: np.load(samples(run_dir, name).path / "images.npy") for name in METHODS}
    for name in METHODS[1:]:
        assert not np.array_equal(pixels[name], pixels["ancestral"]), name
        assert samples(run_dir, name).table["seed"].tolist() == [0, 1, 2, 3, 4, 5]
    for name in ("minority_guidance", "score_conditioned"):
        assert samples(run_dir, name).table["target_class"].tolist() == [2] * 6
    assert samples(run_dir, "stronger").table["target_class"].tolist() == [0, 0, 0, 2, 2, 2]
    assert samples(run_dir, "label_minorities").table["class_label"].tolist() == [1] * 6
    assert samples(run_dir, "class_balancing").table["class_label"].tolist() == [0, 1] * 3
    assert samples(run_dir, "low_density").table["class_label"].tolist() == [0] * 5 + [1], "as frequent as in training"
    assert "class_label" not in samples(run_dir, "low_density_unlabelled").table
    kept, candidates = (samples(run_dir, name, "selection") for name in ("selected", "candidates"))
    assert len(candidates) == 60 and set(kept.table["seed"]) <= set(range(60))
    assert np.array_equal(kept.batch(slice(None)), candidates.batch(kept.table["seed"].to_numpy()))
    shared = [candidates.batch(range(6)).numpy(), samples(run_dir, "ancestral").batch(range(6)).numpy()]
    assert np.abs(shared[0] - shared[1]).max() < 0.02, "the first candidates are those of ancestral sampling"
    assert json.loads((run_dir / "labels.json").read_text()) == {"well": 0, "ill": 1}
    assert not (run_dir / "samples").exists(), "what evaluate and report show is left alone"
    assert ImageStore.open(run_dir / "discriminator" / "samples").table["seed"].min() == 1_000_000


def test_a_second_call_does_nothing_and_a_removed_set_comes_back_alone(compared, tmp_path):
    run_dir, _ = compared
    again = compare(run_dir)
    jobs = [line for line in again.stdout.splitlines() if line.startswith("[")]
    assert again.stdout.count("unchanged, not run again") == len(jobs) == 22, again.stdout
    shutil.copytree(run_dir, tmp_path / "run")
    expected = np.load(samples(run_dir, "low_density").path / "images.npy").astype(int)
    shutil.rmtree(samples(tmp_path / "run", "low_density").path)
    third = compare(tmp_path / "run")
    assert third.stdout.count("unchanged, not run again") == 20, "all but that set and the table"
    found = np.load(samples(tmp_path / "run", "low_density").path / "images.npy").astype(int)
    assert np.abs(found - expected).max() <= 1


def test_an_imported_set_and_chosen_methods_enter_the_same_table(compared, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(compared[0], run_dir)
    shutil.copytree(samples(run_dir, "ancestral").path, run_dir / "elsewhere")
    (run_dir / "more.yaml").write_text("+methods:\n  imported: {samples: elsewhere}\n")
    chosen = ["--overlay", run_dir / "more.yaml", "--method", "imported", "--method", "ancestral"]
    result = compare(run_dir, *chosen)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(run_dir / "comparison" / "methods.csv").iloc[:2]
    assert table["method"].tolist() == ["imported", "ancestral"]
    pd.testing.assert_series_equal(table.iloc[0, 1:], table.iloc[1, 1:], check_names=False)


def test_a_stronger_guidance_of_one_method_runs_that_method_alone(compared, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(compared[0], run_dir)
    (run_dir / "more.yaml").write_text("methods::self_guidance::guidance_scale: 0.9\n")
    result = compare(run_dir, "--overlay", run_dir / "more.yaml")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("unchanged, not run again") == 20
    assert samples(run_dir, "self_guidance").meta["scale"] == 0.9


def test_mistakes_are_told_in_a_line(compared, tmp_path):
    run_dir, _ = compared
    unknown = compare(run_dir, "--method", "ancestrall")
    assert unknown.exit_code == 1 and "--method must be one of ancestral, " in unknown.stderr
    lacking = compare(run_dir, "--method", "low_density", "num_class_labels=null")
    assert "method low_density needs num_class_labels, which is null" in lacking.stderr
    misspelt = compare(run_dir, "comparison_image=3")
    assert "did you mean comparison_images" in misspelt.stderr
