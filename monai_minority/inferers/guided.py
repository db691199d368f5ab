"""Guided sampling from a diffusion model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from copy import copy, deepcopy
from typing import Any, TypeAlias

import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from monai_minority.diffusion import SeededNoise
from monai_minority.guidance import Draw, GuidanceTerm, SamplingState
from monai_minority.guidance.term import plain
from monai_minority.networks.wrappers import takes_class_labels
from monai_minority.progress import progress_bar
from monai_minority.shown import Shown
from monai_minority.side_by_side import places, side_by_side

Labels: TypeAlias = Tensor | Sequence[int] | int | None

MODES = ("mean", "score", "fixed")
_PIECE = 16  # images: fewer in a thread cost more, and float32 then rounds otherwise


class GuidedDiffusionInferer(Shown, Inferer):
    """Samples images from a diffusion model, with guidance or without.

    Image ``i`` depends on its seed and the settings alone. Its stream gives the initial noise, then at every
    step (also the last, and also where ``eta`` is 0) first the step's own noise, then whatever the guidance
    draws.

    Args:
        scheduler: a scheduler of this project's ``diffusion``; the steps it is set to are taken.
        guidance: the term (or sum of terms) that steers; ``None`` samples from the model as it is.
        mode: where the gradient ``g`` goes. ``"mean"`` shifts the mean of a step by its variance times
            ``g``, as the paper does; ``"score"`` shifts the noise estimate, which keeps its strength when
            steps are few; ``"fixed"`` adds ``g`` itself to the result of the step (the option of that name
            in self-guidance).
        eta: noise share of DDIM and of the DPM solver, 0 to 1; ancestral sampling does not use it.
        steps: if given, ``scheduler.set_timesteps(steps)`` is called with it.
        interval: guide only at training indices ``low <= t <= high`` (Kynkäänniemi et al., NeurIPS 2024);
            ``None``: everywhere.
        every: number ``k``: guide at every ``k``-th step, beginning with the first; 1: at each.
        compensate: multiply the gradient by ``every``, for the steps left out.
        boost: factor ``gamma`` of the initial noise, and
        skip: number of first respaced steps left out: Boost-and-Skip (Um, Kim, Ye, ICML 2025); 1.0 and 0
            switch it off.
        autocast: dtype, such as ``torch.bfloat16``, in which networks compute; the sampler's own arithmetic
            is float32 always.
        channels_last: convert the network and its input to the channels-last memory format.
        shape: ``(C, H, W)`` of the images, needed only where an engine calls the inferer with seeds.

    Attributes:
        on_step: called after each step with the number of images that it advanced, in place of the progress bar.

    Raises:
        ValueError: if an argument is outside its range.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.guidance import MinorityClassifierGuidance
        >>> from monai_minority.inferers import GuidedDiffusionInferer
        >>> def network(x, timesteps):  # takes every state for noise alone
        ...     return x
        >>> def classifier(x, timesteps):  # two classes; the second is the brighter one
        ...     return torch.stack([-x.sum((1, 2, 3)), x.sum((1, 2, 3))], dim=1)
        >>> guidance = MinorityClassifierGuidance(classifier, scale=2.0)
        >>> inferer = GuidedDiffusionInferer(RespacedDDPMScheduler(1000), guidance, mode="score", steps=10)
        >>> images = inferer.sample(network, seeds=[5, 5], shape=(1, 2, 2), target_class=[0, 1], progress=False)
        >>> images.shape, bool((images[0] < images[1]).all())
        (torch.Size([2, 1, 2, 2]), True)
    """

    def __init__(
        self,
        scheduler: Any,
        guidance: GuidanceTerm | None = None,
        mode: str = "mean",
        eta: float = 0.0,
        steps: int | str | Sequence[int] | None = None,
        interval: tuple[int, int] | None = None,
        every: int = 1,
        compensate: bool = False,
        boost: float = 1.0,
        skip: int = 0,
        autocast: torch.dtype | None = None,
        channels_last: bool = False,
        shape: Sequence[int] | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}.")
        if interval is not None and not 0 <= interval[0] <= interval[1]:
            raise ValueError(f"interval must be (low, high) with 0 <= low <= high, got {tuple(interval)}.")
        if every < 1:
            raise ValueError(f"every must be at least 1 step, got {every}; 1 guides at each.")
        if not boost > 0:
            raise ValueError(f"boost must be positive, got {boost}; 1.0 leaves the initial noise as it is.")
        if steps is not None:
            scheduler.set_timesteps(steps)
        if skip < 0:
            raise ValueError(f"skip must be 0 or more respaced steps, got {skip}.")
        self.scheduler = scheduler
        self.guidance = guidance
        self.mode = mode
        self.eta = eta
        self.interval = interval
        self.every = every
        self.compensate = compensate
        self.boost = boost
        self.skip = skip
        self.autocast = autocast
        self.channels_last = channels_last
        self.on_step: Callable[[int], object] | None = None
        self.shape = shape

    def __call__(  # type: ignore[override]
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        class_labels: Labels = None,
        target_class: Labels = None,
        minority_classes: Labels = None,
    ) -> Tensor:
        """Sample one batch, as MONAI's ``SupervisedEvaluator`` asks for it.

        Args:
            inputs: integer seeds ``[B]``.
            network: the diffusion network.
            class_labels: see :meth:`sample`.
            target_class: see :meth:`sample`.
            minority_classes: see :meth:`sample`.

        Returns:
            float32 ``[B, C, H, W]`` on the device of the seeds, not clamped.
        """
        if self.shape is None:
            raise ValueError("shape must be given to GuidedDiffusionInferer, as (C, H, W), when an engine calls it.")
        shape, device = self.shape, inputs.device
        labels = {"class_labels": class_labels, "target_class": target_class, "minority_classes": minority_classes}
        told = {name: _per_image(values, len(inputs), name) for name, values in labels.items()}

        def sampled(rows: Tensor) -> Tensor:
            sampler = copy(self)
            sampler.scheduler = deepcopy(self.scheduler)  # which may remember its last step
            given: dict[str, Any] = {name: values[rows] for name, values in told.items() if values is not None}
            seeds = inputs[rows.to(device)]
            return sampler.sample(network, seeds, shape, **given, batch_size=len(rows), progress=False, device=device)

        with eval_mode(*[network] if isinstance(network, nn.Module) else []):
            parts = torch.arange(len(inputs)).chunk(max(1, min(places(device), len(inputs) // _PIECE)))
            return torch.cat([*side_by_side(sampled, parts, device)]).to(device)

    def sample(
        self,
        network: Callable[..., Tensor],
        seeds: Tensor | Sequence[int],
        shape: Sequence[int],
        class_labels: Labels = None,
        target_class: Labels = None,
        batch_size: int = 64,
        noise: Draw | None = None,
        progress: bool = True,
        device: torch.device | str | None = None,
        minority_classes: Labels = None,
    ) -> Tensor:
        """Sample one image a seed.

        Args:
            network: ``network(x_t, timesteps)``, with ``class_labels`` too where it is conditional, giving
                ``[B, C, H, W]`` or ``2C`` channels (learned variance).
            seeds: integers ``[N]``.
            shape: ``(C, H, W)``.
            class_labels: labels of the data set, ``[N]`` or one for all, for the network and the guidance.
            target_class: minority classes to aim at, 0 the most common, ``[N]`` or one for all.
            batch_size: images sampled at a time; the result does not depend on it.
            noise: takes the place of the seeded noise: each call gives ``[B, C, H, W]``, the initial noise
                first, then each step's, and what the guidance draws in between.
            progress: show a progress bar over images times steps.
            device: where to sample; by default where the network's parameters are.
            minority_classes: an older name of ``target_class``.

        Returns:
            float32 ``[N, C, H, W]`` in memory of the CPU, about [-1, 1], not clamped.

        Raises:
            ValueError: if an argument does not fit the number of seeds or is outside its range, or ``target_class`` is
                given under both of its names.
        """
        images = torch.empty(len(seeds), *shape)
        batches = self.sample_batches(
            network, seeds, shape, class_labels, target_class, batch_size, noise, progress, device, minority_classes
        )
        for indices, batch in batches:
            images[indices] = batch
        return images

    def sample_batches(
        self,
        network: Callable[..., Tensor],
        seeds: Tensor | Sequence[int],
        shape: Sequence[int],
        class_labels: Labels = None,
        target_class: Labels = None,
        batch_size: int = 64,
        noise: Draw | None = None,
        progress: bool = True,
        device: torch.device | str | None = None,
        minority_classes: Labels = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Like :meth:`sample`, a batch at a time: any number of images passes through constant memory.

        Yields:
            indices into ``seeds`` ``[B]`` and their images, float32 ``[B, C, H, W]``, both on the CPU.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        steps = len(self.scheduler.timesteps)
        if self.skip >= steps:
            raise ValueError(f"skip must leave one of the scheduler's {steps} steps, got {self.skip}.")
        if target_class is not None and minority_classes is not None:
            raise ValueError(
                "minority_classes is an older name of target_class and cannot be given beside it, got both; "
                "give target_class alone."
            )
        # bare integers: an engine's seeds may be a MetaTensor, or made in inference mode
        seeds = torch.tensor(seeds.tolist() if isinstance(seeds, Tensor) else list(seeds), dtype=torch.int64)
        labels = _per_image(class_labels, len(seeds), "class_labels")
        targets = _per_image(target_class if minority_classes is None else minority_classes, len(seeds), "target_class")
        device = torch.device(device) if device is not None else _device_of(network)
        total = len(seeds) * (steps - self.skip)
        with progress_bar(None, "sampling", total, unit="image-step", enabled=progress) as bar:
            advance = self.on_step or bar.update
            for rows in torch.arange(len(seeds)).split(batch_size):
                source = noise or SeededNoise(seeds[rows], shape, device)
                yield rows, self._sample_batch(network, source, device, labels, targets, rows, advance).cpu()

    def _sample_batch(
        self,
        network: Callable[..., Tensor],
        noise: Draw,
        device: torch.device,
        labels: Tensor | None,
        targets: Tensor | None,
        rows: Tensor,
        advance: Callable[[int], object],
    ) -> Tensor:
        """One batch from noise to images, ``[B, C, H, W]`` on ``device``."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format

        def draw() -> Tensor:
            return plain(noise()).to(device=device, dtype=torch.float32)

        modules = [network] if isinstance(network, nn.Module) else []
        # Autocast forgets the weights that it has cast when its outermost context ends: here after all steps, not each.
        casts = torch.autocast(device.type, enabled=False) if self.autocast is not None else nullcontext()
        with torch.inference_mode(False), torch.no_grad(), eval_mode(*modules), casts:
            class_labels = None if labels is None else labels[rows].to(device)
            target_class = None if targets is None else targets[rows].to(device)
            if self.channels_last:
                for module in modules:
                    module.to(memory_format=torch.channels_last)
            self.scheduler.restart()
            x_t = draw() * self.boost
            for taken, t in enumerate(self.scheduler.timesteps[self.skip :].tolist()):
                x_t = x_t.contiguous(memory_format=layout)
                x_t = self._step(network, t, x_t, class_labels, target_class, draw, guided=taken % self.every == 0)
                advance(len(x_t))
        return x_t

    def _step(
        self,
        network: Callable[..., Tensor],
        t: int,
        x_t: Tensor,
        class_labels: Tensor | None,
        target_class: Tensor | None,
        draw: Draw,
        guided: bool = True,
    ) -> Tensor:
        """From ``x_t`` to the state at the next respaced step."""
        step_noise = draw()
        labels = {}
        if class_labels is not None and takes_class_labels(network, unknown=True):
            labels["class_labels"] = class_labels
        if target_class is not None and getattr(network, "takes_target_class", False):
            labels["target_class"] = target_class

        def run(x: Tensor, network_timesteps: Tensor) -> Tensor:
            with self._precision(x.device):
                return network(x, network_timesteps, **labels).float()

        timesteps = torch.full((len(x_t),), t, dtype=torch.int64, device=x_t.device)
        state = SamplingState(x_t, timesteps, self.scheduler, run, class_labels, target_class, draw, network)
        gradient = None
        inside = self.interval is None or self.interval[0] <= t <= self.interval[1]
        if self.guidance is not None and guided and inside:
            with self._precision(x_t.device):
                gradient = self.guidance.gradient(state).detach().float()
            if self.compensate:
                gradient = gradient * self.every
        if gradient is not None and self.mode == "fixed":
            return self._scheduler_step(state.output, t, x_t, step_noise) + gradient
        return self._scheduler_step(state.output, t, x_t, step_noise, gradient)

    def _scheduler_step(
        self, output: Tensor, t: int, x_t: Tensor, noise: Tensor, gradient: Tensor | None = None
    ) -> Tensor:
        mode = "mean" if self.mode == "fixed" else self.mode
        return self.scheduler.step(output, t, x_t, guidance=gradient, mode=mode, eta=self.eta, noise=noise)[0]

    def _precision(self, device: torch.device) -> Any:
        return nullcontext() if self.autocast is None else torch.autocast(device.type, dtype=self.autocast)


def _device_of(network: Callable[..., Tensor]) -> torch.device:
    parameter = next(network.parameters(), None) if isinstance(network, nn.Module) else None
    return torch.device("cpu") if parameter is None else parameter.device


def _per_image(values: Labels, number: int, name: str) -> Tensor | None:
    """Labels as int64 ``[number]`` on the CPU."""
    if values is None:
        return None
    given = values.tolist() if isinstance(values, Tensor) else values
    labels = torch.tensor(given, dtype=torch.int64)
    if labels.ndim == 0:
        labels = labels.expand(number)
    if labels.shape != (number,):
        raise ValueError(f"{name} must be one integer or one for each of {number} seeds, got {list(labels.shape)}.")
    return labels
