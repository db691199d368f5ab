"""Paths of a run: nothing is written elsewhere."""

from pathlib import Path

import pytest
from monai.bundle import run as monai_run
from typer.testing import CliRunner

from monai_minority import score_folder
from monai_minority.cli import app
from monai_minority.run import Bundle, RunFolder
from monai_minority.run.entry import cause
from monai_minority.run.folder import check_default_place


def test_parts():
    folder = RunFolder("run")
    assert folder.samples("guided", "comparison/samples").as_posix() == "run/comparison/samples/guided"
    assert folder.exports("guided").as_posix() == "run/exports/guided"


@pytest.mark.parametrize("name", ["", ".", "..", "../store", "a/b", ".hidden", "a\\b", "C:x", "a\x1b[2J", "=1", "-x"])
def test_names_that_would_lie_elsewhere_are_refused(name):
    folder = RunFolder("run")
    for part in (folder.samples, folder.exports, folder.filtered, folder.network):
        with pytest.raises(ValueError, match="a name in the run folder must be printable, without"):
            part(name)
    if "/" not in name:
        with pytest.raises(ValueError, match="a name in the run folder"):
            folder.samples("guided", f"samples/{name}")


@pytest.mark.parametrize("mark", ["monai_minority/__init__.py", "bundles/brain_mri/configs/common.yaml"])
def test_a_cohort_goes_to_no_default_within_a_clone_or_a_bundle(tmp_path, monkeypatch, mark):
    """Neither from its top nor from below; where the place was chosen, or nothing of people is extracted, it may."""
    file = tmp_path / "home" / mark
    (file.parent / "deeper").mkdir(parents=True)
    file.touch()
    volumes = {"run_dir": "runs/brain_mri", "dataset_dir": "/data/t1"}
    for folder in (file.parents[1], file.parent / "deeper"):
        monkeypatch.chdir(folder)
        with pytest.raises(ValueError, match=f"{folder}/runs/brain_mri lies within {file.parents[1]}, .* --run-dir"):
            check_default_place(volumes)
        check_default_place(volumes | {"run_dir": str(folder / "runs")})
        for made in ("$@run_dir + '/cohort'", "@store_path"):
            check_default_place(volumes | {"dataset_dir": made})
    monkeypatch.chdir(Path("/"))  # the tests' own folder may lie within a clone
    check_default_place(volumes)


def test_the_commands_refuse_such_a_default(tmp_path, monkeypatch):
    """Before a folder is made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monai_minority").mkdir()
    (tmp_path / "monai_minority" / "__init__.py").touch()
    (tmp_path / "t1").mkdir()
    with pytest.raises(ValueError, match="run_dir must be given"):
        score_folder(tmp_path / "t1")
    result = CliRunner().invoke(app, ["run", "--dataset-dir", "t1"])
    assert result.exit_code == 1 and "run_dir must be given" in result.stderr
    files = [str(Bundle("brain_mri").configs / name) for name in ("common.yaml", "prepare.yaml")]
    with pytest.raises(RuntimeError) as raised:
        monai_run(config_file=files, bundle_root=str(Bundle("brain_mri").path), dataset_dir=str(tmp_path / "t1"))
    assert cause(raised.value).startswith("run_dir must be given")
    assert not (tmp_path / "runs").exists()
