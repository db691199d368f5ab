"""Which stages a comparison runs: each once, in order, and none that lacks what it needs."""

import pytest

from monai_minority.method_jobs import FOLDER, all_jobs, check_samples, method_jobs

METHODS = {
    "plain": {"target_classes": []},
    "steered": {"target_classes": [3, 4], "guidance_scale": 4.0},
    "labelled": {"overlays": ["labels"], "stages": ["label", "train+mine"], "needs": ["num_class_labels"]},
    "both": {"overlays": ["a", "b"], "stages": ["train+mine", "other"]},
    "imported": {"samples": "/elsewhere/store"},
}
SETTINGS = {"num_class_labels": None}


def test_stages_come_before_their_method_and_once():
    jobs, left_out = method_jobs(METHODS, (), {"num_class_labels": 3}.get, 10)
    assert left_out == {}
    names = ["plain", "steered", "label", "train+mine", "labelled", "other", "both", "compare"]
    assert [job.title for job in jobs] == names
    assert [job.stage for job in jobs if job.settings.get("sample_set")] == ["inference"] * 4
    assert jobs[-1].settings == {"chosen_methods": list(METHODS)}
    assert jobs[4].overlays == ("labels",) and jobs[6].overlays == ("a", "b")


def test_equal_numbers_of_images():
    jobs, _ = method_jobs(METHODS, ["plain", "steered"], SETTINGS.get, 10)
    where = {"sample_folder": FOLDER}
    assert jobs[0].settings == {"target_classes": [], "images_per_class": 10, "sample_set": "plain", **where}
    assert jobs[1].settings["images_per_class"] == 5 and jobs[1].settings["guidance_scale"] == 4.0


def test_a_method_that_lacks_a_setting_is_left_out_unless_asked_for():
    jobs, left_out = method_jobs(METHODS, (), SETTINGS.get, 10)
    assert left_out == {"labelled": "num_class_labels"}
    assert "label" not in [job.stage for job in jobs]
    assert "label" in [job.stage for job in all_jobs(METHODS)]
    with pytest.raises(ValueError, match="method labelled needs num_class_labels, which is null"):
        method_jobs(METHODS, ["labelled"], SETTINGS.get, 10)


def test_refusals():
    with pytest.raises(
        ValueError, match="--method must be one of plain, steered, labelled, both, imported, got steerd"
    ):
        method_jobs(METHODS, ["steerd"], SETTINGS.get, 10)
    with pytest.raises(ValueError, match="at least one method that can run"):
        method_jobs({"labelled": METHODS["labelled"]}, (), SETTINGS.get, 10)


def test_sets_made_elsewhere_must_be_there_unless_a_stage_of_the_method_may_make_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="methods::imported::samples .* /elsewhere/store is none; correct the"):
        check_samples(METHODS, ["plain", "imported"], tmp_path)
    check_samples(METHODS, ["plain"], tmp_path)
    check_samples({"made": {"samples": "set", "stages": ["import_samples"]}}, ["made"], tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "store.json").touch()
    check_samples({"made": {"samples": "set"}}, ["made"], tmp_path)
