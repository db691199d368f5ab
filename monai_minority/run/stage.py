"""A stage of a run: done once for its inputs, and written down."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from monai_minority.data import ImageStore, RealOrGenerated, StoreBatches
from monai_minority.files import whole_file
from monai_minority.guidance import GuidanceTerm
from monai_minority.run.start import barrier

RECORD = "run.json"
_PACKAGES = ("monai-minority", "monai", "torch", "torchvision", "pytorch-ignite", "numpy", "nibabel", "pyod", "timm")


class Stage:
    """Runs what a stage does unless it has been done with the same inputs, and records it in ``run.json``.

    Args:
        name: of the stage, its entry in the record.
        run_dir: the run folder.
        inputs: everything the result depends on. Stores count by their content hash, batches of one by it and
            the columns they hand over, files by their content, folders by the names, sizes and times of their
            files, networks by their weights, arrays and tensors by their values, transforms, guidance terms and
            functions by name and settings, all else by its value.
        outputs: files and folders, relative to ``run_dir``, that exist when the stage is done.
        shared: whether the processes of a distributed run share the work; otherwise the first does it alone and
            the others wait.
        complete: what else must hold of its results, such as that the store has the column it writes, which
            another extraction of the same pixels takes away.
    """

    def __init__(
        self,
        name: str,
        run_dir: str | os.PathLike[str],
        inputs: Mapping[str, Any],
        outputs: list[str],
        shared: bool = False,
        complete: bool = True,
    ) -> None:
        self.name = name
        self.run_dir = Path(run_dir)
        self.inputs = {key: describe(value) for key, value in inputs.items()}
        self.outputs = outputs
        self.shared = shared
        self.complete = complete
        self.is_main = int(os.environ.get("RANK", 0)) == 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 of name and inputs."""
        return hashlib.sha256(json.dumps([self.name, self.inputs], sort_keys=True).encode()).hexdigest()

    @property
    def is_done(self) -> bool:
        """Whether the record holds this stage with the same inputs, and its results are there."""
        entry = self._record().get("stages", {}).get(self.name, {})
        unchanged = self.complete and entry.get("fingerprint") == self.fingerprint
        return unchanged and all((self.run_dir / output).exists() for output in self.outputs)

    def run(self, *steps: Callable[[], Any]) -> None:
        """Call the steps in order and record the stage, or say that nothing has changed."""
        if self.is_done:
            if self.is_main:
                print(f"{self.name}: unchanged, not run again")
        elif self.is_main or self.shared:
            started = time.perf_counter()
            for step in steps:
                step()
            if self.is_main:
                self._write(time.perf_counter() - started)
        barrier()

    def _record(self) -> dict[str, Any]:
        path = self.run_dir / RECORD
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _write(self, seconds: float) -> None:
        record = self._record()
        record["versions"] = {"python": platform.python_version(), **_versions()}
        record["machine"] = {
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        }
        record.setdefault("stages", {})[self.name] = {
            "fingerprint": self.fingerprint,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "seconds": round(seconds, 2),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        with whole_file(self.run_dir / RECORD) as partial:
            partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def describe(value: Any) -> Any:
    """What stands for an input in the record and the fingerprint: a hash of contents, never a path."""
    if isinstance(value, ImageStore | RealOrGenerated):
        return f"store {value.content_hash[:16]}"
    if isinstance(value, StoreBatches):
        columns = {name: column.numpy() for name, column in value.columns.items()}
        return describe([value.store, columns] if columns else value.store)
    if isinstance(value, torch.nn.Module):
        digest = hashlib.sha256(repr(value).encode())
        for name, tensor in value.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return f"{type(value).__name__} {digest.hexdigest()[:16]}"
    if isinstance(value, Path):
        return f"file {_content(value)}"
    if isinstance(value, np.ndarray):
        content = value.tobytes() if value.dtype.kind != "O" else json.dumps(value.tolist(), default=str).encode()
        return f"array {value.dtype} {list(value.shape)} {hashlib.sha256(content).hexdigest()[:16]}"
    if isinstance(value, torch.Tensor):
        return describe(value.detach().cpu().numpy())
    if isinstance(value, Transform | GuidanceTerm):
        return {type(value).__name__: _settings(value)}
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, str) and os.sep in value and Path(value).exists():
        return describe(Path(value))
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, torch.dtype | np.dtype):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__qualname__"):  # a function or a class
        return f"{value.__module__}.{value.__qualname__}"
    raise ValueError(
        f"a stage's input must be a store, a network, a Path or a plain value, got {type(value).__name__}; "
        "give the settings it was built from"
    )


def _settings(owner: Transform | GuidanceTerm) -> dict[str, Any]:
    """Those attributes that can be described; a transform's streams of random numbers, for one, cannot."""
    found = {}
    for name, value in sorted(vars(owner).items()):
        try:
            found[name] = describe(value)
        except ValueError:
            continue
    return found


def _content(path: Path) -> str:
    """Hash of a file's content; of a folder's file names, sizes and times, since it may hold terabytes."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run the stage that writes it first, or correct the path")
    if path.is_file():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
    digest = hashlib.sha256()
    for file, state in _files(path, ""):
        digest.update(f"{file} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _files(folder: Path | str, below: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file under a folder in a fixed order, with one folder at a time in memory."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{below}{entry.name}/")
            elif entry.is_file():
                yield below + entry.name, entry.stat()


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
