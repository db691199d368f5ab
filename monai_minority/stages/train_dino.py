"""A feature space of the cohort's own, by self-distillation (Caron et al., 2021)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignite.handlers import EMAHandler

from monai_minority.networks import save_weights
from monai_minority.stages.training import Training
from monai_minority.training import CosineSchedule, DistillationSchedules, GradientFreeze, SelfDistillationLoss


@dataclass(kw_only=True)
class TrainDino(Training):
    """Train a network without labels; what is kept is its teacher, the average of its weights."""

    teacher: EMAHandler  # the average
    loss: SelfDistillationLoss
    learning_rate: CosineSchedule
    weight_decay: CosineSchedule
    teacher_momentum: CosineSchedule
    teacher_temperature: CosineSchedule
    frozen_steps: int  # in which the prototypes do not learn
    prototypes: Any

    config = "train_dino"

    def kept(self) -> Mapping[str, Any]:
        return {"teacher": self.teacher.ema_model, "loss": self.loss}

    def handlers(self) -> Iterable[Any]:
        return [
            self.teacher,
            DistillationSchedules(
                self.optimizer,
                self.loss,
                self.learning_rate,
                self.weight_decay,
                self.teacher_momentum,
                self.teacher_temperature,
            ),
            GradientFreeze([self.prototypes], self.frozen_steps),
        ]

    @property
    def losses(self) -> Callable[[Any], Any]:
        return lambda output: {"loss": output["loss"].item(), "target_entropy": self.loss.target_entropy}

    def save(self, path: Path) -> None:
        teacher: Any = self.teacher.ema_model
        save_weights(teacher.backbone, path)
