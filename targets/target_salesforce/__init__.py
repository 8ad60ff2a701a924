"""target-salesforce: Singer streams and the reconciler's operations into a Salesforce org."""
