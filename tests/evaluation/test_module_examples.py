"""Examples in docstrings of the modules of a room run, those of functions that the room does not export too."""

import doctest
import importlib
import pkgutil

import pytest

import monai_minority.evaluation as room

MODULES = [module.name for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
