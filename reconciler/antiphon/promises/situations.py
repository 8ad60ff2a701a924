"""The table: in each situation the first promise whose condition holds is the one that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from antiphon.mapping import OnDelete
from antiphon.model import OpKind
from antiphon.promises.sides import Standing


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised `where` this holds. `proof` are the tests that show it; `weak`: somebody may be surprised."""

    where: str
    holds: Callable[[Standing], bool]
    says: str
    proof: tuple[str, ...]
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Something that happens, and what is promised then; the last promise always holds."""

    name: str
    happens: str
    promises: tuple[Promise, ...]


_RECEIPTS = "tests/scenarios/test_receipts.py"
_TOLD = "tests/kernel/test_receipts.py"
_ALLOWED = "tests/kernel/test_allowed.py"
_CHANGES = "tests/kernel/test_changes.py"
_DELETIONS = "tests/kernel/test_deletions.py"
_ECHOES = "tests/kernel/test_echoes.py"
_MERGES = "tests/kernel/test_merges.py"
_NEWCOMERS = "tests/kernel/test_newcomers.py"
_SQL = "tests/targets/sql/test_operations.py"
_HUBSPOT = "tests/targets/hubspot/test_operations.py"
_TRYTON = (
    "tests/tryton/test_writes.py::"
    "test_an_edit_between_look_and_write_is_refused_by_the_lock_and_overwritten_without_one"
)
_EDITS = "tests/e2e/test_edits.py::test_edits_on_both_sides_while_rounds_run_are_all_accounted_for"
_SCHEDULES = "tests/simulation/test_schedules.py::test_every_schedule_ends_well"


def _always(_: Standing) -> bool:
    return True


_NO_TARGET = Promise(
    "no target",
    lambda s: not s.able.writes,
    "nothing is ever written there",
    (f"{_ALLOWED}::test_a_held_side_gets_no_creates_and_no_deletes",),
)

SITUATIONS: tuple[Situation, ...] = (
    Situation(
        "same field",
        "A user edits a field between our read and our write of that field",
        (
            _NO_TARGET,
            Promise(
                "target: `receipts`, `compare-and-set`",
                lambda s: s.able.can("compare-and-set"),
                "caught: the write is refused in the same step, the edit is read and settled like any other",
                (
                    f"{_SQL}::test_a_stale_row_is_rejected_with_what_is_there_and_its_batch_goes_on",
                    _TRYTON,
                    f"{_RECEIPTS}::test_an_edit_made_while_the_write_was_under_way_is_found_and_not_overwritten",
                ),
            ),
            Promise(
                "target: `receipts`, `preflight`, `history`",
                lambda s: s.able.can("preflight") and s.able.can("history"),
                "caught by a look before the write; an edit in the moment between the two is found in the history of "
                "the record, kept in the audit",
                (
                    f"{_HUBSPOT}::test_an_update_of_what_somebody_changed_is_stale_with_what_was_found",
                    f"{_HUBSPOT}::test_an_edit_between_our_look_and_our_write_is_told",
                    f"{_TOLD}::test_an_edit_of_the_last_moment_is_told_as_clobbered",
                ),
            ),
            Promise(
                "target: `receipts`, `preflight`",
                lambda s: s.able.can("preflight"),
                "caught by a look before the write; an edit in the moment between the two is overwritten",
                (_SCHEDULES, _TRYTON),
                weak=True,
            ),
            Promise(
                "target: `receipts`",
                lambda s: s.able.receipts,
                "caught if the target compares before it writes, of which it says nothing",
                (f"{_RECEIPTS}::test_an_edit_made_while_the_write_was_under_way_is_found_and_not_overwritten",),
                weak=True,
            ),
            Promise(
                "any other target",
                _always,
                "overwritten, if it falls into the seconds between that side's read and the write that follows; "
                "every other edit is merged",
                (
                    _SCHEDULES,
                    "tests/e2e/test_edits.py::test_edits_on_both_sides_while_rounds_run_are_all_accounted_for",
                ),
                weak=True,
            ),
        ),
    ),
    Situation(
        "create repeated",
        "A run dies while it creates a record",
        (
            Promise(
                "no target, or `allow:` without create",
                lambda s: not s.allows(OpKind.CREATE),
                "no record is ever created there",
                (f"{_ALLOWED}::test_a_side_may_forbid_creates",),
            ),
            Promise(
                "target: `receipts`, `idempotent-create`",
                lambda s: s.able.can("idempotent-create"),
                "made once: the record carries the key of its link, by which a second try finds it",
                (
                    f"{_SQL}::test_a_create_whose_link_key_is_there_makes_no_second_record",
                    f"{_HUBSPOT}::test_a_create_repeated_makes_no_second_record",
                ),
            ),
            Promise(
                "the key is known before (`uuid`, `{from: …}`, mapped)",
                lambda s: s.key_rule is not None and not s.names_records,
                "made once: it is an upsert under a key that was known before",
                (
                    "tests/e2e/test_kills.py::test_kills_at_any_moment_lose_nothing_and_double_nobody",
                    "tests/simulation/test_crashes.py::test_a_crash_at_any_step_is_made_good",
                ),
            ),
            Promise(
                "the side names it (`assigned`), target: `receipts`",
                lambda s: s.names_records and s.able.receipts,
                "held until the receipt, or a record that it may be, shows what became of it",
                (f"{_NEWCOMERS}::test_a_partner_whose_create_is_under_way_is_waited_for",),
                weak=True,
            ),
            Promise(
                "nothing says who names it",
                _always,
                "new records are parked, with the reason",
                (
                    "tests/e2e/test_join.py::test_a_side_that_numbers_its_records_gets_no_new_ones_and_everyone_is_told_why",
                ),
                weak=True,
            ),
        ),
    ),
    Situation(
        "arrived",
        "How a write is known to have arrived",
        (
            _NO_TARGET,
            Promise(
                "target: `receipts`, `read-back`",
                lambda s: s.able.can("read-back"),
                "its receipt brings the values as they were stored",
                (
                    f"{_SQL}::test_an_update_is_made_where_what_is_expected_is_there_and_is_read_back",
                    f"{_RECEIPTS}::test_a_value_that_the_target_stored_in_its_own_way_is_told_and_not_fought",
                ),
            ),
            Promise(
                "target: `receipts`",
                lambda s: s.able.receipts,
                "its receipt says so",
                (f"{_RECEIPTS}::test_nothing_is_lost_or_doubled_when_a_receipt",),
            ),
            Promise(
                "any other target",
                _always,
                "believed when the next read shows it; sent again if not, and parked after three times",
                (
                    f"{_ECHOES}::test_seen_as_it_was_before_it_is_sent_again",
                    f"{_ECHOES}::test_what_stays_invisible_three_times_is_parked",
                ),
            ),
        ),
    ),
    Situation(
        "deleted here",
        "A record is deleted on this side",
        (
            Promise(
                "tap: `deletes`",
                lambda s: "deletes" in s.able.tap,
                "the tap tells it with its next read",
                ("tests/taps/test_hubspot_reads.py::test_archived_records_are_gone_and_merged_ones_say_into_which",),
            ),
            Promise(
                "the stream is read in full",
                lambda s: not s.incremental,
                "known after two complete reads in a row that lack it",
                ("tests/scenarios/test_taps.py::test_a_deletion_is_carried_out_once_two_complete_reads_agree",),
            ),
            Promise(
                "incremental, with `full_read:`",
                lambda s: bool(s.full_read),
                "known after two full reads in a row that lack it, which come at `full_read`",
                ("tests/scenarios/test_taps.py::test_a_deletion_is_carried_out_once_two_complete_reads_agree",),
            ),
            Promise(
                "incremental, never read in full",
                _always,
                "never noticed",
                ("tests/config/test_lint.py::test_a_finding",),
                weak=True,
            ),
        ),
    ),
    Situation(
        "delete here",
        "A record was deleted on the other side, and this side still holds it",
        (
            Promise(
                "no target, or `allow:` without delete",
                lambda s: not s.allows(OpKind.DELETE),
                "it stays, and waits for a person",
                (f"{_DELETIONS}::test_a_side_may_forbid_deletes",),
            ),
            Promise(
                "`on_delete: park`",
                lambda s: s.on_delete is OnDelete.PARK,
                "it waits for a person, with all last values",
                (f"{_DELETIONS}::test_a_deletion_waits_for_a_person_with_all_last_values",),
            ),
            Promise(
                "`on_delete: delete` or `archive`; target: `receipts`, or `deletes: true`",
                lambda s: s.able.receipts or s.able.honours,
                "carried over, unless this side changed it since: an update is never deleted",
                (
                    f"{_DELETIONS}::test_a_deletion_is_carried_over_where_the_policy_says_so",
                    f"{_DELETIONS}::test_an_update_beats_a_deletion",
                ),
            ),
            Promise(
                "any other target",
                _always,
                "it waits for a person: the target is not declared to honour deletions",
                (f"{_DELETIONS}::test_a_foreign_target_must_be_known_to_honour_deletions",),
                weak=True,
            ),
        ),
    ),
    Situation(
        "merged here",
        "Two records are merged into one on this side",
        (
            Promise(
                "tap: `merges`",
                lambda s: "merges" in s.able.tap,
                "the link follows the survivor; two records that the other side still holds apart wait for a person",
                (
                    f"{_MERGES}::test_a_link_moves_to_a_survivor_that_nobody_holds_and_sends_what_differs",
                    f"{_MERGES}::test_a_merge_into_a_linked_record_leaves_two_on_the_other_side_for_a_person",
                ),
            ),
            Promise(
                "any other tap",
                _always,
                "it looks like the deletion of one and an edit of the other",
                (f"{_DELETIONS}::test_a_deletion_waits_for_a_person_with_all_last_values",),
            ),
        ),
    ),
    Situation(
        "later",
        "Both sides edited a field, and the later edit is to win",
        (
            Promise(
                "tap: `field-times`, `envelope`",
                lambda s: {"field-times", "envelope"} <= s.able.tap,
                "this side's own time of the edit counts, within the measured skew of its clock",
                ("tests/sync/test_witness.py::test_a_field_time_narrows_the_interval_to_the_bounds_of_the_skew",),
            ),
            Promise(
                "any other tap",
                _always,
                "our reads before and after the edit bound its time; where that proves no order, `else` decides",
                (f"{_CHANGES}::test_the_later_edit_wins_by_our_own_clock",),
            ),
        ),
    ),
    Situation(
        "another account",
        "The settings lead to another account or database than before",
        (
            Promise(
                "tap: `envelope`",
                lambda s: "envelope" in s.able.tap,
                "the run stops before anything of it is stored",
                ("tests/scenarios/test_accounts.py::test_another_account_stops_the_run_until_it_is_accepted_by_name",),
            ),
            Promise(
                "any other tap",
                _always,
                "the run stops if fewer than half of the known records are there",
                ("tests/e2e/test_plan_apply.py::test_another_account_stops_the_run",),
            ),
        ),
    ),
)


def kept(standing: Standing) -> dict[str, Promise]:
    """By the situation's name, the promise that is kept for one entity on one side."""
    return {
        situation.name: next(promise for promise in situation.promises if promise.holds(standing))
        for situation in SITUATIONS
    }
