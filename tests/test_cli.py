"""The command: a mistake is told in a line, and the exit status says how it went."""

import logging

import pytest
import yaml
from monai.bundle import ConfigParser
from monai.utils import set_determinism
from typer.testing import CliRunner

from monai_minority import cli

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
    (configs / "small.yaml").write_text("value: 7\n")
    (configs / "metadata.json").write_text("{}")
    logging_file = cli.Path(__file__).parents[1] / "bundles" / "brain_mri" / "configs" / "logging.conf"
    (configs / "logging.conf").write_text(logging_file.read_text())
    return tmp_path / "bundle"


def run(*arguments):
    return CliRunner().invoke(cli.app, ["run", *map(str, arguments)])


def printed(result):
    return [line for line in result.stdout.splitlines() if line.startswith(("first:", "inference:"))]


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
    (configs / "mine.yaml").write_text("value: 3\n")
    for name in ("metadata.json", "logging.conf"):
        (configs / name).write_text((bundle / "configs" / name).read_text())
    result = run("--bundle", tmp_path / "other", "--stage", "first", "--overlay", "mine")
    assert result.exit_code == 0, result.output
    assert printed(result) == ["first: 3 8 None"]
    result = run("--bundle", tmp_path / "other", "--stage", "first", "--overlay", "small", "--overlay", "mine")
    assert printed(result) == ["first: 3 8 None"]
    assert "small" in result.stdout, "overlays of the other bundle are found too"
    assert "common, fails, first, inference, mine, small" in refused(
        run("--bundle", tmp_path / "other", "--overlay", "none")
    )


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
    assert "--bundle must be a bundle's folder" in refused(run("--bundle", tmp_path / "absent"))


def test_unknown_overlay(bundle):
    message = refused(run("--bundle", bundle, "--overlay", "smal"))
    assert message.startswith(
        "--overlay must be a YAML file or one of common, fails, first, inference, small, got smal"
    )


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
    ],
)
def test_bad_override(bundle, override, message):
    assert refused(run("--bundle", bundle, override)) == message


def test_an_error_in_a_stage_is_told_by_its_cause(bundle):
    assert refused(run("--bundle", bundle, "pipeline=[fails]")) == "list index out of range"
    with pytest.raises(Exception, match="list index out of range|Failed to evaluate"):
        CliRunner().invoke(
            cli.app, ["run", "--bundle", str(bundle), "--debug", "pipeline=[fails]"], catch_exceptions=False
        )


def test_a_keyboard_interrupt_says_how_to_go_on(bundle, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_stage", interrupt)
    result = run("--bundle", bundle)
    assert result.exit_code == 130
    assert "The same command goes on where it was." in result.output


def test_missing_data_set(tmp_path):
    brain_mri = cli.Path(__file__).parents[1] / "bundles" / "brain_mri"
    missing = tmp_path / "absent"
    result = run("--bundle", brain_mri, "--overlay", "smoke", "--run-dir", tmp_path / "run", "--dataset-dir", missing)
    assert refused(result).startswith(f"{missing} is missing")


def test_the_bundle_of_the_test_is_like_the_real_one(bundle):
    """The keys that the command reads are those of brain_mri."""
    real = cli.Path(__file__).parents[1] / "bundles" / "brain_mri" / "configs" / "common.yaml"
    known = ConfigParser.load_config_file(real)
    assert {"bundle_root", "run_dir", "pipeline", "sample_sets"} <= set(known) & set(yaml.safe_load(COMMON))
