"""What is known of Tryton's models beyond what their fields say.

Sources: `trytond.modules.party`, `trytond.modules.sale_opportunity` (8.2).
"""

from __future__ import annotations

from collections.abc import Mapping

USUAL = ("party.party", "party.address", "party.contact_mechanism", "party.category", "sale.opportunity")
"""The models that are read where the setting names none."""

SHOWN_CHILDREN: Mapping[str, tuple[str, ...]] = {
    "party.party": ("contact_mechanisms", "addresses", "identifiers"),
    "party.address": ("contact_mechanisms", "identifiers"),
    "sale.opportunity": ("lines",),
}
"""Lists of children whose values show in columns of the parent (`email`, `phone`, `tax_identifier`, `amount`)."""

REPLACED = "replaced_by"
"""Where a record that was merged names the survivor (`party.replace`). What pointed to the merged record is pointed to
the survivor by SQL, so that its own time of modification does not move."""


def stream_of(model: str) -> str:
    """The stream of a model: dots would be taken for a path by Meltano's selection."""
    return model.replace(".", "-")
