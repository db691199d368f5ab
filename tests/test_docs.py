"""The documentation: what it shows as code runs, and the site builds without a warning."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
import yaml

ROOT = Path(__file__).parents[1]


def block(title):
    """The Python block of a section of ``extending.md``, run."""
    section = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8").partition(f"## {title}\n")[2]
    names = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], names)
    return names


def test_the_distance_is_one():
    edges = block("A distance")["Edges"]()
    flat, ramp = torch.zeros(2, 1, 4, 4), torch.arange(4.0).expand(2, 1, 4, 4) / 10
    assert edges(flat, flat).tolist() == [0, 0]
    assert edges(flat, ramp) == pytest.approx([0.1, 0.1]), "steps of 0.1 along one axis, none along the other"


def test_the_source_takes_first_visits(tmp_path):
    for name in ("P1/2019.nii.gz", "P1/2021.nii.gz", "P2/2020.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), tmp_path / name)
    cohort = block("A data set")["visits"](tmp_path)
    assert [Path(file).name for file in cohort.table["image"]] == ["2019.nii.gz", "2020.nii.gz"]
    assert [(entry.subject, entry.reason, entry.by_rule) for entry in cohort.rejected] == [
        ("P1", "a later visit", True)
    ]


def test_the_severity_is_the_share_of_dark_pixels():
    images = torch.ones(2, 1, 8, 8)
    images[1, :, 2:6, 2:4] = -1  # half of the middle
    assert block("A measure of severity")["dark_share"](images).tolist() == [0, 0.5]


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bundles/*/docs/*.md")])
)
def test_links_lead_to_files(page):
    beside = {
        "settings.md",
        "python.md",
        "brain_mri.md",
        "natural_images.md",
        "model_card.md",
        "security.md",
    }  # of the site
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [
        t for t in local if not (page.parent / t).exists() and not (page.parent.name == "docs" and t in beside)
    ] == []


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 128


def test_the_citation_is_of_this_version():
    from monai_minority import __version__

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__ and cited["preferred-citation"]["year"] == 2024


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocstrings")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path))
    build(config)
    settings = (tmp_path / "settings" / "index.html").read_text(encoding="utf-8")
    assert "guidance_scale" in settings and "w of Eq. 8" in settings
    assert "MinorityScore" in (tmp_path / "python" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["find_the_rare", "generate_the_rare"])
def test_the_notebook_runs(name, monkeypatch, capsys, tmp_path):
    """Its cells in order, without a kernel; and what it proves holds on the embedded cohort."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = json.loads((ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    names = {}
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == [], "results are not kept in the repository"
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    if name == "find_the_rare":
        assert np.isfinite(names["scored"]["score"]).all() and "45 of 300 people abnormal" in capsys.readouterr().out
        assert names["auc"].low > 0.7, "chance is 0.5"
    else:
        shares = names["shares"]
        assert shares["normal, real"] == pytest.approx(0.05, abs=0.01)
        assert shares["rare, real"] > 0.5 and shares["guided"] > shares["unguided"]
