"""The timestep of the minority score: the paper's for a schedule, or chosen on the data without any label of rarity."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from monai.networks.schedulers import Scheduler
from monai.networks.utils import eval_mode
from scipy.stats import skew, spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from .distances import Distance

LINEAR_SHARE = 0.6
COSINE_SHARE = 0.9
CRITERIA = ("skewness", "outlier_agreement", "density_agreement", "reliability", "variation", "tail")
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LARGEST_MAP = 8
OUTLIER_SHARE = 0.1


def default_timestep(scheduler: Scheduler) -> int:
    """Timestep of the minority score as the paper sets it: 0.6 T for linear schedules, 0.9 T for cosine ones.

    Both leave about 2 % of the signal's variance. The family is read off ``alphas_cumprod`` itself, a
    scheduler of MONAI not keeping its name: linear when the betas or their roots grow evenly, cosine when it
    follows Nichol & Dhariwal's formula.

    Args:
        scheduler: any scheduler with ``alphas_cumprod`` ``[T]``.

    Returns:
        A training index.

    Raises:
        ValueError: if the schedule is neither; the timestep must then be given.
    """
    alphas_cumprod = scheduler.alphas_cumprod.double().cpu()
    steps = len(alphas_cumprod)
    before = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    betas = 1 - alphas_cumprod / before
    if _even(betas) or _even(betas.clamp(min=0).sqrt()):
        return round(LINEAR_SHARE * steps)
    times = (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008
    cosine = torch.cos(times * torch.pi / 2) ** 2
    if torch.allclose(alphas_cumprod, cosine[1:] / cosine[0], rtol=0, atol=1e-3):
        return min(round(COSINE_SHARE * steps), steps - 1)
    raise ValueError(
        'timestep must be given, or be "auto": the paper has a default for linear and cosine schedules only, '
        "and this scheduler's alphas_cumprod follows neither."
    )


class TunableScore(Protocol):
    """What :func:`choose_timestep` asks of a score; :class:`~monai_minority.scoring.MinorityScore` has it."""

    scheduler: Any
    distance: Distance
    draws: int
    max_batch: int

    def distances(
        self, images: Tensor, timesteps: Sequence[int], class_labels: Tensor | None = None, seeds: Tensor | None = None
    ) -> Tensor:
        """Single distances ``[len(timesteps), draws, B]`` of images ``[B, C, H, W]`` with noise from their seeds."""


@dataclass(frozen=True)
class TimestepChoice:
    """A chosen timestep and what it was chosen by.

    Attributes:
        timestep: the chosen training index.
        criterion: the column of ``curve`` it was chosen by.
        curve: one row a candidate, with the columns :func:`choose_timestep` describes.
    """

    timestep: int
    criterion: str
    curve: pd.DataFrame


def choose_timestep(
    score: TunableScore,
    images: Tensor,
    class_labels: Tensor | None = None,
    criterion: str = "skewness",
    fractions: Sequence[float] = FRACTIONS,
    max_images: int = 256,
    draws: int = 4,
    neighbours: int = 5,
    features: Tensor | None = None,
    seed: int = 0,
    progress: bool = True,
) -> TimestepChoice:
    """Compare timesteps on a sample of training images and choose one.

    At a small ``t`` every image is restored and scores differ by texture alone; at a large one nothing of the
    image is left and its score is the distance to the average image. Between them the score is low where the
    model knows images like this one. Each candidate gets a row with:

    - ``timestep``, ``fraction`` (of T), ``mean`` (of the scores);
    - ``between_std``: standard deviation between images of the true score (analysis of variance over the
      draws: the noise that is left in the means is taken off), ``standard_error``: root mean square over
      images for ``score.draws`` draws;
    - ``reliability``: share of the variance of scores of ``score.draws`` draws that lies between images;
    - ``variation``: ``between_std / mean``;
    - ``skewness``: third standardised moment of the scores over the images, above 0 where a few stand out, and
      ``skewness_error``, its bootstrap standard error;
    - ``tail``: distance from the median up to the 95th percentile over that from the median down to the 5th,
      above 1 where a few images stand out;
    - ``density_agreement``: Spearman's rank correlation of the score with the mean distance to the nearest
      neighbours (AvgkNN) among the sampled images, the paper's measure of low density, which needs no labels
      and no model;
    - ``outlier_agreement``: how well the score finds the tenth of the images that is most isolated by AvgkNN,
      as the chance that one of them scores above one of the others (0.5: not at all).

    The default is ``skewness``: where the score shows rarity, most images score alike and a few far higher. At
    a small ``t`` it falls to the skewness of texture, at a large one to that of the distance to the average
    image, and noise in the scores lowers it anywhere, so it asks for reliable scores by itself; it needs neither
    scale nor neighbours. Of the candidates within one standard error of its maximum the smallest is chosen, since
    more noise erases more of what makes an image rare. A single freak image can rule it, so look at the images of
    the highest scores.

    The others each have a known failing. ``density_agreement`` and ``outlier_agreement`` inherit that of AvgkNN:
    in many dimensions the most isolated images are those far from the average one, which the largest ``t``
    measures as well; give ``features`` in which distances mean something. ``reliability`` and ``variation`` say
    only that *something* differs, which at the smallest ``t`` is texture.

    With class labels each column is computed within the classes and averaged over them by size, as Eq. 16
    compares images of one class only; classes of fewer than ``neighbours + 2`` sampled images are left out.

    Args:
        score: the score to tune; its own timestep is not used and not changed.
        images: ``[N, C, H, W]`` training images in [-1, 1].
        class_labels: ``[N]`` labels for a class-conditional network, or ``None``.
        criterion: column to maximise; for ``skewness`` up to its standard error, as said above.
        fractions: candidates, as shares of T.
        max_images: at most this many images are used, drawn by ``seed``. The cost is ``max_images x draws x
            len(fractions)`` calls of network and distance.
        draws: noisings of each image and timestep, at least 2.
        neighbours: ``k`` of AvgkNN.
        features: ``[N, D]`` in which to look for neighbours; ``None`` takes the distance's own embedding, its
            maps averaged down to at most 8 x 8 positions.
        seed: of the sample and the noise.
        progress: show a bar.

    Raises:
        ValueError: if an argument breaks its rule, or no candidate has a defined criterion.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {CRITERIA}, got {criterion!r}.")
    if draws < 2:
        raise ValueError(f"draws must be at least 2 to tell noise from differences between images, got {draws}.")
    if any(not 0 <= fraction < 1 for fraction in fractions) or not fractions:
        raise ValueError(f"fractions must be shares of T in [0, 1), got {list(fractions)}.")
    steps = score.scheduler.num_train_timesteps
    timesteps = sorted({round(fraction * steps) for fraction in fractions})

    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:max_images].sort().values
    sample = images[chosen.to(images.device)]
    labels = None if class_labels is None else class_labels[chosen.to(class_labels.device)]
    members = _classes(labels, len(sample), neighbours)

    probe = copy(score)
    probe.draws = draws
    vectors, scored = [], []
    for start in tqdm(range(0, len(sample), score.max_batch), desc="timesteps", disable=not progress):
        rows = slice(start, start + score.max_batch)
        part_labels = None if labels is None else labels[rows]
        scored.append(probe.distances(sample[rows], timesteps, part_labels, seeds=chosen[rows] + seed).cpu())
        if features is None:
            vectors.append(_vectors(score.distance, sample[rows]).cpu())
    distances = torch.cat(scored, dim=2).double()
    space = torch.cat(vectors) if features is None else features[chosen.to(features.device)].cpu()

    sizes = [len(rows) for rows in members]
    tables = [_columns(distances[:, :, rows], space[rows], score.draws, neighbours) for rows in members]
    curve = pd.DataFrame({"timestep": timesteps, "fraction": [timestep / steps for timestep in timesteps]})
    for column in tables[0]:
        curve[column] = np.average([table[column] for table in tables], axis=0, weights=sizes)
    if curve[criterion].isna().all():
        raise ValueError(
            f"criterion {criterion!r} is undefined at every timestep: all images score the same or are "
            "equally isolated; is the network trained, and do the images differ?"
        )
    best = curve[criterion].idxmax()
    if criterion == "skewness":
        # The one-standard-error rule (Breiman et al., 1984): among candidates that the sample cannot tell apart, the
        # one that destroys least of the image.
        best = curve.index[curve[criterion] >= curve[criterion][best] - curve["skewness_error"][best]][0]
    return TimestepChoice(int(curve["timestep"][best]), criterion, curve)


def _columns(distances: Tensor, space: Tensor, score_draws: int, neighbours: int) -> dict[str, np.ndarray]:
    """The columns of the curve from single distances ``[T, draws, N]`` and a feature space ``[N, D]``."""
    within = distances.var(1).mean(1)
    scores = distances.mean(1)
    between = (scores.var(1) - within / distances.shape[1]).clamp(min=0)
    low, median, high = torch.quantile(scores, torch.tensor([0.05, 0.5, 0.95], dtype=scores.dtype), dim=1)
    isolation = _average_neighbour_distance(space, neighbours)
    columns = {
        "mean": scores.mean(1),
        "between_std": between.sqrt(),
        "standard_error": (within / score_draws).sqrt(),
        "reliability": between / (between + within / score_draws),
        "variation": between.sqrt() / scores.mean(1),
        "tail": (high - median) / (median - low),
    }
    table = {name: column.numpy() for name, column in columns.items()}
    rows = list(scores.numpy())
    table["skewness"] = np.array([float(skew(row)) if np.ptp(row) else float("nan") for row in rows])
    table["skewness_error"] = np.array([_skewness_error(row) for row in rows])
    table["density_agreement"] = np.array([_rank_correlation(row, isolation) for row in rows])
    table["outlier_agreement"] = np.array([_outlier_area(row, isolation) for row in rows])
    return table


def _skewness_error(scores: np.ndarray, resamples: int = 500) -> float:
    """Bootstrap standard error of the skewness over the images."""
    rows = np.random.default_rng(0).integers(0, len(scores), (resamples, len(scores)))
    return float(np.nanstd(skew(scores[rows], axis=1))) if np.ptp(scores) else float("nan")


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    constant = np.ptp(a) == 0 or np.ptp(b) == 0
    return float("nan") if constant else float(spearmanr(a, b).statistic)


def _outlier_area(scores: np.ndarray, isolation: np.ndarray) -> float:
    outlier = isolation > np.quantile(isolation, 1 - OUTLIER_SHARE)
    constant = np.ptp(scores) == 0 or not outlier.any()
    return float("nan") if constant else float(roc_auc_score(outlier, scores))


def _average_neighbour_distance(space: Tensor, neighbours: int) -> np.ndarray:
    pairwise = torch.cdist(space, space, compute_mode="donot_use_mm_for_euclid_dist")
    pairwise.fill_diagonal_(torch.inf)
    return pairwise.topk(neighbours, largest=False).values.mean(1).numpy()


def _vectors(distance: Distance, images: Tensor) -> Tensor:
    """The embedding of images as vectors ``[B, D]``; maps are averaged down, or D would be millions."""
    with eval_mode(distance):
        embedded = distance.embed(images)
    if isinstance(embedded, Tensor):
        return embedded.flatten(1)
    return torch.cat([_small(part).flatten(1) for part in embedded], dim=1)


def _small(maps: Tensor) -> Tensor:
    """A map on at most 8 x 8 positions, weighted so that squared distances average over them."""
    if maps.ndim < 4:
        return maps
    size = (min(maps.shape[2], LARGEST_MAP), min(maps.shape[3], LARGEST_MAP))
    return functional.adaptive_avg_pool2d(maps, size) / (size[0] * size[1]) ** 0.5


def _classes(labels: Tensor | None, count: int, neighbours: int) -> list[Tensor]:
    """Rows of each class that is large enough, or all rows where there are no labels."""
    if labels is None:
        groups = [torch.arange(count)]
    else:
        groups = [(labels.cpu() == label).nonzero().flatten() for label in labels.cpu().unique()]
    large = [rows for rows in groups if len(rows) >= neighbours + 2]
    if not large:
        raise ValueError(
            f"images: at least neighbours + 2 = {neighbours + 2} sampled images (of one class) are needed, "
            f"got at most {max(map(len, groups), default=0)}; raise max_images or give more images."
        )
    return large


def _even(values: torch.Tensor) -> bool:
    """Whether values lie on a line, up to what float32 products leave of it."""
    line = torch.linspace(float(values[0]), float(values[-1]), len(values), dtype=values.dtype)
    return bool((values - line).abs().max() < 2e-3 * values.abs().max())
