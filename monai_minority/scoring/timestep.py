"""The timestep of the minority score: the paper's default, or chosen on data without labels of rarity."""

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

from monai_minority.progress import progress_bar

from .distances import Distance

LINEAR_SHARE = 0.6
COSINE_SHARE = 0.9
CRITERIA = ("skewness", "outlier_agreement", "density_agreement", "reliability", "variation", "tail")
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LARGEST_MAP = 8
OUTLIER_SHARE = 0.1


def default_timestep(scheduler: Scheduler) -> int:
    """The paper's timestep of the minority score: 0.6 T for linear schedules, 0.9 T for cosine schedules.

    Both leave about 2 % of the signal's variance. The kind of schedule is read from ``alphas_cumprod``, because a MONAI
    scheduler does not keep its name. A schedule is linear if the betas or their square roots grow evenly, and cosine if
    it follows Nichol & Dhariwal's formula.

    Args:
        scheduler: any scheduler with ``alphas_cumprod`` ``[T]``.

    Returns:
        A training index.

    Raises:
        ValueError: the schedule is neither linear nor cosine; the timestep must then be given.

    >>> from monai_minority.diffusion import RespacedDDPMScheduler
    >>> default_timestep(RespacedDDPMScheduler(num_train_timesteps=1000))
    600
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
    """The part of :class:`~monai_minority.scoring.MinorityScore` that :func:`choose_timestep` uses."""

    scheduler: Any
    distance: Distance
    draws: int
    common_noise: bool
    max_batch: int

    def distances(
        self, images: Tensor, timesteps: Sequence[int], class_labels: Tensor | None = None, seeds: Tensor | None = None
    ) -> Tensor:
        """Single distances ``[len(timesteps), draws, B]`` of images ``[B, C, H, W]``, with noise from their seeds."""


@dataclass(frozen=True)
class TimestepChoice:
    """A chosen timestep, and the curve that it was chosen from.

    Attributes:
        timestep: chosen training index.
        criterion: column of ``curve`` that decided.
        curve: table with one row for each candidate; see :func:`choose_timestep` for the columns.

    Example:
        >>> import pandas as pd
        >>> from monai_minority.scoring import TimestepChoice
        >>> curve = pd.DataFrame({"timestep": [300, 600], "skewness": [0.4, 1.7]})
        >>> TimestepChoice(600, "skewness", curve).timestep
        600
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

    At a small ``t`` every image is restored, and scores differ by texture only. At a large ``t`` nothing of the image
    remains, and the score is the distance to the average image. In between, the score is low for images that the model
    knows. The curve has one row for each candidate, with these columns:

    - ``timestep``, ``fraction`` (of T), ``mean`` (of the scores);
    - ``between_std``: standard deviation of the true score between images (analysis of variance over the draws, which
      subtracts the remaining noise of the means); ``standard_error``: root mean square over images for ``score.draws``
      draws;
    - ``reliability``: share of the variance of scores with ``score.draws`` draws that lies between images;
    - ``variation``: ``between_std / mean``;
    - ``skewness``: third standardised moment of the scores over the images, which is above 0 where a few images stand
      out; ``skewness_error``: its bootstrap standard error;
    - ``tail``: distance from the median to the 95th percentile, divided by the distance from the 5th percentile to the
      median; it is above 1 where a few images stand out;
    - ``density_agreement``: Spearman's rank correlation between the score and the mean distance to the nearest
      neighbours (AvgkNN) among the sampled images. AvgkNN is the paper's measure of low density; it needs no labels and
      no model;
    - ``outlier_agreement``: area under the ROC curve of the score for the tenth of the images that AvgkNN finds most
      isolated (0.5 is chance).

    The default is ``skewness``. Where the score shows rarity, most images have similar scores and a few have much
    higher ones. At a small ``t`` the skewness falls to that of texture, and at a large ``t`` to that of the distance to
    the average image. Noise in the scores lowers it everywhere, so it also requires reliable scores. It needs no scale
    and no neighbours. The smallest candidate within one standard error of the maximum is chosen, because more noise
    erases more of what makes an image rare. One exceptional image can decide it, so look at the images with the highest
    scores.

    Each other criterion has a known weakness. ``density_agreement`` and ``outlier_agreement`` have that of AvgkNN: in
    many dimensions the most isolated images are those far from the average, which the largest ``t`` also measures. Give
    ``features`` whose distances are meaningful. ``reliability`` and ``variation`` only show that *something* differs,
    which is texture at the smallest ``t``.

    With class labels, each column is computed within the classes and averaged over them by size, because Eq. 16
    compares images of one class only. Classes with fewer than ``neighbours + 2`` sampled images are left out.

    Args:
        score: score to tune; its own timestep is neither used nor changed.
        images: ``[N, C, H, W]`` training images in [-1, 1].
        class_labels: ``[N]`` labels for a class-conditional network, or ``None``.
        criterion: column to maximise; for ``skewness`` within its standard error, as above.
        fractions: candidates, as shares of T.
        max_images: largest number of images; ``seed`` draws them. The cost is ``max_images x draws x len(fractions)``
            calls of the network and the distance.
        draws: noise draws for each image and timestep, at least 2.
        neighbours: ``k`` of AvgkNN.
        features: ``[N, D]``, the space of the neighbours; ``None`` takes the distance's own embedding, whose maps are
            averaged to at most 8 x 8 positions.
        seed: seed of the sample and the noise.
        progress: whether to show a progress bar.

    Raises:
        ValueError: an argument is out of range, or the criterion is undefined for every candidate.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.scoring import L2, MinorityScore, choose_timestep
        >>> scheduler = RespacedDDPMScheduler(num_train_timesteps=1000)
        >>> def network(x_t, timesteps):  # the exact noise prediction for images of standard deviation 0.1
        ...     signal = scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1)
        ...     return (1 - signal).sqrt() * x_t / (signal * 0.01 + 1 - signal)
        >>> images = 0.1 * torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> images[:2] += 0.8  # two rare ones
        >>> score = MinorityScore(network, scheduler, L2(), timestep="auto")
        >>> choice = choose_timestep(score, images, criterion="reliability", fractions=(0.001, 0.5), progress=False)
        >>> choice.timestep, choice.curve["reliability"].round(1).tolist()  # timestep 1 measures mostly noise
        (500, [0.4, 1.0])
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
    probe.common_noise = False  # what is noise and what lies between images is told by draws of their own
    vectors, scored = [], []
    for start in progress_bar(range(0, len(sample), score.max_batch), "timesteps", unit="batch", enabled=progress):
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
            f"criterion {criterion!r} is undefined at every timestep: all images have the same score or are equally "
            "isolated; check that the network is trained and that the images differ"
        )
    best = curve[criterion].idxmax()
    if criterion == "skewness":
        # The one-standard-error rule (Breiman et al., 1984): of the candidates that the sample cannot distinguish, take
        # the one that destroys least of the image.
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
    """The embedding of images as vectors ``[B, D]``; maps are averaged, because D would otherwise be millions."""
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
    """Rows of each class that is large enough, or all rows without labels."""
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
    """Whether values lie on a line, up to the rounding of float32 products."""
    line = torch.linspace(float(values[0]), float(values[-1]), len(values), dtype=values.dtype)
    return bool((values - line).abs().max() < 2e-3 * values.abs().max())
