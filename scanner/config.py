# SPDX-License-Identifier: Apache-2.0
"""Settings: flag, then `SEALGATE_*`, then the configuration file, then the default; first one wins.

The file is `.sealgate.yaml` at the root of what is scanned, or `[tool.sealgate]` in its
`pyproject.toml`, or the one that `--config` or `SEALGATE_CONFIG` names. A key that is not known is an
error: a misspelt allowlist that silently does nothing is worse than a failed run.
"""

import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scanner.document import load_yaml
from scanner.errors import ConfigError
from scanner.model import CONFIDENCES, GAP_KINDS
from scanner.triage import Allow, is_date

if TYPE_CHECKING:
    from scanner.importers.recognise import Foreign

FILE_NAME: Final = ".sealgate.yaml"
BASELINE_NAME: Final = ".sealgate-baseline.jsonl"
LEVELS: Final = (*CONFIDENCES[::-1], "never")

# What is large is read in pieces, so no size is too large.
UNLIMITED: Final = 1 << 60
_MAX_NUMBER: Final = 10**15
_MAX_JOBS: Final = 256

# Reads a file by its path from the root of what is scanned; None where there is no such file.
ReadFile = Callable[[str], bytes | None]


class Settings(NamedTuple):
    """Everything that a flag, the environment or a file can set. Sizes in bytes; 0 seconds is no limit.

    0 jobs are as many as there are cores. `foreign` is there where the file is another scanner's.
    """

    fail_on: str = "medium"
    max_blob: int = UNLIMITED
    timeout: float = 0.0
    jobs: int = 0
    baseline: str = ""
    rules: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    allow_gap: tuple[str, ...] = ()
    allow: tuple[Allow, ...] = ()
    broker: Mapping[str, Any] = MappingProxyType({})
    config: str = ""
    cache: str = ""
    foreign: "Foreign | None" = None


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str], read: ReadFile, root: str | None = None) -> Settings:
    """Merge flags (None where not given), environment and file. Raises `ConfigError`.

    Paths in a file begin at that file's folder, those of a flag or a variable where the process is; `root` is
    the folder of the files that `read` reads, None where they are on no disk. No file names a cache: a repository that
    is scanned has no say in where files are written, or in what is believed.
    """
    values: dict[str, Any] = {}
    name = flags.get("config") or environ.get("SEALGATE_CONFIG") or ""
    values.update(_rooted(_read_named(name), os.path.dirname(name)) if name else _rooted(_read_found(read), root))
    for key in ("fail_on", "max_blob", "timeout", "jobs", "baseline", "rules", "allow_gap"):
        text = environ.get(f"SEALGATE_{key.upper()}")
        if text:
            parts = text.split(",") if key in ("rules", "allow_gap") else text
            values[key] = _PARSERS[key](parts, f"SEALGATE_{key.upper()}")
    values["cache"] = environ.get("SEALGATE_CACHE", "")
    for key, value in flags.items():
        if value not in (None, [], ()) and key in Settings._fields:
            flag = "--" + key.replace("_", "-")
            values[key] = _PARSERS[key](value, flag) if key in _PARSERS else value
    return Settings(**values)


def _rooted(values: dict[str, Any], root: str | None) -> dict[str, Any]:
    if root is not None:
        if values.get("baseline"):
            values["baseline"] = os.path.join(root, values["baseline"])
        values["rules"] = tuple(os.path.join(root, path) for path in values.get("rules", ()))
    return values


def _read_named(name: str) -> dict[str, Any]:
    try:
        with open(name, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {name}: {error.strerror}", "check --config") from None
    return _read_foreign(data, name) or (_parse_toml(data, name) if name.endswith(".toml") else _parse_yaml(data, name))


def _read_foreign(data: bytes, name: str) -> dict[str, Any] | None:
    """Return the settings of another scanner's configuration, None where it is none."""
    from scanner.importers.recognise import foreign, recognise

    plan = recognise(data, name)
    return parse_settings(plan.settings(), name) | {"foreign": foreign(plan, name)} if plan else None


def _read_found(read: ReadFile) -> dict[str, Any]:
    data = read(FILE_NAME)
    if data is not None:
        return _parse_yaml(data, FILE_NAME)
    if read(".sealgate.yml") is not None:
        raise ConfigError("the configuration is called .sealgate.yml", f"rename it to {FILE_NAME}")
    data = read("pyproject.toml")
    # Most projects have one without a table of ours; the parser costs more than this look.
    return _parse_toml(data, "pyproject.toml") if data is not None and b"sealgate" in data else {}


def _parse_yaml(data: bytes, name: str) -> dict[str, Any]:
    document, _ = load_yaml(data, name, "see docs/configuration.md")
    return parse_settings({} if document is None else document, name)


def _parse_toml(data: bytes, name: str) -> dict[str, Any]:
    import tomllib

    try:
        document = tomllib.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not valid TOML", "see docs/configuration.md") from None
    tool = document.get("tool", {})
    return parse_settings(tool.get("sealgate", {}) if isinstance(tool, dict) else {}, f"{name}: tool.sealgate")


def parse_settings(document: object, name: str) -> dict[str, Any]:
    """Return the settings of a configuration document, checked. Raises `ConfigError` naming file and key."""
    if not isinstance(document, dict):
        raise ConfigError(f"{name}: a configuration is a mapping", "see docs/configuration.md")
    values = {}
    for key, value in document.items():
        if key not in _PARSERS:
            raise _unknown(f"{name}: unknown key {key!r}", str(key), _PARSERS)
        values[key] = _PARSERS[key](value, f"{name}: {key}")
    return values


def _unknown(message: str, word: str, known: Mapping[str, object]) -> ConfigError:
    from scanner.detect.rules import suggest

    return ConfigError(message, suggest(word, known) or f"known: {', '.join(known)}")


def _parse_level(value: object, where: str) -> str:
    if value not in LEVELS:
        raise ConfigError(f"{where}: unknown level {_scalar(value)!r}", f"one of {', '.join(LEVELS)}")
    return str(value)


def _scalar(value: object) -> str:
    """Return a text or number as text, cut to what a message can hold; anything else by its type."""
    if isinstance(value, str):
        return value[:40]
    return str(value) if isinstance(value, int | float) and abs(value) < _MAX_NUMBER else type(value).__name__


_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def _parse_size(value: object, where: str) -> int:
    found = re.fullmatch(r"(\d{1,12})\s?([kmg]?)(?:i?b)?", _scalar(value).lower())
    if not found or isinstance(value, bool) or not int(found[1]):
        raise ConfigError(f"{where}: not a size: {_scalar(value)!r}", "write bytes or 500k, 20M, 1G")
    return int(found[1]) * _UNITS[found[2]]


def _parse_seconds(value: object, where: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s?(s|m|h|)", _scalar(value).lower())
    if not found or isinstance(value, bool):
        raise ConfigError(f"{where}: not a time: {_scalar(value)!r}", "write seconds or 30s, 10m, 1h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _parse_jobs(value: object, where: str) -> int:
    text = _scalar(value)
    if text == "auto":
        return 0
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > _MAX_JOBS:
        raise ConfigError(f"{where}: not a number of processes: {text!r}", f"write 1 to {_MAX_JOBS}, or auto")
    return int(text)


def _parse_text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"{where}: must be text", "see docs/configuration.md")
    return value


def _parse_texts(value: object, where: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) and item and "\0" not in item for item in items):
        raise ConfigError(f"{where}: must be a list of texts", "see docs/configuration.md")
    return tuple(items)


def _parse_gaps(value: object, where: str) -> tuple[str, ...]:
    kinds = _parse_texts(value, where)
    for kind in kinds:
        if kind not in GAP_KINDS:
            raise _unknown(f"{where}: there is no kind of gap {kind!r}", kind, GAP_KINDS)
    return kinds


def _parse_mapping(value: object, where: str) -> Mapping[str, Any]:
    """Take a section as it is: whoever it is for knows its keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{where}: must be a mapping", "see docs/broker.md")
    return value


_ALLOW_KEYS: Final = dict.fromkeys(("rule", "path", "fingerprint", "value", "line", "commit", "family", "reason", "until"))
FAMILIES: Final = ("secret", "sops")
_LIMITS: Final = ("rule", "path", "fingerprint", "value", "line", "commit")


def _parse_allows(value: object, where: str) -> tuple[Allow, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{where}: must be a list of entries", "see docs/configuration.md")
    return tuple(_parse_allow(entry, f"{where}[{index}]") for index, entry in enumerate(value, 1))


def _parse_allow(entry: object, where: str) -> Allow:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: an entry is a mapping", f"with {', '.join(_ALLOW_KEYS)}")
    for key in entry:
        if key not in _ALLOW_KEYS:
            raise _unknown(f"{where}: unknown key {key!r}", str(key), _ALLOW_KEYS)
    until = str(entry.get("until", ""))
    if until and not is_date(until):
        raise ConfigError(f"{where}.until: must be a date", "write YYYY-MM-DD")
    rules, paths, fingerprints, values, lines, commits = (_parse_texts(entry.get(k, []), f"{where}.{k}") for k in _LIMITS)
    if not any(entry.get(key) for key in _LIMITS):
        raise ConfigError(f"{where}: would allow everything", f"give it one of {', '.join(_LIMITS)}")
    for key, expressions in (("value", values), ("line", lines)):
        _check_expressions(expressions, f"{where}.{key}")
    for commit in commits:
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
            raise ConfigError(f"{where}.commit: not the full id of a commit", "write all 40 or 64 hex digits, in lower case")
    families = _parse_texts(entry.get("family", []), f"{where}.family")
    for family in families:
        if family not in FAMILIES:
            raise ConfigError(f"{where}.family: there is no family {family!r}", f"one of {', '.join(FAMILIES)}")
    reason = _parse_text(entry["reason"], f"{where}.reason") if "reason" in entry else ""
    return Allow(where, rules, paths, fingerprints, reason, until, values, lines, commits, families)


def _check_expressions(expressions: tuple[str, ...], where: str) -> None:
    for expression in expressions:
        try:
            compiled = re.compile(expression.encode("ascii"))
        except UnicodeEncodeError:
            raise ConfigError(f"{where}: an expression is written in ASCII", "escape bytes as \\xNN") from None
        except (re.error, OverflowError, RecursionError) as error:
            message = f"{where}: not a regular expression: {getattr(error, 'msg', 'too large')}"
            raise ConfigError(message, "see docs/configuration.md") from None
        if compiled.search(b""):
            raise ConfigError(f"{where}: an expression that fits everything", "it would allow everything")


_PARSERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "fail_on": _parse_level,
    "max_blob": _parse_size,
    "timeout": _parse_seconds,
    "jobs": _parse_jobs,
    "baseline": _parse_text,
    "rules": _parse_texts,
    "disable": _parse_texts,
    "allow_gap": _parse_gaps,
    "allow": _parse_allows,
    "broker": _parse_mapping,
}
