"""The examples in docstrings run as they stand, and every public class and function of the listed rooms has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import monai_minority

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

MODULES = [found.name for found in pkgutil.walk_packages(monai_minority.__path__, "monai_minority.")]


def public(room):
    package = importlib.import_module(f"monai_minority.{room}")
    found = {name: getattr(package, name) for name in package.__all__}
    return [(room, name) for name, one in found.items() if inspect.isclass(one) or inspect.isfunction(one)]


@pytest.mark.parametrize("room, name", [pair for room in ROOMS for pair in public(room)])
def test_public_name_has_an_example(room, name):
    one = getattr(importlib.import_module(f"monai_minority.{room}"), name)
    # no names but those that the example imports itself
    tests = doctest.DocTestFinder(recurse=False).find(one, name, globs={})
    assert tests and tests[0].examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(tests[0]).failed == 0


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_example_of_the_module(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
