"""The configuration: sync.yml read, checked, and turned into the mapping that the kernel obeys."""

from antiphon.config.bind import Columns, bind, gives_receipts, scope_version, version
from antiphon.config.finding import Finding, Severity
from antiphon.config.lint import lint
from antiphon.config.load import load
from antiphon.config.settings import (
    EntityConfig,
    PluginConfig,
    Replication,
    SideConfig,
    StreamConfig,
    SyncConfig,
    TargetConfig,
)
from antiphon.config.shape import schema

__all__ = [
    "Columns",
    "EntityConfig",
    "Finding",
    "PluginConfig",
    "Replication",
    "Severity",
    "SideConfig",
    "StreamConfig",
    "SyncConfig",
    "TargetConfig",
    "bind",
    "gives_receipts",
    "lint",
    "load",
    "schema",
    "scope_version",
    "version",
]
