"""When TensorBoard's files come into being."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_minority.run import summary_writer


def test_writes_what_it_is_given(tmp_path):
    writer = summary_writer(tmp_path)
    writer.add_scalar("loss", 0.25, 3)
    writer.close()
    (event,) = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert (event.step, event.value) == (3, 0.25)


def test_leaves_no_file_where_nothing_is_written(tmp_path):
    summary_writer(tmp_path / "skipped").close()
    silent = summary_writer(tmp_path / "other", enabled=False)
    silent.add_scalar("loss", 0.25, 3)
    silent.close()
    assert not list(tmp_path.iterdir())
