"""Files of a run that were edited on purpose."""

from pathlib import Path

from monai_minority.files import accept_as_it_is
from monai_minority.files.seals import LOG, Entry, entry_of
from monai_minority.keys import Column
from monai_minority.run.lock import owned

_IDENTITY = (Column.SOURCE, Column.SLICE, Column.SEED, Column.TARGET_CLASS)
"""Columns that say which image a row is of."""


def accept_edit(path: Path) -> str:
    """Take an edited file of a run as it is from now on. Stages that depend on it then run again.

    Returns:
        What was accepted, in a sentence.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: no stage of a run wrote it, or the rows of a store's table are others, or in another order.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.files import whole_file
        >>> from monai_minority.run import owned
        >>> from monai_minority.run.edits import accept_edit
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "table.csv"
        ...     with owned(folder), whole_file(path) as partial:
        ...         size = partial.write_text("source,group\\na,ill\\n")
        ...     size = path.write_text("source,group\\na,well\\n")
        ...     accept_edit(path).removeprefix(folder)
        '/table.csv is accepted with other values in group'
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give a file of a run folder")
    before = entry_of(path)
    if before is None:
        raise ValueError(f"{path} is no file that a stage of a run wrote, so it need not be accepted")
    run = next(folder for folder in path.absolute().parents if (folder / LOG).is_file())
    with owned(run):
        changed = accept_as_it_is(path, lambda now: _refuse_other_rows(path, before, now))
    if not changed:
        return f"{path} is as it was written"
    return f"{path} is accepted with other values in {', '.join(changed)}"


def _refuse_other_rows(path: Path, before: Entry, now: dict[str, str]) -> None:
    if not (path.parent / "store.json").is_file():
        return
    moved = [name for name in map(str, _IDENTITY) if before.columns.get(name) != now.get(name)]
    if moved:
        raise ValueError(
            f"{path} must keep its rows and their order, which are those of images.npy, but {', '.join(moved)} has "
            "changed; sort the table as it was"
        )
