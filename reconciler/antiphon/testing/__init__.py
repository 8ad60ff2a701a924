"""A contract that any connector can be held to: does it do what it says it can?

In a test module of yours:

    from antiphon.testing import get_contract_class
    TestMine = get_contract_class(MyLab)

`MyLab` says how your plugins are started and plays the people who work in the system (`antiphon.testing.lab.Lab`). Each
capability that a plugin lists in `--about` is then proven by the tests that `PROVEN_BY` names; those that it does not
list are left out. The page "Connectors" of the documentation tells what each means. Needs pytest.
"""

from antiphon.testing.contract import PROVEN_BY, get_contract_class
from antiphon.testing.lab import Lab
from antiphon.testing.programs import Program, Read, capabilities_of

__all__ = ["PROVEN_BY", "Lab", "Program", "Read", "capabilities_of", "get_contract_class"]
