"""A bar on a terminal; in a log file a line now and then, and no carriage returns."""

import io
import sys

from monai_minority.progress import SECONDS_A_LINE, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ten_seconds_a_look(bar):
    seconds = iter(range(10, 10_000, 10))
    bar._time = lambda: next(seconds)
    bar.start_t = bar.last_print_t = 0.0
    return bar


def test_a_log_gets_few_lines_and_no_carriage_return(capsys):
    """tqdm redraws every tenth of a second, which filled logs."""
    bar = ten_seconds_a_look(progress_bar(None, "train", 100))
    for _ in range(12):
        bar.update()
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert SECONDS_A_LINE == 30
    assert 4 <= len(lines) <= 5, "a line every three or four steps, and the last"
    assert not any("\r" in line for line in lines) and lines[-1].startswith("train:  12% 12/100 [")


def test_what_is_done_at_once_leaves_no_line(capsys):
    """A stage of many short searches wrote two lines for each of them."""
    list(progress_bar(range(100_000), "scan", unit="file"))
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_after_a_second(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    list(progress_bar(range(3), "scan"))
    assert terminal.getvalue() == ""
    bar = ten_seconds_a_look(progress_bar(None, "scan", 3))
    bar.update(3)
    bar.close()
    assert "\r" in terminal.getvalue() and "3/3" in terminal.getvalue()


def test_it_shows_nothing_where_it_is_not_enabled(capsys):
    list(progress_bar(range(3), enabled=False))
    assert capsys.readouterr().err == ""
