"""What sampling costs: seconds and evaluations of the networks, batch by batch."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from monai_minority.files import whole_file


class SamplingCost:
    """Measures each batch of a sampling engine and keeps it as a file, so that a resumed run adds to it.

    An evaluation is a forward pass of one image through one network. Those for gradients count as the others; the
    way back, about two more, shows in the seconds.

    Args:
        folder: where the files are kept, a ``.json`` a batch.
        networks: the networks by the name to count them under; ``None`` entries are passed over.

    Example:
        >>> import torch
        >>> from monai_minority.run import SamplingCost
        >>> cost = SamplingCost("absent", {"backbone": [torch.nn.Identity()], "classifier": [None]})
        >>> cost.summary()  # nothing was measured
        {}
    """

    def __init__(self, folder: str | os.PathLike[str], networks: Mapping[str, Sequence[nn.Module | None]]) -> None:
        self.folder = Path(folder)
        self.networks = {name: [n for n in group if n is not None] for name, group in networks.items()}
        self._counts: dict[str, list[int]] = {}
        self._started = 0.0
        self._hooks: list[Any] = []

    def attach(self, engine: Engine) -> None:
        """Count from the start of each batch to its end."""
        engine.add_event_handler(Events.STARTED, self._watch)
        engine.add_event_handler(Events.ITERATION_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._release)

    def _watch(self, engine: Engine) -> None:
        for name, group in self.networks.items():
            for network in group:

                def count(module: nn.Module, inputs: tuple[Any, ...], output: Any, name: str = name) -> None:
                    self._counts[name].append(len(output))  # in several threads at once

                self._hooks.append(network.register_forward_hook(count))

    def _begin(self, engine: Engine) -> None:
        self._counts = {name: [] for name in self.networks}
        self._started = time.perf_counter()

    def __call__(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        counts = {name: sum(found) for name, found in self._counts.items()}
        cost = {"seconds": time.perf_counter() - self._started, "images": len(batch["image"]), **counts}
        with whole_file(self.folder / f"{int(batch['step']):08d}.json", synced=False) as partial:
            partial.write_text(json.dumps(cost))

    def _release(self, engine: Engine) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def summary(self) -> dict[str, float]:
        """``seconds_an_image`` and, for each name, ``<name>_evaluations`` an image, over all batches measured."""
        costs = [json.loads(path.read_text()) for path in sorted(self.folder.glob("[0-9]*.json"))]
        images = sum(cost["images"] for cost in costs)
        if not images:
            return {}
        return {"seconds_an_image": round(sum(cost["seconds"] for cost in costs) / images, 4)} | {
            f"{name}_evaluations": round(sum(cost[name] for cost in costs) / images, 2) for name in self.networks
        }
