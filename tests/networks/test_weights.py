"""Published files: their addresses, their digests, and copies that are checked."""

import hashlib
import shutil
import subprocess

import pytest
import torch
import torchvision.models as models
from typer.testing import CliRunner

from monai_minority.cli import app
from monai_minority.evaluation import features
from monai_minority.networks.weights import (
    CATALOGUE,
    EFFICIENTNET_LITE0,
    LPIPS_TRUNKS,
    RESNET50,
    State,
    WeightsFile,
    check,
    chosen,
    stage,
)
from monai_minority.scoring import LPIPS

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
KNOWN = WeightsFile("known", "Known", "https://example.org/known.pth", DIGEST[:8])
UNKNOWN = WeightsFile("unknown", "Unknown", "https://example.org/unknown.pth")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Torch's checkpoint folder, empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    (tmp_path / "torch" / "checkpoints").mkdir(parents=True)
    return tmp_path / "torch" / "checkpoints"


def run(*arguments):
    return CliRunner().invoke(app, ["weights", *map(str, arguments)])


def test_addresses_are_torchvisions_and_digests_those_in_the_names():
    assert RESNET50.source == models.ResNet50_Weights.IMAGENET1K_V1.url
    assert LPIPS_TRUNKS["alex"].source == models.AlexNet_Weights.IMAGENET1K_V1.url
    assert LPIPS_TRUNKS["vgg"].source == models.VGG16_Weights.IMAGENET1K_V1.url
    assert LPIPS_TRUNKS["squeeze"].source == models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url
    for wanted in CATALOGUE:
        if wanted.sha256 is not None and len(wanted.sha256) == 8:
            assert wanted.file.endswith(f"-{wanted.sha256}.pth")
    assert len({wanted.name for wanted in CATALOGUE}) == len({wanted.file for wanted in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("wanted", CATALOGUE, ids=lambda wanted: wanted.name)
def test_whoever_needs_a_file_looks_where_the_catalogue_says(wanted, folder, monkeypatch):
    monkeypatch.setattr(WeightsFile, "path", property(lambda self: folder / self.file))
    namespace = {**vars(features), "LPIPS": LPIPS}
    needed_by = wanted.needed_by if "(" in wanted.needed_by else f"{wanted.needed_by}()"
    needed_by = needed_by.replace('DINO("', 'DINO(architecture="')
    with pytest.raises(FileNotFoundError, match=wanted.file) as error:
        eval(needed_by, namespace)
    assert wanted.source in str(error.value) and "monai-minority weights" in str(error.value)


def test_the_package_that_is_installed_is_intact():
    assert check(EFFICIENTNET_LITE0).state is State.INTACT


def test_states(folder):
    assert check(KNOWN).state is State.MISSING
    (folder / "known.pth").write_bytes(CONTENT)
    assert check(KNOWN) == (KNOWN, folder / "known.pth", State.INTACT)
    (folder / "known.pth").write_bytes(CONTENT[:-1])
    assert check(KNOWN).state is State.DAMAGED
    (folder / "unknown.pth").write_bytes(CONTENT)
    assert check(UNKNOWN).state is State.UNKNOWN


def test_copies_are_whole_and_their_digests_travel_along(tmp_path, folder):
    source, stick = tmp_path / "downloads", tmp_path / "stick"
    source.mkdir()
    (source / "known.pth").write_bytes(CONTENT)
    (source / "unknown.pth").write_bytes(b"other")
    states = [found.state for found in stage([KNOWN, UNKNOWN, RESNET50], source, stick)]
    assert states == [State.INTACT, State.UNKNOWN, State.MISSING]
    assert (stick / "known.pth").read_bytes() == CONTENT
    other = hashlib.sha256(b"other").hexdigest()
    assert (stick / "SHA256SUMS").read_text() == f"{DIGEST}  known.pth\n{other}  unknown.pth\n"
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=stick, check=True)
    (stick / "unknown.pth").write_bytes(b"othex")  # damaged on the way
    states = [found.state for found in stage([KNOWN, UNKNOWN], stick, folder)]
    assert states == [State.INTACT, State.DAMAGED]
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", "known.pth"]
    assert check(KNOWN).state is State.INTACT


def test_a_damaged_file_is_not_copied_and_a_copy_is_replaced_by_a_whole_one(tmp_path, folder):
    (tmp_path / "known.pth").write_bytes(b"wrong")
    assert [found.state for found in stage([KNOWN], tmp_path, folder)] == [State.DAMAGED]
    assert not list(folder.iterdir())
    (folder / "known.pth").write_bytes(b"half")
    (tmp_path / "known.pth").write_bytes(CONTENT)
    assert [found.state for found in stage([KNOWN], tmp_path, folder)] == [State.INTACT]
    assert (folder / "known.pth").read_bytes() == CONTENT


def test_bad_folders_and_names(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="there is no folder .*absent"):
        list(stage([KNOWN], tmp_path / "absent", folder))
    with pytest.raises(ValueError, match="different folders"):
        list(stage([KNOWN], folder, folder))
    with pytest.raises(ValueError, match="names must be among resnet50, .*got resnet51"):
        chosen(["resnet51"])
    assert chosen([]) is CATALOGUE


def test_the_command_lists_and_its_status_says_what_is_wrong(folder):
    result = run()
    assert result.exit_code == 0
    for wanted in CATALOGUE:
        assert wanted.name in result.output
    assert RESNET50.source in result.output and str(folder) in result.output
    assert run("resnet50").exit_code == 1, "named, and missing"
    assert run("efficientnet-lite0").exit_code == 0
    (folder / RESNET50.file).write_bytes(b"half a download")
    result = run()
    assert result.exit_code == 1 and "DAMAGED" in result.output
    assert "names must be among" in run("resnet51").output


def test_the_command_copies(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("monai_minority.networks.weights.CATALOGUE", (KNOWN,))
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / "known.pth").write_bytes(CONTENT)
    assert run("--source", tmp_path / "usb").exit_code == 0
    assert (folder / "known.pth").read_bytes() == CONTENT
    assert run("--destination", tmp_path / "other").exit_code == 0
    assert (tmp_path / "other" / "known.pth").read_bytes() == CONTENT
