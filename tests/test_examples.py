"""The examples in docstrings run as they stand, and every public class and function of these rooms has one."""

import doctest
import importlib
import inspect

import pytest

ROOMS = (
    "data",
    "data.sources",
    "diffusion",
    "evaluation",
    "evaluation.density",
    "evaluation.fidelity",
    "evaluation.severity",
    "evaluation.features",
    "guidance",
    "inferers",
    "networks",
    "run",
    "samples",
    "scoring",
    "training",
    "transforms",
)


def public(room):
    package = importlib.import_module(f"monai_minority.{room}")
    found = {name: getattr(package, name) for name in package.__all__}
    return [(room, name) for name, one in found.items() if inspect.isclass(one) or inspect.isfunction(one)]


@pytest.mark.parametrize("room, name", [pair for room in ROOMS for pair in public(room)])
def test_example(room, name):
    package = importlib.import_module(f"monai_minority.{room}")
    # no names but those that the example imports itself
    tests = doctest.DocTestFinder(recurse=False).find(getattr(package, name), name, globs={})
    assert tests and tests[0].examples, f"{name} has no example"
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0
