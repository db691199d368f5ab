"""The command: a mistake is told in a line, and the exit status says how it went."""

import logging
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from monai.bundle import ConfigParser
from monai.utils import set_determinism
from typer.testing import CliRunner

from monai_minority import __version__, cli
from monai_minority.run import Bundle, RunInUse, find_settings, jobs

COMMON = """
bundle_root: "."
run_dir: "$@bundle_root + '/out'"
pipeline: [first, inference]
sample_sets:
  plain: {classes: []}
  steered: {classes: [1, 2]}
value: 1
nothing: 5
classes: null
"""
STAGE = """
run:
- "$print('NAME:', repr(@value), repr(@nothing), repr(@classes))"
"""


@pytest.fixture(autouse=True)
def _restored():
    """A stage sets logging up and seeds everything; later tests want neither."""
    root, ignite = logging.getLogger(), logging.getLogger("ignite")
    kept = root.level, root.handlers[:], ignite.level
    yield
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]
    ignite.setLevel(kept[2])
    set_determinism(None)


@pytest.fixture
def bundle(tmp_path):
    """A bundle of two stages that print what they were given."""
    configs = tmp_path / "bundle" / "configs"
    configs.mkdir(parents=True)
    (configs / "common.yaml").write_text(COMMON)
    (configs / "first.yaml").write_text(STAGE.replace("NAME", "first"))
    (configs / "inference.yaml").write_text(STAGE.replace("NAME", "inference"))
    (configs / "fails.yaml").write_text('run:\n- "$[][3]"\n')
    (configs / "overlays" / "sizes").mkdir(parents=True)
    (configs / "overlays" / "sizes" / "small.yaml").write_text("value: 7\n")
    (configs / "metadata.json").write_text("{}")
    logging_file = cli.Path(__file__).parents[1] / "bundles" / "brain_mri" / "configs" / "logging.conf"
    (configs / "logging.conf").write_text(logging_file.read_text())
    return tmp_path / "bundle"


def run(*arguments):
    return CliRunner().invoke(cli.app, ["run", *map(str, arguments)])


def printed(result):
    return [line for line in result.stdout.splitlines() if line.startswith(("first:", "inference:"))]


def compare(*arguments):
    return CliRunner().invoke(cli.app, ["compare", *map(str, arguments)])


def refused(result):
    """The one line that says what is wrong."""
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines[-1] == "(--debug shows where)"
    assert "Traceback" not in result.output
    (error,) = [line for line in lines if line.startswith("Error: ")]
    return error.removeprefix("Error: ")


def test_stages_run_in_order_with_their_overrides(bundle):
    result = run("--bundle", bundle, "value=[1, a]")
    assert result.exit_code == 0, result.output
    assert printed(result) == [
        "first: [1, 'a'] 5 None",
        "inference: [1, 'a'] 5 []",
        "inference: [1, 'a'] 5 [1, 2]",
    ]
    assert "[2/3] inference (plain)" in result.stdout
    assert "python -m monai.bundle run --config_file" in result.stdout


def test_a_part_of_what_one_stage_alone_has_can_be_set_in_the_whole_pipeline(bundle):
    """MONAI refuses an override inside of what a configuration does not have."""
    with (bundle / "configs" / "first.yaml").open("a") as stage:
        stage.write("crops: {jitter: 0.4}\nvalue: \"$@crops['jitter']\"\n")
    result = run("--bundle", bundle, "crops::jitter=0.1")
    assert result.exit_code == 0, result.output
    assert printed(result)[:2] == ["first: 0.1 5 None", "inference: 1 5 []"]
    assert result.stdout.count("--crops::jitter") == 1


def test_one_stage_alone_with_an_overlay_of_the_bundle_and_one_of_the_user(bundle, tmp_path):
    (tmp_path / "mine.yaml").write_text("nothing: 6\n")
    result = run("--bundle", bundle, "--stage", "first", "--overlay", "small", "--overlay", tmp_path / "mine.yaml")
    assert printed(result) == ["first: 7 6 None"]


def test_a_bundle_may_share_the_stages_of_another_under_its_own_settings(bundle, tmp_path):
    configs = tmp_path / "other" / "configs"
    configs.mkdir(parents=True)
    (configs / "common.yaml").write_text("stage_configs: ../bundle/configs\nvalue: 2\nnothing: 8\n")
    (configs / "overlays").mkdir()
    (configs / "overlays" / "mine.yaml").write_text("value: 3\n")
    for name in ("metadata.json", "logging.conf"):
        (configs / name).write_text((bundle / "configs" / name).read_text())
    result = run("--bundle", tmp_path / "other", "--stage", "first", "--overlay", "mine")
    assert result.exit_code == 0, result.output
    assert printed(result) == ["first: 3 8 None"]
    result = run("--bundle", tmp_path / "other", "--stage", "first", "--overlay", "small", "--overlay", "mine")
    assert printed(result) == ["first: 3 8 None"]
    assert "small" in result.stdout, "overlays of the other bundle are found too"
    assert refused(run("--bundle", tmp_path / "other", "--overlay", "none")).endswith("there are mine, small")


def test_null_is_a_value_like_others(bundle):
    """MONAI takes an override of None for one that was not given."""
    assert printed(run("--bundle", bundle, "--stage", "first", "nothing=null")) == ["first: 1 None None"]


def test_rejected_files_show_in_the_status(bundle, tmp_path):
    (tmp_path / "run").mkdir()
    rejected = tmp_path / "run" / "rejected.csv"
    rejected.write_text("source,subject,reason\n")
    assert run("--bundle", bundle, "--run-dir", tmp_path / "run").exit_code == 0
    rejected.write_text("source,subject,reason\na,a,empty file\n")
    result = run("--bundle", bundle, "--run-dir", tmp_path / "run")
    assert result.exit_code == cli.REJECTED_STATUS == 3
    assert f"1 file(s) or entries were rejected; the reasons are in {rejected}" in result.stdout


def test_no_bundle(tmp_path):
    message = refused(run("--bundle", tmp_path / "absent"))
    assert "--bundle must be a bundle's folder or name, " in message
    assert message.endswith("has no configs/common.yaml; there are brain_mri, natural_images")
    assert refused(run("--bundle", "brain_mir")).endswith("did you mean brain_mri?")


def test_unknown_overlay(bundle):
    message = refused(run("--bundle", bundle, "--overlay", "smal"))
    assert message == "--overlay must be a YAML file or an overlay of the bundle, got smal; did you mean small?"
    message = refused(run("--bundle", bundle, "--overlay", "inference.yml"))
    assert message.endswith("got inference.yml; there are small"), "stages are no overlays"


def test_unknown_stage(bundle):
    message = refused(run("--bundle", bundle, "--stage", "train"))
    assert message == "--stage must be one of first, inference, got train"


@pytest.mark.parametrize(
    "override, message",
    [
        ("value", "overrides must be KEY=VALUE, got 'value'"),
        ("=3", "overrides must be KEY=VALUE, got '=3'"),
        ("value=[1", "the value of an override must be YAML, got 'value=[1'; put text in quotes"),
        ("vlaue=2", "override vlaue is in no configuration of the pipeline; did you mean value?"),
        ("xyz::abc=2", "override xyz::abc is in no configuration of the pipeline; see the bundle's configs"),
        (
            "sample_sets::steerd::classes=[1]",
            "override sample_sets::steerd::classes must be a path in the configuration, sample_sets has no steerd; "
            "did you mean steered?",
        ),
        (
            "pipeline::2=first",
            "override pipeline::2 must be a path in the configuration, pipeline has no 2; it has 0, 1",
        ),
        (
            "value::part=1",
            "override value::part must be a path in the configuration, value has no part; it has no parts",
        ),
        (
            "sample_sets::steered::vlaue=1",
            "sample_sets::steered::vlaue is in no configuration of the pipeline; did you mean value?",
        ),
        (
            "sample_sets={mine: {clases: []}}",
            "sample_sets::mine::clases is in no configuration of the pipeline; did you mean classes?",
        ),
        ("pipeline=[infrence]", "pipeline must be stages of the bundle, got infrence; did you mean inference?"),
        ("pipeline=[small]", "pipeline must be stages of the bundle, got small; there are fails, first, inference"),
        ("pipeline=first", "pipeline must be a list of stages, got 'first'; write pipeline=[prepare, score]"),
        (
            "pipeline=[first+smal]",
            "pipeline, first+smal, must be a YAML file or an overlay of the bundle, got smal; did you mean small?",
        ),
    ],
)
def test_bad_override(bundle, override, message):
    result = run("--bundle", bundle, override)
    assert refused(result) == message
    assert printed(result) == [], "nothing has run"


def test_an_entry_that_is_not_there_yet_can_be_added_and_then_changed(bundle):
    new = ["sample_sets::third={classes: [3]}", "sample_sets::third::classes=[4]", "sample_sets::third::value=2"]
    result = run("--bundle", bundle, *new)
    assert result.exit_code == 0, result.output
    assert printed(result)[-1] == "inference: 2 5 [4]"


def test_a_part_goes_to_the_stages_that_have_its_place_alone(bundle):
    """Stages call different things by one name."""
    for name, parts in {"first": "{inner: {jitter: 0.4}}", "inference": "{other: 1}"}.items():
        with (bundle / "configs" / f"{name}.yaml").open("a") as stage:
            stage.write(f'crops: {parts}\nvalue: "@crops"\n')
    result = run("--bundle", bundle, "crops::inner::jitter=0.1")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("--crops::inner::jitter") == 1


@pytest.fixture
def methods(bundle):
    """The bundle with a stage that compares."""
    (bundle / "configs" / "compare.yaml").write_text("comparison_images: 4\nchosen_methods: null\n" + STAGE)
    inference = "images_per_class: 1\nsample_folder: samples\nsample_set: a\n"
    (bundle / "configs" / "inference.yaml").write_text(inference + STAGE)
    with (bundle / "configs" / "common.yaml").open("a") as common:
        common.write("methods: {plain: {value: 2}, made: {samples: elsewhere/store}}\n")
    return bundle


@pytest.mark.parametrize(
    "override, message",
    [
        (
            "methods::plain::vlaue=3",
            "methods::plain::vlaue is in no configuration of the pipeline; did you mean value?",
        ),
        (
            "methods::mine={value: 2, noting: 3}",
            "methods::mine::noting is in no configuration of the pipeline; did you mean nothing?",
        ),
        (
            "methods::plian::value=3",
            "override methods::plian::value must be a path in the configuration, methods has no plian; "
            "did you mean plain?",
        ),
        (
            "methods::plain::overlays=[smal]",
            "methods::plain::overlays must be a YAML file or an overlay of the bundle, got smal; did you mean small?",
        ),
        (
            "methods::plain::stages=[infrence]",
            "the stages of methods must be stages of the bundle, got infrence; did you mean inference?",
        ),
        (
            "nothing=6",
            "methods::made::samples must be the folder of an image store, OUT/elsewhere/store is none; correct the "
            "path, or make it with the stage import_samples",
        ),
        (
            "methods::made::samples=/absent",
            "methods::made::samples must be the folder of an image store, /absent is none; correct the path, or make "
            "it with the stage import_samples",
        ),
    ],
)
def test_a_mistake_in_a_method_is_told_before_anything_runs(methods, override, message):
    result = compare("--bundle", methods, "--run-dir", methods / "out", override)
    assert refused(result) == message.replace("OUT", str(methods / "out"))
    assert "[1/" not in result.stdout


def test_an_error_in_a_stage_is_told_by_its_cause(bundle):
    assert refused(run("--bundle", bundle, "pipeline=[fails]")) == "list index out of range"
    with pytest.raises(Exception, match="list index out of range|Failed to evaluate"):
        CliRunner().invoke(
            cli.app, ["run", "--bundle", str(bundle), "--debug", "pipeline=[fails]"], catch_exceptions=False
        )


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_sentence_and_gives_the_folder_free(bundle, monkeypatch, tmp_path, number, status):
    """In a process of its own, as the signal reaches it; one that the stage has forked ends too, and says nothing."""
    read, write = os.pipe()

    def interrupted(*_):
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(tell, b"!")
            time.sleep(60)
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert (tmp_path / "own" / "run.lock").exists()
        signal.raise_signal(number)
        time.sleep(60)

    if (child := os.fork()) == 0:
        sys.stdout = sys.stderr = os.fdopen(write, "w", encoding="utf-8")
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
        monkeypatch.setattr(jobs, "run_stage", interrupted)
        monkeypatch.setattr(sys, "argv", ["x", "run", "--bundle", str(bundle), "--run-dir", str(tmp_path / "own")])
        try:
            cli.main()
        except SystemExit as end:
            os._exit(int(end.code))
        os._exit(99)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as opened:
        output = opened.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status, output
    assert output.endswith("\nStopped. The same command goes on where it was.\n") and output.count("Stopped") == 1
    assert "Traceback" not in output and not (tmp_path / "own" / "run.lock").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--dataset-dir", "/absent"],
            "dataset_dir must be an existing folder or file, got /absent; give --dataset-dir /data/mine",
        ),
        ([], "dataset_dir must be an existing folder or file, got RUN/cohort; give --dataset-dir /data/mine"),
        (
            ["pipeline=[import_samples]"],
            "external_path must be an existing folder or file, got None; give external_path=/data/mine",
        ),
        (
            ["pipeline=[import_samples]", "external_path=/absent"],
            "external_path must be an existing folder or file, got /absent; give external_path=/data/mine",
        ),
    ],
)
def test_missing_data(tmp_path, arguments, message):
    brain_mri = cli.Path(__file__).parents[1] / "bundles" / "brain_mri"
    result = run("--bundle", brain_mri, "--overlay", "smoke", "--run-dir", tmp_path / "run", *arguments)
    assert refused(result) == message.replace("RUN", str(tmp_path / "run"))


def test_the_bundle_of_the_test_is_like_the_real_one(bundle):
    """The keys that the command reads are those of brain_mri."""
    real = cli.Path(__file__).parents[1] / "bundles" / "brain_mri" / "configs" / "common.yaml"
    known = ConfigParser.load_config_file(real)
    assert {"bundle_root", "run_dir", "pipeline", "sample_sets"} <= set(known) & set(yaml.safe_load(COMMON))


def test_series_that_a_rule_leaves_out_are_not_rejected(bundle, tmp_path):
    (tmp_path / "run").mkdir()
    rejected = tmp_path / "run" / "rejected.csv"
    rejected.write_text("source,subject,reason,by_rule\na,a,the plane must be axial,True\n")
    result = run("--bundle", bundle, "--run-dir", tmp_path / "run")
    assert result.exit_code == 0
    assert f"1 series were left out by the rules of dataset_options; {rejected} gives the reasons" in result.stdout
    rejected.write_text(rejected.read_text() + "b,b,empty file,False\n")
    assert run("--bundle", bundle, "--run-dir", tmp_path / "run").exit_code == 3


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_version_and_help():
    assert invoke("--version") == f"monai-minority {__version__}\n"
    text = " ".join(invoke("-h").replace("│", "").split())
    assert "Exit status: 0 all went well; 1 an error" in text and "3 the run is complete" in text
    for name in ("run", "compare", "study", "settings", "stages", "overlays", "methods", "inspect", "weights"):
        assert name in text


def test_python_m_is_the_command():
    command = [sys.executable, "-m", "monai_minority", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == invoke("--version")


def test_a_reader_that_has_seen_enough_is_no_error():
    """``monai-minority overlays | head`` ended with an error of a broken pipe."""
    command = f"{sys.executable} -m monai_minority overlays | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n0\n") and done.stderr == ""


def test_lists_tell_what_the_configurations_say():
    assert "score\n    Stage 3: score every stored image (Eq. 7).\n" in invoke("stages")
    assert "self_guidance\n    Overlay of inference: self-guidance (Um and Ye, ECCV 2024)." in invoke("overlays")
    skip = "stronger noise at the start, first steps left out (Um et al., 2025)"
    assert f"boost_and_skip: {skip}\n    overlays: ['boost_and_skip']\n" in invoke("methods")
    assert invoke("settings", "sampling_steps") == (
        "\ninference\n  sampling_steps=250\n      of the respaced chain, at most num_train_timesteps\n"
    )
    assert "guidance_scale" in invoke("settings", "scale") and "seed" not in invoke("settings", "scale")
    assert "did you mean image_size" in refused(CliRunner().invoke(cli.app, ["settings", "image_sise"]))


@pytest.mark.parametrize("name", ["brain_mri", "natural_images"])
def test_every_setting_has_a_meaning(name):
    """The list, the documentation and the configurations have one source: the comments."""
    found = find_settings(Bundle(name))
    assert len(found) > 100
    assert [f"{one.file}: {one.name}" for one in found if not one.meaning] == []


def test_monai_log_lines_come_with_debug_alone(bundle):
    assert "input summary" not in run("--bundle", bundle).output


def test_a_number_sign_may_stand_in_a_text(bundle):
    """MONAI reads it as ::, in paths too."""
    assert printed(run("--bundle", bundle, "--stage", "first", "value=/ward#3"))[0].startswith("first: '/ward#3' ")


@pytest.mark.parametrize(
    "text, told",
    [
        ("value: $__import__('os').getcwd()", "value is \"$__import__('os').getcwd()\""),
        ("value: {_target_: os.system, command: ls}", "value::_target_ is 'os.system'"),
        ("value: [1, '%/etc/passwd']", "value::1 is '%/etc/passwd'"),
    ],
)
def test_an_overlay_from_outside_that_would_run_a_program_is_refused_where_asked(bundle, tmp_path, text, told):
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    (bundle / "configs" / "fails.yaml").unlink()  # the bundle is from outside too
    for name in ("first", "inference"):
        (bundle / "configs" / f"{name}.yaml").write_text("run: []\n")
    (bundle / "configs" / "common.yaml").write_text("run_dir: out\npipeline: [first]\nvalue: 1\n")
    asked = ("--bundle", bundle, "--no-expressions", "--run-dir", tmp_path / "out")
    assert run(*asked).exit_code == 0
    message = refused(run(*asked, "--overlay", mine))
    assert message.startswith(f"{mine} would run a program: {told}")
    mine.write_text("value: 2\n")
    assert run(*asked, "--overlay", mine).exit_code == 0
    metadata = bundle / "configs" / "metadata.json"  # MONAI reads it as @_meta_
    metadata.write_text('{"version": "$1"}')
    assert refused(run(*asked)).startswith(f"{metadata} would run a program: version is '$1'")


def test_a_run_folder_in_use_has_a_status_of_its_own(bundle, monkeypatch):
    def in_use(*_, **__):
        raise RunInUse("out is in use by process 1")

    monkeypatch.setattr(jobs.Planner, "run", in_use)
    result = run("--bundle", bundle)
    assert result.exit_code == 4
    assert "Error: out is in use by process 1" in result.stderr


def test_what_controls_a_terminal_is_not_printed(capsys):
    cli.say("red \x1b[31m\r and\ttab\n")
    assert capsys.readouterr().out == "red \ufffd[31m\ufffd and\ttab\n\n"
