"""`python -m target_hubspot`."""

from target_hubspot.target import main

main()
