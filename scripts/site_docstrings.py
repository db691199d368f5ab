"""Griffe extension: how this package writes docstrings, told to the site.

``Example:`` is a section of code, and roles such as ``:class:`` are plain names.
"""

import re

import griffe


class Docstrings(griffe.Extension):
    """Rewrites a docstring before it is parsed."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring is not None:
            text = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r":[a-z]+:`~?([\w.]+)`", r"``\1``", text)
