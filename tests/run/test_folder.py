"""Paths of a run: nothing is written elsewhere."""

import pytest

from monai_minority.run import RunFolder


def test_parts():
    folder = RunFolder("run")
    assert folder.samples("guided", "comparison/samples").as_posix() == "run/comparison/samples/guided"
    assert folder.exports("guided").as_posix() == "run/exports/guided"


@pytest.mark.parametrize("name", ["", ".", "..", "../store", "a/b", ".hidden", "a\\b", "C:x", "a\x1b[2J", "=1", "-x"])
def test_names_that_would_lie_elsewhere_are_refused(name):
    folder = RunFolder("run")
    for part in (folder.samples, folder.exports, folder.filtered, folder.network):
        with pytest.raises(ValueError, match="a name in the run folder must be printable, without"):
            part(name)
    if "/" not in name:
        with pytest.raises(ValueError, match="a name in the run folder"):
            folder.samples("guided", f"samples/{name}")
