"""Finding the function that `policy: {python: "module:function"}` names, and what tells two versions of it apart."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from antiphon.mapping import Python

REACH = "a module beside sync.yml, or one that is installed with Antiphon"


class HookError(Exception):
    """The function cannot be used; the message says why."""


def find(name: str, folder: Path) -> Python:
    """The policy of `module:function`. The module is imported: from `folder` if it lies there, else as installed.

    What it prints, then or when it is asked, goes to stderr: stdout may carry Singer messages.

    Raises:
        HookError: there is no such module or function, importing it failed, or it does not take one argument.
    """
    module_name, _, function_name = name.partition(":")
    module, code = _module(module_name, folder)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise HookError(f"{module_name} has no function {function_name!r}")
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError):
        raise HookError(f"{name} cannot be called with one argument, the question") from None
    return Python(name, _quiet(function), code)


def _module(name: str, folder: Path) -> tuple[ModuleType, str]:
    beside = folder.joinpath(*name.split(".")).with_suffix(".py")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module = _load(name, beside) if beside.is_file() else importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise HookError(f"{name} imports {error.name!r}, which is not installed") from error
        raise HookError(f"there is no module {name!r}; allowed: {REACH}") from error
    except (Exception, SystemExit) as error:
        raise HookError(f"importing {name} raised {type(error).__name__}: {error}") from error
    file = getattr(module, "__file__", None)
    return module, hashlib.blake2b(Path(file).read_bytes(), digest_size=8).hexdigest() if file else ""


def _load(name: str, path: Path) -> ModuleType:
    """The module in a file, apart from others of its name: two syncs may each have their own `rules.py`."""
    alone = f"{name}@{path}"
    spec = importlib.util.spec_from_file_location(alone, path)
    if spec is None or spec.loader is None:
        raise HookError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[alone] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _quiet(function: Callable[[Any], object]) -> Callable[[Any], object]:
    def call(question: Any) -> object:
        with contextlib.redirect_stdout(sys.stderr):
            return function(question)

    return call
