"""What headers claim, checked before memory is allocated, and which volume of a series is meant."""

MAX_DEFLATE = 1032
"""Largest expansion factor of a deflate stream (zlib's technical details)."""


def check_fits(voxels: int, max_bytes: int, described: str = "") -> None:
    """Refuse a volume that is too large as float32; ``described`` is the number of its voxels in other words.

    Raises:
        ValueError: it is larger.

    Example:
        >>> from monai_minority.data.volumes.claims import check_fits
        >>> check_fits(1000, max_bytes=4000)
    """
    if 4 * voxels > max_bytes:
        raise ValueError(
            f"a volume of {described or voxels} voxels exceeds the {max_bytes} bytes allowed; raise max_volume_gib"
        )


def chosen_volume(count: int, volume_index: int | None) -> int:
    """Number of the volume to take of ``count``; a single one needs no ``volume_index``.

    Raises:
        ValueError: there are several and none is chosen, or there are not so many.

    Example:
        >>> from monai_minority.data.volumes.claims import chosen_volume
        >>> chosen_volume(1, None), chosen_volume(3, 2)
        (0, 2)
    """
    if count == 1:
        return 0
    if volume_index is None:
        raise ValueError(f"the image is 4-D, a series of {count} volumes; choose one with volume_index")
    if volume_index >= count:
        raise ValueError(f"volume_index is {volume_index}, but the series has {count} volumes")
    return volume_index
