"""Generated images, unguided or guided, as a store that says they are synthetic."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.utils import CommonKeys
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.progress import progress_bar
from monai_minority.run import ResultParts, SamplingCost, Stage, content, is_main
from monai_minority.samples import SamplePlan, write_samples

_ONE_LEVEL = 1 / 127.5
"""Of the 8 bits that are stored."""
_REMEDY = "look at the loss of the network and at its weights, and lower guidance_scale where the set is guided"


@dataclass(kw_only=True)
class Sample(Stage):
    """Sample the images of a plan into a store, a PNG grid and, where they have one channel, NIfTI slices."""

    sample_folder: str
    sample_set: str
    plan: SamplePlan
    evaluator: Evaluator
    batch_size: int
    backbone: nn.Module
    autoencoder: nn.Module | None = None  # decodes the samples
    classifiers: Sequence[nn.Module | None] = ()  # whose evaluations are counted; ``None`` is passed over
    classifier: nn.Module | None = None
    label_classifier: nn.Module | None = None
    label_scale: float = 0.0
    postprocessing: Any = None
    details: Mapping[str, Any] = field(default_factory=dict)  # kept in the store; ``scale`` in its table too
    store: ImageStore  # whose geometry the samples have

    config = "inference"
    shared = True
    columns = ()

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.sample_folder}/{self.sample_set}"

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.samples(self.sample_set, self.sample_folder)]

    @property
    def needs_bytes(self) -> int:
        return 5 * len(self.plan) * math.prod(self.store.image_shape)  # float32 parts, and the 8 bits that are kept

    @property
    def made(self) -> str:
        return f"{len(self.plan):,} synthetic images, shown in {self.leaves[0].absolute()}.png"

    def work(self) -> None:
        path = self.folder.samples(self.sample_set, self.sample_folder)
        parts = ResultParts(path.with_name(f".{path.name}.partial"), self.fingerprint, self.batch_size)
        cost = SamplingCost(parts.folder, {"backbone": [self.backbone], "classifier": list(self.classifiers)})
        cost.attach(self.evaluator)
        evaluator: Any = self.evaluator
        inferer = getattr(evaluator.inferer, "inferer", evaluator.inferer)  # a latent one has another
        batches = evaluator.data_loader.sampler
        batches.skip(parts.done)
        total = sum(len(batch.indices) for batch in batches) * (len(inferer.scheduler.timesteps) - inferer.skip)
        with progress_bar(None, f"sample {self.sample_set}", total, unit="image-step", enabled=is_main()) as bar:
            inferer.on_step = bar.update
            evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._check_finite)
            parts.run(evaluator)
        if is_main():
            settings = {**self.details, **self._made_by(), **cost.summary()}
            images = various(parts.batches(len(self.plan)), self.sample_set)
            write_samples(images, self.plan, path, settings["scale"], settings, self.store.geometry)
            parts.delete()

    def _check_finite(self, engine: Engine) -> None:
        """Stop at the first batch that holds NaN or infinity, and not when all have been sampled."""
        output: Any = engine.state.output
        finite = output[CommonKeys.PRED].isfinite().flatten(1).all(dim=1)
        if not finite.all():
            raise ValueError(
                f"images of set {self.sample_set} must be finite, got NaN or infinity in {(~finite).sum()} of a batch "
                f"of {len(finite)}; {_REMEDY}"
            )

    def _made_by(self) -> dict[str, Any]:
        """Networks by their hashes, and what was done besides guidance by the minority classifier."""
        backbone = content.of_network(self.backbone)
        classifier = None if self.classifier is None else content.of_network(self.classifier)
        made: dict[str, Any] = {
            "backbone": [backbone, content.of_network(self.autoencoder)] if self.autoencoder else backbone,
            "classifier": classifier,
        }
        if self.label_scale and self.label_classifier is not None:
            made["classifier"] = [classifier, content.of_network(self.label_classifier), self.label_scale]
            made["label_scale"] = self.label_scale
        if self.postprocessing:
            assert self.configuration is not None
            made["postprocessing"] = self.configuration.parser["postprocessing"]
        return made


def various(batches: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
    """Batches of images ``[B, C, H, W]`` in [-1, 1] as they are, unless they cannot be images of anything.

    Raises:
        ValueError: every image is constant, or all are alike.
    """
    count, constant, first, alike = 0, 0, None, True
    for batch in batches:
        levels = np.clip(batch, -1, 1).reshape(len(batch), -1)
        constant += int((np.ptp(levels, axis=1) < _ONE_LEVEL).sum())
        first = levels[0] if first is None else first
        alike = alike and bool((np.abs(levels - first) < _ONE_LEVEL).all())
        count += len(batch)
        yield batch
    if constant == count or (alike and count > 1):
        what = "all are of one colour" if constant == count else "all are the same"
        raise ValueError(f"images of set {name} must differ, but {what}; {_REMEDY}")
    if constant:
        print(f"{constant} of {count} images of set {name} are of one colour; {_REMEDY}")
