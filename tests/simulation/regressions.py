"""Schedules that once went wrong, made small. Each names what was wrong with the reconciler then."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.simulation.faults import Fault
from tests.simulation.schedule import Schedule, Size, draw
from tests.simulation.users import Act


@dataclass(frozen=True)
class Regression:
    """One of them: the shape comes from the seed, what happens stands here."""

    story: str
    seed: int
    profile: str | None
    acts: tuple[Act, ...] = ()
    faults: tuple[Fault, ...] = ()
    rounds: int = 3
    plain: bool = True
    size: Size = Size.WHOLE

    @property
    def schedule(self) -> Schedule:
        """The schedule to run."""
        drawn = draw(self.seed, self.profile, plain=self.plain, size=self.size)
        shape = replace(drawn.shape, recalls=True)  # as they all did once
        return replace(drawn, shape=shape, acts=self.acts, faults=self.faults, rounds=self.rounds)


def found(
    story: str,
    seed: int,
    acts: tuple[Act, ...] = (),
    faults: tuple[Fault, ...] = (),
    rounds: int = 3,
    size: Size = Size.LEAN,
) -> Regression:
    """A schedule of a long run, which draws every profile and policy."""
    return Regression(story, seed, None, acts, faults, rounds, plain=False, size=size)


REGRESSIONS = [
    Regression(
        "a record that refers to itself waited for itself and was never created",
        128,
        "warehouse",
        (
            Act(0, "before", 1, "edit", "crm", "company", "parent", 1002),
            Act(0, "before", 1, "edit", "crm", "company", "parent", 1005),
            Act(0, "before", 1, "edit", "crm", "company", "parent", 1007),
            Act(0, "before", 1, "edit", "warehouse", "company", "parent", 1003),
        ),
    ),
    Regression(
        "while a foreign target was bisected, the good half's STATE acknowledged the bad half too",
        45,
        "foreign",
        (
            Act(3, "read crm", 1, "create", "warehouse", "company", "parent", 5285),
            Act(3, "before", 1, "poison", "warehouse", "company", "city", 7097),
        ),
        rounds=5,
    ),
    Regression(
        "a create acknowledged without its receipt was taken for delivered, though nobody knew the new id",
        16,
        "hubspot",
        (),
        (Fault(0, "mute", "crm", 0),),
    ),
    Regression(
        "a second record of the same name took over the partner that was just being created for the first",
        316,
        "mixed",
        (Act(0, "write warehouse", 1, "twin", "crm", "contact", "email", 3),),
        (Fault(0, "crash", "crm", 163),),
    ),
    Regression(
        "a value written between the CRM's look and our write was told in the receipt and forgotten",
        1,
        "hubspot",
        (
            Act(1, "window crm", 1, "edit", "crm", "contact", "city", 7002),
            Act(1, "before", 1, "edit", "warehouse", "contact", "city", 8003),
        ),
    ),
    Regression(
        "a write in doubt named a field that sync.yml had lost, and planning broke",
        7,
        "foreign",
        (Act(1, "before", 1, "edit", "crm", "contact", "city", 8005),),
        (Fault(1, "silent", "warehouse", 1), Fault(2, "field gone", "crm", 1)),
    ),
    Regression(
        "a foreign write that was done but not acknowledged left no audit of the edit that it had overwritten",
        17,
        "foreign",
        (
            Act(1, "before", 1, "edit", "warehouse", "contact", "city", 8005),
            Act(1, "planned", 3, "edit", "warehouse", "contact", "city", 9004),
            Act(1, "before", 1, "edit", "crm", "contact", "city", 7003),
        ),
        (Fault(1, "silent", "crm", 1), Fault(1, "silent", "warehouse", 1)),
    ),
    Regression(
        "a foreign column that its tap no longer showed was overwritten unseen",
        4,
        "foreign",
        (
            Act(0, "write crm", 3, "edit", "crm", "contact", "city", 8102),
            Act(0, "write crm", 9, "edit", "warehouse", "contact", "city", 8203),
        ),
        (Fault(1, "column gone", "crm", 245),),
    ),
    Regression(
        "a receipt without a column that sync.yml had lost made a base of what was never written, and null went back",
        400068,
        None,
        (),
        (Fault(0, "crash", "crm", 572), Fault(1, "field gone", "warehouse", 672), Fault(2, "restore", "crm", 815)),
    ),
    Regression(
        "a combined multi-select became the base when it was acknowledged, before any read had shown it",
        303962,
        None,
        (Act(0, "window warehouse", 2, "rekey", "warehouse", "contact", "city", 5051),),
        (Fault(0, "crash", "crm", 100), Fault(1, "mute", "warehouse", 503)),
        rounds=7,
    ),
    Regression(
        "a foreign target wrote, died silently, and the emptied value hid the edit that was lost",
        470,
        None,
        (
            Act(0, "planned", 1, "rekey", "crm", "company", "city", 1143),
            Act(1, "read crm", 1, "empty", "crm", "company", "city", 16240),
        ),
        (Fault(0, "silent", "crm", 182),),
        rounds=2,
    ),
    Regression(
        "a foreign record was deleted, and its last values were written down nowhere",
        700048,
        None,
        (
            Act(0, "window crm", 6, "rekey", "warehouse", "company", "city", 10655),
            Act(1, "write crm", 1, "same", "crm", "company", "city", 15358),
        ),
        rounds=2,
    ),
    Regression(
        "a set that both sides held after a combined write was no base, so that the next edit looked like none",
        200591,
        None,
        (
            Act(0, "read crm", 1, "twin", "crm", "contact", "name", 14627),
            Act(1, "write crm", 3, "edit", "crm", "contact", "tags", 9585),
            Act(2, "write crm", 4, "edit", "warehouse", "contact", "tags", 1060),
            Act(3, "planned", 4, "same", "crm", "contact", "tags", 5811),
        ),
        (Fault(2, "crash", "warehouse", 745),),
        rounds=5,
    ),
    Regression(
        "a record came back whose link had moved to its new key, and took the link over instead of getting one",
        877,
        None,
        (
            Act(0, "window warehouse", 9, "twin", "warehouse", "contact", "email", 4298),
            Act(2, "planned", 1, "delete", "warehouse", "contact", "city", 10079),
            Act(3, "planned", 9, "delete", "crm", "contact", "email", 14821),
            Act(4, "read warehouse", 4, "rekey", "crm", "contact", "name", 6435),
            Act(5, "write warehouse", 4, "restore", "crm", "contact", "tags", 1104),
        ),
        rounds=6,
    ),
    Regression(
        "a write that came to light by the incomplete row it brought back left no audit of what it had overwritten",
        101021,
        None,
        (Act(0, "planned", 1, "empty", "warehouse", "company", "name", 3602),),
        (Fault(0, "silent", "warehouse", 965),),
        size=Size.ANY,
    ),
    found(
        "while a write to the CRM was in doubt, one planned before went to a foreign side and replaced an edit unseen",
        5001300,
        (Act(0, "window warehouse", 1, "edit", "warehouse", "contact", "city", 3594),),
        (Fault(0, "crash", "crm", 217),),
        size=Size.ANY,
    ),
    found(
        "a foreign target wrote and said nothing, the record was deleted, and the edits it had replaced stood nowhere",
        5002708,
        (
            Act(0, "read crm", 9, "delete", "crm", "contact", "name", 4740),
            Act(2, "before", 4, "delete", "warehouse", "contact", "score", 3851),
        ),
        (Fault(0, "silent", "crm", 3),),
        size=Size.ANY,
    ),
    found(
        "a write that got no answer was done all the same, and the value it had overwritten was written down nowhere",
        1206,
        (),
        (Fault(0, "answer lost", "crm", 836),),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "what a user wrote into a record that was made when the runner died was taken for a value of a first meeting",
        1352,
        (Act(0, "before", 6, "edit", "warehouse", "company", "name", 3805),),
        (Fault(0, "crash", "warehouse", 113),),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "what a user wrote into a record whose create got no answer was taken for a value of a first meeting",
        1002397,
        (Act(0, "read warehouse", 1, "edit", "warehouse", "contact", "name", 2322),),
        (Fault(0, "answer lost", "crm", 431),),
        rounds=1,
        size=Size.ANY,
    ),
    found(
        "a create was in flight when its link was given another record, which was taken for the one that it made",
        1001652,
        (),
        (Fault(0, "crash", "warehouse", 662), Fault(1, "empty", "crm", 103), Fault(1, "crash", "warehouse", 635)),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "a create was made and its answers were lost twice; the receipt of its third sending hid what a read had shown",
        9001591,
        (
            Act(0, "window crm", 6, "edit", "warehouse", "company", "name", 1497),
            Act(1, "window crm", 2, "edit", "crm", "contact", "tags", 3115),
        ),
        (Fault(0, "mute", "crm", 839), Fault(1, "answer lost", "crm", 93)),
        size=Size.ANY,
    ),
    found(
        "a write that had arrived unanswered was replaced by a newer plan, and what it had overwritten stood nowhere",
        2011384,
        (Act(0, "write warehouse", 4, "rival", "warehouse", "contact", "email", 3594),),
        (Fault(0, "answer lost", "crm", 262), Fault(1, "unread", "crm", 823)),
        rounds=2,
    ),
    found(
        "two engines sent the same write, and of the edit that the second one replaced only its late receipt told",
        2014323,
        (
            Act(0, "planned", 1, "edit", "warehouse", "contact", "name", 3064),
            Act(2, "window crm", 2, "edit", "crm", "contact", "name", 5387),
        ),
        (Fault(1, "field gone", "crm", 868), Fault(2, "second", "crm", 187)),
    ),
    found(
        "a combined set whose write to one side was lost became the base when the other side showed it",
        2006649,
        (Act(1, "window crm", 9, "both", "warehouse", "contact", "tags", 1676),),
        (Fault(0, "target dies", "crm", 532), Fault(0, "write lost", "warehouse", 572)),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "a field came back to sync.yml, and what an unchanged record held there was overwritten unseen",
        70009238,
        (
            Act(0, "read crm", 2, "rival", "crm", "contact", "score", 2399),
            Act(1, "planned", 3, "edit", "warehouse", "contact", "score", 1525),
        ),
        (Fault(1, "field gone", "warehouse", 890),),
        rounds=2,
    ),
    Regression(
        "a column came back, the full read that was to show it was broken off, and no other followed",
        130000377,
        "foreign",
        (Act(0, "window crm", 4, "edit", "warehouse", "contact", "city", 1265),),
        (Fault(1, "column gone", "warehouse", 530), Fault(2, "crash", "crm", 967)),
        plain=False,
        size=Size.LEAN,
    ),
    found(
        "a write without an answer was sent again, its record was gone, and what it had replaced before stood nowhere",
        300014203,
        (Act(0, "write crm", 9, "both", "crm", "contact", "score", 2305),),
        (
            Fault(0, "silent", "crm", 770),
            Fault(0, "mute", "crm", 558),
        ),
        rounds=2,
    ),
    found(
        "a user put the old value back while a write was in doubt, which was sent again and replaced it unnoticed",
        200007728,
        (
            Act(0, "write crm", 2, "create", "warehouse", "contact", "tags", 1252),
            Act(0, "write crm", 1, "edit", "warehouse", "company", "name", 3591),
            Act(0, "window warehouse", 9, "create", "warehouse", "contact", "score", 5495),
            Act(1, "window warehouse", 2, "edit", "crm", "company", "name", 6441),
        ),
        (Fault(1, "target dies", "crm", 122),),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "a record came back as it was before an unseen write, and the reads that showed it so were no answer to it",
        200013215,
        (Act(0, "read crm", 9, "delete", "crm", "contact", "tags", 2547),),
        (Fault(2, "side restored", "crm", 796),),
        rounds=3,
    ),
    found(
        "a link moved to its record's new key, and the record of the old one came back to be held by nobody",
        500035432,
        (Act(0, "window crm", 6, "rekey", "crm", "contact", "score", 3369),),
        (Fault(2, "side restored", "crm", 26),),
        rounds=3,
    ),
    found(
        "a failed write was seen to be done in part, and of a field that sync.yml had lost the edit stood nowhere",
        510004536,
        (),
        (Fault(1, "field gone", "warehouse", 145), Fault(0, "answer lost", "crm", 786)),
        rounds=2,
    ),
    found(
        "a column came back with an edit that was called later than it was, since the last read had not shown it",
        510002705,
        (
            Act(3, "window warehouse", 6, "edit", "crm", "contact", "email", 4447),
            Act(3, "window warehouse", 1, "empty", "warehouse", "contact", "email", 8627),
            Act(2, "window crm", 6, "delete", "warehouse", "contact", "city", 9051),
        ),
        (Fault(4, "column gone", "warehouse", 956),),
        rounds=5,
        size=Size.ANY,
    ),
    found(
        "a write that counts waited for ever for a record that had been merged into another",
        530009220,
        (
            Act(0, "write crm", 1, "edit", "warehouse", "contact", "score", 1276),
            Act(1, "write crm", 1, "merge", "crm", "contact", "score", 4537),
        ),
        (),
        rounds=2,
    ),
    found(
        "a write that nobody heard of had replaced an edit, and nobody was told when it was sent again",
        550012582,
        (
            Act(1, "before", 1, "edit", "warehouse", "company", "name", 3469),
            Act(1, "window crm", 1, "edit", "crm", "company", "name", 5609),
            Act(0, "read crm", 6, "edit", "warehouse", "contact", "name", 6166),
        ),
        (Fault(1, "target dies", "crm", 129),),
        rounds=2,
    ),
    found(
        "a read lacked what we had made, and an edit before a second create gave way to the first one's value",
        560001059,
        (Act(0, "window crm", 4, "poison", "crm", "contact", "city", 1918),),
        (Fault(0, "empty", "warehouse", 392), Fault(1, "empty", "warehouse", 509)),
        rounds=3,
    ),
    found(
        "a create that nobody heard of was seen without a column, and its next edit was overruled",
        630015295,
        (Act(1, "read crm", 6, "edit", "warehouse", "contact", "name", 1528),),
        (Fault(0, "crash", "warehouse", 763), Fault(1, "column gone", "crm", 637)),
        rounds=2,
    ),
    found(
        "a record that a read had lacked, though it said it was complete, was called a later edit than it was",
        900092784,
        (
            Act(0, "window warehouse", 1, "edit", "warehouse", "contact", "city", 1178),
            Act(0, "window warehouse", 4, "delete", "crm", "contact", "tags", 2179),
        ),
        (Fault(0, "truncated", "crm", 114),),
        rounds=1,
    ),
    found(
        "an edit between a write and the moment its receipt was heard, after a crash, was called later than it was",
        900105279,
        (
            Act(0, "before", 6, "create", "crm", "contact", "city", 5531),
            Act(1, "planned", 6, "create", "crm", "contact", "email", 1289),
            Act(1, "before", 4, "edit", "crm", "contact", "email", 2718),
            Act(1, "planned", 9, "edit", "warehouse", "contact", "email", 4562),
        ),
        (Fault(1, "crash", "crm", 928),),
        rounds=2,
    ),
    found(
        "a record that a read had lacked was written and so made anew, and its first absence still counted as proof",
        900183675,
        (
            Act(0, "window warehouse", 4, "edit", "crm", "contact", "city", 1717),
            Act(0, "read crm", 2, "create", "warehouse", "contact", "city", 4886),
            Act(0, "window warehouse", 2, "delete", "warehouse", "contact", "name", 5250),
        ),
        (Fault(2, "truncated", "warehouse", 698),),
        rounds=3,
    ),
    found(
        "a receipt showed a column that the last read had lacked, with an edit that was called later than it was",
        901042502,
        (
            Act(0, "read crm", 9, "edit", "crm", "contact", "email", 3334),
            Act(0, "window crm", 2, "rival", "warehouse", "contact", "email", 4559),
        ),
        (Fault(2, "column gone mid-read", "crm", 186),),
        rounds=3,
    ),
    found(
        "a refusal that nobody had heard took the place of what a later read had shown, and an edit never crossed",
        902206411,
        (
            Act(0, "planned", 9, "edit", "crm", "contact", "email", 1079),
            Act(0, "write crm", 1, "rival", "crm", "contact", "tags", 3763),
        ),
        (Fault(0, "crash", "crm", 650), Fault(0, "crash", "warehouse", 751)),
        rounds=1,
    ),
    found(
        "a create that nobody had answered was never sent again once the record that it refers to was deleted",
        902234694,
        (Act(1, "before", 1, "delete", "crm", "company", "parent", 2357),),
        (Fault(0, "crash", "warehouse", 115), Fault(1, "mute", "crm", 188)),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "a read lacked the column that we had written, and the value before the write came back as an edit",
        902212233,
        (Act(0, "planned", 2, "empty", "crm", "contact", "name", 4445),),
        (Fault(1, "write lost", "warehouse", 9), Fault(2, "column gone", "warehouse", 591)),
        rounds=3,
        size=Size.ANY,
    ),
    found(
        "a write that nobody had heard of was told as it was at first, and hid that a user had taken it back since",
        902330543,
        (Act(0, "read warehouse", 2, "rival", "crm", "contact", "tags", 3441),),
        (Fault(0, "answer lost", "crm", 322), Fault(0, "target dies", "warehouse", 456)),
        rounds=1,
    ),
    found(
        "a write was sent again without a field that sync.yml had lost, and was taken to have written it",
        904141564,
        (),
        (
            Fault(0, "target dies", "crm", 921),
            Fault(1, "crash", "warehouse", 40),
            Fault(1, "field gone", "warehouse", 638),
        ),
        rounds=2,
    ),
    found(
        "an edit that had been put back was put back once more, over what a user had entered since",
        907177516,
        (
            Act(0, "window crm", 1, "edit", "crm", "contact", "tags", 2665),
            Act(1, "window crm", 3, "rival", "crm", "contact", "tags", 5683),
        ),
        rounds=2,
    ),
    found(
        "a create of which no answer was heard, and which one read that was cut short lacked, was sent over an edit",
        907347014,
        (
            Act(0, "read warehouse", 2, "create", "warehouse", "contact", "city", 2208),
            Act(0, "window warehouse", 6, "edit", "crm", "contact", "name", 3173),
        ),
        (Fault(1, "crash", "warehouse", 677), Fault(2, "truncated", "crm", 935)),
    ),
    found(
        "a record was back while its deletion across waited to be seen, and the sides deleted it in turn, for ever",
        907102477,
        (Act(0, "write crm", 1, "delete", "warehouse", "company", "city", 2385),),
        (Fault(2, "crash", "warehouse", 197), Fault(6, "side restored", "warehouse", 517)),
        rounds=7,
        size=Size.ANY,
    ),
    found(
        "a record that was made, deleted and restored before anybody heard of it lost the edit that came after",
        910103372,
        (
            Act(0, "write warehouse", 1, "restore", "crm", "company", "name", 2412),
            Act(0, "window crm", 1, "edit", "crm", "company", "city", 4521),
            Act(0, "read crm", 3, "undo", "crm", "company", "city", 5189),
        ),
        (Fault(0, "second", "crm", 823), Fault(0, "unread", "crm", 732)),
        rounds=1,
        size=Size.ANY,
    ),
    found(
        "a record whose id had changed was deleted across, while the new one waited for a create to be answered",
        910165210,
        (Act(0, "window warehouse", 4, "rekey", "crm", "contact", "name", 3782),),
        (Fault(0, "busy", "crm", 0), Fault(1, "second", "crm", 312)),
    ),
    found(
        "a record took the link, and the values, of one that a read which was cut short had lacked",
        912206129,
        (Act(0, "planned", 9, "edit", "warehouse", "contact", "score", 4524),),
        (Fault(0, "unread", "crm", 605), Fault(1, "truncated", "crm", 412)),
        rounds=2,
    ),
    found(
        "an edit that a read which was cut short did not show was taken to be later than that read",
        912139851,
        (
            Act(0, "window crm", 9, "edit", "warehouse", "contact", "name", 3012),
            Act(1, "read warehouse", 1, "edit", "crm", "contact", "name", 4599),
        ),
        (Fault(1, "swapped", "crm", 699), Fault(2, "truncated", "crm", 40)),
    ),
    found(
        "a write that was sent again after our clock was set back was not known to be sent again",
        912166743,
        (Act(1, "write crm", 2, "rival", "crm", "contact", "email", 1548),),
        (Fault(0, "crash", "crm", 34), Fault(1, "clock jump", "crm", 694)),
        rounds=2,
    ),
    found(
        "a receipt showed that a column was empty which the last read had lacked, and that was called an old edit",
        917174323,
        (
            Act(1, "read crm", 9, "rival", "crm", "contact", "email", 2415),
            Act(1, "write crm", 3, "empty", "warehouse", "contact", "email", 3709),
        ),
        (Fault(2, "column gone", "warehouse", 246),),
        rounds=3,
    ),
    found(
        "a create that got no answer was planned anew, and the values of the second were taken for what had been made",
        917377106,
        (
            Act(0, "read warehouse", 9, "edit", "warehouse", "contact", "tags", 2028),
            Act(1, "write crm", 4, "undo", "crm", "contact", "name", 5345),
        ),
        (
            Fault(0, "answer lost", "crm", 82),
            Fault(1, "clock jump", "crm", 930),
        ),
        rounds=2,
    ),
    found(
        "an older ledger made a record anew that was there and gone, and took the new values for what had been made",
        917298000,
        (
            Act(1, "planned", 1, "edit", "crm", "contact", "email", 1545),
            Act(0, "window warehouse", 3, "delete", "warehouse", "contact", "name", 4423),
            Act(0, "before", 3, "both", "warehouse", "contact", "score", 5865),
            Act(1, "before", 1, "edit", "crm", "contact", "tags", 6218),
        ),
        (
            Fault(1, "mute", "warehouse", 344),
            Fault(1, "restore", "warehouse", 7),
        ),
        rounds=2,
    ),
    found(
        "an acknowledgement covered an operation that another target, which had died, was given before",
        917420797,
        (
            Act(0, "planned", 6, "poison", "crm", "contact", "name", 1637),
            Act(0, "window warehouse", 3, "create", "crm", "contact", "email", 4777),
        ),
        (
            Fault(1, "crash", "crm", 341),
            Fault(2, "hand in", "crm", 292),
        ),
        rounds=3,
    ),
    found(
        "a write that nobody heard of was taken to be settled by a read that lacked its column",
        917600228,
        (
            Act(1, "planned", 1, "edit", "crm", "contact", "score", 1932),
            Act(0, "window crm", 9, "edit", "crm", "contact", "score", 3466),
        ),
        (
            Fault(1, "silent", "warehouse", 294),
            Fault(2, "column gone mid-read", "warehouse", 478),
        ),
        rounds=3,
    ),
    found(
        "what an unanswered create had made was met as a stranger, and an edit since gave way to it",
        917631116,
        (Act(0, "read warehouse", 1, "edit", "warehouse", "company", "city", 3384),),
        (
            Fault(1, "busy", "crm", 264),
            Fault(0, "mute", "crm", 519),
        ),
        rounds=2,
        size=Size.ANY,
    ),
    found(
        "a value was agreed upon with a record that the last read lacked, and that had another under its new id",
        919189715,
        (
            Act(0, "read crm", 6, "same", "crm", "contact", "city", 4290),
            Act(0, "window crm", 1, "edit", "warehouse", "contact", "city", 5200),
            Act(0, "window warehouse", 9, "rekey", "warehouse", "contact", "city", 6903),
        ),
        rounds=1,
    ),
    found(
        "a write that was planned before the last read lacked the record it came from went out, over an edit since",
        920002072,
        (
            Act(0, "read crm", 6, "delete", "crm", "contact", "tags", 1378),
            Act(0, "write crm", 1, "edit", "warehouse", "contact", "city", 4275),
        ),
        (Fault(0, "second", "crm", 743),),
        rounds=1,
    ),
    found(
        "our clock was set back, and the record of an unanswered create, which was there, was met as a stranger",
        922073991,
        (Act(0, "window crm", 3, "edit", "crm", "contact", "name", 4842),),
        (Fault(0, "answer lost", "warehouse", 84), Fault(1, "clock jump", "warehouse", 176)),
        rounds=2,
    ),
    found(
        "a target that found its write done before did not tell of the edit that this had replaced",
        924132967,
        (
            Act(0, "window crm", 1, "rival", "crm", "contact", "email", 1189),
            Act(0, "write warehouse", 2, "edit", "crm", "contact", "tags", 2112),
        ),
        (Fault(0, "crash", "crm", 634),),
        rounds=1,
    ),
    found(
        "a value that was put back before the other side entered the same was taken for a new edit",
        924011296,
        (
            Act(1, "write crm", 2, "rival", "warehouse", "contact", "score", 1971),
            Act(1, "read crm", 2, "edit", "warehouse", "contact", "tags", 3633),
            Act(0, "window crm", 2, "edit", "crm", "contact", "tags", 4433),
            Act(0, "before", 1, "rival", "warehouse", "contact", "tags", 5616),
        ),
        rounds=2,
    ),
    found(
        "what a side made of the values of an unanswered create looks like an edit of them, and no one can tell",
        926474119,
        (
            Act(1, "write crm", 3, "empty", "warehouse", "contact", "name", 2393),
            Act(0, "window crm", 1, "create", "warehouse", "contact", "email", 4866),
        ),
        (Fault(1, "answer lost", "crm", 478),),
        rounds=2,
    ),
    found(
        "an edit that was what a write in doubt would have brought was asked for, though nothing says when that was",
        930162051,
        (
            Act(1, "window warehouse", 4, "same", "crm", "contact", "city", 2868),
            Act(0, "window warehouse", 3, "poison", "warehouse", "contact", "city", 3674),
        ),
        (Fault(1, "busy", "crm", 762),),
        rounds=2,
    ),
    found(
        "a set that our write had replaced was given back with what the other side held, which called that a lost edit",
        950223286,
        (
            Act(1, "window crm", 1, "poison", "crm", "contact", "tags", 1219),
            Act(1, "window warehouse", 1, "edit", "warehouse", "contact", "tags", 2034),
            Act(0, "write crm", 1, "same", "warehouse", "contact", "tags", 3416),
        ),
        rounds=3,
    ),
    found(
        "of two creates without an answer nobody can tell which made the record, and with which of two values",
        960707478,
        (
            Act(1, "write crm", 6, "same", "warehouse", "contact", "score", 3222),
            Act(0, "window warehouse", 1, "edit", "warehouse", "contact", "email", 4390),
            Act(1, "read crm", 9, "rival", "crm", "contact", "email", 6377),
        ),
        (Fault(1, "answer lost", "crm", 284), Fault(0, "token expires", "crm", 684)),
        rounds=3,
    ),
    found(
        "a record of a merge was handed over to another link, and what had been merged into it was an alias of none",
        970048266,
        (
            Act(1, "write warehouse", 1, "merge", "crm", "contact", "name", 4154),
            Act(1, "write warehouse", 4, "poison", "crm", "contact", "city", 5086),
        ),
        (Fault(1, "crash", "warehouse", 213), Fault(0, "crash", "warehouse", 517)),
        rounds=3,
    ),
    found(
        "a write was dropped that may have arrived, and later somebody put back what had stood before it",
        980233109,
        (
            Act(0, "read warehouse", 9, "edit", "crm", "contact", "company", 11931),
            Act(1, "read crm", 9, "edit", "warehouse", "contact", "company", 4616),
            Act(2, "window warehouse", 2, "edit", "warehouse", "contact", "company", 7029),
        ),
        (Fault(1, "silent", "warehouse", 884),),
        rounds=7,
    ),
    found(
        "a record that nobody held was taken for gone by one read, and it was what two linked ones had become",
        982778413,
        (Act(0, "window crm", 1, "merge", "crm", "contact", "tags", 1826),),
        (Fault(1, "crash", "warehouse", 636), Fault(2, "truncated", "crm", 38)),
        rounds=3,
    ),
    found(
        "a record came back, and what its create had made, unheard, met it as a stranger",
        982906054,
        (
            Act(1, "read crm", 9, "restore", "crm", "contact", "name", 1089),
            Act(0, "write crm", 2, "delete", "crm", "contact", "city", 2352),
            Act(1, "write warehouse", 9, "edit", "crm", "contact", "city", 4769),
            Act(0, "read crm", 1, "undo", "warehouse", "contact", "email", 6679),
        ),
        (Fault(0, "answer lost", "warehouse", 648),),
        rounds=2,
    ),
    found(
        "a user wrote what was being written anyway, and then the clock was set",
        984431596,
        (
            Act(2, "window crm", 1, "rival", "warehouse", "contact", "score", 2638),
            Act(1, "read crm", 4, "rival", "warehouse", "company", "parent", 3686),
            Act(2, "read warehouse", 3, "empty", "warehouse", "company", "parent", 10256),
        ),
        (Fault(5, "clock jump", "warehouse", 82),),
        rounds=6,
        size=Size.ANY,
    ),
    found(
        "a write was acknowledged but not seen, and was planned anew only after a write to the other side was settled",
        984517050,
        (
            Act(1, "write crm", 4, "rival", "crm", "contact", "tags", 2643),
            Act(0, "read warehouse", 9, "rival", "crm", "contact", "email", 3596),
        ),
        (
            Fault(1, "target dies", "warehouse", 952),
            Fault(1, "side restored", "warehouse", 176),
            Fault(1, "mute", "crm", 812),
        ),
        rounds=2,
    ),
    found(
        "a create got no answer but had made its record, and was sent again without a column that its source had lost",
        986149289,
        (Act(0, "window warehouse", 4, "edit", "warehouse", "contact", "name", 1211),),
        (Fault(0, "answer lost", "warehouse", 832), Fault(1, "column gone", "crm", 632)),
        rounds=2,
    ),
    found(
        "a side cut a text short, no receipt said so, and what it showed looked like an edit of its own",
        987434464,
        (
            Act(1, "planned", 2, "edit", "warehouse", "contact", "name", 1338),
            Act(2, "read warehouse", 4, "edit", "warehouse", "contact", "name", 2406),
        ),
        (Fault(2, "mute", "crm", 25),),
        rounds=3,
    ),
    found(
        "a new record took the place of one that was gone, with a value on which the sides had agreed for that one",
        987818845,
        (
            Act(3, "planned", 1, "delete", "crm", "contact", "name", 4556),
            Act(4, "before", 2, "touch", "crm", "contact", "tags", 7096),
            Act(2, "write warehouse", 1, "twin", "crm", "contact", "tags", 11186),
            Act(2, "read crm", 2, "edit", "warehouse", "company", "name", 12309),
        ),
        (
            Fault(3, "crash", "crm", 732),
            Fault(2, "crash", "crm", 866),
            Fault(2, "side restored", "warehouse", 718),
        ),
        rounds=5,
        size=Size.ANY,
    ),
    found(
        "the survivor of a merge was given the value on which the sides had agreed for the record that it took in",
        987847873,
        (
            Act(1, "planned", 1, "rival", "warehouse", "contact", "email", 1658),
            Act(1, "planned", 3, "rival", "crm", "contact", "tags", 2210),
            Act(1, "read warehouse", 6, "merge", "crm", "contact", "score", 3102),
            Act(0, "window warehouse", 1, "delete", "warehouse", "contact", "name", 4227),
            Act(0, "window crm", 6, "edit", "warehouse", "contact", "tags", 6689),
        ),
        rounds=2,
    ),
    found(
        "a side cuts the edit made while a record was created there to just what the record was created with",
        988322150,
        (
            Act(0, "write warehouse", 3, "edit", "crm", "company", "name", 1899),
            Act(0, "write crm", 1, "edit", "warehouse", "company", "name", 2444),
        ),
        (Fault(0, "unread", "crm", 226),),
        rounds=1,
        size=Size.ANY,
    ),
    found(
        "a user wrote just what a dead runner had not written, which counted as written though the rest was not there",
        988455311,
        (
            Act(0, "read warehouse", 3, "empty", "crm", "contact", "company", 2511),
            Act(0, "write warehouse", 9, "edit", "warehouse", "contact", "company", 4783),
        ),
        (Fault(0, "crash", "warehouse", 280),),
        rounds=1,
    ),
]
