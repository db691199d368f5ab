"""The common base of the respaced schedulers: schedule, kept timesteps, denoising and guidance."""

import warnings
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from monai.networks.schedulers import Scheduler
from monai.networks.schedulers.ddpm import DDPMPredictionType

from monai_minority.diffusion.chain import DiffusionChain, at_timesteps
from monai_minority.diffusion.schedules import REFERENCE_STEPS, space_timesteps
from monai_minority.diffusion.tweedie import epsilon_from_x0, predict_x0, split_variance
from monai_minority.shown import Shown

GuidanceMode = Literal["mean", "score"]


class Step(NamedTuple):
    """What :meth:`RespacedScheduler.step` was given, and the place of its timestep in the chain."""

    place: int
    timestep: int
    model_output: torch.Tensor
    sample: torch.Tensor
    guidance: torch.Tensor | None
    mode: GuidanceMode
    eta: float
    noise: Callable[[], torch.Tensor]


class RespacedScheduler(Shown, Scheduler):
    """Base of schedulers that sample with fewer steps than the network was trained with.

    ``alphas_cumprod``, ``betas`` and ``alphas`` describe the T training steps in float64. :meth:`set_timesteps` builds
    the shortened chain in ``chain``. The step that follows a kept timestep is the next kept one.

    Args:
        num_train_timesteps: length T of the training chain.
        schedule: name in MONAI's ``NoiseSchedules``. This package adds ``improved_linear`` (default, valid for every
            T), ``improved_scaled_linear`` and ``improved_cosine``.
        clip_sample: clip the estimate of ``x_0`` at each step.
        prediction_type: output of the network: ``epsilon``, ``sample`` or ``v_prediction``.
        clip_sample_min: lower end of the clipping range.
        clip_sample_max: upper end of the clipping range.
        rescale_timesteps: the network was trained with ``t * 1000 / T``, see :meth:`network_timesteps`.
        **schedule_args: arguments of the schedule, such as ``beta_start``.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from monai_minority.diffusion import RespacedScheduler
        >>> scheduler = RespacedScheduler(1000)
        >>> scheduler.set_timesteps(5)
        >>> scheduler.timesteps.tolist()
        [999, 749, 500, 250, 0]
        >>> scheduler.add_noise(torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4), torch.tensor([0, 999])).amax((1, 2, 3))
        tensor([0.0100, 1.0000])
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        schedule: str = "improved_linear",
        clip_sample: bool = True,
        prediction_type: str = DDPMPredictionType.EPSILON,
        clip_sample_min: float = -1.0,
        clip_sample_max: float = 1.0,
        rescale_timesteps: bool = False,
        **schedule_args: float,
    ) -> None:
        super().__init__(num_train_timesteps, schedule, **schedule_args)
        self.schedule = schedule
        allowed = [kind.value for kind in DDPMPredictionType]
        if prediction_type not in allowed:
            raise ValueError(f"prediction_type must be one of {allowed}, got {prediction_type!r}.")
        if not clip_sample_min < clip_sample_max:
            raise ValueError(
                f"clip_sample_min must be below clip_sample_max, got {clip_sample_min} and {clip_sample_max}."
            )
        unscaled = schedule in ("linear_beta", "scaled_linear_beta") and not schedule_args
        if unscaled and num_train_timesteps != REFERENCE_STEPS:
            warnings.warn(
                f"{schedule!r} with {num_train_timesteps} steps keeps the ends meant for {REFERENCE_STEPS}; "
                f"'improved_linear' and 'improved_scaled_linear' scale them. "
                "Give beta_start and beta_end to silence this.",
                stacklevel=3,
            )
        self.betas = self.betas.double()
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(dim=0)

        self.prediction_type = prediction_type
        self.clip_sample = clip_sample
        self.clip_sample_values = [clip_sample_min, clip_sample_max]
        self.rescale_timesteps = rescale_timesteps
        self.set_timesteps(num_train_timesteps)

    def set_timesteps(
        self, num_inference_steps: int | str | Sequence[int], device: str | torch.device | None = None
    ) -> None:
        """Choose the sampling timesteps and build the chain through them.

        Args:
            num_inference_steps: number of steps, ``"ddim25"``, or number of steps per section (``[10, 15, 20]`` or
                ``"10,15,20"``), see :func:`~monai_minority.diffusion.space_timesteps`.
            device: device of ``timesteps``.

        Raises:
            ValueError: if the chain cannot be divided in this way.
        """
        kept = space_timesteps(self.num_train_timesteps, num_inference_steps)
        self.chain = DiffusionChain(self.alphas_cumprod, kept)
        self.num_inference_steps = len(kept)
        self.timesteps = self.chain.timesteps.flip(0).to(device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        guidance: torch.Tensor | None = None,
        mode: GuidanceMode = "mean",
        eta: float = 0.0,
        noise: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Step from one kept timestep to the next.

        Args:
            model_output: ``[B, C, ...]``, or ``[B, 2 C, ...]`` with the variance, which ancestral sampling alone uses.
            timestep: training index of ``sample``, one of ``timesteps``.
            sample: ``x_t``, ``[B, C, ...]``.
            guidance: gradient ``[B, C, ...]`` to add to the score, scale included.
            mode: ``mean`` shifts the mean of the step by its variance x gradient (Dhariwal and Nichol, 2021,
                Algorithm 1); a step without a variance of its own has no such mode. ``score`` shifts the noise estimate
                by ``-sqrt(1 - a_t)`` x gradient (Algorithm 2), whose effect does not shrink with few steps.
            eta: fraction in [0, 1] of the ancestral noise: 0 is deterministic, 1 has the variance of the posterior.
                Ancestral sampling itself takes 0 alone.
            noise: standard normal noise ``[B, C, ...]``. ``None`` draws it if needed. The last step adds none.
            generator: random generator for the drawn noise.

        Returns:
            The sample at the next kept timestep and the estimate of ``x_0`` (guided in ``score`` mode), both
            ``[B, C, ...]`` in the type of ``sample``.

        Raises:
            ValueError: if the timestep is not kept, a shape does not fit, or the scheduler has no such ``eta`` or mode.
        """

        def draw() -> torch.Tensor:
            return self._noise(sample, noise, generator)

        index = self.chain.index_of(timestep)
        previous, x0 = self._step(Step(index, int(timestep), model_output, sample, guidance, mode, eta, draw))
        return previous.to(sample.dtype), x0.to(sample.dtype)

    def _step(self, step: Step) -> tuple[torch.Tensor, torch.Tensor]:
        """What :meth:`step` returns, in the precision of the arithmetic."""
        raise NotImplementedError(f"{type(self).__name__} has no step; use one of the schedulers built on it.")

    def restart(self) -> None:
        """Forget what a solver with a memory keeps of the last step. A sampler calls it before each trajectory."""

    def network_timesteps(self, timesteps: int | torch.Tensor) -> torch.Tensor:
        """Timesteps in the form that the network was trained with.

        MONAI's inferers pass the plain indices, so a network with rescaled timesteps needs the inferers of this
        package.

        Args:
            timesteps: training indices ``0 ... T - 1``, of any shape.

        Returns:
            float32 of the same shape: the indices, times 1000 / T if ``rescale_timesteps`` is true.
        """
        fed = torch.as_tensor(timesteps).float()
        return fed * (REFERENCE_STEPS / self.num_train_timesteps) if self.rescale_timesteps else fed

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Add noise to images at given timesteps (Um et al., 2024, Eq. 1).

        Args:
            original_samples: clean images ``[B, C, ...]``.
            noise: standard normal noise of the same shape.
            timesteps: training indices, ``[B]`` or one for all.

        Returns:
            ``sqrt(a_t) x_0 + sqrt(1 - a_t) noise``, ``[B, C, ...]``.
        """
        signal, sigma = self._signal_and_sigma(timesteps, original_samples)
        return (signal * original_samples + sigma * noise).to(original_samples.dtype)

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Target of v prediction (Salimans & Ho, 2022): ``sqrt(a_t) noise - sqrt(1 - a_t) x_0``."""
        signal, sigma = self._signal_and_sigma(timesteps, sample)
        return (signal * noise - sigma * sample).to(sample.dtype)

    def _signal_and_sigma(self, timesteps: int | torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        signal = at_timesteps(self.alphas_cumprod.sqrt(), timesteps, like)
        sigma = at_timesteps((1 - self.alphas_cumprod).sqrt(), timesteps, like)
        return signal, sigma

    def _denoise(self, step: Step) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Estimate of ``x_0``, moved by the guidance in ``score`` mode, and the learned variance if any."""
        timestep, sample, guidance = step.timestep, step.sample, step.guidance
        if step.mode not in ("mean", "score"):
            raise ValueError(f"mode must be 'mean' or 'score', got {step.mode!r}.")
        if guidance is not None and guidance.shape != sample.shape:
            raise ValueError(
                f"guidance must have the shape of the sample {tuple(sample.shape)}, got {tuple(guidance.shape)}."
            )
        _, variance = split_variance(step.model_output, sample)
        x0 = predict_x0(step.model_output, sample, timestep, self)
        if guidance is not None and step.mode == "score":
            # Dhariwal & Nichol (2021), Algorithm 2. The noise is that of the clipped x_0, and x_0 is not clipped again.
            _, sigma = self._signal_and_sigma(timestep, sample)
            epsilon = epsilon_from_x0(x0, sample, timestep, self) - sigma * guidance
            recip = at_timesteps((1 / self.alphas_cumprod).sqrt(), timestep, sample)
            recip_minus_one = at_timesteps((1 / self.alphas_cumprod - 1).sqrt(), timestep, sample)
            x0 = recip * sample - recip_minus_one * epsilon
        return x0, variance

    @staticmethod
    def _noise(sample: torch.Tensor, noise: torch.Tensor | None, generator: torch.Generator | None) -> torch.Tensor:
        """Given noise, checked, or noise drawn where its generator lives."""
        if noise is None:
            device = sample.device if generator is None else generator.device
            dtype = torch.promote_types(sample.dtype, torch.float32)
            return torch.randn(sample.shape, generator=generator, device=device, dtype=dtype).to(sample.device)
        if noise.shape != sample.shape:
            raise ValueError(
                f"noise must have the shape of the sample {tuple(sample.shape)}, got {tuple(noise.shape)}."
            )
        return noise
