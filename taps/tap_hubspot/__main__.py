"""`python -m tap_hubspot`."""

from tap_hubspot.tap import main

main()
