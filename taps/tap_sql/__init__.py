"""A Singer tap for SQL databases. `tap_sql.tap.TapSql` is the plugin, `tap-sql` its command."""
