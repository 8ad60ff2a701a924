"""tap-tryton: a Tryton server as a Singer tap."""
