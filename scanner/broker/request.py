# SPDX-License-Identifier: Apache-2.0
"""What to read and where it goes, as `--secret` and `--file` say it.

    PATH#FIELD=VARIABLE                  one field into a variable
    PATH#FIELD@3=VARIABLE                of version 3 (KV v2)
    PATH=PREFIX                          all fields, into PREFIX_FIELD in upper case
    PATH/**=PREFIX                       a whole tree of a KV engine, into PREFIX_SUB_PATH_FIELD
    PATH{name=value;name=value}#FIELD=…  with options of the engine: {common_name=x.example;ttl=1h},
                                         {ciphertext=vault:v1:…}; {version=3} for a whole secret

PATH is as people write it: `secret/ci/app`, without KV v2's `data/`. An option's value that begins with
`@` is read from the file it names (`@@` stands for an `@`); a `;` cannot stand in one. FIELD may hold
anything but `@` and digits at its end. The last `=` is the one before the target. A file (`--file`) takes
one field: its last part is then the name of the file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from scanner.broker.model import Lease, SecretRequest
from scanner.broker.names import check_file, check_variable, variable_of
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.model import Secret

_REQUEST: Final = re.compile(
    r"(?P<path>[^{}#]*)(?:\{(?P<options>[^{}]*)\})?(?:\#(?P<field>.*?)(?:@(?P<version>\d{1,9}))?)?", re.DOTALL
)
_OPTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MAX_OPTION_BYTES: Final = 1 << 16
_TREE: Final = "/**"


def parse_secret(text: str) -> SecretRequest:
    """Return what a `--secret` asks for; raise `ConfigError` where it is not well-formed or its variable is refused."""
    request = _parse(text, "--secret", "PATH#FIELD=VARIABLE or PATH=PREFIX")
    if request.field and request.path.endswith(_TREE):
        raise ConfigError(f"--secret {_shown(text)}: a tree has no single field", "write PATH/**=PREFIX")
    check_variable(request.target if request.field else f"{request.target}_X")
    return request


def parse_file(text: str) -> SecretRequest:
    """Return what a `--file` asks for: `PATH#FIELD=FILE-NAME`."""
    request = _parse(text, "--file", "PATH#FIELD=FILE-NAME")
    if not request.field:
        raise ConfigError(f"--file {_shown(text)} names no field", "write it as PATH#FIELD=FILE-NAME")
    check_file(request.target)
    return request._replace(kind="file")


def check(requests: Iterable[SecretRequest]) -> None:
    """Raise `ConfigError` where two requests have one target; names that prefixes make are checked once they are known."""
    seen: dict[tuple[bool, str], SecretRequest] = {}
    for request in requests:
        key = request.kind == "file", request.target
        if request.kind != "prefix" and key in seen:
            what = "file" if request.kind == "file" else "variable"
            raise ConfigError(f"two requests go to the {what} {request.target}: {seen[key].path} and {request.path}", _RENAME)
        seen.setdefault(key, request)


def group(requests: Iterable[SecretRequest]) -> tuple[tuple[SecretRequest, ...], ...]:
    """Return the requests, those together that one read serves: user and password must be of one lease."""
    groups: dict[object, list[SecretRequest]] = {}
    for request in requests:
        key = request.path, request.version, tuple(sorted(request.options.items()))
        groups.setdefault(key, []).append(request)
    return tuple(tuple(members) for members in groups.values())


def fill(read: Sequence[tuple[SecretRequest, Lease]]) -> tuple[dict[str, Secret], dict[str, Secret]]:
    """Return the variables and the files that the requests make of their leases, by name.

    Raises `ConfigError` for a field that is not there and where two values would have one name.
    """
    variables: dict[str, Secret] = {}
    files: dict[str, Secret] = {}
    origins: dict[tuple[bool, str], str] = {}
    for request, lease in read:
        for name, field in _names(request, lease).items():
            key, where = (request.kind == "file", name), f"{request.path}#{one_line(field)}"
            if key in origins:
                raise ConfigError(f"{name} would be both {origins[key]} and {where}", _RENAME)
            origins[key] = where
            (files if request.kind == "file" else variables)[name] = lease.values[field]
    return variables, files


_RENAME: Final = "give one of them another name or prefix"


def _names(request: SecretRequest, lease: Lease) -> Mapping[str, str]:
    """Return the field for each name that a request makes."""
    if request.kind == "prefix":
        names: dict[str, str] = {}
        for field in lease.values:
            name = variable_of(request.target, field)
            if name in names:
                both = f"{one_line(names[name])} and {one_line(field)}"
                raise ConfigError(f"{request.path}: the fields {both} would both be {name}", "ask for one of them by its name")
            names[name] = field
        return names
    if request.field not in lease.values:
        there = ", ".join(one_line(field) for field in sorted(lease.values)[:20]) or "none"
        raise ConfigError(f"{request.path} has no field {one_line(request.field)}", f"its fields: {there}")
    return {request.target: request.field}


def _parse(text: str, option: str, form: str) -> SecretRequest:
    left, equals, target = text.rpartition("=")
    # An `=` in braces is an option's, not the one before the target.
    parts = _REQUEST.fullmatch(left) if equals and target and "}" not in target else None
    if parts is None:
        raise ConfigError(f"{option} {_shown(text)} is not of the form {form}", "in a shell, put it in single quotes")
    options = _parse_options(parts["options"], option, text)
    version = parts["version"] or options.pop("version", None)
    if version is not None and not (version.isascii() and version.isdigit() and int(version)):
        raise ConfigError(f"{option} {_shown(text)}: a version is a number from 1", "leave it out for the newest")
    if "#" in left and not parts["field"]:
        raise ConfigError(f"{option} {_shown(text)} has a '#' and no field", "leave the '#' out for the whole secret")
    field = parts["field"] or ""
    kind: Literal["variable", "prefix"] = "variable" if field else "prefix"
    path = parse_path(parts["path"])
    return SecretRequest(path, field, target, kind, int(version) if version else None, MappingProxyType(options))


def parse_path(text: str) -> str:
    """Return a path at Vault without slashes at its ends.

    `..` and `.` are refused as a client on the way would resolve them (`ci/../prod` reads `prod`), `?` and `#` as
    they would end the path in a URL, and control characters.
    """
    path = text.strip("/")
    parts = path.removesuffix(_TREE).split("/")
    if len(parts) < 2 and not path.endswith(_TREE):
        raise ConfigError(f"the path {_shown(text)} names no secret", "write the mount and the path below it, as secret/ci/app")
    if any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"the path {_shown(text)} holds an empty part, '.' or '..'", "write it in full")
    if not path.isprintable() or any(letter in path for letter in "?#{}\\") or "*" in path.removesuffix(_TREE):
        raise ConfigError(
            f"the path {_shown(text)} holds a character that no path may have", "no ?, #, \\, *, {, } nor control characters"
        )
    return path


def _parse_options(text: str | None, option: str, whole: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in text.split(";") if text else ():
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _OPTION.fullmatch(name) or name in options or not value.isprintable():
            raise ConfigError(
                f"{option} {_shown(whole)}: the options are not of the form {{name=value;name=value}}", "each name once"
            )
        options[name] = _value(value)
    return options


def _value(text: str) -> str:
    if not text.startswith("@"):
        return text
    if text.startswith("@@"):
        return text[1:]
    try:
        with open(text[1:], "rb") as file:
            data = file.read(_MAX_OPTION_BYTES + 1)
        if len(data) > _MAX_OPTION_BYTES:
            raise ConfigError(f"the file {one_line(text[1:])} is larger than {_MAX_OPTION_BYTES} bytes", "an option takes less")
        return data.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"the file {one_line(text[1:])} cannot be read: {error.strerror}", "check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"the file {one_line(text[1:])} is not UTF-8", "encode it in base64 where the engine wants that"
        ) from None


def _shown(text: str) -> str:
    """Return a request for a message, without the values of its options."""
    return one_line(re.sub(r"\{[^}]*\}?", "{…}", text))[:120] or "''"
