"""`python -m target_salesforce`."""

from target_salesforce.target import main

main()
