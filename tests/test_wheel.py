"""A wheel holds the bundles and their weights, so that it runs from any folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, which is built from a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = [path for name in ("monai_minority", "bundles") for path in (ROOT / name).rglob("*") if path.is_file()]
    for path in (*tracked, *(ROOT / name for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"))):
        if "__pycache__" not in path.parts:
            target = folder / "source" / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    command = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), "."]
    subprocess.run([sys.executable, *command], cwd=folder / "source", check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel):
    return set(zipfile.ZipFile(wheel).namelist())


def test_every_file_of_the_bundles_is_in_it(names):
    files = [path for path in (ROOT / "bundles").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = [
        str(path.relative_to(ROOT))
        for path in files
        if not any(name.endswith(f"data/share/monai_minority/{path.relative_to(ROOT).as_posix()}") for name in names)
    ]
    assert len(files) > 50 and missing == []


def test_the_report_template_is_in_it(names):
    assert "monai_minority/reports/templates/report.html.j2" in names


def test_it_says_that_it_is_typed(names):
    assert "monai_minority/py.typed" in names


@pytest.mark.slow
def test_the_demo_runs_from_a_wheel_in_any_folder(wheel, tmp_path):
    """An environment with the packages of this one, and the wheel in place of the checkout."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    install = [environment / "bin" / "pip", "install", "--no-deps", "--no-index", "-q", wheel]
    subprocess.run(install, check=True, env=clean, cwd=tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    command = [environment / "bin" / "monai-minority", "demo", "images_per_class=4", "resamples=50"]
    result = subprocess.run(command, capture_output=True, text=True, env=clean, cwd=folder, check=False)
    assert result.returncode == 0, result.stderr
    run = folder / "runs" / "demo"
    grid = run / "samples" / "guided.png"
    assert f"synthetic images, shown in {grid}" in result.stdout
    assert f"Report:      {run / 'report.html'}" in result.stdout
    assert all(path.is_file() for path in (grid, run / "evaluation" / "severity.csv", run / "report.html"))
    assert str(environment) in result.stdout, "the bundle is that of the wheel"
