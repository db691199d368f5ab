"""Batches of a store: which images, in which order, in which process."""

from itertools import islice

import numpy as np
import pytest
import torch

from monai_minority.data import BatchPlan, ImageStore, OrderedBatches, ShuffledBatches, StoreBatches


@pytest.fixture
def store(tmp_path):
    images = np.arange(7 * 4, dtype=np.uint8).reshape(7, 1, 2, 2)
    table = {"source": list("abcdefg"), "slice": 0, "split": ["train", "test"] * 3 + ["train"], "label": range(7)}
    return ImageStore.create(tmp_path / "store", images, table, (0, 255))


class TestShuffledBatches:
    def test_every_pass_is_a_permutation_and_no_two_are_alike(self):
        """7 images in batches of 3: passes end inside batches."""
        drawn = np.concatenate([plan.indices for plan in islice(ShuffledBatches(7, 3, seed=5), 14)]).reshape(6, 7)
        assert (np.sort(drawn, axis=1) == np.arange(7)).all()
        assert len({tuple(one) for one in drawn}) == 6

    def test_an_element_depends_on_seed_and_step_alone(self):
        whole = [plan.indices.tolist() for plan in islice(ShuffledBatches(7, 3, seed=5), 10)]
        backwards = ShuffledBatches(7, 3, seed=5)
        assert [backwards.plan(step).indices.tolist() for step in reversed(range(10))] == whole[::-1]
        assert [plan.indices.tolist() for plan in islice(ShuffledBatches(7, 3, seed=6), 10)] != whole

    def test_a_resumed_stream_goes_on_with_the_batches_it_would_have_had(self):
        whole = list(islice(ShuffledBatches(7, 3), 9))
        resumed = ShuffledBatches(7, 3)
        resumed.start = 4
        for expected, found in zip(whole[4:], islice(resumed, 5), strict=True):
            assert found.step == expected.step
            assert found.indices.tolist() == expected.indices.tolist()

    @pytest.mark.parametrize("world_size", [2, 3])
    def test_slices_of_the_processes_tile_the_batch(self, world_size):
        one = ShuffledBatches(10, 6, seed=1)
        several = [ShuffledBatches(10, 6, seed=1, rank=rank, world_size=world_size) for rank in range(world_size)]
        for step in range(8):
            plans = [sampler.plan(step) for sampler in several]
            assert np.concatenate([plan.indices for plan in plans]).tolist() == one.plan(step).indices.tolist()
            assert [plan.offset for plan in plans] == [rank * 6 // world_size for rank in range(world_size)]
            assert {plan.total for plan in plans} == {6}

    def test_a_batch_may_be_larger_than_the_store(self):
        assert sorted(ShuffledBatches(2, 6).plan(3).indices) == [0, 0, 0, 1, 1, 1]

    def test_bad_arguments(self):
        with pytest.raises(ValueError, match="multiple of the 2 process"):
            ShuffledBatches(10, 3, world_size=2)
        with pytest.raises(ValueError, match="num_items must be positive, got 0"):
            ShuffledBatches(0, 3)


class TestOrderedBatches:
    @pytest.mark.parametrize("count, size, world_size", [(10, 4, 1), (10, 4, 2), (9, 3, 2), (2, 5, 3)])
    def test_every_image_once(self, count, size, world_size):
        samplers = [OrderedBatches(count, size, rank, world_size) for rank in range(world_size)]
        plans = sorted(plan for sampler in samplers for plan in ((p.step, p.indices.tolist()) for p in sampler))
        assert [index for _, indices in plans for index in indices] == list(range(count))
        assert [step for step, _ in plans] == list(range(-(-count // size)))
        assert sum(map(len, samplers)) == len(plans)

    def test_what_is_done_is_left_out_and_the_rest_keeps_its_number(self):
        rest = OrderedBatches(10, 4, skip=[0, 2])
        assert [(plan.step, plan.indices.tolist(), plan.offset, plan.total) for plan in rest] == [
            (1, [4, 5, 6, 7], 0, 4)
        ]
        assert len(rest) == 1
        assert list(OrderedBatches(10, 4, skip=[0, 1, 2])) == []

    def test_bad_batch_size(self):
        with pytest.raises(ValueError, match="batch_size must be positive, got 0"):
            OrderedBatches(10, 0)


class TestStoreBatches:
    def test_images_columns_and_seeds_of_a_batch(self, store):
        part = store.subset(split="test")  # rows 1, 3, 5
        batch = StoreBatches(part, ["label"], first_seed=100)[BatchPlan(8, np.array([2, 0]), 4, 6)]
        torch.testing.assert_close(batch["image"], store.batch([5, 1]), rtol=0, atol=0)
        assert batch["label"].tolist() == [5, 1]
        assert batch["seed"].tolist() == [105, 101], "a seed belongs to the row in the whole store"
        assert batch["index"].tolist() == [2, 0]
        assert (batch["step"], batch["offset"], batch["total"]) == (8, 4, 6)

    def test_through_a_loader(self, store):
        dataset = StoreBatches(store)
        loader = torch.utils.data.DataLoader(dataset, sampler=OrderedBatches(len(dataset), 3), batch_size=None)
        batches = list(loader)
        assert [len(batch["image"]) for batch in batches] == [3, 3, 1]
        torch.testing.assert_close(torch.cat([b["image"] for b in batches]), store.batch(slice(None)), rtol=0, atol=0)

    def test_a_column_that_is_missing_or_text(self, store):
        with pytest.raises(ValueError, match="'minority_class' is not in the table .* run the stage"):
            StoreBatches(store, ["minority_class"])
        with pytest.raises(ValueError, match="'split' of .* must be numeric"):
            StoreBatches(store, ["split"])
