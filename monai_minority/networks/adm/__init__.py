"""The ADM networks of Dhariwal and Nichol (2021), under the parameter names of the published checkpoints."""

from monai_minority.networks.adm.config import ADMConfig
from monai_minority.networks.adm.encoder import ADMEncoder
from monai_minority.networks.adm.unet import ADMUNet

__all__ = ["ADMConfig", "ADMEncoder", "ADMUNet"]
