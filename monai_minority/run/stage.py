"""A stage of a run: done once for what it depends on, and written down."""

import errno
import hashlib
import json
import os
import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import torch

from monai_minority.data.store.image_store import ImageStore
from monai_minority.files import DamagedFile, authored, check_sealed, free_bytes, is_asked, reading, whole_file
from monai_minority.files.seals import LOG, entry_of
from monai_minority.keys import Column
from monai_minority.run import content
from monai_minority.run.bundle import NUMBER
from monai_minority.run.configuration import Configuration
from monai_minority.run.distributed import barrier, is_main
from monai_minority.run.folder import RunFolder
from monai_minority.run.lock import owned
from monai_minority.version import __version__

PREPARED = (Column.SOURCE, Column.SUBJECT, Column.SLICE, Column.POSITION, Column.SPLIT, Column.GROUP, Column.SEVERITY)
"""Columns that a store has from its extraction."""

_PACKAGES = ("monai", "torch", "torchvision", "pytorch-ignite", "numpy", "nibabel", "pyod", "timm")


@dataclass(kw_only=True)
class Stage(ABC):
    """Does its work unless that has been done for the same settings and contents, and records it in ``run.json``.

    What it depends on is not listed. It is every setting that its entry in the configuration refers to, directly or
    through others (:class:`~monai_minority.run.configuration.Configuration`), the stores among the objects made of
    them, the files that :attr:`reads` names, and the version of the package.

    A subclass says in its class body what it reads, does the work in :meth:`work`, and names in :attr:`leaves` what it
    leaves.

    Attributes:
        run_dir: the run folder.
        configuration: what it was configured with; found by itself where MONAI makes the stage. Without one, as in
            Python, the stage runs whenever it is called.

    Example:
        >>> import tempfile
        >>> from dataclasses import dataclass
        >>> from monai_minority.run import Stage
        >>> @dataclass(kw_only=True)
        ... class Greet(Stage):
        ...     name = "greet"
        ...     word: str
        ...     @property
        ...     def leaves(self):
        ...         return [self.folder.path / "greeting.txt"]
        ...     def work(self):
        ...         self.leaves[0].write_text(self.word)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Greet(run_dir=folder, word="hello")()  # doctest: +ELLIPSIS
        ...     (Greet(run_dir=folder, word="").leaves[0]).read_text()
        greet: done; see ...greeting.txt
        'hello'
    """

    run_dir: str | os.PathLike[str]
    configuration: Configuration | None = None

    name: ClassVar[str]
    """Its entry in the record. A property where one class serves several."""
    config: ClassVar[str] = ""
    """Name of its configuration, which ``--stage`` takes, where that is not :attr:`name`."""
    shared: ClassVar[bool] = False
    """Whether the processes of a distributed run share the work; otherwise the first does it and the others wait."""
    columns: ClassVar[tuple[str, ...] | None] = PREPARED
    """Columns of the run's store that it depends on, besides those its data sets hand over; ``None`` for all."""

    def __post_init__(self) -> None:
        self.folder = RunFolder(self.run_dir)
        if self.configuration is None:
            self.configuration = Configuration.of_caller()
        for key, value in self.settings.items():
            if isinstance(value, str) and NUMBER.fullmatch(value):
                raise ValueError(f"{key} must be a number, and YAML takes {value} for text; write it as {float(value)}")

    @abstractmethod
    def work(self) -> None:
        """Do it; in every process where it is shared."""

    def together(self) -> None:  # noqa: B027  (most stages have nothing to share)
        """What all processes do together before the first one does the work, where that is not shared."""

    @property
    def reads(self) -> Sequence[Path]:
        """Files of the run folder that it reads, besides stores and the files that settings name."""
        return ()

    @property
    @abstractmethod
    def leaves(self) -> Sequence[Path]:
        """Files and folders that are there when it is done."""

    @property
    def needs_bytes(self) -> int:
        """Space on the disk that it needs at least, as far as that is known before."""
        return 0

    @property
    def made(self) -> str:
        """What it made, in some words, for the line that it ends with."""
        return ""

    @property
    def is_complete(self) -> bool:
        """What else must hold of its results, such as that the store has the column it writes, which another extraction
        of the same pixels takes away."""
        return True

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings that it depends on, by their paths in the configuration."""
        return {} if self.configuration is None else self.configuration.settings

    @cached_property
    def contents(self) -> dict[str, Any]:
        """Hashes of the contents that it depends on."""
        stores = [] if self.configuration is None else content.of_objects(self.configuration.objects, self.columns)
        files = {str(path.relative_to(self.folder.path)): content.of_path(path) for path in self.reads}
        named = {text: content.of_path(path) for text, path in self._named_inputs.items()}
        return {"stores": stores, **files, **named}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the package's version, the stage's name, its settings and contents."""
        parts = [__version__, self.name, self.settings, self.contents]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def is_done(self) -> bool:
        """Whether the record has this stage with the same fingerprint, and its results are there."""
        if self.configuration is None:
            return False
        entry = read_record(self.folder).get("stages", {}).get(self.name, {})
        unchanged = entry.get("fingerprint") == self.fingerprint and self.is_complete
        return unchanged and all(path.exists() for path in self.leaves) and self._are_intact()

    def __call__(self) -> None:
        """Do the work and record it, or say that nothing has changed.

        Raises:
            RunInUse: another process writes into the run folder.
            DamagedFile: a result is not what was written, and the stage is one of many that run in turn. One that was
                asked for by its name makes its results anew.
            ValueError: it reads what another stage has begun to write and has not ended.
        """
        with owned(self.run_dir), authored(self.name, self.config or self.name):
            self._do()

    def _do(self) -> None:
        self._refuse_unfinished()
        done = self.is_done
        barrier()  # every process has looked before the first one changes anything
        if done:
            if is_main():
                print(f"{self.name}: unchanged, not run again")
        else:
            if is_main():
                self._refuse_full_disk()
                self._withdraw()
            started = time.perf_counter()
            self.together()
            if is_main() or self.shared:
                self.work()
            if is_main():
                self._record(time.perf_counter() - started)
                where = ", ".join(str(path.absolute()) for path in self.leaves)
                print(f"{self.name}: {self.made or 'done'}; see {where}")
        barrier()

    def _refuse_full_disk(self) -> None:
        needed, free = self.needs_bytes / 1e6, free_bytes(self.folder.path) / 1e6
        if needed > free:
            raise OSError(
                errno.ENOSPC,
                f"no space left for {self.name}: {needed:.0f} MB needed at {self.folder.path}, {free:.0f} MB free; "
                "free some space or choose a run folder on another disk",
            )

    def _are_intact(self) -> bool:
        """Whether its results are what was written."""
        try:
            for path in self.leaves:
                check_sealed(path)
                known = path / "store.json" if path.is_dir() else path
                if known.is_file() and entry_of(known) is None and is_main():
                    print(f"{self.name}: {known} is not in {LOG}, so nothing tells whether it was changed")
                if (path / "store.json").is_file():
                    ImageStore.open(path).check_pixels()
        except (DamagedFile, FileNotFoundError) as error:
            if not is_asked():
                raise
            if is_main():
                print(f"{self.name}: made anew, since {error}")
            return False
        return True

    def _refuse_unfinished(self) -> None:
        """See that what it reads is not of a stage that was killed, or failed, after it had begun to write."""
        unfinished = read_record(self.folder).get("unfinished", {})
        others = [(name, entry) for name, entry in unfinished.items() if name != self.name]
        if not others:
            return
        objects = () if self.configuration is None else self.configuration.objects
        inputs = {*self.reads, *self._named_inputs.values(), *content.store_paths(objects)}
        for name, entry in others:
            for output in entry["outputs"]:
                if self.folder.path.absolute() / output in {path.absolute() for path in inputs}:
                    raise ValueError(
                        f"{self.folder.path / output} is of stage {name}, which began on {entry['began']} and did not "
                        f"end; run it again first (--stage {entry['config']})"
                    )

    @property
    def _named_inputs(self) -> dict[str, Path]:
        """The files of the run folder that settings name."""
        return {
            f"{key}: {value}": self.folder.path / value.removeprefix("run_dir/")
            for key, given in self.settings.items()
            for value in (given if isinstance(given, list) else [given])
            if isinstance(value, str) and self._is_input(value)
        }

    def _is_input(self, value: str) -> bool:
        """Whether a setting names a file of the run folder that is there and that this stage does not write."""
        if not value.startswith("run_dir/"):
            return False
        path = self.folder.path / value.removeprefix("run_dir/")
        return path.is_file() and not any(path == leaf or path.is_relative_to(leaf) for leaf in self.leaves)

    def _withdraw(self) -> None:
        """Take the stage out of the record before its results are touched: a kill leaves none that look whole."""
        record = read_record(self.folder)
        record.setdefault("stages", {}).pop(self.name, None)
        record.setdefault("unfinished", {})[self.name] = {
            "began": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "config": self.config or self.name,
            "outputs": self._outputs,
        }
        _write_record(self.folder, record)

    @property
    def _outputs(self) -> list[str]:
        return [str(path.relative_to(self.folder.path)) for path in self.leaves]

    def _record(self, seconds: float) -> None:
        record = read_record(self.folder)
        record.get("unfinished", {}).pop(self.name, None)
        if not record.get("unfinished"):
            record.pop("unfinished", None)
        record.setdefault("stages", {})[self.name] = {
            "fingerprint": self.fingerprint,
            "settings": self.settings,
            "contents": self.contents,
            "outputs": self._outputs,
            "seconds": round(seconds, 2),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "versions": {"python": platform.python_version(), "monai-minority": __version__, **_versions()},
            "machine": {
                "processor": platform.machine(),
                "threads": torch.get_num_threads(),
                "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            },
        }
        _write_record(self.folder, record)


def read_record(folder: RunFolder) -> dict[str, Any]:
    """The record of a run, empty where there is none."""
    if not folder.record.is_file():
        return {}
    try:
        with reading(folder.record) as path:
            return json.loads(path.read_text(encoding="utf-8"))
    except DamagedFile as error:
        raise DamagedFile(f"{str(error).split(';')[0]}; delete it, and every stage runs again") from error


def _write_record(folder: RunFolder, record: dict[str, Any]) -> None:
    with whole_file(folder.record) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
