"""What stands for a content in a record: short hashes, never a path."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from monai_minority.data.paths import left_by_us, results_of
from monai_minority.data.store.batches import StoreBatches
from monai_minority.data.store.image_store import ImageStore
from monai_minority.data.store.real_or_generated import RealOrGenerated
from monai_minority.files import check_sealed
from monai_minority.keys import Column
from monai_minority.networks.checkpoints import read_state_dict

_LENGTH = 16  # hexadecimal digits
_WEIGHTS = (".pt", ".pth", ".safetensors")


def of_network(network: torch.nn.Module) -> str:
    """Class, structure and weights of a network."""
    return f"{type(network).__name__} {_of_tensors(network.state_dict(), repr(network))}"


def of_callable(value: Any) -> str | None:
    """A network by its weights, a function by its name, another object by its class and settings; ``None`` stays."""
    if value is None:
        return None
    if isinstance(value, torch.nn.Module):
        return of_network(value)
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    settings = {
        name: of_network(item) if isinstance(item, torch.nn.Module) else str(item)
        for name, item in sorted(vars(value).items())
    }
    return f"{type(value).__name__} {settings}"


def of_path(path: Path) -> str:
    """Content of a file, of weights by their tensors; of a folder the names, sizes and times of its files, since it may
    hold terabytes.

    Raises:
        FileNotFoundError: there is nothing.
        DamagedFile: a file is not what was written.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run the stage that writes it first, or correct the path")
    if path.is_dir():
        digest = hashlib.sha256()
        for file, state in _files(path, ""):
            digest.update(f"{file} {state.st_size} {state.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return f"folder {digest.hexdigest()[:_LENGTH]}"
    check_sealed(path)
    if path.suffix in _WEIGHTS:
        try:
            return f"weights {_of_tensors(read_state_dict(path))}"
        except Exception:  # such as a TorchScript archive; whoever reads it says what is wrong with a damaged one
            pass
    with path.open("rb") as opened:
        return f"file {hashlib.file_digest(opened, 'sha256').hexdigest()[:_LENGTH]}"


def of_store(store: ImageStore | RealOrGenerated, columns: tuple[str, ...] | None = ()) -> str:
    """Pixels, rows, range and geometry of a store, and columns of its table: all of generated images, and where
    ``columns`` is ``None``."""
    text = f"store {store.content_hash[:_LENGTH]}"
    table = store.table
    if columns is not None and not (Column.SYNTHETIC in table and isinstance(store, ImageStore)):
        table = table[[name for name in map(str, columns) if name in table]]
    return text if table.empty else f"{text}, table {of_table(table)}"


def of_table(table: pd.DataFrame) -> str:
    """Names and values of a table's columns, in their order."""
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:_LENGTH]


def of_objects(objects: Iterator[Any], columns: tuple[str, ...] | None) -> list[str]:
    """The stores among objects, alone, in batches or in containers; each once, sorted."""
    found = set()
    for value in objects:
        if isinstance(value, StoreBatches):
            found.add(of_store(value.store, tuple(value.columns)))
        elif isinstance(value, ImageStore | RealOrGenerated):
            found.add(of_store(value, columns))
        elif isinstance(value, Mapping):
            found |= {f"{key}: {text}" for key, item in value.items() for text in of_objects(iter([item]), columns)}
        elif isinstance(value, list | tuple):
            found |= set(of_objects(iter(value), columns))
    return sorted(found)


def store_paths(objects: Iterable[Any]) -> Iterator[Path]:
    """The folders of the stores among objects, alone, in batches or in containers."""
    for value in objects:
        if isinstance(value, StoreBatches):
            yield from store_paths([value.store])
        elif isinstance(value, ImageStore):
            yield value.path
        elif isinstance(value, RealOrGenerated):
            yield from (store.path for store in value.stores)
        elif isinstance(value, Mapping | list | tuple):
            yield from store_paths(value.values() if isinstance(value, Mapping) else value)


def _of_tensors(tensors: Mapping[str, Any], first: str = "") -> str:
    digest = hashlib.sha256(first.encode())
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:_LENGTH]


def _files(folder: Path | str, below: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file under a folder in a fixed order, with one folder at a time in memory.

    What a run leaves inside a folder of data does not count, or each stage would change the data of the first. Nor does
    what cannot be reached: who reads the data says so.
    """
    with os.scandir(folder) as opened:
        entries = sorted(opened, key=lambda entry: entry.name)
    ours = left_by_us(folder, {entry.name for entry in entries})
    if ours and below:
        return
    results = results_of(folder) if ours == "a run" else set()
    for entry in entries:
        if entry.name in results:
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{below}{entry.name}/")
            elif entry.is_file():
                yield below + entry.name, entry.stat()
        except OSError:
            continue
