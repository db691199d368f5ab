"""Checkpoints: reading without executing code, starting from other weights, and writing."""

import logging
import pickle
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from monai_minority.files import check_sealed, whole_file

logger = logging.getLogger(__name__)

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
    "shadow",
    "module",
)
"""Names under which training programs keep a state dict, in the order of preference: averages first."""

_PREFIXES = ("module.", "_orig_mod.")
"""What DistributedDataParallel, AveragedModel and torch.compile put before every name."""

_NUMPY: list[Any] = [
    np.dtype,
    np.ndarray,
    *(kind for name in dir(np.dtypes) if isinstance(kind := getattr(np.dtypes, name), type)),
    *(
        (value.__reduce__()[0], f"numpy.{core}.multiarray.{name}")
        for value, name in ((np.float64(0), "scalar"), (np.zeros(1), "_reconstruct"))
        for core in ("core", "_core")
    ),
]
"""What pickled NumPy numbers and arrays, such as a best metric beside the weights, are made of. They run no code."""

_PICKLE = 0x80
"""First byte of what torch.save wrote before it wrote zip archives."""

_LABEL_EMBEDDINGS = ("class_embedding.weight", "label_emb.weight")
"""What MONAI's U-Net and ADM call the table of class labels, which is added to that of the timestep."""

_EXPECTED = "expected a state dict: a .pt or .pth file with named tensors alone, or a .safetensors file"


def read_state_dict(path: str | Path, key: str | None = None) -> dict[str, Tensor]:
    """Read the named tensors of a checkpoint file to the CPU, without executing code.

    The format is detected from the content, not from the suffix. If a checkpoint holds several state dicts, averaged
    weights are preferred to plain ones (:data:`WRAPPERS`). Prefixes of DDP, weight averaging and ``torch.compile`` are
    removed.

    Args:
        path: file written by ``torch.save`` or by safetensors.
        key: name of the state dict inside the checkpoint, to override the choice above.

    Returns:
        Tensors by parameter name.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is not a checkpoint. The message states what it is and what was expected.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> from monai_minority.networks import read_state_dict, save_weights
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(nn.Linear(2, 1), f"{folder}/model.pt")
        ...     list(read_state_dict(f"{folder}/model.pt"))
        ['weight', 'bias']
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"checkpoint {path} does not exist; weights are never made up, so run the stage that trains it first, or "
            "give the path of a file."
        )
    if not path.is_file():
        raise ValueError(f"checkpoint {path} is a folder; {_EXPECTED}.")
    check_sealed(path)
    problem = _not_a_checkpoint(path)
    if problem:
        raise ValueError(f"checkpoint {path} is {problem}; {_EXPECTED}.")
    try:
        if _is_safetensors(path):
            content = load_file(path)
        else:
            with torch.serialization.safe_globals(_NUMPY):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ValueError(
            f"checkpoint {path} holds Python objects{f' ({named[1]})' if named else ''}; {_EXPECTED}. Loading objects "
            "could execute code, so save the state dict alone where the file comes from."
        ) from None
    except Exception as error:
        raise ValueError(f"checkpoint {path} is damaged or incomplete; {_EXPECTED}. ({error!r})") from error
    return unwrap_state_dict(content, str(path), key)


def load_checkpoint(module: Module, path: str | Path, key: str | None = None) -> Module:
    """Load a checkpoint file into a module and return the module. All names and shapes must match.

    Args:
        module: network to fill, on any device and in any floating-point type.
        path: see :func:`read_state_dict`.
        key: see there.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is not a checkpoint or does not match. The message names what does not match.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> from monai_minority.networks import load_checkpoint, save_weights
        >>> trained = nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(trained, f"{folder}/model.pt")
        ...     network = load_checkpoint(nn.Linear(2, 1), f"{folder}/model.pt")
        >>> bool((network.weight == trained.weight).all())
        True
    """
    state_dict = own_weights(module, read_state_dict(path, key), str(path))
    check_fit(module, state_dict, str(path))
    module.load_state_dict(state_dict)
    return module


def start_weights(network: Module, path: str | Path | None) -> Module:
    """Fill a network in place with the weights that training starts from.

    A class-conditional network may start from an unconditional one. The label embedding that the file lacks is then set
    to zero, so the network initially gives the output of the unconditional one for every label.

    Args:
        network: network to train.
        path: checkpoint file. ``None`` leaves the network unchanged.

    Returns:
        The network.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file does not match. The message names what does not match.

    Example:
        >>> import tempfile
        >>> from monai_minority.networks import ADMConfig, ADMUNet, save_weights, start_weights
        >>> size = {"image_size": 8, "model_channels": 32, "num_res_blocks": 1, "channel_mult": [1]}
        >>> config = ADMConfig(**size, in_channels=1, out_channels=1, attention_resolutions=[])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(ADMUNet(config), f"{folder}/model.pt")
        ...     network = start_weights(ADMUNet(config, num_classes=3), f"{folder}/model.pt")
        >>> network.label_emb.weight.abs().max().item()
        0.0
    """
    if path is None:
        return network
    labels = {name for name in network.state_dict() if name.endswith(_LABEL_EMBEDDINGS)}
    found = own_weights(network, read_state_dict(path), str(path), labels)
    for name, table in network.state_dict().items():
        if name.endswith(_LABEL_EMBEDDINGS) and name not in found:
            found[name] = torch.zeros_like(table)
    check_fit(network, found, str(path))
    network.load_state_dict(found)
    return network


def save_weights(module: nn.Module, path: str | Path) -> None:
    """Write the state dict of a module to a file. The file is complete or absent.

    Args:
        module: module to save. A ``DistributedDataParallel`` is unwrapped first.
        path: path of the file. Its folder is created.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> from monai_minority.networks import read_state_dict, save_weights
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(nn.Linear(2, 1), f"{folder}/backbone/model.pt")
        ...     read_state_dict(f"{folder}/backbone/model.pt")["weight"].shape
        torch.Size([1, 2])
    """
    inner = module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module
    weights = {name: value.detach().cpu().contiguous() for name, value in inner.state_dict().items()}
    with whole_file(path) as partial, partial.open("wb") as opened:  # by its name, the file would hold that name
        torch.save(weights, opened)


def build_from_state_dict(
    build: Callable[..., Module], arguments: Mapping[str, Any], weights: Mapping[str, Any] | str | Path
) -> Module:
    """Build a network around given weights. Parameters are not initialised, and the content of a file is not copied.

    Args:
        build: class of the network.
        arguments: keyword arguments of ``build``.
        weights: state dict (its tensors are copied), or path of a checkpoint.

    Returns:
        The network in float32 on the device of the weights.
    """
    given = isinstance(weights, Mapping)
    source = "the state dict" if given else str(weights)
    state_dict = unwrap_state_dict(weights, source) if given else read_state_dict(weights)  # type: ignore[arg-type]
    with torch.device("meta"):
        module = build(**arguments)
    state_dict = own_weights(module, state_dict, source)
    check_fit(module, state_dict, source)
    module.load_state_dict(
        {name: tensor.detach().to(torch.float32, copy=given) for name, tensor in state_dict.items()},
        assign=True,
    )
    return module


def unwrap_state_dict(content: Any, source: str, key: str | None = None) -> dict[str, Tensor]:
    """Find the state dict in the content of a checkpoint file and remove common prefixes from its names.

    Args:
        content: a state dict, or a dictionary with one under ``key`` or one of :data:`WRAPPERS`.
        source: name of the content in messages.
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
        found = next(filter(_is_state_dict, _wrapped(content)), content)
    if not _is_state_dict(found):
        raise ValueError(f"{source} is no state dict but has the entries {_listed(map(str, found))}; {_EXPECTED}.")
    state_dict = {name: tensor for name, tensor in found.items() if name != "n_averaged"}
    while prefix := next((p for p in _PREFIXES if all(name.startswith(p) for name in state_dict)), None):
        state_dict = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items()}
    return state_dict


def own_weights(
    module: nn.Module, state_dict: Mapping[str, Tensor], source: str, optional: Collection[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a module among those of a whole training program, whose names begin with the attribute that holds
    it: ``model.0.weight`` of Lightning, beside those of other networks.

    A prefix is taken off if all names that the module has are there behind it. If several fit, that of an average
    (``ema``) is preferred. What has another prefix is left out, and both are logged.

    Args:
        module: network to fill.
        state_dict: tensors by name. If the module's own names are among them, they stay as they are.
        source: name of the checkpoint in messages.
        optional: names of the module that may be missing.

    Raises:
        ValueError: several prefixes fit, and none is that of an average.

    Example:
        >>> from torch import nn
        >>> from monai_minority.networks.checkpoints import own_weights
        >>> network = nn.Linear(2, 1)
        >>> found = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        >>> list(own_weights(network, found | {"loss.weight": found["model.bias"]}, "last.ckpt"))
        ['weight', 'bias']
    """
    wanted = [name for name in module.state_dict() if name not in optional]
    if not wanted or any(name in state_dict for name in wanted):
        return dict(state_dict)
    ending = f".{wanted[0]}"
    prefixes = [name.removesuffix(wanted[0]) for name in state_dict if name.endswith(ending)]
    fitting = [prefix for prefix in prefixes if all(prefix + name in state_dict for name in wanted)]
    averaged = [prefix for prefix in fitting if "ema" in prefix.lower()]
    if not fitting:
        return dict(state_dict)
    if len(fitting) > 1 and len(averaged) != 1:
        raise ValueError(
            f"{source} holds several networks that fit {type(module).__name__}, with the prefixes {', '.join(fitting)};"
            " save the one that is meant alone"
        )
    prefix = (averaged or fitting)[0]
    own = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    rest = len(state_dict) - len(own)
    logger.info("the prefix %s was taken off the names of %s; %d other tensors were left out", prefix, source, rest)
    return own


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


def _wrapped(content: Mapping[Any, Any], depth: int = 2) -> Iterator[Any]:
    """What the entries of :data:`WRAPPERS` hold, and what these in turn hold under such a name."""
    for name in WRAPPERS:
        inner = content.get(name)
        yield inner
        if isinstance(inner, Mapping) and depth > 1 and not _is_state_dict(inner):
            yield from _wrapped(inner, depth - 1)


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
