"""Extraction: values, order, and a cache that knows what it holds."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.evaluation.features import describe_extractor, extract, fingerprint


class _Moments(nn.Module):
    """Mean and weighted maximum of each image: features one can compute by hand."""

    name, resizing, normalisation = "moments", "none", "x"

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.calls: list[int] = []

    def forward(self, x):
        self.calls.append(len(x))
        return torch.stack([x.mean(dim=(1, 2, 3)), self.weight * x.amax(dim=(1, 2, 3))], dim=1)


@pytest.fixture
def store(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, size=(11, 1, 6, 5), dtype=np.uint8)
    table = {"subject": [f"s{i}" for i in range(11)]}
    return ImageStore.create(tmp_path / "store", images, pd.DataFrame(table), value_range=(0, 255))


def _expected(store):
    x = store.batch(np.arange(len(store))).numpy()
    return np.stack([x.mean(axis=(1, 2, 3)), x.max(axis=(1, 2, 3))], axis=1)


@pytest.mark.parametrize("cached", [False, True])
def test_features_are_in_the_order_of_the_store(store, tmp_path, cached):
    extractor = _Moments()
    features = extract(store, extractor, tmp_path / "cache" if cached else None, batch_size=4, progress=False)
    assert extractor.calls == [4, 4, 3]
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, _expected(store), rtol=1e-5, atol=1e-6)


def test_the_cache_is_read_and_told_apart(store, tmp_path):
    extractor = _Moments()
    first = extract(store, extractor, tmp_path / "c", progress=False)
    first_calls = len(extractor.calls)
    np.testing.assert_array_equal(extract(store, extractor, tmp_path / "c", progress=False), first)
    assert len(extractor.calls) == first_calls
    other = extract(store, _Moments(2.0), tmp_path / "c", progress=False)
    np.testing.assert_allclose(other[:, 1], 2 * first[:, 1], rtol=1e-6)
    some = extract(store.subset(np.arange(11) < 3), extractor, tmp_path / "c", progress=False)
    np.testing.assert_allclose(some, first[:3], rtol=1e-6)
    assert len(list((tmp_path / "c").glob("*.npy"))) == 3
    records = [json.loads(path.read_text()) for path in (tmp_path / "c").glob("*.json")]
    assert {record["extractor"] for record in records} == {"moments"}
    assert sorted(record["images"] for record in records) == [3, 11, 11]


def test_changes_of_the_result_do_not_reach_the_cache(store, tmp_path):
    first = extract(store, _Moments(), tmp_path, progress=False)
    first[:] = 0
    np.testing.assert_allclose(extract(store, _Moments(), tmp_path, progress=False), _expected(store), rtol=1e-5)


def test_non_finite_features_are_named(store):
    class Broken(_Moments):
        def forward(self, x):
            features = super().forward(x)
            features[-1, 0] = torch.nan
            return features

    with pytest.raises(ValueError, match=r"rows \[3\]"):
        extract(store, Broken(), batch_size=4, progress=False)


def test_a_failed_run_leaves_no_file(store, tmp_path):
    with pytest.raises(ValueError, match="finite"):
        extract(store, _Moments(float("nan")), tmp_path / "c", progress=False)
    assert not list((tmp_path / "c").glob("*"))


def test_fingerprint_follows_weights_and_words():
    one, two = _Moments(), _Moments(1.0 + 1e-6)
    assert fingerprint(describe_extractor(one)) == fingerprint(describe_extractor(_Moments()))
    assert fingerprint(describe_extractor(one)) != fingerprint(describe_extractor(two))
    two = _Moments()
    two.resizing = "other"
    assert fingerprint(describe_extractor(one)) != fingerprint(describe_extractor(two))
