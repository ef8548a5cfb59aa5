"""Names and modules that are imported when they are asked for, and not with what names them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``package`` (PEP 562): each name from the module below it that has it."""

    def found(name: str) -> Any:  # noqa: ANN401 - a module hands over whatever it is asked for
        if name in modules:
            return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return found


class Module:
    """The module ``name``, which is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a module hands over whatever it is asked for
        return getattr(importlib.import_module(self._name), name)
