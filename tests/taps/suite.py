"""What the SDK's own suite of tests for taps needs, so that each of its tests looks at what it names."""

from __future__ import annotations

import pytest


class EachByItself:
    """The SDK keeps the values of the first attribute that a test looks at, and shows them to all later ones."""

    @pytest.fixture(autouse=True)
    def _look_anew(self, request: pytest.FixtureRequest) -> None:
        vars(request.function.__self__).pop("non_null_attribute_values", None)
