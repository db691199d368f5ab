"""From a command to jobs: each stage once, one order of precedence, and nothing that would be silent."""

import os
from itertools import pairwise

import pytest

from monai_minority.run.bundle import Bundle, load, merged
from monai_minority.run.jobs import COMPARED, Planner, check_samples, method_jobs, pipeline_jobs

COMMON = """
bundle_root: "."
run_dir: "$@bundle_root + '/out'"
pipeline: [first, inference]
sample_sets:
  unguided: {target_classes: []}
  guided: {images_per_class: 3}
methods:
  plain: {target_classes: []}
  steered: {target_classes: [3, 4], guidance_scale: 4.0}
  labelled: {overlays: [labels], stages: [label, first+mine], needs: [num_class_labels]}
  both: {overlays: [labels, mine], stages: [first+mine, other]}
  imported: {samples: /elsewhere/store}
chosen_methods: null
num_class_labels: null
value: 1
idle: 2
"""
INFERENCE = """
target_classes: [0, 1]
images_per_class: 1
guidance_scale: 1.0
sample_set: a
sample_folder: samples
run: ["$print(@value, @target_classes, @images_per_class, @guidance_scale, @sample_set, @sample_folder)"]
"""


@pytest.fixture
def bundle(tmp_path):
    configs = tmp_path / "bundle" / "configs"
    (configs / "overlays" / "methods").mkdir(parents=True)
    files = {
        "common": COMMON,
        "first": 'only: {here: 1}\nrun: ["$print(@value, @only)"]\n',
        "inference": INFERENCE,
        "label": 'run: ["$print(@num_class_labels)"]\n',
        "other": 'run: ["$print(@value)"]\n',
        "compare": 'comparison_images: 10\nrun: ["$print(@chosen_methods)"]\n',
        "overlays/methods/labels": "value: 5\n",
        "overlays/methods/mine": "value: 6\n",
    }
    for name, text in files.items():
        (configs / f"{name}.yaml").write_text(text)
    return Bundle(tmp_path / "bundle")


def planner(bundle, *overlays, stages=(), **command_line):
    return Planner(bundle, [str(overlay) for overlay in overlays], command_line, stages)


def comparing(bundle, **command_line):
    return planner(bundle, stages=["compare"], **command_line)


def settings(planner, job):
    """What the stage of a job gets, as MONAI merges it."""
    parser = merged(planner.files(job))
    for key, value in {**job.settings, **planner.command_line, **job.identity}.items():
        if key in parser:
            parser[key] = value
    return parser


def test_a_stage_of_sample_sets_runs_once_for_each(bundle):
    jobs = pipeline_jobs(planner(bundle))
    assert [job.title for job in jobs] == ["first", "inference (unguided)", "inference (guided)"]
    assert [job.stage for job in pipeline_jobs(planner(bundle), ["first"])] == ["first"]


def test_the_training_of_a_fold_runs_once_for_each(bundle):
    (bundle.configs / "train.yaml").write_text('run: ["$print(@value, @cross_fit)"]\n')
    (bundle.configs / "overlays" / "methods" / "one_fold.yaml").write_text("fold: 0\nvalue: 8\n")
    (bundle.configs / "common.yaml").write_text(COMMON + "cross_fit: 5\n")
    plan = planner(bundle, pipeline=["first", "train+one_fold"], cross_fit=3)
    first, *folds = pipeline_jobs(plan)
    assert [job.title for job in folds] == [f"train+one_fold (fold {fold})" for fold in range(3)]
    assert [settings(plan, job)["fold"] for job in folds] == [0, 1, 2]
    assert settings(plan, folds[2])["value"] == 8
    assert pipeline_jobs(plan, ["train"]) == folds, "as a message calls it that knows no overlay"
    both = planner(bundle, pipeline=["train", "train+one_fold"], cross_fit=3)
    assert [job.title for job in pipeline_jobs(both, ["train"])] == ["train"]


def test_bundle_then_overlays_then_the_set_then_the_command_line(bundle, tmp_path):
    (tmp_path / "over.yaml").write_text("images_per_class: 2\nvalue: 7\nguidance_scale: 2.0\n")
    plan = planner(bundle, tmp_path / "over.yaml", guidance_scale=3.0)
    first, unguided, guided = pipeline_jobs(plan)
    assert settings(plan, first)["value"] == 7
    assert [settings(plan, job)["images_per_class"] for job in (unguided, guided)] == [2, 3]
    assert [settings(plan, job)["guidance_scale"] for job in (unguided, guided)] == [3.0, 3.0]
    plan = planner(bundle, tmp_path / "over.yaml", images_per_class=4)
    assert [settings(plan, job)["images_per_class"] for job in pipeline_jobs(plan)[1:]] == [4, 4]
    assert [settings(plan, job)["sample_set"] for job in pipeline_jobs(plan)[1:]] == ["unguided", "guided"]


def test_methods_have_the_same_order(bundle):
    plan = comparing(bundle, guidance_scale=9.0)
    jobs, _ = method_jobs(plan, ["steered"])
    assert settings(plan, jobs[0])["guidance_scale"] == 9.0
    assert settings(plan, jobs[0])["sample_folder"] == COMPARED
    plan = comparing(bundle)
    jobs, _ = method_jobs(plan, ["both"])
    assert settings(plan, jobs[-2])["value"] == 6, "later overlays lie over earlier ones"


def test_one_target_for_sets_that_differ_in_it_is_refused(bundle):
    with pytest.raises(ValueError, match=r"target_classes would give one target to .* sample_sets::guided::target_cl"):
        pipeline_jobs(planner(bundle, target_classes=[3]))
    with pytest.raises(ValueError, match=r"methods::imported|methods::both::target_classes"):
        method_jobs(comparing(bundle, target_classes=[3]))
    plan = planner(bundle, **{"sample_sets::guided::target_classes": [3]})
    jobs = pipeline_jobs(plan)
    assert [settings(plan, job)["target_classes"] for job in jobs[1:]] == [[], [3]]


def test_what_no_stage_uses_is_refused(bundle):
    with pytest.raises(ValueError, match="override idle would change nothing: no stage of this command uses idle"):
        pipeline_jobs(planner(bundle, idle=3))
    with pytest.raises(ValueError, match="override num_class_labels would change nothing"):
        pipeline_jobs(planner(bundle, num_class_labels=3))
    assert pipeline_jobs(planner(bundle, pipeline=["label"], num_class_labels=3))


def test_what_each_stage_is_given_anyway_is_refused(bundle):
    with pytest.raises(
        ValueError, match="override sample_set=../x would change nothing: each stage here has its own sa"
    ):
        pipeline_jobs(planner(bundle, sample_set="../x"))
    with pytest.raises(
        ValueError, match="override sample_folder=x would change nothing: each stage here has its own sa"
    ):
        method_jobs(comparing(bundle, sample_folder="x"))


def test_a_key_of_an_overlay_must_have_a_place(bundle, tmp_path):
    (tmp_path / "wrong.yaml").write_text("valeu: 3\n")
    with pytest.raises(ValueError, match="wrong.yaml sets valeu, which no .* has a place for; did you mean value"):
        planner(bundle, tmp_path / "wrong.yaml")
    (tmp_path / "own.yaml").write_text('mine: 3\nvalue: "@mine"\n')
    plan = planner(bundle, tmp_path / "own.yaml")
    assert settings(plan, pipeline_jobs(plan)[0]).get_parsed_content("value") == 3
    (tmp_path / "deep.yaml").write_text("sample_sets::guided::images_per_class: 4\n")
    assert planner(bundle, tmp_path / "deep.yaml")
    (tmp_path / "inside.yaml").write_text("only::here: 3\n")
    with pytest.raises(ValueError, match="not every stage has only, so MONAI cannot merge it; set only as a whole"):
        planner(bundle, tmp_path / "inside.yaml")
    (tmp_path / "other_stage.yaml").write_text("comparison_images: 3\n")
    assert planner(bundle, tmp_path / "other_stage.yaml"), "an overlay may set what another command reads"


def test_stages_come_before_their_method_and_once(bundle):
    jobs, left_out = method_jobs(comparing(bundle, num_class_labels=3))
    assert left_out == {}
    names = ["plain", "steered", "label", "first+mine", "labelled", "other", "both", "compare"]
    assert [job.title for job in jobs] == names
    assert [job.stage for job in jobs if job.identity.get("sample_set")] == ["inference"] * 4
    assert jobs[-1].identity == {"chosen_methods": ["plain", "steered", "labelled", "both", "imported"]}
    assert jobs[4].overlays == ("labels",) and jobs[6].overlays == ("labels", "mine")


def test_equal_numbers_of_images(bundle):
    jobs, _ = method_jobs(comparing(bundle), ["plain", "steered"])
    assert [job.settings["images_per_class"] for job in jobs[:2]] == [10, 5]
    assert jobs[0].identity == {"sample_folder": COMPARED, "sample_set": "plain"}
    assert jobs[1].settings["guidance_scale"] == 4.0


def test_a_method_that_lacks_a_setting_is_left_out_unless_asked_for(bundle):
    jobs, left_out = method_jobs(comparing(bundle))
    assert left_out == {"labelled": "num_class_labels"}
    assert "label" not in [job.stage for job in jobs]
    with pytest.raises(ValueError, match="method labelled needs num_class_labels, which is null"):
        method_jobs(comparing(bundle), ["labelled"])


def test_refusals(bundle):
    with pytest.raises(ValueError, match="--method must be one of plain, steered, .*, got steerd"):
        method_jobs(comparing(bundle), ["steerd"])
    with pytest.raises(ValueError, match="at least one method that can run"):
        method_jobs(comparing(bundle, methods={"labelled": {"needs": ["num_class_labels"]}}))


def test_sets_made_elsewhere_must_be_there_unless_a_stage_of_the_method_may_make_them(tmp_path):
    methods = {"plain": {"target_classes": []}, "imported": {"samples": "/elsewhere/store"}}
    with pytest.raises(FileNotFoundError, match="methods::imported::samples .* /elsewhere/store is none; correct the"):
        check_samples(methods, ["plain", "imported"], tmp_path)
    check_samples(methods, ["plain"], tmp_path)
    check_samples({"made": {"samples": "set", "stages": ["import_samples"]}}, ["made"], tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "store.json").touch()
    check_samples({"made": {"samples": "set"}}, ["made"], tmp_path)


LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghijklmnopqrstuvw"))


@pytest.mark.parametrize(
    "content, told",
    [
        ("a: 1\n" * 2, "cannot be read as settings in YAML or JSON, in UTF-8: Duplicate key: `a`"),
        ("a: " + "[" * 5000, "cannot be read as settings"),
        ("a:\n\tb: 1\n", "cannot be read as settings .* found character .* that cannot start any token .* line 2"),
        ("a: 1\0", "cannot be read as settings"),
        ("a: 1\n".encode("utf-16"), "cannot be read as settings .* in UTF-8"),
        ("a: !!python/object/apply:os.getcwd []\n", "cannot be read as settings .* could not determine a constructor"),
        ("- 1\n", "must hold settings by name, got list"),
        ("", "must hold settings by name, got NoneType"),
        ("1: 2\n", "must hold settings by name, got the names 1"),
        ("a: [2001-02-03]\n", "must have quotation marks around the date 2001-02-03"),
        ("a: &a [*a]\n", "must hold at most 100,000 values, each counted as often as an alias repeats it"),
        (LAUGHS, "must hold at most 100,000 values"),
        ("a: 1\n" + "#" * 1_000_000, "must be a file of settings, of at most 1,000,000 bytes, got 1,000,005"),
    ],
)
def test_a_file_that_holds_no_settings_is_named(tmp_path, content, told):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=rf"mine.yaml {told}"):
        load(path)


def test_a_pipe_is_no_file_of_settings(tmp_path):
    os.mkfifo(tmp_path / "mine.yaml")
    with pytest.raises(ValueError, match=r"mine.yaml must be a file of settings: not a regular file but a named pipe"):
        load(tmp_path / "mine.yaml")
