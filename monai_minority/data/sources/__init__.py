"""Public data sets of natural images in their usual layouts on disk: one function per data set.

Each function returns a :class:`~monai_minority.data.Cohort` for :func:`~monai_minority.data.extract_images`, which
reads the images one by one. Nothing is downloaded. Missing parts of a data set are listed as rejected entries.
"""

from monai_minority.data.sources.celeba import celeba
from monai_minority.data.sources.cifar10 import cifar10
from monai_minority.data.sources.cifar10_lt import cifar10_lt
from monai_minority.data.sources.fashion_mnist import fashion_mnist
from monai_minority.data.sources.image_folder import image_folder
from monai_minority.data.sources.imagenet import imagenet
from monai_minority.data.sources.lsun import lsun
from monai_minority.data.sources.npz import npz

__all__ = ["celeba", "cifar10", "cifar10_lt", "fashion_mnist", "image_folder", "imagenet", "lsun", "npz"]
