"""`python -m target_sql`."""

from target_sql.target import TargetSQL

if __name__ == "__main__":
    TargetSQL.cli()
