"""What holds for every test: on a busy machine an example may take its time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")
