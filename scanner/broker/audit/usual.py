# SPDX-License-Identifier: Apache-2.0
"""The baseline of an audit: which paths a role usually asks for."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from scanner.display import one_line
from scanner.errors import ConfigError

_VERSION: Final = 1


class Usual:
    """Paths of a role; one that ends in `*` stands for all that begin like it."""

    def __init__(self, paths: Collection[str]) -> None:
        self._paths = {path for path in paths if not path.endswith("*")}
        self._beginnings = tuple(path[:-1] for path in paths if path.endswith("*"))

    def add(self, path: str) -> None:
        """Take one more path for usual."""
        self._paths.add(path)

    def has(self, path: str) -> bool:
        """Whether a path is among them."""
        return path in self._paths or path.startswith(self._beginnings)


NOTHING: Final = Usual(())


def load_usual(file: str) -> dict[str, list[str]]:
    """Return the baseline that `dump_usual` made. Raises `ConfigError`."""
    try:
        with open(file, "rb") as stream:
            document = json.load(stream)
    except OSError as error:
        raise ConfigError(f"cannot read {one_line(file)}: {error.strerror}", "check --baseline") from None
    except (ValueError, RecursionError):
        document = None
    usual = document.get("usual") if isinstance(document, dict) and document.get("version") == _VERSION else None
    if not isinstance(usual, dict) or not all(_is_texts(paths) for paths in usual.values()):
        raise ConfigError(f"{one_line(file)} is no baseline of an audit", "make one with --write-baseline")
    return usual


def _is_texts(paths: Any) -> bool:
    return isinstance(paths, list) and all(isinstance(path, str) for path in paths)


def dump_usual(usual: Mapping[str, Collection[str]]) -> str:
    """Return a baseline: JSON for people to edit; a path that ends in `*` stands for all that begin like it."""
    document = {"version": _VERSION, "usual": {who: list(paths) for who, paths in usual.items()}}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
