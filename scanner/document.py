# SPDX-License-Identifier: Apache-2.0
"""YAML that others wrote: read without constructing anything but plain values, and without falling over it."""

from typing import Any, Final, cast

from scanner.errors import ConfigError

_MAX_DEPTH: Final = 100


def load_yaml(data: bytes, name: str, hint: str) -> tuple[Any, Any]:
    """Return a document and its node tree (for line numbers), None for both where there is nothing.

    Raises `ConfigError` naming file and line for what is not YAML, is nested too deeply or has a value that
    cannot be read.
    """
    import yaml  # a tenth of a hook's time; only where there is something to read

    loader = cast("Any", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        _check_depth(data, yaml, loader, name, hint)
        reader = loader(data)
        node = reader.get_single_node()
        return (reader.construct_document(node) if node else None), node
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', '') or 'syntax'}", hint) from None
    except ValueError:  # 2026-02-30, a number of ten thousand digits
        raise ConfigError(f"{name}: not valid YAML: a value cannot be read", hint) from None


def _check_depth(data: bytes, yaml: Any, loader: Any, name: str, hint: str) -> None:
    """The loader's own way to say that there are too many brackets is to overrun its stack."""
    depth = 0
    for event in yaml.parse(data, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise ConfigError(f"{name}: nested too deeply", hint)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
