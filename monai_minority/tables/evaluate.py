"""The evaluate stage: every figure of a run, from its stores to its tables."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.density import PyODDetector
from monai_minority.evaluation.features import describe, extract
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.provenance import DENSITY, NO_EXTRACTOR, with_provenance
from monai_minority.keys import Split
from monai_minority.scoring import MinorityScore, QuantileClasses
from monai_minority.tables import reference
from monai_minority.tables.agreement import agreement_table
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.fidelity import SeenBy, fidelity_table
from monai_minority.tables.groups import group_table
from monai_minority.tables.images import Pictures, generated_table, real_table
from monai_minority.tables.spaces import space_table
from monai_minority.tables.summary import summary_table
from monai_minority.tables.unusual import unusual_images, unusual_subjects

HELD_OUT = (Split.VALIDATION.value, Split.TEST.value, Split.REFERENCE.value)


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
    reference_size: int = 200,
    reference_split: Sequence[str] = HELD_OUT,
    reference_measure: str = "average_knn",
    detectors: Mapping[str, Mapping[str, Any]] | None = None,
    further_spaces: Sequence[nn.Module] = (),
    normal_group: str | Sequence[str] | None = None,
    neighbours: int = 5,
    lof_neighbours: int = 20,
    copy_quantile: float = 0.01,
    review_size: int = 50,
    resamples: int = 1000,
    distance_resamples: int = 100,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> RunEvaluation:
    """Measure real and generated images, and write the tables to ``output_dir``.

    Densities are measured among the training images, from which a training image itself is left out, and for AvgkNN
    its whole subject. Generated
    images are scored as the real ones were, by the given ``score``, each with the noise of its own seed, and within
    its ``class_label`` where the network is conditional (Eq. 16).
    Fidelity is measured against the ``reference_size`` most unique real images by ``reference_measure``: among those of
    ``reference_split``, which the backbone never saw, where they are at least twice as many (else the most unique would
    be nearly all of them), otherwise among all real images; ``context.json`` says which.

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
        reference_size: number of most unique real images; at most half of the images they are chosen among.
        reference_measure: ``average_knn``, ``local_outlier_factor``, ``rarity`` or ``minority_score``.
        detectors: names of PyOD's detectors, each with the arguments of its constructor, that judge every image too;
            ``random_state`` is ``seed`` where a detector takes one and is given none.
        further_spaces: extractors in whose features density and fidelity are measured as well; one that gives maps
            (:class:`~monai_minority.evaluation.features.InceptionMaps`) gives the spatial Fréchet distance.
        reference_split: splits that the backbone never saw.
        normal_group: value (or values) of ``group`` that others are compared with; ``None``: the commonest in training.
        neighbours: k of AvgkNN, Rarity, precision and recall (the paper: 5).
        lof_neighbours: k of LOF (the paper: 20).
        copy_quantile: see :func:`~monai_minority.evaluation.memorization.audit`.
        review_size: number of the most unusual real images that are listed with their neighbours.
        resamples: of the bootstrap intervals; 0 leaves them out.
        distance_resamples: of those of Fréchet and kernel distances; 0 leaves them out.
        batch_size: images at a time.
        device: where to compute; by default where the extractor is.
        seed: of the bootstrap.
        progress: whether to show bars.

    Returns:
        The tables, as written.

    Raises:
        ValueError: a column is missing, the stores' images differ in shape, there are too few training images
            for the neighbours asked for, PyOD has no such detector, or there is no such measure.
    """
    if not samples:
        raise ValueError("samples must name at least one store of generated images, got none; run the sample stage")
    check_shapes(store, samples)
    if reference_measure not in reference.MEASURES:
        raise ValueError(f"reference_measure must be one of {', '.join(reference.MEASURES)}, got {reference_measure!r}")
    made = {name: PyODDetector(name, seed, **settings) for name, settings in (detectors or {}).items()}
    if isinstance(score.network, nn.Module) and device is not None:
        score.network.to(device)

    def seen_by(network: nn.Module, pictures: ImageStore) -> np.ndarray:
        return extract(pictures, network, feature_dir, batch_size, device, progress)

    def measured(pictures: ImageStore) -> Pictures:
        return Pictures(pictures, seen_by(extractor, pictures), severity, batch_size)

    real = real_table(measured(store), neighbours=neighbours, lof_neighbours=lof_neighbours, detectors=made)
    generated = generated_table(
        real,
        {name: measured(pictures) for name, pictures in samples.items()},
        score,
        classes=classes,
        group_column=group_column,
        copy_quantile=copy_quantile,
        device=device,
        progress=progress,
    )
    against: dict[str, Any] = {
        "reference_size": reference_size,
        "held_out": reference_split,
        "reference_measure": reference_measure,
        "resamples": resamples,
        "distance_resamples": distance_resamples,
        "seed": seed,
    }
    summary, compared = summary_table(real, generated, **against)
    seen = [
        SeenBy(describe(space), seen_by(space, store), {name: seen_by(space, made) for name, made in samples.items()})
        for space in further_spaces
    ]
    spaces = space_table(
        summary,
        describe(extractor),
        Pictures(store, real.features),
        generated.table,
        seen,
        neighbours=neighbours,
        lof_neighbours=lof_neighbours,
        copy_quantile=copy_quantile,
        **against,
    )
    fidelity = fidelity_table(
        seen,
        np.asarray(compared["reference_rows"]),
        k=neighbours,
        resamples=resamples,
        distance_resamples=distance_resamples,
        seed=seed,
    )
    agreement = agreement_table(
        real.table,
        generated.table,
        real.subjects,
        held_out=reference_split,
        normal_group=normal_group,
        resamples=resamples,
        seed=seed,
    )
    groups = group_table(real, generated, held_out=reference_split, normal_group=normal_group)
    context = {
        **describe(extractor),
        "dimension": int(real.index.dimension),
        "neighbours": neighbours,
        "lof_neighbours": lof_neighbours,
        "density_among": f"{len(real.index)} training images, each without itself, and in AvgkNN without its subject",
        **compared,
        "detectors": {name: detector.settings for name, detector in made.items()},
        "copy_quantile": copy_quantile,
        "copy_threshold": generated.copy_threshold,
        "score_timestep": score.timestep,
        "score_draws": score.draws,
        "score_distance": type(score.distance).__name__,
        "severity_measure": None if severity is None else getattr(severity, "__name__", type(severity).__name__),
        "intervals": f"95 %: shares Wilson's; else bootstrap, {resamples} resamples, in agreement by subject; "
        f"of distances {distance_resamples} resamples of images",
        "seed": seed,
        "stores": {"real": store.content_hash, **{name: s.content_hash for name, s in samples.items()}},
        "libraries": library_versions(),
    }
    evaluation = RunEvaluation(
        with_provenance(real.table, context, DENSITY),
        with_provenance(generated.table, context, DENSITY),
        with_provenance(summary, context),
        fidelity,
        with_provenance(agreement, context),
        with_provenance(unusual_images(real, store, review_size), context, DENSITY),
        with_provenance(unusual_subjects(real, store), context | NO_EXTRACTOR, (*NO_EXTRACTOR, "seed", "libraries")),
        with_provenance(spaces, context),
        with_provenance(groups, context),
        context,
    )
    evaluation.save(output_dir)
    return evaluation


def check_shapes(store: ImageStore, samples: Mapping[str, ImageStore]) -> None:
    """Refuse sets of generated images that cannot be compared with the real ones."""
    for name, pictures in samples.items():
        if pictures.image_shape != store.image_shape:
            raise ValueError(
                f"samples[{name!r}] must hold images of the real store's shape {store.image_shape}, got "
                f"{pictures.image_shape}; sample or import them at that size"
            )
