"""A wheel holds the bundles and their weights, so that it runs from any folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Names in the wheel of this checkout, which is built from a copy."""
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
