"""The minority score: the distance between an image and its one-step denoising."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from itertools import product
from typing import Any, NamedTuple

import torch
from monai.networks.schedulers import Scheduler
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from monai_minority.diffusion import SeededNoise, predict_x0
from monai_minority.shown import Shown
from monai_minority.side_by_side import side_by_side

from .distances import Distance
from .distances.distance import Embedding
from .timestep import TimestepChoice, choose_timestep, default_timestep

SCORING_STREAM = 0x5C04E5
"""Separates the noise of scoring from that of sampling, so that no sample is scored with the noise it started from."""


class ScoreResult(NamedTuple):
    """Scores of a batch; higher is rarer.

    Attributes:
        mean: mean distance over the draws, ``[B]``.
        standard_error: standard error of that mean, ``[B]``; NaN for one draw.

    Example:
        >>> import torch
        >>> from monai_minority.scoring import ScoreResult
        >>> result = ScoreResult(mean=torch.tensor([0.1, 0.4]), standard_error=torch.tensor([0.01, 0.02]))
        >>> int(result.mean.argmax())  # the rarest image
        1
    """

    mean: Tensor
    standard_error: Tensor


class MinorityScore(Shown):
    """Expected distance between an image and its one-step denoising, at one fixed timestep.

    The score is ``l(x0) = E d(x0, x0_hat(x_t))`` with ``x_t ~ q(x_t | x0)`` (Eq. 7 of Um, Lee & Ye 2024). With class
    labels, the network denoises within the class (Eq. 16). The clean image is embedded once for all draws and
    timesteps.

    Args:
        network: noise-prediction network, called as MONAI's ``DiffusionModelUNet``: ``network(x_t, timesteps)``, with
            ``class_labels=`` where they are given. It runs in evaluation mode and without gradients.
        scheduler: schedule that the network was trained on; x0 is clipped if the scheduler clips.
        distance: ``d``, such as :class:`~monai_minority.scoring.L2`.
        timestep: ``t``, a training index. ``None`` takes the paper's: 0.6 T for linear schedules, 0.9 T for cosine
            schedules. ``"auto"`` leaves it open until :meth:`choose_timestep` is called.
        draws: number of noise draws for each image.
        max_batch: largest batch of the network and the distance; larger inputs are split.
        autocast: dtype in which the network and the networks of the distance compute, such as ``torch.bfloat16``. It
            applies to real and generated images alike. Noising, denoising and comparison keep the images' precision.
            ``None`` leaves it to the caller.
        common_noise: give all images the same noise, whatever their seeds, in pairs of a noise and its negative. Scores
            then share most of their error, so that their order is far more certain at the same number of draws. The
            standard error, of the means of the pairs, is that of a single score and not of a difference.

    Raises:
        ValueError: ``timestep`` is not a training index, ``draws`` or ``max_batch`` is below 1, or ``draws`` is odd
            with ``common_noise``.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.scoring import L2, MinorityScore
        >>> scheduler = RespacedDDPMScheduler(num_train_timesteps=1000)
        >>> def network(x_t, timesteps):  # denoises as if every image were black
        ...     signal = scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1)
        ...     return (x_t + signal.sqrt()) / (1 - signal).sqrt()
        >>> images = torch.stack([torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 0.0)])  # black and grey
        >>> score = MinorityScore(network, scheduler, L2(), draws=4)
        >>> score.timestep, [round(value, 3) for value in score(images, seeds=[0, 1]).mean.tolist()]
        (600, [0.0, 1.0])
    """

    def __init__(
        self,
        network: nn.Module | Callable[..., Tensor],
        scheduler: Scheduler,
        distance: Distance,
        timestep: int | str | None = None,
        draws: int = 1,
        max_batch: int = 64,
        autocast: torch.dtype | None = None,
        common_noise: bool = False,
    ) -> None:
        if common_noise and draws % 2:
            raise ValueError(f"draws must be even with common_noise, which draws pairs, got {draws}.")
        if draws < 1 or max_batch < 1:
            raise ValueError(f"draws and max_batch must be at least 1, got draws={draws}, max_batch={max_batch}.")
        self.network = network
        self.scheduler = scheduler
        self.distance = distance
        self.draws = draws
        self.max_batch = max_batch
        self.autocast = autocast
        self.common_noise = common_noise
        self.timestep: int | None = None
        if timestep != "auto":
            self.timestep = default_timestep(scheduler) if timestep is None else self._checked(timestep)

    def __call__(
        self,
        images: Tensor,
        class_labels: Tensor | None = None,
        seeds: Sequence[int] | Tensor | None = None,
        noise: Tensor | None = None,
    ) -> ScoreResult:
        """Score images.

        Args:
            images: ``[B, C, H, W]`` in [-1, 1].
            class_labels: ``[B]`` int64 for a class-conditional network, or ``None``.
            seeds: ``[B]`` integers. The noise of an image depends on its own seed alone, so its score does not depend
                on the batch. Further draws continue the same stream, so more draws refine the same score.
            noise: standard normal noise ``[draws, B, C, H, W]`` in place of seeds.

        Returns:
            Means and standard errors over the draws, each ``[B]``.

        Raises:
            ValueError: seeds and noise are both missing or both given, shapes do not fit, or ``timestep="auto"`` is not
                resolved.
        """
        if self.timestep is None:
            raise ValueError(
                'timestep="auto" is not resolved yet: call `choose_timestep` with training images, '
                "or set `timestep` to the value that it chose before."
            )
        distances = self.distances(images, [self.timestep], class_labels, seeds, noise)[0]
        if self.common_noise and noise is None:
            distances = distances.unflatten(0, (2, -1)).mean(0)
        draws = len(distances)
        mean = distances.mean(0)
        spread = distances.std(0) if draws > 1 else torch.full_like(mean, torch.nan)
        return ScoreResult(mean, spread / draws**0.5)

    def distances(
        self,
        images: Tensor,
        timesteps: Sequence[int],
        class_labels: Tensor | None = None,
        seeds: Sequence[int] | Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Single distances ``[len(timesteps), draws, B]``; a score is their mean over the draws.

        All timesteps, which are training indices, use the same noise. The other arguments are those of a call.
        """
        timesteps = [self._checked(timestep) for timestep in timesteps]
        self._check(images, class_labels, seeds, noise)
        parts = []
        modules = [part for part in (self.network, self.distance) if isinstance(part, nn.Module)]
        with eval_mode(*modules):
            for start in range(0, len(images), self.max_batch):
                rows = slice(start, start + self.max_batch)
                labels = None if class_labels is None else class_labels[rows]
                drawn = noise[:, rows] if noise is not None else self._drawn(seeds[rows], images.shape[1:])  # type: ignore[index]
                parts.append(self._distances(images[rows], timesteps, labels, drawn.to(images)))
        return torch.cat(parts, dim=2)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        parameters = self.network.parameters() if isinstance(self.network, nn.Module) else iter(())
        return next((parameter.device for parameter in parameters), torch.device("cpu"))

    def choose_timestep(self, images: Tensor, class_labels: Tensor | None = None, **options: Any) -> TimestepChoice:
        """Choose ``t`` on training images without labels of rarity, and keep it.

        See :func:`~monai_minority.scoring.choose_timestep` for the arguments and the result.
        """
        choice = choose_timestep(self, images, class_labels, **options)
        self.timestep = choice.timestep
        return choice

    def _drawn(self, seeds: Sequence[int] | Tensor, shape: Sequence[int]) -> Tensor:
        """Noise ``[draws, B, C, H, W]``."""
        if not self.common_noise:
            return seeded_noise(seeds, self.draws, shape)
        half = seeded_noise([0], self.draws // 2, shape)
        return torch.cat([half, -half]).expand(-1, len(seeds), *shape)

    def _distances(self, x0: Tensor, timesteps: list[int], labels: Tensor | None, noise: Tensor) -> Tensor:
        clean = self._embedded(x0)

        def compared(part: tuple[int, Tensor]) -> Tensor:
            timestep, drawn = part
            repeats = len(drawn)
            repeated_labels = None if labels is None else labels.repeat(repeats)
            x0_hat = self._denoised(_repeat(x0, repeats), timestep, repeated_labels, drawn.flatten(0, 1))
            against = [_repeat(part, repeats) for part in clean] if isinstance(clean, list) else _repeat(clean, repeats)
            return self.distance.compare(against, self._embedded(x0_hat)).view(repeats, len(x0))

        drawn = noise.split(max(1, self.max_batch // len(x0)))
        rows = [*side_by_side(compared, [*product(timesteps, drawn)], x0.device)]
        return torch.cat(rows).view(len(timesteps), len(noise), len(x0))

    def _precision(self, images: Tensor) -> AbstractContextManager:
        return nullcontext() if self.autocast is None else torch.autocast(images.device.type, dtype=self.autocast)

    def _embedded(self, images: Tensor) -> Embedding:
        """The distance's embedding in the precision of the images, whatever precision its networks use.

        The difference of two similar numbers that are rounded to eight bits would be mostly rounding error.
        """
        with self._precision(images):
            embedding = self.distance.embed(images)
        if self.autocast is None:
            return embedding
        if isinstance(embedding, Tensor):
            return embedding.to(images.dtype)
        return [part.to(images.dtype) for part in embedding]

    def _denoised(self, x0: Tensor, timestep: int, labels: Tensor | None, noise: Tensor) -> Tensor:
        """Eq. 1, then Tweedie's formula (Eq. 4) on the noised images."""
        timesteps = torch.full((len(x0),), timestep, device=x0.device, dtype=torch.long)
        x_t = self.scheduler.add_noise(x0, noise, timesteps)
        rescale = getattr(self.scheduler, "network_timesteps", None)
        network_timesteps = timesteps if rescale is None else rescale(timesteps)
        conditions = {} if labels is None else {"class_labels": labels}
        with self._precision(x_t):
            output = self.network(x_t, network_timesteps, **conditions)
        return predict_x0(output, x_t, timesteps, self.scheduler)

    def _checked(self, timestep: Any) -> int:
        steps = self.scheduler.num_train_timesteps
        if isinstance(timestep, (str, bool)) or int(timestep) != timestep or not 0 <= timestep < steps:
            raise ValueError(
                f'timestep must be None, "auto" or a training index in [0, {steps}), got {timestep!r}; '
                "map indices of a respaced chain to training steps first."
            )
        return int(timestep)

    def _check(self, images: Tensor, class_labels: Any, seeds: Any, noise: Tensor | None) -> None:
        if images.ndim != 4 or not len(images):
            raise ValueError(f"images must be [B, C, H, W] with B at least 1, got {tuple(images.shape)}.")
        if (seeds is None) == (noise is None):
            raise ValueError(
                "exactly one of seeds and noise must be given, "
                f"got {'neither' if seeds is None else 'both'}: "
                "an image without a seed has no reproducible score."
            )
        if seeds is not None and len(seeds) != len(images):
            raise ValueError(f"seeds must have one entry for each image, got {len(seeds)} for {len(images)} images.")
        if noise is not None and tuple(noise.shape) != (self.draws, *images.shape):
            raise ValueError(
                f"noise must be [draws, B, C, H, W] = {(self.draws, *images.shape)}, got {tuple(noise.shape)}."
            )
        if class_labels is not None and len(class_labels) != len(images):
            raise ValueError(
                f"class_labels must have one entry for each image, got {len(class_labels)} for {len(images)} images."
            )


class EncodedScore(MinorityScore):
    """Encodes images and scores the latents; everything else is as in ``score``.

    Args:
        score: score of latents.
        encode: function from images ``[B, C, H, W]`` in [-1, 1] to latents, such as
            :meth:`~monai_minority.networks.LatentAutoencoder.encode`.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.scoring import L2, EncodedScore, MinorityScore
        >>> of_latents = MinorityScore(lambda x, t: torch.zeros_like(x), RespacedDDPMScheduler(1000), L2())
        >>> score, images = EncodedScore(of_latents, lambda x: x[..., ::2, ::2]), torch.rand(2, 1, 8, 8)
        >>> torch.equal(score(images, seeds=[0, 1]).mean, of_latents(images[..., ::2, ::2], seeds=[0, 1]).mean)
        True
    """

    def __init__(self, score: MinorityScore, encode: Callable[[Tensor], Tensor]) -> None:
        vars(self).update(vars(score))
        self.encode = encode
        self.of_latents = score

    def distances(self, images: Tensor, *args: Any, **options: Any) -> Tensor:
        """Single distances between the images' latents; ``noise`` has the shape of the latents."""
        with torch.no_grad():
            latents = torch.cat([self.encode(part) for part in images.split(self.max_batch)])
        score = copy(self.of_latents)  # of whatever kind it is, with what has been set here since
        vars(score).update(vars(self))
        return score.distances(latents, *args, **options)


def seeded_noise(seeds: Sequence[int] | Tensor, draws: int, shape: Sequence[int]) -> Tensor:
    """Standard normal noise, from one generator for each image.

    Args:
        seeds: ``[B]`` integers.
        draws: number of draws for each image.
        shape: ``(C, H, W)``.

    Returns:
        ``[draws, B, C, H, W]`` on the CPU, the same on every machine. The first draws do not depend on the number of
        draws.
    """
    noise = SeededNoise([int(seed) ^ SCORING_STREAM for seed in seeds], shape)
    return torch.stack([noise() for _ in range(draws)])


def _repeat(batch: Tensor, times: int) -> Tensor:
    """The batch repeated ``times`` times, in the order of flattened noise ``[draws, B, …]``."""
    return batch.expand(times, *batch.shape).flatten(0, 1)


def encoding(score: MinorityScore, autoencoder: Any = None) -> MinorityScore:
    """A score of images: ``score`` itself, or the score of their latents where there is an autoencoder.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.scoring import L2, MinorityScore, encoding
        >>> score = MinorityScore(lambda x, t: torch.zeros_like(x), RespacedDDPMScheduler(1000), L2())
        >>> encoding(score) is score
        True
    """
    return score if autoencoder is None else EncodedScore(score, autoencoder.encode)
