"""`python -m tap_tryton`."""

from tap_tryton.tap import main

main()
