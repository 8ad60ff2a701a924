"""`python -m target_tryton`."""

from target_tryton.target import main

main()
