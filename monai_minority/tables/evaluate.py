"""The evaluate stage: every figure of a run, from its stores to its tables."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.features import describe_extractor, extract
from monai_minority.evaluation.figure import library_versions
from monai_minority.keys import Column
from monai_minority.scoring import MinorityScore, QuantileClasses
from monai_minority.tables.agreement import agreement_table
from monai_minority.tables.denoising import denoising_loss
from monai_minority.tables.dispersion import dispersion_table
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.fidelity import SeenBy, fidelity_table
from monai_minority.tables.groups import group_table
from monai_minority.tables.images import GeneratedImages, Pictures, RealImages, generated_table, real_table
from monai_minority.tables.judges import Space, judges_of
from monai_minority.tables.provenance import DENSITY, NO_EXTRACTOR, with_provenance
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.severity import MEASURED_BY, severity_table
from monai_minority.tables.spaces import space_table
from monai_minority.tables.summary import summary_table
from monai_minority.tables.unusual import unusual_images, unusual_subjects


def evaluate_run(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    extractor: nn.Module,
    score: MinorityScore,
    *,
    output_dir: str | Path,
    feature_dir: str | Path | None = None,
    classes: QuantileClasses | None = None,
    group_column: str | None = None,
    severity: Callable[[torch.Tensor], Any] | None = None,
    further_spaces: Sequence[nn.Module] = (),
    measures: MeasureSettings | None = None,
) -> RunEvaluation:
    """Measure real and generated images, and write the tables to ``output_dir``.

    Densities are measured among the training images, from which a training image itself is left out, and for AvgkNN
    its whole subject. Generated images are scored as the real ones were, by the given ``score``, each with the noise of
    its own seed, and within its ``class_label`` where the network is conditional (Eq. 16).
    Fidelity is measured against the ``reference_size`` most unique real images by ``reference_measure``: among those of
    the ``held_out`` splits, which the backbone never saw, where they are at least twice as many (else the most unique
    would be nearly all of them), otherwise among all real images; ``context.json`` says which.

    Args:
        store: real images with the columns ``split`` and ``minority_score``.
        samples: stores of generated images by name, with the columns ``seed``, ``target_class`` and
            ``guidance_scale``.
        extractor: feature space, a module from images ``[B, C, H, W]`` in [-1, 1] to features ``[B, D]``.
        score: the score that gave the real images theirs: same network, timestep, draws.
        output_dir: folder for the tables, made where needed.
        feature_dir: cache of features, by content; ``None`` keeps none.
        classes: classes of the run; given, generated images get the class of their score.
        group_column: column within whose values the classes were fitted; generated images that lack it get none.
        severity: measure of severity from images ``[B, C, H, W]`` to ``[B]``, such as
            :func:`~monai_minority.evaluation.severity.ventricle_to_brain_ratio`.
        further_spaces: extractors in whose features density and fidelity are measured as well; one that gives maps
            (:class:`~monai_minority.evaluation.features.InceptionMaps`) gives the spatial Fréchet distance.
        measures: how the images are measured; ``None``: the defaults.

    Returns:
        The tables, as written.

    Raises:
        ValueError: a column is missing, the stores' images differ in shape, or there are too few training images
            for the neighbours asked for.
    """
    settings = measures or MeasureSettings()
    images = measured(
        store, samples, extractor, score, settings, feature_dir, classes, group_column, severity, brightness=True
    )
    real, generated, summary, compared, seen_by = images
    seen = [
        SeenBy(
            describe_extractor(space),
            seen_by(space, store),
            {name: seen_by(space, made) for name, made in samples.items()},
        )
        for space in further_spaces
    ]
    described = describe_extractor(extractor)
    spaces = space_table(summary, described, Pictures(store, real.features), generated.table, seen, settings)
    seeds = {name: made.table[Column.SEED].to_numpy() for name, made in samples.items()}
    fidelity = fidelity_table(seen, np.asarray(compared["reference_rows"]), real.subjects, seeds, settings)
    agreement = agreement_table(real, generated, settings)
    groups = group_table(real, generated, settings)
    measure = None if severity is None else getattr(severity, "__name__", type(severity).__name__)
    vectors = [
        Space(described, real.features, generated.features),
        *(Space(s.description, s.real, np.concatenate([*s.generated.values()])) for s in seen if s.real.ndim == 2),
    ]
    judges, label_judge = judges_of(real, generated, vectors, settings, measure)
    context = {
        **described,
        "dimension": int(real.bank.index.dimension),
        "neighbours": settings.neighbours,
        "lof_neighbours": settings.lof_neighbours,
        "density_among": f"{len(real.training)} training images, each without itself, in AvgkNN without its subject",
        **compared,
        "detectors": {name: detector.settings for name, detector in real.bank.detectors.items()},
        "duplicate_threshold": generated.duplicate_threshold,
        "score_timestep": score.timestep,
        "score_draws": score.draws,
        "score_distance": type(score.distance).__name__,
        "severity_measure": measure,
        "label_judge": label_judge,
        "denoising_loss": denoising_loss(store, score, settings),
        "intervals": "95 %: shares Wilson's, ratios of shares MOVER's of these; else bootstrap, "
        f"{settings.resamples} resamples, of distances {settings.distance_resamples}; all of subjects and seeds",
        "seed": settings.seed,
        "stores": {"real": store.content_hash, **{name: s.content_hash for name, s in samples.items()}},
        "libraries": library_versions(),
    }
    evaluation = RunEvaluation(
        with_provenance(real.table, context, DENSITY),
        with_provenance(generated.table, context, DENSITY),
        with_provenance(summary, context),
        fidelity,
        with_provenance(agreement, context),
        with_provenance(unusual_images(real, store, settings.review_size), context, DENSITY),
        with_provenance(unusual_subjects(real, store), context | NO_EXTRACTOR, (*NO_EXTRACTOR, "seed", "libraries")),
        with_provenance(spaces, context),
        with_provenance(groups, context),
        with_provenance(severity_table(real, generated, judges, settings), context, MEASURED_BY),
        with_provenance(
            dispersion_table(real, generated, judges, settings), context, ("intervals", "seed", "libraries")
        ),
        context,
    )
    evaluation.save(output_dir)
    return evaluation


class Measured(NamedTuple):
    """Real and generated images measured, their summary, how fidelity was compared, and how a space sees a store."""

    real: RealImages
    generated: GeneratedImages
    summary: pd.DataFrame
    compared: dict[str, Any]
    seen_by: Callable[[nn.Module, ImageStore], np.ndarray]


def measured(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    extractor: nn.Module,
    score: MinorityScore,
    settings: MeasureSettings,
    feature_dir: str | Path | None,
    classes: QuantileClasses | None,
    group_column: str | None,
    severity: Callable[[torch.Tensor], Any] | None,
    brightness: bool = False,
) -> Measured:
    """What :func:`evaluate_run` and :func:`~monai_minority.tables.compare_methods` measure alike."""
    if not samples:
        raise ValueError("samples must name at least one store of generated images, got none; run the sample stage")
    for name, made in samples.items():
        if made.image_shape != store.image_shape:
            raise ValueError(
                f"samples[{name!r}] must hold images of the real store's shape {store.image_shape}, got "
                f"{made.image_shape}; sample or import them at that size"
            )
    if isinstance(score.network, nn.Module) and settings.device is not None:
        score.network.to(settings.device)

    def seen_by(network: nn.Module, images: ImageStore) -> np.ndarray:
        return extract(images, network, feature_dir, settings.batch_size, settings.device, settings.progress)

    def pictures(images: ImageStore) -> Pictures:
        return Pictures(images, seen_by(extractor, images), severity, settings.batch_size, brightness=brightness)

    real = real_table(pictures(store), settings)
    sets = {name: pictures(made) for name, made in samples.items()}
    generated = generated_table(real, sets, score, settings, classes=classes, group_column=group_column)
    return Measured(real, generated, *summary_table(real, generated, settings), seen_by)
