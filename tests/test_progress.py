"""A bar on a terminal; in a log file a line now and then, and no carriage returns."""

import io
import sys

from monai_minority.progress import SECONDS_A_LINE, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_few_lines_and_no_carriage_return(capsys):
    """tqdm redraws every tenth of a second, which filled logs."""
    for _ in progress_bar(range(100_000), "scan", unit="file"):
        pass
    text = capsys.readouterr().err
    first, last = text.splitlines()
    assert "\r" not in text
    assert first.startswith("scan:   0% 0/100000 [") and last.startswith("scan: 100% 100000/100000 [")


def test_a_line_comes_as_often_as_it_says(capsys):
    seconds = iter(range(0, 10_000, 10))  # ten a step
    bar = progress_bar(None, "train", 100)
    bar._time = lambda: next(seconds)
    bar.start_t = bar.last_print_t = 0.0
    for _ in range(12):
        bar.update()
    assert SECONDS_A_LINE == 30
    assert 3 <= len(capsys.readouterr().err.splitlines()) <= 5, "the start, and a line every three or four steps"


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    list(progress_bar(range(3), "scan"))
    assert "\r" in terminal.getvalue() and "3/3" in terminal.getvalue()


def test_it_shows_nothing_where_it_is_not_enabled(capsys):
    list(progress_bar(range(3), enabled=False))
    assert capsys.readouterr().err == ""
