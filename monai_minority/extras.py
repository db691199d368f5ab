"""Packages that only a part of the users needs, installed by extras such as ``pip install "monai-minority[dicom]"``."""

from importlib import import_module
from typing import Any


def from_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: its dotted name.
        extra: the extra of this package that installs it.
        purpose: what needs it, for the message.

    Raises:
        ModuleNotFoundError: it is not installed; the message names the extra.

    Example:
        >>> from monai_minority.extras import from_extra
        >>> from_extra("absent", "dicom", "writing DICOM files")
        Traceback (most recent call last):
        ...
        ModuleNotFoundError: writing DICOM files needs the package absent; pip install "monai-minority[dicom]" brings it
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name != package:  # it is there, and lacks one of its own
            raise
        raise ModuleNotFoundError(
            f'{purpose} needs the package {package}; pip install "monai-minority[{extra}]" brings it', name=package
        ) from None
