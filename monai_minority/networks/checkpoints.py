"""Checkpoints: reading without executing code, starting from other weights, writing, and saying what does not fit."""

import pickle
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from monai_minority.files import whole_file

Module = TypeVar("Module", bound=nn.Module)

WRAPPERS = (
    "ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "ema_network",
    "state_dict",
    "model",
    "model_state_dict",
    "network",
    "net",
)
"""Names under which training programs keep a state dict, in the order of preference: averages first."""

_PREFIXES = ("module.", "_orig_mod.")
"""What DistributedDataParallel, AveragedModel and torch.compile put before every name."""

_PICKLE = 0x80
"""First byte of what torch.save wrote before it wrote zip archives."""

_LABEL_EMBEDDINGS = ("class_embedding.weight", "label_emb.weight")
"""What MONAI's U-Net and ADM call the table of class labels, which is added to that of the timestep."""

_EXPECTED = "expected a state dict: a .pt or .pth file with named tensors alone, or a .safetensors file"


def read_state_dict(path: str | Path, key: str | None = None) -> dict[str, Tensor]:
    """Read the named tensors of a checkpoint file to the CPU.

    The content decides the format, not the suffix. Of a checkpoint with several state dicts, the averaged
    weights are taken before the plain ones (:data:`WRAPPERS`). Prefixes that DDP, weight averaging and
    ``torch.compile`` add are removed.

    Args:
        path: file written by ``torch.save``, or safetensors.
        key: name of the state dict inside the checkpoint, where the choice above is not the wanted one.

    Returns:
        Tensors by parameter name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a checkpoint; says what it is and what was expected.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"checkpoint {path} does not exist; weights are never made up, so run the stage that trains it first, or "
            "give the path of a file."
        )
    if not path.is_file():
        raise ValueError(f"checkpoint {path} is a folder; {_EXPECTED}.")
    problem = _not_a_checkpoint(path)
    if problem:
        raise ValueError(f"checkpoint {path} is {problem}; {_EXPECTED}.")
    try:
        content = load_file(path) if _is_safetensors(path) else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"checkpoint {path} holds Python objects; {_EXPECTED}. Loading objects "
            "could execute code, so save the state dict alone where the file comes from. "
            f"({str(error).splitlines()[0]})"
        ) from error
    except Exception as error:
        raise ValueError(f"checkpoint {path} is damaged or incomplete; {_EXPECTED}. ({error!r})") from error
    return unwrap_state_dict(content, str(path), key)


def load_checkpoint(module: Module, path: str | Path, key: str | None = None) -> Module:
    """Load the file ``path`` into ``module`` and return it; every name and shape must fit.

    Args:
        module: network to fill, on any device and in any floating-point type.
        path: see :func:`read_state_dict`.
        key: see :func:`read_state_dict`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a checkpoint, or does not fit; what does not is named.
    """
    state_dict = read_state_dict(path, key)
    check_fit(module, state_dict, str(path))
    module.load_state_dict(state_dict)
    return module


def start_weights(network: Module, path: str | Path | None) -> Module:
    """Fill a network with the weights to start training from, in place.

    A network conditional on class labels may start from one that is not: where the file has no table of labels, it is
    set to zero, so that the network gives at first what the other gives, whatever the label.

    Args:
        network: to be trained.
        path: checkpoint; ``None`` leaves the network as it is.

    Returns:
        The network.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not fit; what does not is named.
    """
    if path is None:
        return network
    found = read_state_dict(path)
    for name, table in network.state_dict().items():
        if name.endswith(_LABEL_EMBEDDINGS) and name not in found:
            found[name] = torch.zeros_like(table)
    check_fit(network, found, str(path))
    network.load_state_dict(found)
    return network


def save_weights(module: nn.Module, path: str | Path) -> None:
    """Write a module's plain state dict, under a temporary name that is renamed when whole.

    Args:
        module: whose weights are written; a ``DistributedDataParallel`` gives those of what it wraps.
        path: the file; its folder is made.
    """
    inner = module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module
    weights = {name: value.detach().cpu().contiguous() for name, value in inner.state_dict().items()}
    with whole_file(path) as partial:
        torch.save(weights, partial)


def build_from_state_dict(
    build: Callable[..., Module], arguments: Mapping[str, Any], weights: Mapping[str, Any] | str | Path
) -> Module:
    """Build a network around given weights, without initialising it or copying what a file held.

    Args:
        build: class of the network.
        arguments: keyword arguments of ``build``.
        weights: state dict (its tensors are copied) or the path of a checkpoint.

    Returns:
        The network in float32, on the device of the weights.
    """
    given = isinstance(weights, Mapping)
    source = "the state dict" if given else str(weights)
    state_dict = unwrap_state_dict(weights, source) if given else read_state_dict(weights)  # type: ignore[arg-type]
    with torch.device("meta"):
        module = build(**arguments)
    check_fit(module, state_dict, source)
    module.load_state_dict(
        {name: tensor.detach().to(torch.float32, copy=given) for name, tensor in state_dict.items()},
        assign=True,
    )
    return module


def unwrap_state_dict(content: Any, source: str, key: str | None = None) -> dict[str, Tensor]:
    """Find the state dict in what a checkpoint file held and remove common prefixes from its names.

    Args:
        content: a state dict, or a dictionary with one under ``key`` or one of :data:`WRAPPERS`.
        source: what to call the content in messages.
        key: name of the wanted state dict.

    Raises:
        ValueError: if there is none.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{source} holds a {type(content).__name__}; {_EXPECTED}.")
    if key is not None and key not in content:
        raise ValueError(f"key must be one of the entries of {source} ({_listed(map(str, content))}), got {key!r}.")
    found = content
    if key is not None:
        found = content[key]
    elif not _is_state_dict(content):
        found = next((content[name] for name in WRAPPERS if _is_state_dict(content.get(name))), content)
    if not _is_state_dict(found):
        raise ValueError(f"{source} is no state dict but has the entries {_listed(map(str, found))}; {_EXPECTED}.")
    state_dict = {name: tensor for name, tensor in found.items() if name != "n_averaged"}
    while prefix := next((p for p in _PREFIXES if all(name.startswith(p) for name in state_dict)), None):
        state_dict = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items()}
    return state_dict


def check_fit(module: nn.Module, state_dict: Mapping[str, Tensor], source: str) -> None:
    """Raise ``ValueError`` naming what is missing, unexpected or of another shape in ``state_dict``."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state_dict]
    unexpected = [name for name in state_dict if name not in wanted]
    reshaped = [
        f"{name} {list(state_dict[name].shape)} for {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state_dict and state_dict[name].shape != tensor.shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    problems = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in kinds.items() if names]
    if problems:
        raise ValueError(
            f"{source} does not fit {type(module).__name__}, which has {len(wanted)} entries: "
            f"{'; '.join(problems)}. "
            "Give the settings the weights were trained with, or the weights of this network."
        )


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items())
    )


def _listed(names: Any, limit: int = 5) -> str:
    names = list(names)
    rest = f", and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + rest


def _is_safetensors(path: Path) -> bool:
    """A safetensors file starts with the length of its JSON header (eight bytes) and the header."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _not_a_checkpoint(path: Path) -> str | None:
    """What a file is that is often mistaken for a checkpoint; ``None`` if it may be one."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "empty"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer in place of the file (fetch it with `git lfs pull`)"
    if start.lstrip()[:1] == b"<":
        return "a web page (the download failed)"
    if start.startswith(b"\x93NUMPY"):
        return "a NumPy array"
    if start.startswith(b"\x1f\x8b"):
        return "a gzip archive"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        return _not_a_torch_archive(names)
    if start[0] != _PICKLE and not _is_safetensors(path):
        return "of a kind that neither torch.save nor safetensors writes"
    return None


def _not_a_torch_archive(names: Collection[str]) -> str | None:
    if any(name.endswith("constants.pkl") for name in names):
        return "a TorchScript program"
    if not any(name.endswith("data.pkl") for name in names):
        return "a zip archive, but none that torch.save writes"
    return None
