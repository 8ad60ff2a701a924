"""`python -m tap_sql`."""

from tap_sql.tap import main

main()
