"""`python -m tap_salesforce`."""

from tap_salesforce.tap import main

main()
