"""What every target of ours shares: operations in, outcomes and receipts out, STATE only after receipts.

A target subclasses `OperationTarget` and one `OperationSink`, whose two methods are all that differs between systems:

| method         | is handed                                               | answers                              |
|----------------|---------------------------------------------------------|--------------------------------------|
| `operate(ops)` | operations of the reconciler, no two of the same record | one outcome for each, in their order |
| `load(rows)`   | records of any tap, in their order                      | the rows that were refused, and why  |
"""

from target_kit.bisect import split_on_error
from target_kit.checks import Check, CheckReport
from target_kit.errors import SettingsError, TargetError
from target_kit.nulls import NULL_SETTINGS, Nulls
from target_kit.operations import Kind, Operation, Row
from target_kit.outcomes import Applied, Failed, Fault, Gone, Outcome, Rejected, Skipped, Stale
from target_kit.settings import Capability
from target_kit.sink import OperationSink
from target_kit.target import OperationTarget

__all__ = [
    "NULL_SETTINGS",
    "Applied",
    "Capability",
    "Check",
    "CheckReport",
    "Failed",
    "Fault",
    "Gone",
    "Kind",
    "Nulls",
    "Operation",
    "OperationSink",
    "OperationTarget",
    "Outcome",
    "Rejected",
    "Row",
    "SettingsError",
    "Skipped",
    "Stale",
    "TargetError",
    "split_on_error",
]
