"""Files and folders that are whole or absent, and that readers can check."""

from monai_minority.files.seals import (
    DamagedFile,
    accept_as_it_is,
    authored,
    check_sealed,
    is_asked,
    read_checked,
    reading,
    sealing,
    whole_run,
)
from monai_minority.files.tables import as_meant, read_csv, write_csv
from monai_minority.files.whole import clear_leftovers, exclusive, free_bytes, move_whole, whole_file, whole_folder

__all__ = [
    "DamagedFile",
    "accept_as_it_is",
    "as_meant",
    "authored",
    "check_sealed",
    "clear_leftovers",
    "exclusive",
    "free_bytes",
    "is_asked",
    "move_whole",
    "read_checked",
    "read_csv",
    "reading",
    "sealing",
    "whole_file",
    "whole_folder",
    "whole_run",
    "write_csv",
]
