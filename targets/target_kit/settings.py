"""The settings and capabilities that our targets share."""

from __future__ import annotations

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum

FLUSH_SECONDS, FLUSH_SECONDS_FOLLOWING = 10.0, 0.05
SYNC_KEY = "antiphon_key"

SHARED_SETTINGS = th.PropertiesList(
    th.Property(
        "receipts_path",
        th.StringType,
        title="Receipts file",
        description="File to which a receipt is appended for each operation of the reconciler, one JSON object a line, "
        "before the STATE that covers it is printed. `sync.yml` hands it over by itself.",
    ),
    th.Property(
        "rejected_path",
        th.StringType,
        title="Refused records",
        description="File to which records of ordinary taps that the system refuses are appended, with the reason. "
        "Without it they are named in the log, everything else is written, but no STATE is printed from there on "
        "and the exit code is 1, so that nothing is lost.",
    ),
    th.Property(
        "sync_key",
        th.StringType,
        default=SYNC_KEY,
        title="Key of the link",
        description="Column or property, unique, that holds the key of the reconciler's link; it lets a create be "
        "repeated without making a second record.",
    ),
    th.Property(
        "flush_seconds",
        th.NumberType,
        title="Flush within",
        description="Seconds after which what was received is written and acknowledged, even if no more comes: "
        f"{FLUSH_SECONDS:g} by default, with `follow` {FLUSH_SECONDS_FOLLOWING:g}.",
    ),
    th.Property(
        "follow",
        th.BooleanType,
        default=False,
        title="Follow",
        description="Write and acknowledge what was received whenever a STATE comes, without waiting for more: "
        "`antiphon follow` keeps the target open and sets this by itself.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType,
        title="Batch size",
        description="Rows that are written at once; without it, what suits the system.",
    ),
).to_dict()


class Capability(CapabilitiesEnum):
    """What our targets can do beyond the SDK's list; `--about --format=json` names only what is true."""

    CHECK = "check"  # answers `--check`
    ENVELOPE = "envelope"  # understands operations of the reconciler
    RECEIPTS = "receipts"  # says what became of each
    PREFLIGHT = "preflight"  # looks before it writes
    COMPARE_AND_SET = "compare-and-set"  # writes only where what is expected is there, in one step
    READ_BACK = "read-back"  # receipts tell the values as stored
    IDEMPOTENT_CREATE = "idempotent-create"  # a create repeated makes no second record
    DELETES = "deletes"
    FOLLOW = "follow"  # may stay open: each STATE has what came before it written and acknowledged at once
    ESTIMATE = "estimate"  # reckons beforehand what operations cost, with `--check --planned`
    HISTORY = "history"  # finds what others wrote between its look and its write
