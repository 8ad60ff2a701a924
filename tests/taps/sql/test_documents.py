"""The tap's README and docs/types.md say what the tap says and does."""

import pytest

from tests.taps.sql import documents


def test_the_readme_has_the_settings_that_about_tells() -> None:
    text = documents.README.read_text(encoding="utf-8")

    assert documents.put(text, "settings", documents.settings(documents.about())) == text, (
        "python -m tests.taps.sql.documents writes it anew"
    )


@pytest.mark.parametrize("mark", list(documents.types()))
def test_the_types_are_those_that_the_tests_run(mark: str) -> None:
    text = documents.TYPES.read_text(encoding="utf-8")

    assert documents.put(text, mark, documents.types()[mark]) == text, (
        "python -m tests.taps.sql.documents writes it anew"
    )
