"""When TensorBoard's files come into being."""

import subprocess
import sys

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


def test_a_folder_that_was_deleted_is_told_once_without_a_traceback(tmp_path):
    program = (
        "import shutil, sys; from monai_minority.run import summary_writer; writer = summary_writer(sys.argv[1])\n"
        "writer.add_scalar('a', 1, 1); shutil.rmtree(sys.argv[1])\n"
        "try:\n    [(writer.add_scalar('a', 1, 1), writer.flush()) for _ in range(3)]\n"
        "except OSError as error:\n    print('told')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "a")], capture_output=True, text=True
    )
    assert done.stdout == "told\n" and "Traceback" not in done.stderr
