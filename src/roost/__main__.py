"""`python -m roost` is the command `roost`."""

from roost.cli.main import main

main()
