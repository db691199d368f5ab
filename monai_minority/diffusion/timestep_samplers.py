"""Samplers of the noise levels of a training batch: uniform, or in proportion to the loss."""

from abc import ABC, abstractmethod
from typing import Any

import torch


class TimestepSampler(ABC):
    """Base of samplers that draw timesteps with given probabilities, and weights that keep the mean loss unbiased.

    Args:
        num_train_timesteps: length T of the chain.
        generator: CPU generator to draw from. ``None`` makes a new one with torch's default seed. Its state is part of
            :meth:`state_dict`, so a resumed run draws the same timesteps as an uninterrupted one.

    Raises:
        ValueError: if T is below 1, or the generator is not on the CPU.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import TimestepSampler
        >>> class SecondHalf(TimestepSampler):
        ...     def probabilities(self):
        ...         weights = (torch.arange(self.num_train_timesteps) >= self.num_train_timesteps // 2).double()
        ...         return weights / weights.sum()
        >>> timesteps, weights = SecondHalf(1000).sample(4)
        >>> bool((timesteps >= 500).all()), weights.tolist()
        (True, [0.5, 0.5, 0.5, 0.5])
    """

    def __init__(self, num_train_timesteps: int, generator: torch.Generator | None = None) -> None:
        if num_train_timesteps < 1:
            raise ValueError(f"num_train_timesteps must be at least 1, got {num_train_timesteps}.")
        self.generator = torch.Generator() if generator is None else generator
        if self.generator.device.type != "cpu":
            raise ValueError(
                f"generator must be on the CPU, got one on {self.generator.device}; "
                "sample(..., device=...) moves what is drawn."
            )
        self.num_train_timesteps = num_train_timesteps

    @abstractmethod
    def probabilities(self) -> torch.Tensor:
        """Probability of each timestep ``[T]``, float64, with sum 1."""

    def sample(
        self, batch_size: int, device: str | torch.device | None = None, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw the timesteps of a batch.

        Args:
            batch_size: number B of images.
            device: device of the result.
            generator: CPU generator to use instead of the sampler's own, such as one seeded per step.

        Returns:
            Training indices ``[B]``, int64, and importance weights ``1 / (T p)`` ``[B]``, float32, to multiply the
            losses with.
        """
        probabilities = self.probabilities()
        timesteps = torch.multinomial(
            probabilities, batch_size, replacement=True, generator=generator or self.generator
        )
        weights = 1 / (self.num_train_timesteps * probabilities[timesteps])
        return timesteps.to(device), weights.float().to(device)

    def update(self, timesteps: torch.Tensor, losses: torch.Tensor) -> None:  # noqa: B027
        """Update the probabilities with unweighted losses ``[B]`` at timesteps ``[B]``. The base class does nothing."""

    def state_dict(self) -> dict[str, Any]:
        """State of the generator, for a checkpoint."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.generator.set_state(state_dict["generator"].cpu())


class UniformTimestepSampler(TimestepSampler):
    """Uniform timesteps with weight 1. The arguments are those of :class:`TimestepSampler`.

    Example:
        >>> from monai_minority.diffusion import UniformTimestepSampler
        >>> timesteps, weights = UniformTimestepSampler(1000).sample(4)
        >>> timesteps.shape, weights.tolist()
        (torch.Size([4]), [1.0, 1.0, 1.0, 1.0])
    """

    def probabilities(self) -> torch.Tensor:
        """``1 / T`` for every timestep."""
        return torch.full((self.num_train_timesteps,), 1 / self.num_train_timesteps, dtype=torch.float64)

    def sample(
        self, batch_size: int, device: str | torch.device | None = None, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`TimestepSampler.sample`. Integers are drawn directly, without a table of probabilities."""
        drawn = torch.randint(self.num_train_timesteps, (batch_size,), generator=generator or self.generator)
        return drawn.to(device), torch.ones(batch_size, device=device)


class LossSecondMomentTimestepSampler(TimestepSampler):
    """Timesteps in proportion to their root mean squared loss (Nichol and Dhariwal, 2021, Eq. 18).

    Sampling is uniform until every timestep has a full history. The sampler is meant for the variational bound, whose
    terms differ by orders of magnitude.

    Args:
        num_train_timesteps: length T of the chain.
        generator: see :class:`TimestepSampler`.
        history: number of latest losses that are kept per timestep.
        uniform_prob: fraction of draws that stays uniform, so that every timestep is visited.

    Raises:
        ValueError: if ``history`` is below 1 or ``uniform_prob`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import LossSecondMomentTimestepSampler
        >>> sampler = LossSecondMomentTimestepSampler(2, history=1, uniform_prob=0.0)
        >>> sampler.update(torch.tensor([0, 1]), torch.tensor([3.0, 1.0]))
        >>> sampler.probabilities().tolist()
        [0.75, 0.25]
    """

    def __init__(
        self,
        num_train_timesteps: int,
        generator: torch.Generator | None = None,
        history: int = 10,
        uniform_prob: float = 0.001,
    ) -> None:
        super().__init__(num_train_timesteps, generator)
        if history < 1:
            raise ValueError(f"history must be at least 1, got {history}.")
        if not 0 <= uniform_prob <= 1:
            raise ValueError(f"uniform_prob must be in [0, 1], got {uniform_prob}.")
        self.history = history
        self.uniform_prob = uniform_prob
        self._losses = torch.zeros(num_train_timesteps, history, dtype=torch.float64)
        self._counts = torch.zeros(num_train_timesteps, dtype=torch.int64)

    @property
    def warmed_up(self) -> bool:
        """Whether every timestep has a full history."""
        return bool((self._counts >= self.history).all())

    def probabilities(self) -> torch.Tensor:
        """Normalised root mean squared losses plus the uniform fraction. Uniform until :attr:`warmed_up`."""
        uniform = torch.full((self.num_train_timesteps,), 1 / self.num_train_timesteps, dtype=torch.float64)
        moments = self._losses.square().mean(1).sqrt()
        if not self.warmed_up or moments.sum() == 0:
            return uniform
        return (1 - self.uniform_prob) * moments / moments.sum() + self.uniform_prob * uniform

    def update(self, timesteps: torch.Tensor, losses: torch.Tensor) -> None:
        """Add the losses of a batch to the history. A distributed run adds those of all processes.

        Args:
            timesteps: training indices ``[B]``.
            losses: unweighted losses ``[B]`` at these timesteps.

        Raises:
            ValueError: if the shapes differ, a timestep is out of range, or a loss is not finite.
        """
        if timesteps.shape != losses.shape or timesteps.ndim != 1:
            raise ValueError(
                f"timesteps and losses must be [B] both, got {tuple(timesteps.shape)} and {tuple(losses.shape)}."
            )
        timesteps, losses = timesteps.detach().cpu(), losses.detach().cpu().double()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            parts: list[Any] = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, (timesteps, losses))
            timesteps, losses = (torch.cat(values) for values in zip(*parts, strict=True))
        if timesteps.numel() and not 0 <= int(timesteps.min()) <= int(timesteps.max()) < self.num_train_timesteps:
            raise ValueError(
                f"timesteps must be training indices in 0 ... {self.num_train_timesteps - 1}, "
                f"got values from {int(timesteps.min())} to {int(timesteps.max())}."
            )
        if not losses.isfinite().all():
            raise ValueError(
                f"losses must be finite, got {losses[~losses.isfinite()].tolist()} at timesteps "
                f"{timesteps[~losses.isfinite()].tolist()}; lower the learning rate or skip the batch."
            )

        # A ring buffer a timestep. Repeats of a timestep within the batch take successive places, in their
        # order; of more repeats than places the last ones count.
        timesteps, order = timesteps.sort(stable=True)
        _, inverse, repeats = timesteps.unique_consecutive(return_inverse=True, return_counts=True)
        occurrence = torch.arange(len(timesteps)) - (repeats.cumsum(0) - repeats)[inverse]
        latest = occurrence >= repeats[inverse] - self.history
        place = (self._counts[timesteps] + occurrence) % self.history
        self._losses[timesteps[latest], place[latest]] = losses[order][latest]
        self._counts += torch.bincount(timesteps, minlength=self.num_train_timesteps)

    def state_dict(self) -> dict[str, Any]:
        """State of the generator and the history of losses, for a checkpoint."""
        return super().state_dict() | {"losses": self._losses.clone(), "counts": self._counts.clone()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint.

        Raises:
            ValueError: if the checkpoint has another number of timesteps or another history.
        """
        if state_dict["losses"].shape != self._losses.shape:
            raise ValueError(
                f"state_dict remembers losses of shape {tuple(state_dict['losses'].shape)}, this sampler "
                f"{tuple(self._losses.shape)} (timesteps, history); "
                "build it with the arguments of the checkpoint."
            )
        super().load_state_dict(state_dict)
        self._losses = state_dict["losses"].cpu().clone()
        self._counts = state_dict["counts"].cpu().clone()
