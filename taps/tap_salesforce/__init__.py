"""tap-salesforce: a Salesforce org as a Singer tap."""
