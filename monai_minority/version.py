"""The version, on the ground: what a notebook starts with stands above the rooms that note it."""

__version__ = "0.2.0"
