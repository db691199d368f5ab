"""What only a part of the users needs is imported where it is used, and one that is missing names its extra."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

import monai_minority
from monai_minority.data import ImageStore
from monai_minority.data.sources.lsun import lsun
from monai_minority.evaluation.density import PyODDetector
from monai_minority.extras import from_extra
from monai_minority.samples import save_dicom
from monai_minority.transforms import CorrectBiasd

OPTIONAL = {"SimpleITK", "highdicom", "pyjpegls", "pylibjpeg", "gdcm", "pyod", "lmdb", "mkdocs"}


def test_no_module_imports_an_optional_package_at_its_top():
    found = []
    for path in Path(monai_minority.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in OPTIONAL]
    assert found == []


def detector(tmp_path):
    PyODDetector("ECOD")


def dicom(tmp_path):
    pixels, table = np.zeros((1, 1, 8, 8), np.uint8), {"target_class": [3], "seed": [17]}
    save_dicom(ImageStore.create(tmp_path / "store", pixels, table, (0, 255), synthetic=True), tmp_path / "dicom")


def bedrooms(tmp_path):
    (tmp_path / "bedroom_train_lmdb").mkdir()
    (tmp_path / "bedroom_train_lmdb" / "data.mdb").touch()
    lsun(tmp_path)


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("SimpleITK", "n4", lambda tmp_path: CorrectBiasd()),
        ("pyod", "detectors", detector),
        ("highdicom", "dicom", dicom),
        ("lmdb", "natural", bedrooms),
    ],
)
def test_a_missing_package_names_its_extra(package, extra, use, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(
        ModuleNotFoundError, match=rf"needs the package {package}; pip install .monai-minority\[{extra}"
    ):
        use(tmp_path)


def test_what_an_optional_package_lacks_itself_is_told_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import a_package_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'a_package_that_is_not_there'"):
        from_extra("broken_package", "dicom", "reading")


def test_versions_are_of_what_is_installed(monkeypatch):
    from importlib.metadata import PackageNotFoundError, version

    from monai_minority.evaluation import figure

    def lean(name):
        if name == "pyod":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(figure, "version", lean)
    assert set(figure.LIBRARIES) - set(figure.library_versions()) == {"pyod"}
