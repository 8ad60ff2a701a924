"""What the tap measures beyond the SDK's own metrics, in the SDK's form: a line `METRIC: {…}` of the log."""

from __future__ import annotations

import enum

from singer_sdk import metrics


class LogMetric(enum.Enum):
    """Measures of a log of changes."""

    KEPT = "log_kept_bytes"


def report_kept(slot: str, kept: int) -> None:
    """Tell how much of the log a slot keeps from being removed: bytes from what it was told to let go of, up to now."""
    point = metrics.Point("gauge", LogMetric.KEPT, kept, {"slot": slot})  # type: ignore[arg-type] # a metric of ours
    metrics.log(metrics.get_metrics_logger(), point)
