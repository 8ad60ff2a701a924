"""`target-sql`: writes Singer streams and the reconciler's operations into databases, fast and safe to share."""
