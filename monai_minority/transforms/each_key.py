"""The common base of transforms that change the item of each key by itself."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform


class EachKey(MapTransform, ABC):
    """Gives the item of each key to :meth:`changed`, and keeps the others."""

    def __init__(self, keys: KeysCollection = "image") -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self.changed(result[key])
        return result

    @abstractmethod
    def changed(self, item: Any) -> Any:
        """What takes the place of an item."""
