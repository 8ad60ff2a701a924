"""The migrations of the ledger's schema, in order: Alembic runs them when an older ledger is opened."""
