"""What MONAI's trainers and evaluators are fed with: targets, losses, the stages' bookkeeping."""

from monai_minority.engines.denoising_loss import DenoisingLoss
from monai_minority.engines.noising import DenoisingTargets, NoisingPrepareBatch
from monai_minority.engines.precision import fast_dtype
from monai_minority.engines.start import start

__all__ = ["DenoisingLoss", "DenoisingTargets", "NoisingPrepareBatch", "fast_dtype", "start"]
