"""`policy: {python: "module:function"}`: a module beside sync.yml, or an installed one, found once and for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.config import version
from antiphon.config.hook import HookError, find
from antiphon.errors import ConfigError
from antiphon.mapping import Python
from tests.config.example import loaded

RULES = """\
from antiphon.verdicts import Wins

print("imported")

def crm(question):
    print("asked")
    return Wins("crm", "always")
"""
PHONE = ("policy: park}", 'policy: {python: "rules:crm"}}')


def test_a_module_beside_sync_yml_is_imported_and_its_function_is_the_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.py").write_text(RULES)
    policy = loaded(tmp_path, PHONE).entities["contact"].fields["phone"].policy
    assert isinstance(policy, Python)
    assert policy.name == "rules:crm"
    policy.call(None)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "imported\nasked\n")  # stdout may carry Singer messages


def test_two_syncs_may_each_have_rules_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.py").write_text(f"def crm(question): return {name!r}")
    assert [find("rules:crm", tmp_path / name).call(None) for name in ("one", "two")] == ["one", "two"]


def test_another_text_of_the_function_is_another_mapping(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(RULES)
    before = version(loaded(tmp_path, PHONE))
    assert version(loaded(tmp_path, PHONE)) == before
    (tmp_path / "rules.py").write_text(RULES + "\n# thought over\n")
    assert version(loaded(tmp_path, PHONE)) != before


def test_a_module_in_a_package_may_be_installed() -> None:
    assert find("antiphon.equivalence:is_empty", Path("/nowhere")).call("") is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('broken')", "importing rules raised ValueError: broken"),
        ("import sys; sys.exit(3)", "importing rules raised SystemExit: 3"),
        ("def crm(:", "importing rules raised SyntaxError"),
        ("import missing_from_here", "rules imports 'missing_from_here', which is not installed"),
        ("crm = 7", "rules has no function 'crm'"),
    ],
)
def test_a_module_that_cannot_be_used_is_a_mistake_of_the_file(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(text)
    with pytest.raises(HookError) as error:
        find("rules:crm", tmp_path)
    assert said in str(error.value)
    with pytest.raises(ConfigError) as told:
        loaded(tmp_path, PHONE)
    assert "sync.yml:37: entities.contact.fields.phone.policy.python: found 'rules:crm', and" in told.value.message
