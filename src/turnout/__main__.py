"""`python -m turnout` is `turnout`."""

from turnout.cli.main import main

main()
