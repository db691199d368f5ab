"""Minority scores of images by networks that did not learn from them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .minority_score import MinorityScore
from .timestep import TimestepChoice


class CrossFittedScore(MinorityScore):
    """A score in which several networks share the images, each those of its fold.

    A network denoises well what it learned by heart, so a rare image that it was trained on scores too low. Here each
    network was trained without the subjects of its fold, and scores these. Images outside the training split belong to
    a fold as well. Each is scored by one network, because a mean over several would vary less than the scores of the
    training images, from which the classes are cut.

    The seed of an image says whose fold it is in: image ``i`` of the store has the seed ``first_seed + i``. Generated
    images, which all networks know equally well, are shared out by their own seeds.

    Args:
        networks: one for each fold, called as the network of :class:`MinorityScore`.
        folds: fold of each image of the store ``[N]``, integers. Seeds outside the store begin again at its first
            image.
        first_seed: seed of the first image.
        options: of :class:`MinorityScore`. Its ``network`` learned from all training images; it chooses the timestep
            and scores nothing.

    Raises:
        ValueError: ``folds`` is missing, or has another number of folds than there are networks.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.scoring import L2, CrossFittedScore, MinorityScore
        >>> options = {"scheduler": RespacedDDPMScheduler(num_train_timesteps=1000), "distance": L2(), "draws": 2}
        >>> def first(x_t, timesteps):
        ...     return torch.zeros_like(x_t)
        >>> def second(x_t, timesteps):
        ...     return 0.5 * x_t
        >>> score = CrossFittedScore([first, second], folds=[0, 1, 0], network=first, **options)
        >>> images, seeds = torch.rand(3, 1, 4, 4), [0, 1, 2]
        >>> by_each = [MinorityScore(network, **options)(images, seeds=seeds).mean for network in (first, second)]
        >>> (score(images, seeds=seeds).mean == by_each[0]).tolist(), (score(images, seeds=seeds).mean == by_each[1])[1]
        ([True, False, True], tensor(True))
    """

    def __init__(
        self, networks: Sequence[Any], folds: Sequence[int] | np.ndarray | None, first_seed: int = 0, **options: Any
    ) -> None:
        super().__init__(**options)
        if folds is None:
            raise ValueError("folds is missing: the store has no column fold; run the stage split_folds first")
        self.networks = list(networks)
        self.folds = torch.from_numpy(np.array(folds, dtype=np.int64))
        self.first_seed = first_seed
        found = self.folds.unique().tolist()
        if found != list(range(len(self.networks))):
            raise ValueError(
                f"folds must be 0 … {len(self.networks) - 1}, one for each network, got {found[:10]}; run the stages "
                "split_folds and train+one_fold again after changing cross_fit"
            )

    def distances(
        self,
        images: Tensor,
        timesteps: Sequence[int],
        class_labels: Tensor | None = None,
        seeds: Sequence[int] | Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Single distances ``[len(timesteps), draws, B]``, each by the network of the image's fold.

        Raises:
            ValueError: as :class:`MinorityScore`, or ``noise`` is given, which does not say whose fold an image is in.
        """
        self._check(images, class_labels, seeds, noise)
        if seeds is None:
            raise ValueError("seeds must be given to a cross-fitted score, got noise: they say which network scores")
        drawn = torch.as_tensor(seeds).cpu()
        folds = self.folds[(drawn - self.first_seed) % len(self.folds)]
        result = images.new_empty(len(timesteps), self.draws, len(images))
        for fold in folds.unique().tolist():
            rows = (folds == fold).nonzero()[:, 0]
            there = rows.to(images.device)
            labels = None if class_labels is None else class_labels[rows.to(class_labels.device)]
            single = _by(self, self.networks[fold])
            result[..., there] = single.distances(images[there], timesteps, labels, drawn[rows]).to(result)
        return result

    def against_whole(
        self, images: Tensor, class_labels: Tensor | None = None, *, seeds: Sequence[int] | Tensor
    ) -> Tensor:
        """Scores less those of the network of all subjects ``[2, B]``, of training images: by the network that was
        trained without their subject, and by the next one, which learned from it."""
        knowing = CrossFittedScore.__new__(CrossFittedScore)
        vars(knowing).update(vars(self) | {"folds": (self.folds + 1) % len(self.networks)})
        scored = [score(images, class_labels, seeds=seeds).mean for score in (self, knowing, _by(self, self.network))]
        return torch.stack(scored[:2]) - scored[2]

    def choose_timestep(self, images: Tensor, class_labels: Tensor | None = None, **options: Any) -> TimestepChoice:
        """Choose ``t`` by the network that learned from all training images, and keep it."""
        choice = _by(self, self.network).choose_timestep(images, class_labels, **options)
        self.timestep = choice.timestep
        return choice


def _by(score: MinorityScore, network: nn.Module | Callable[..., Tensor]) -> MinorityScore:
    """The same score by one network."""
    single = MinorityScore.__new__(MinorityScore)
    vars(single).update(vars(score) | {"network": network})
    return single
