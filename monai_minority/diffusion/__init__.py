"""Noise schedules, samplers, Tweedie's formula and the training loss of learned variances."""

from monai_minority.diffusion.chain import DiffusionChain
from monai_minority.diffusion.hybrid_loss import HybridLoss, LossTerms
from monai_minority.diffusion.respaced import RespacedScheduler
from monai_minority.diffusion.respaced_ddim import RespacedDDIMScheduler
from monai_minority.diffusion.respaced_ddpm import RespacedDDPMScheduler
from monai_minority.diffusion.respaced_dpm_solver import RespacedDPMSolverScheduler
from monai_minority.diffusion.schedules import improved_cosine, improved_linear, improved_scaled_linear, space_timesteps
from monai_minority.diffusion.seeded_noise import SeededNoise
from monai_minority.diffusion.timestep_samplers import (
    LossSecondMomentTimestepSampler,
    TimestepSampler,
    UniformTimestepSampler,
)
from monai_minority.diffusion.tweedie import epsilon_from_x0, predict_epsilon, predict_x0, split_variance

__all__ = [
    "DiffusionChain",
    "HybridLoss",
    "LossSecondMomentTimestepSampler",
    "LossTerms",
    "RespacedDDIMScheduler",
    "RespacedDDPMScheduler",
    "RespacedDPMSolverScheduler",
    "RespacedScheduler",
    "TimestepSampler",
    "UniformTimestepSampler",
    "SeededNoise",
    "epsilon_from_x0",
    "improved_cosine",
    "improved_linear",
    "improved_scaled_linear",
    "predict_epsilon",
    "predict_x0",
    "space_timesteps",
    "split_variance",
]
