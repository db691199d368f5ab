"""How far the memory of this process rises while something runs."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def peak_below(megabytes: int) -> Iterator[None]:
    """Assert that resident memory never rises by more than ``megabytes``, counted from here and not from the highest
    that the process ever had. Freed memory that the process keeps is given back first: taken up again, it would hide
    what is asserted here."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries of Linux lack it
    if trim is not None:
        trim(0)
    try:
        RESET.write_text("5")  # forgets the highest
    except OSError:
        pytest.skip("the kernel does not tell the peak of a stretch")
    before = _kilobytes("VmRSS")
    yield
    risen = (_kilobytes("VmHWM") - before) / 1024
    assert risen < megabytes, f"memory rose by {risen:.0f} MB"


def _kilobytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())
    assert found is not None
    return int(found[1])
