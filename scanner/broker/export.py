# SPDX-License-Identifier: Apache-2.0
"""Secrets handed to the steps that come after this one: in the platform's own file, a shell file or JSON.

The masks are printed before anything is written, so that no log is ever ahead of them. A file that is the
platform's is appended to, one that is ours is replaced whole, and only its owner may read it. What a format
cannot hold without changing it is refused before anything is written.
"""

import contextlib
import json
import os
import re
import secrets
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from scanner.broker.names import check_variable
from scanner.broker.spellings import MIN_LENGTH, parts
from scanner.display import one_line, plural
from scanner.errors import ConfigError
from scanner.model import Secret

# GitHub's runner reads its own files as UTF-8, line by line (`src/Runner.Worker/FileCommandManager.cs`).
_GITHUB_FILES: Final = {"env": "GITHUB_ENV", "output": "GITHUB_OUTPUT"}
GITHUB_TARGETS: Final = (*_GITHUB_FILES, "both")
# GitLab's plan limit `dotenv_size`; a report must be smaller than it.
_GITLAB_BYTES: Final = 5120
_AS_FILE: Final = "take it as a file instead: --file 'PATH#FIELD=FILE-NAME'"

# What the platforms tell later steps by, and where the broker's own next run would go: besides `names`, which knows the rest.
_TOLD_BY_PLATFORM: Final = re.compile(
    r"(GITHUB|RUNNER|ACTIONS|STATE|INPUT|CI|GITLAB|FF)_\w+|CI|(VAULT|BAO)_(ADDR|CACERT|CAPATH|NAMESPACE|PROXY_ADDR)"
    r"|NODE_\w+|DOTNET_\w+|CARGO_\w+|PIP_\w+|BUNDLE_\w+",
    re.IGNORECASE,
)

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
Mask = Callable[[str], str]
Print = Callable[[str], None]


class Masks(NamedTuple):
    """The lines that hide values in the platform's log, and what cannot be hidden, in words."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]


def check_names(variables: Mapping[str, Secret]) -> None:
    """Raise `ConfigError` for a name that no shell takes, and for one that would change how later steps run."""
    for name in variables:
        check_variable(name)
        if _TOLD_BY_PLATFORM.fullmatch(name):
            raise ConfigError(f"the variable {name} is refused", "later steps are told by it how to run; take another name")


def masks(variables: Mapping[str, Secret], mask: Mask, also: Iterable[Secret] = ()) -> Masks:
    """Return what to print so that the platform hides the values, and others `also`; `mask` makes one such line, or nothing.

    Every line and every text within JSON by itself: a log shows them so, and GitHub's runner takes a mask of several
    lines apart without a look at their length, so that a lone `{` vanishes from all logs.
    """
    hidden = frozenset[str]().union(*(_single_lines(secret.reveal(), MIN_LENGTH) for secret in also))
    lines = {line: None for part in sorted(hidden) if (line := mask(part))}
    warnings = []
    for name, secret in variables.items():
        value = _text(name, secret).encode()
        hidden = _single_lines(value, MIN_LENGTH)
        lines |= {line: None for part in sorted(hidden) if (line := mask(part))}
        shown = [part for part in _single_lines(value, 1) - hidden if re.search(r"\w", part)]
        if shown and mask("value"):
            what = "it is" if len(value) < MIN_LENGTH else f"{plural(len(shown), 'line or JSON value')} of it:"
            warnings.append(f"{name} cannot be hidden in the log: {what} shorter than {MIN_LENGTH} characters")
    return Masks(tuple(lines), tuple(warnings))


def _single_lines(value: bytes, min_length: int) -> frozenset[str]:
    found = {part.decode("utf-8", "replace").strip() for part in parts(value, min_length)}
    return frozenset(part for part in found if "\n" not in part and "\r" not in part)


def export_github(
    variables: Mapping[str, Secret],
    environ: Mapping[str, str],
    mask: Mask,
    show: Print,
    to: str = "both",
    *,
    also: Iterable[Secret] = (),
    plain: Mapping[str, str] = _NONE,
) -> tuple[str, ...]:
    """Append to the files that GITHUB_ENV and GITHUB_OUTPUT name (`to`: `env`, `output` or `both`); return warnings.

    `show` prints one line that reaches the runner before it returns; `also` is hidden besides the values. `plain` are the
    broker's own variables, not secret. Everything is checked before the first line.
    """
    check_names(variables)
    hidden = masks(variables, mask, also)
    texts = {**{name: _text(name, value) for name, value in variables.items()}, **plain}
    block = "".join(_heredoc(name, value) for name, value in texts.items()).encode()
    with contextlib.ExitStack() as stack:
        opened = [_open_platform_file(environ, name, stack) for name in _github_files(to)]
        for line in hidden.lines:
            show(line)
        for descriptor in opened:
            _append(descriptor, block)
    return hidden.warnings


def check_github(environ: Mapping[str, str], to: str = "both") -> None:
    """Raise `ConfigError` where the files are not there that `export_github` would write to."""
    with contextlib.ExitStack() as stack:
        for name in _github_files(to):
            _open_platform_file(environ, name, stack)


def _github_files(to: str) -> tuple[str, ...]:
    return (_GITHUB_FILES[to],) if to in _GITHUB_FILES else tuple(_GITHUB_FILES.values())


def _heredoc(name: str, value: str) -> str:
    """Return `NAME<<delimiter`, the value and the delimiter, a line each; CVE-2022-35954 is why it is random."""
    delimiter = f"sealgate_{secrets.token_hex(16)}"
    if delimiter in value:
        raise ConfigError(f"the value for {name} contains the delimiter that was to end it", "run it again")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _open_platform_file(environ: Mapping[str, str], name: str, stack: contextlib.ExitStack) -> int:
    path = environ.get(name, "")
    if not path:
        raise ConfigError(f"{name} is not set", "--format github is for a step of GitHub Actions; see the other formats")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise ConfigError(f"the file that {name} names cannot be written: {error.strerror}", "the runner makes it") from None
    stack.callback(os.close, descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ConfigError(f"what {name} names is no file", "the runner makes it")
    return descriptor


def _append(descriptor: int, block: bytes) -> None:
    """Append in one piece, after the end of a line that an earlier command may have left open."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            block = b"\n" + block
    while block:
        block = block[os.write(descriptor, block) :]


def gitlab_report(variables: Mapping[str, Secret], plain: Mapping[str, str] = _NONE) -> bytes:
    """Return a dotenv report as GitLab reads it: no quoting, `$` expanded, white space cut off, no line ends.

    Raises `ConfigError` for a value that would come out as another one
    (gitlab-org/gitlab `app/services/ci/parse_dotenv_artifact_service.rb`).
    """
    check_names(variables)
    lines = []
    for name, secret in variables.items():
        value = _text(name, secret)
        if why := _gitlab_refuses(value):
            raise ConfigError(f"the value for {name} cannot go into a dotenv report: {why}", _AS_FILE)
        lines.append(f"{name}={value}\n")
    lines += [f"{name}={value}\n" for name, value in plain.items()]
    report = "".join(lines).encode()
    if len(report) >= _GITLAB_BYTES:
        raise ConfigError(
            f"the dotenv report would have {len(report)} bytes, GitLab takes fewer than {_GITLAB_BYTES}", _AS_FILE
        )
    return report


def _gitlab_refuses(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        return "it has a line end or another control character"
    if value != value.strip():
        return "GitLab cuts off white space at its ends"
    return "GitLab would expand the $ in it" if "$" in value else ""


def shell_file(variables: Mapping[str, Secret], plain: Mapping[str, str] = _NONE) -> bytes:
    """Return a file for POSIX shells to source (`. FILE`): every value exactly as it is."""
    check_names(variables)
    for name, secret in variables.items():
        _refuse_nul(name, secret)
    texts = {**{name: os.fsdecode(secret.reveal()) for name, secret in variables.items()}, **plain}
    lines = (f"export {name}={shlex.quote(text)}\n" for name, text in texts.items())
    return os.fsencode("".join(lines))


def json_file(variables: Mapping[str, Secret], plain: Mapping[str, str] = _NONE) -> bytes:
    """Return one JSON object, name to value."""
    check_names(variables)
    document = {**{name: _text(name, secret) for name, secret in variables.items()}, **plain}
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def _text(name: str, secret: Secret) -> str:
    _refuse_nul(name, secret)
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        raise ConfigError(f"the value for {name} is not text", _AS_FILE) from None


def _refuse_nul(name: str, secret: Secret) -> None:
    if b"\0" in secret.reveal():
        raise ConfigError(f"the value for {name} holds a NUL character, which no variable can", _AS_FILE)


def write_private(path: str, data: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all; what stood there is replaced, never followed.

    Raises `ConfigError` where that cannot be.
    """
    temporary = os.path.join(os.path.dirname(path), f".sealgate-{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write {one_line(path)}: {error.strerror}", "check the folder and its permissions") from None
