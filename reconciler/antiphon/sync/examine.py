"""`antiphon doctor`: what is in order, what must be mended, and what each side's plugins can do.

| looked at  | how                                                                                    |
|------------|----------------------------------------------------------------------------------------|
| sync.yml   | `lint`, with the columns that the taps show and the receipts that the targets speak of |
| a tap      | `--discover`; where it can, `--check`                                                  |
| a target   | where it can, `--check`; any other is started and given nothing to do                  |
| the ledger | opened; what holds it; what blocks deletions; whether others may read its file         |
| clocks     | the bounds that the last read measured                                                 |
"""

from __future__ import annotations

import enum
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon.config import PluginConfig, Replication, SideConfig, StreamConfig, SyncConfig, gives_receipts, lint
from antiphon.config.finding import Finding as Fault
from antiphon.errors import AntiphonError
from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT, FINGERPRINT
from antiphon.model import ConflictState, Side
from antiphon.promises import Able, Standing
from antiphon.singer.catalog import columns_of
from antiphon.singer.plugins import Workshop
from antiphon.singer.waiting import answers
from antiphon.sync.resolve import listed_methods
from antiphon.sync.run import FULL_READ, has_setting, title_of

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HOUR = 3600 * 1_000_000
_SKEWED = 5 * 60 * 1_000_000
"""A clock that is certainly further away than this is worth a look."""


class Verdict(enum.StrEnum):
    """How something stands."""

    OK = "ok"
    LOOK = "look"  # it works, and somebody may be surprised
    MEND = "mend"  # it does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fixable`: `--fix` can mend it."""

    about: str
    verdict: Verdict
    message: str
    hint: str = ""
    fixable: bool = False


@dataclass(slots=True)
class Examined:
    """Everything that was found, and what each side can do."""

    findings: list[Finding] = field(default_factory=list)
    able: dict[Side, Able] = field(default_factory=dict)
    standings: dict[tuple[Side, str], Standing] = field(default_factory=dict)
    accounts: dict[Side, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Nothing must be mended."""
        return all(finding.verdict is not Verdict.MEND for finding in self.findings)


@dataclass(slots=True)
class _Side:
    """What was learnt of one side."""

    findings: list[Finding]
    able: Able
    catalog: dict[str, Any] | None
    accounts: dict[str, str]


def examine(
    config: SyncConfig, catalogs: Mapping[Side, dict[str, Any]], shop: Workshop, *, fix: bool = False
) -> Examined:
    """Ask both sides. `catalogs` are those that need not be discovered."""
    found = Examined()
    with shop.at_once(len(config.sides)) as pool:
        asked = {
            name: pool.submit(_side, config, side, catalogs.get(name), shop, fix=fix)
            for name, side in config.sides.items()
        }
        sides = answers(asked)
    columns = {
        (name, entity.name): columns_of(side.catalog, entity.sides[name].stream)
        for name, side in sides.items()
        if side.catalog is not None
        for entity in config.entities.values()
    }
    receipts = {name: side.able.receipts for name, side in sides.items()}
    shown = {name: side.catalog for name, side in sides.items() if side.catalog is not None}
    found.findings += _lint(lint(config, columns, receipts, listed_methods(config, shown)), config)
    for name, side in sides.items():
        found.findings += side.findings
        found.able[name] = side.able
        if side.accounts:
            found.accounts[name] = next(iter(side.accounts.values()))
        if len(set(side.accounts.values())) > 1:
            told = ", ".join(f"{where} {account}" for where, account in side.accounts.items())
            found.findings.append(Finding(name, Verdict.LOOK, f"tap and target are not at the same account: {told}"))
        for entity in config.entities.values():
            found.standings[name, entity.name] = _standing(side.able, entity.sides[name])
    return found


def _lint(findings: list[Fault], config: SyncConfig) -> Iterator[Finding]:
    for each in findings:
        verdict = Verdict.MEND if each.severity == "error" else Verdict.LOOK
        yield Finding(config.path.name, verdict, f"{config.locate(each.where)}: {each.message}", each.hint)
    if not findings:
        yield Finding(config.path.name, Verdict.OK, f"{len(config.entities)} entities, nothing that cannot converge")


def _standing(able: Able, there: StreamConfig) -> Standing:
    incremental = there.replication is Replication.INCREMENTAL
    every = there.full_read if there.full_read is not None else (None if able.receipts else FULL_READ)
    return Standing(
        able,
        there.key_rule,
        there.on_delete,
        there.allow,
        incremental=incremental,
        full_read=f"every {every // _HOUR} h" if incremental and every is not None else "",
    )


# ---- one side


def _side(config: SyncConfig, side: SideConfig, catalog: dict[str, Any] | None, shop: Workshop, *, fix: bool) -> _Side:
    findings: list[Finding] = []
    accounts: dict[str, str] = {}
    streams = [entity.sides[side.name].stream for entity in config.entities.values()]
    about, where = _about(shop, side.tap, side.name, findings), f"{side.name} tap"
    can = _capabilities(about)
    try:
        if catalog is None and side.tap.catalog is not None:
            catalog = json.loads(side.tap.catalog.read_text(encoding="utf-8"))
        elif catalog is None:
            catalog = shop.discover(side.tap, title_of(side.tap, side.name))
    except (AntiphonError, OSError, ValueError) as error:
        findings.append(_failed(where, error))
    else:
        findings.append(_shown(where, about, catalog, streams))
        if "check" in can:
            findings += _checks(shop, side.tap, where, side.name, streams, accounts, fix=False)
    target = side.target
    if target is None:
        findings.append(Finding(f"{side.name} target", Verdict.OK, "there is none: nothing is ever written there"))
        return _Side(findings, Able(can), catalog, accounts)
    about, where = _about(shop, target, side.name, findings), f"{side.name} target"
    does = _capabilities(about)
    receipts = gives_receipts(side, {side.name: has_setting(about, "receipts_path")})
    able = Able(can, does, receipts, target.deletes)
    if "check" in does:
        findings += _checks(shop, target, where, side.name, streams, accounts, fix=fix)
    else:
        findings.append(_idle(shop, target, where, side.name, about))
    return _Side(findings, able, catalog, accounts)


def _about(shop: Workshop, plugin: PluginConfig, side: Side, findings: list[Finding]) -> dict[str, Any]:
    try:
        return shop.about(plugin, title_of(plugin, side))
    except AntiphonError as error:
        findings.append(_failed(f"{side} {plugin.command[0]}", error))
        return {}


def _capabilities(about: Mapping[str, Any]) -> frozenset[str]:
    told = about.get("capabilities", ())
    return frozenset(each for each in told if isinstance(each, str)) if isinstance(told, list) else frozenset()


def _versioned(about: Mapping[str, Any]) -> str:
    return f"{about.get('name', 'a plugin')} {about.get('version', '')}".strip() if about else "says nothing of itself"


def _shown(where: str, about: Mapping[str, Any], catalog: Mapping[str, Any], streams: list[str]) -> Finding:
    names = {entry.get(key) for entry in catalog.get("streams", ()) for key in ("stream", "tap_stream_id")}
    lacking = [stream for stream in streams if stream not in names]
    if lacking:
        return Finding(
            where, Verdict.MEND, f"it has no stream {lacking[0]!r}", f"it has {', '.join(sorted(filter(None, names)))}"
        )
    return Finding(where, Verdict.OK, f"{_versioned(about)}, {len(catalog.get('streams', ()))} streams")


def _checks(
    shop: Workshop,
    plugin: PluginConfig,
    where: str,
    side: Side,
    streams: list[str],
    accounts: dict[str, str],
    *,
    fix: bool,
) -> Iterator[Finding]:
    try:
        shown = shop.check(plugin, title_of(plugin, side), streams, fix=fix)
    except AntiphonError as error:
        yield _failed(where, error)
        return
    if isinstance(shown["account"], str):
        accounts[where] = shown["account"]
    for each in shown["checks"]:
        message = f"{each.get('name', 'check')}: {each.get('message', '')}"
        if each["ok"]:
            yield Finding(where, Verdict.OK, message)
        else:
            yield Finding(where, Verdict.MEND, message, str(each.get("hint", "")), bool(each.get("fixable")))


def _idle(shop: Workshop, plugin: PluginConfig, where: str, side: Side, about: Mapping[str, Any]) -> Finding:
    """A target that cannot be asked is started and given nothing to do: it reads its settings, and many log in."""
    try:
        outcome = shop.run_target(plugin, title_of(plugin, side), ())
    except AntiphonError as error:
        return _failed(where, error)
    if outcome.code != 0:
        return Finding(
            where, Verdict.MEND, f"given nothing to do, it ended with exit code {outcome.code}", outcome.words
        )
    return Finding(where, Verdict.OK, f"{_versioned(about)}, starts and takes its settings")


def _failed(where: str, error: Exception) -> Finding:
    hint = error.hint if isinstance(error, AntiphonError) else ""
    return Finding(where, Verdict.MEND, error.message if isinstance(error, AntiphonError) else str(error), hint)


# ---- what lies on this machine


def examine_ledger(ledger: Ledger, config: SyncConfig, accounts: Mapping[Side, str]) -> Iterator[Finding]:
    """What the ledger says of itself and of the sides, whose `accounts` are those of now, as far as they are known."""
    instance = ledger.instance
    yield Finding("ledger", Verdict.OK, f"{instance.id}, taken {instance.epoch} times")
    if instance.deletes_blocked:
        yield Finding("ledger", Verdict.LOOK, f"no record is deleted: {instance.deletes_blocked}")
    waiting = ledger.store.count(CONFLICT, "state", (ConflictState.OPEN,))
    if waiting:
        yield Finding("ledger", Verdict.LOOK, f"{waiting} conflicts wait for a person", "antiphon conflicts list")
    for side in config.side_names:
        known = ledger.get(FINGERPRINT, side)
        if known is not None and known.account and accounts.get(side, known.account) != known.account:
            told = f"it is the account {accounts[side]}, and the ledger knows {known.account}"
            yield Finding(side, Verdict.MEND, told, "point its settings back, or give this sync a new `ledger:`")
        if known is None or known.skew_least is None or known.skew_most is None:
            continue
        far = known.skew_least > _SKEWED or known.skew_most < -_SKEWED
        bounds = f"{known.skew_least / 1_000_000:+.1f} s to {known.skew_most / 1_000_000:+.1f} s"
        yield Finding(
            f"{side} clock",
            Verdict.LOOK if far else Verdict.OK,
            f"our clock is ahead of its by {bounds}",
            "set the clock of this machine" if far else "",
        )


def examine_files(files: Mapping[str, Path], *, fix: bool) -> Iterator[Finding]:
    """Whether others on this machine may read what holds values or secrets; `files` by what they are."""
    for what, path in files.items():
        if not path.exists():
            continue
        try:
            mode = path.stat().st_mode
            if not mode & _OTHERS:
                yield Finding(what, Verdict.OK, f"{path.name} is readable by its owner only")
            elif fix:
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
                yield Finding(what, Verdict.OK, f"{path.name} was readable by others, and is no more")
            else:
                who = "others" if mode & stat.S_IRWXO else "its group"
                yield Finding(
                    what, Verdict.LOOK, f"{path.name} may be read by {who}", f"chmod go= {path}", fixable=True
                )
        except OSError as error:
            yield Finding(what, Verdict.MEND, f"{path}: {error.strerror}", "see who owns it")
