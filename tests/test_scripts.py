"""The scripts install once, again when requirements change, and say what is missing; a stand-in for Python looks on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Logs what it is asked to do; "environments" that it makes hold a copy of itself.
PYTHON = f"""#!/usr/bin/env bash
case "$1" in
    -c) exit "${{TOO_OLD:-0}}" ;;
    --version) echo "Python 3.9.1" ;;
    -) exec {sys.executable} "$@" ;;
    *)
        echo "$PWD|$*" >>"$LOG"
        [[ "$*" != *"$FAILS"* || -z "$FAILS" ]] || exit 1
        [[ "$2" != venv ]] || {{ mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; }}
        ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def _run(clone: Path, *arguments: str, script: str = "test", **variables: str) -> tuple[int, str, list[str]]:
    """Exit status, output, and the calls of Python since the last time."""
    log = clone.parent / "log"
    log.write_text("")
    environment = {k: v for k, v in os.environ.items() if k not in ("TORCH_INDEX_URL", "PIP_CACHE_DIR")}
    environment |= {"PYTHON": str(clone.parent / "python"), "LOG": str(log), "FAILS": ""} | variables
    ran = subprocess.run(
        ["bash", str(clone / "scripts" / script), *arguments],
        cwd=clone.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    return ran.returncode, ran.stdout + ran.stderr, log.read_text().splitlines()


def _install(clone: Path) -> str:
    return f"{clone.parent}|-m pip --disable-pip-version-check install --editable {clone}[dev]"


def test_installs_once_and_passes_arguments_on(clone):
    status, _, calls = _run(clone, "tests/data", "-x")
    assert status == 0
    assert calls[:2] == [f"{clone.parent}|-m venv --clear {clone}/.venv", _install(clone)]
    folder, command = calls[2].split("|")
    assert folder == str(clone)
    assert command.startswith("-m pytest --basetemp runs/tests-")
    assert command.endswith(" -m not slow and not gpu tests/data -x")
    _, _, again = _run(clone, "--slow")
    assert len(again) == 1 and again[0].endswith(" -m not gpu")
    assert sorted(path.name for path in clone.iterdir()) == [".venv", "pyproject.toml", "runs", "scripts", "setup.cfg"]
    assert list((clone / "runs").iterdir()) == []


def test_installs_again_when_requirements_or_place_change(clone):
    _run(clone)
    with (clone / "setup.cfg").open("a") as file:
        file.write("\n# changed\n")
    assert _run(clone)[2][0] == _install(clone)
    assert len(_run(clone)[2]) == 1
    moved = clone.rename(clone.with_name("moved"))
    assert _run(moved)[2][0] == _install(moved)


def test_failed_installation_is_not_taken_for_done(clone):
    status, output, calls = _run(clone, FAILS="--editable")
    assert status == 1 and "could not be installed" in output
    assert not any("-m pytest" in call for call in calls)
    assert _run(clone)[2][0] == _install(clone)


def test_failing_tests_fail_the_script(clone):
    status, _, calls = _run(clone, FAILS="-m pytest")
    assert status == 1 and "-m pytest" in calls[-1]


def test_takes_pytorch_from_the_chosen_index(clone):
    _, output, calls = _run(clone, TORCH_INDEX_URL="https://an.index/cpu")
    assert calls[1].endswith("install --index-url https://an.index/cpu torch torchvision")
    assert calls[2] == _install(clone)
    assert "about 6 GB" in output


def test_names_the_python_that_is_too_old(clone):
    status, output, calls = _run(clone, TOO_OLD="1")
    assert (status, calls) == (1, [])
    assert "Python 3.11 or newer is needed" in output and "(Python 3.9.1)" in output
    assert not (clone / ".venv").exists()


def test_quickstart_runs_the_phantom_overlay(clone):
    _run(clone)
    command = clone / ".venv" / "bin" / "monai-minority"
    command.write_text('#!/usr/bin/env bash\necho "$PWD|$*" >>"$LOG"\nexit 3\n')
    command.chmod(0o755)
    status, output, calls = _run(clone, "seed=1", script="quickstart")
    assert status == 3  # some inputs were rejected: the pipeline's own status comes through
    start, end = f"{clone.parent}|run --bundle {clone}/bundles/brain_mri --overlay phantom", f"{clone}/runs/quickstart"
    assert calls == [f"{start} --run-dir {end} seed=1"]
    assert f"{clone}/runs/quickstart" in output
    _, _, calls = _run(clone, "--from-scratch", script="quickstart")
    assert calls == [f"{start} --run-dir {end} --overlay from_scratch"]


@pytest.mark.parametrize("script", ["test", "quickstart"])
def test_help_does_nothing_else(clone, script):
    status, output, calls = _run(clone, "--help", script=script)
    assert (status, calls) == (0, [])
    assert f"scripts/{script}" in output and "TORCH_INDEX_URL" in output and "set -euo" not in output
    assert not (clone / ".venv").exists()
