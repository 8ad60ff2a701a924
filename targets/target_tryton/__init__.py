"""target-tryton: a Tryton server as a Singer target."""
