"""``python -m monai_minority`` is the command ``monai-minority``."""

from monai_minority.cli import main

main()
