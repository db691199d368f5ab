"""What a checkpoint brings back, and which it refuses."""

import socket

import pytest
import torch
from ignite.engine import Engine, Events

from monai_minority.data import ShuffledBatches
from monai_minority.training import TrainingCheckpoint


def train(path, epochs, settings=None, width=2, epoch_length=3, stop_at=None, write=True):
    """Momentum on a quadratic; returns the weights and the steps taken."""
    torch.manual_seed(1)
    network = torch.nn.Linear(width, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    sampler, steps = ShuffledBatches(7, 2), []

    def step(engine, plan):
        if plan.step == stop_at:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        network(torch.ones(1, width) * (1 + plan.indices.sum())).square().sum().backward()
        optimizer.step()
        steps.append(plan.step)

    engine = Engine(step)
    objects = {"network": network, "optimizer": optimizer}
    TrainingCheckpoint(path, objects, sampler, settings, write).attach(engine)
    engine.run(sampler, max_epochs=epochs, epoch_length=epoch_length)
    return torch.cat([p.detach().flatten() for p in network.parameters()]), steps


def test_goes_on_bit_for_bit_after_a_kill_in_an_epoch(tmp_path):
    whole, _ = train(tmp_path / "whole.pt", 4)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed.pt", 4, stop_at=7)
    found, steps = train(tmp_path / "killed.pt", 4)
    assert steps == list(range(6, 12)), "from the end of the last whole epoch"
    assert torch.equal(found, whole)


def test_a_finished_training_is_loaded_and_not_trained_further(tmp_path):
    whole, _ = train(tmp_path / "a.pt", 2)
    found, steps = train(tmp_path / "a.pt", 2)
    assert steps == []
    assert torch.equal(found, whole)


def test_with_other_settings_the_training_begins_anew_and_keeps_the_old_checkpoint(tmp_path, capsys):
    fresh, _ = train(tmp_path / "b.pt", 2)
    first, second = {"seed": 0, "images": "store 12ab"}, {"seed": 0, "images": "store 34cd"}
    train(tmp_path / "a.pt", 1, first)
    before = (tmp_path / "a.pt").read_bytes()
    found, steps = train(tmp_path / "a.pt", 2, second)
    assert steps == list(range(6))
    assert torch.equal(found, fresh)
    (kept,) = tmp_path.glob("a-*.pt")
    assert kept.read_bytes() == before
    assert f"trained from the start, since images changed; the checkpoint of before is kept as {kept}" in (
        capsys.readouterr().out
    )
    assert train(tmp_path / "a.pt", 2, second)[1] == []


@pytest.mark.parametrize(
    ("before", "after", "taken_up"),
    [
        ({"rate": 1}, {"rate": 1, "network_def::dropout": 0.0}, False),  # it was trained with the default, 0.2
        ({"rate": 1, "network_def::dropout": 0.0}, {"rate": 1}, False),
        ({"rate": 1}, {"rate": 1, "balance": None}, True),  # of a later version
    ],
)
def test_an_argument_that_was_not_given_before_is_a_change(tmp_path, before, after, taken_up):
    """A network with another dropout was recorded over the weights that the former one had learned."""
    train(tmp_path / "a.pt", 1, before)
    assert (train(tmp_path / "a.pt", 1, after)[1] == []) is taken_up


def test_a_checkpoint_that_was_set_aside_is_taken_up_with_its_settings(tmp_path, capsys):
    whole, _ = train(tmp_path / "whole.pt", 2)
    train(tmp_path / "a.pt", 1, {"rate": 1})
    train(tmp_path / "a.pt", 1, {"rate": 2})
    found, steps = train(tmp_path / "a.pt", 2, {"rate": 1})
    assert steps == [3, 4, 5]
    assert torch.equal(found, whole)
    assert "goes on from a-" in capsys.readouterr().out
    assert len(list(tmp_path.glob("a-*.pt"))) == 1, "that of the other settings"


def test_a_kill_between_the_two_renames_loses_neither(tmp_path, monkeypatch):
    train(tmp_path / "a.pt", 1, {"rate": 1})
    train(tmp_path / "a.pt", 1, {"rate": 2})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("builtins.print", lambda *_: 1 / 0)
        moves = []

        def once(path, target):
            if moves:
                raise KeyboardInterrupt
            moves.append(path.replace(target))

        patch.setattr("monai_minority.training.training_checkpoint.move_whole", once)
        train(tmp_path / "a.pt", 2, {"rate": 1})
    assert not (tmp_path / "a.pt").exists()
    assert train(tmp_path / "a.pt", 2, {"rate": 1})[1] == [3, 4, 5]
    assert train(tmp_path / "a.pt", 2, {"rate": 2})[1] == [3, 4, 5]


def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path):
    train(tmp_path / "a.pt", 1)
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:400])
    with pytest.raises(ValueError, match=r"a.pt cannot be read .*; delete it to train from the start"):
        train(tmp_path / "a.pt", 2)


def test_another_network_is_refused_by_name(tmp_path):
    train(tmp_path / "a.pt", 1)
    with pytest.raises(ValueError, match=r"a.pt does not fit the configured network \(.*\); delete its folder"):
        train(tmp_path / "a.pt", 2, width=3)


def test_an_epoch_of_another_length_is_refused(tmp_path):
    train(tmp_path / "a.pt", 1)
    with pytest.raises(ValueError, match="written after step 3, which does not end an epoch of 2 steps"):
        train(tmp_path / "a.pt", 2, epoch_length=2)


def test_the_file_is_the_same_whoever_wrote_it(tmp_path):
    """A temporary name, with machine and process, is no part of the content."""
    train(tmp_path / "a.pt", 1)
    train(tmp_path / "b.pt", 1)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert socket.gethostname().encode() not in (tmp_path / "a.pt").read_bytes()


def test_only_the_first_process_writes(tmp_path):
    train(tmp_path / "a.pt", 1, write=False)
    assert not list(tmp_path.iterdir())


def test_a_kill_while_saving_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    whole, _ = train(tmp_path / "whole.pt", 2)
    train(tmp_path / "a.pt", 1)
    save = torch.save

    def half(content, path):
        save(content, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "a.pt", 2)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "whole.pt"]
    assert torch.equal(train(tmp_path / "a.pt", 2)[0], whole)


def test_saves_at_the_end_of_every_epoch(tmp_path):
    seen = []
    engine, sampler = Engine(lambda *_: None), ShuffledBatches(7, 2)
    TrainingCheckpoint(tmp_path / "a.pt", {}, sampler).attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: seen.append(torch.load(tmp_path / "a.pt")["step"]))
    engine.run(sampler, max_epochs=2, epoch_length=3)
    assert seen == [3, 6]
