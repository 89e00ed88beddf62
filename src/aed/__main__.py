"""`python -m aed` is the command `aed`."""

from aed.cli import main

main()
