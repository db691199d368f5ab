"""Objects that print the settings they were made with."""

import inspect
from typing import Any


class Shown:
    """Prints itself with those arguments of its constructor that it keeps under their names.

    Example:
        >>> from monai_minority.shown import Shown
        >>> class Knob(Shown):
        ...     def __init__(self, scale=1.0, hidden=None):
        ...         self.scale = scale
        >>> Knob(scale=2.0).scale
        2.0
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def extra_repr(self) -> str:
        """The arguments, as a module of torch prints them too."""
        kinds = [kind for kind in type(self).__mro__ if kind.__module__.startswith("monai_minority")]
        names = dict.fromkeys(name for kind in kinds for name in inspect.signature(kind).parameters)
        return ", ".join(f"{name}={_short(getattr(self, name))}" for name in names if hasattr(self, name))


def _short(value: Any) -> str:
    """A value on one line; of a network its kind and size."""
    if hasattr(value, "parameters"):
        count = sum(parameter.numel() for parameter in value.parameters())
        return f"{type(value).__name__}({count:,} weights)" if count else " ".join(repr(value).split())
    return f"{type(value).__name__}{list(value.shape)}" if hasattr(value, "shape") else repr(value)
