"""From files to an image store: cohorts, subject splits, extraction and the store itself."""

from monai_minority.data.image_store import ImageStore

__all__ = ["ImageStore"]
