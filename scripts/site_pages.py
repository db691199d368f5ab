"""MkDocs hook: the order of the pages, and pages made from the configurations, the package and files beside docs/."""

import importlib
import re
from pathlib import Path

from mkdocs.structure.files import File

from monai_minority.run.bundle import Bundle
from monai_minority.run.settings import find_settings, heads

ROOT = Path(__file__).parents[1]

PAGES = [
    ("Start", ["index.md", "install.md", "quickstart.md", "your_data.md", "your_cohort.md", "reading_report.md"]),
    ("Reference", ["settings.md", "methods.md", "spaces.md", "natural_images.md", "brain_mri.md", "python.md"]),
    (
        "More",
        [
            "extending.md",
            "several_processes.md",
            "performance.md",
            "findings.md",
            "findings_earlier.md",
            "model_card.md",
            "security.md",
        ],
    ),
    ("Project", ["contributing.md", "changes.md", "conduct.md"]),
]
BESIDE = {
    "security.md": "SECURITY.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
    "conduct.md": "CODE_OF_CONDUCT.md",
    "brain_mri.md": "bundles/brain_mri/docs/README.md",
    "model_card.md": "bundles/brain_mri/docs/model_card.md",
    "natural_images.md": "bundles/natural_images/docs/README.md",
}
"""Pages of the site that lie elsewhere in the repository."""

ROOMS = [
    "notebook",
    "data",
    "networks",
    "diffusion",
    "scoring",
    "guidance",
    "inferers",
    "evaluation.density",
    "evaluation.features",
]
ROOMS += ["evaluation.fidelity", "evaluation.severity", "samples", "run", "tables", "stages"]


def on_config(config):
    """Order the pages; one that has not been written yet is left out."""
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    there |= {page for page, file in BESIDE.items() if (ROOT / file).is_file()} | {"settings.md", "python.md"}
    config["nav"] = [{title: [page for page in pages if page in there]} for title, pages in PAGES]
    return config


def on_files(files, config):
    """Add the pages that are made."""
    pages = {page: _moved(ROOT / file) for page, file in BESIDE.items() if (ROOT / file).is_file()}
    pages |= {"settings.md": settings_page(), "python.md": python_page()}
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def settings_page() -> str:
    """Every setting, stage and overlay, from the comments of the configurations."""
    lines = [
        "# Every setting",
        "",
        "Made from the comments of the configurations; `monai-minority settings` prints the same.",
    ]
    lines += [
        "Any of them is an option: `image_size=128` for `monai-minority`, `--image_size 128` for MONAI's command.",
        "",
    ]
    for name in ("brain_mri", "natural_images"):
        bundle = Bundle(ROOT / "bundles" / name)
        lines += [f"## {name}", ""]
        file = ""
        for one in find_settings(bundle):
            if name == "natural_images" and one.file != "common":
                continue
            if one.file != file:
                file = one.file
                title = "Shared by every stage" if file == "common" else f"Stage `{file}`"
                lines += ["", f"### {title}: {name}", "", "| setting | value | meaning |", "| --- | --- | --- |"]
            lines.append(f"| `{one.name}` | `{_cell(one.value)}` | {_cell(one.meaning)} |")
        lines += ["", f"### Overlays of {name}", ""]
        lines += [
            f"- `{overlay}`: {head.removeprefix('Overlay: ')}" for overlay, head in heads(bundle.overlays).items()
        ]
        lines.append("")
    return "\n".join(lines)


def python_page() -> str:
    """The public names of each room, documented from their docstrings."""
    lines = [
        "# Python interface",
        "",
        "Each room is imported by itself: `from monai_minority.scoring import MinorityScore`.",
        "",
    ]
    for room in ROOMS:
        module = importlib.import_module(f"monai_minority.{room}")
        lines += [f"## `monai_minority.{room}`", "", str(module.__doc__ or "").strip().splitlines()[0], ""]
        lines += [f"::: monai_minority.{room}.{name}\n" for name in sorted(module.__all__)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return (text if len(text) <= 160 else f"{text[:157]}…").replace("|", "\\|").replace("`", "'").replace("\n", " ")


def _moved(path: Path) -> str:
    """A file with its links to pages of the site as they are there; other links into the repository become text."""
    homes = {(ROOT / file).resolve(): page for page, file in BESIDE.items()}

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target or not target:
            return found[0]
        file = (path.parent / target).resolve()
        if file in homes:
            return f"[{text}]({homes[file]}{anchor})"
        if file.is_relative_to(ROOT / "docs") and file.is_file():
            return f"[{text}]({file.relative_to(ROOT / 'docs').as_posix()}{anchor})"
        return text

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)", link, path.read_text(encoding="utf-8"))
