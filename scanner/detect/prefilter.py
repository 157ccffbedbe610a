# SPDX-License-Identifier: Apache-2.0
"""The first stage: one Hyperscan pass that says where a rule may match, and the cache of its database.

A cache entry is one file, named by the digest of everything it was made from (rule texts, this
format, Sealgate, Hyperscan and Python versions) and begun by the SHA-256 of its content, which is
checked before a byte of it is used: deserialising a damaged database can crash the process. It is
written to a temporary name and renamed, so processes that start at once cannot see a half of it, and
is only taken from a folder and a file that belong to this user and that nobody else may write. A
database built for other processor features is refused by Hyperscan itself and built again.
"""

import hashlib
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import hyperscan

from scanner import __version__
from scanner.detect.rules import (
    MAX_MATCH_BYTES,
    PackFile,
    Rule,
    builtin_directory,
    dump_rule,
    load_rules,
    parse_rule,
    read_packs,
)
from scanner.errors import ConfigError
from scanner.paths import glob_matches

_FORMAT: Final = b"sealgate-rules-17"
_MAX_CACHE_BYTES: Final = 64 * 1024 * 1024
# A cache entry: SHA-256 of what follows; lengths of the rules' texts, their reaches and the anchors; these, the forms.
_HEAD: Final = struct.Struct(">32sIII")
_REACH: Final = struct.Struct(">IIII??")
# White space around a whole content.
_AROUND_WHOLE: Final = 4
# No form is longer; see `encoded.py`.
_LONGEST_FORM: Final = 16


class Reach(NamedTuple):
    """How far a candidate's window goes: the anchor's length bounds and the longest whole match, in bytes.

    `near` says how far the anchor goes where it goes over the end of a line, `alone` whether all that decides about a
    match is in its line. A rule for `whole` contents has no anchor.
    """

    shortest: int
    longest: int
    match: int
    near: int
    alone: bool
    whole: bool = False


class RuleSet:
    """Rules ready to scan; an index is Hyperscan's expression id. A rule is parsed when it is asked for.

    `texts` are the rules as JSON, `reaches` in their order, `anchors` and `forms` the two databases: of the
    rules' beginnings, and of what their literals look like in encoded content (ids tell kinds of runs there).
    """

    def __init__(self, texts: Sequence[bytes], reaches: Sequence[Reach], digest: str, anchors: Any, forms: Any) -> None:
        self.texts = texts
        self.reaches = reaches
        self.digest = digest
        self.anchors = anchors
        self.forms = forms
        # What a candidate hangs on before its end: `near` bytes at most, or `far` of them within its line.
        self.near = max([_LONGEST_FORM, *(reach.near for reach in reaches)])
        self.far = max([self.near, *(reach.longest for reach in reaches)])
        self.whole = tuple(index for index, reach in enumerate(reaches) if reach.whole)
        # Contents of so many bytes may be a secret and nothing else.
        sizes = [reaches[index] for index in self.whole]
        self.whole_sizes = (
            min((reach.shortest for reach in sizes), default=1),
            max((reach.longest + _AROUND_WHOLE for reach in sizes), default=0),
        )
        self._rules: dict[int, Rule] = {}
        self._limited: list[int] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def left_out(self, path: bytes) -> frozenset[int]:
        """Return the rules that hold for other paths only."""
        if self._limited is None:
            # As JSON the rules' paths are their last member; most have none, and none of these is parsed.
            self._limited = [index for index, text in enumerate(self.texts) if not text.endswith(b"[]]")]
        return frozenset(index for index in self._limited if not glob_matches(self[index].paths, path))

    def index(self, rule: Rule) -> int:
        """Return the index of a rule that was asked for here."""
        return next(index for index, known in self._rules.items() if known is rule)

    def __getitem__(self, index: int) -> Rule:
        rule = self._rules.get(index)
        if rule is None:
            rule = self._rules[index] = parse_rule(self.texts[index])
        return rule


def load_ruleset(packs: Sequence[PackFile], disabled: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> RuleSet:
    """Return the rule set of these packs, from the user's cache folder or as the package was built with it, where it is there.

    Raises `ConfigError` for a rule that cannot be used, naming file, line and rule.
    """
    digest = ruleset_digest(packs, disabled)
    folder = _cache_folder(environ or {})
    ruleset = _read_cache(folder, digest, _private) if folder else None
    if ruleset is None:
        # Whoever can write there can write the program too.
        ruleset = _read_cache(builtin_directory(), digest, bool)
    if ruleset is None:
        ruleset = compile_ruleset(_enabled(load_rules(packs), disabled), digest)
        if folder:
            _write_cache(folder, ruleset)
    return ruleset


def write_builtin(folder: str) -> str:
    """Compile the rules that come with the program into a file of this folder, and return its path; for its build."""
    packs = read_packs([builtin_directory()])
    ruleset = compile_ruleset(load_rules(packs), ruleset_digest(packs))
    _write_cache(folder, ruleset)
    return os.path.join(folder, ruleset.digest)


def compile_ruleset(rules: Sequence[Rule], digest: str = "") -> RuleSet:
    """Build the database for these rules. Raises `ConfigError` naming the rule that does not compile."""
    from scanner.detect.anchor import anchor, stays_in_line, width
    from scanner.detect.decode import KINDS
    from scanner.detect.encoded import forms

    expressions: list[bytes] = []
    reaches: list[Reach] = []
    for rule in rules:
        if rule.whole:
            shortest, longest = width(rule.pattern)
            reaches.append(Reach(shortest, longest, longest, near=0, alone=True, whole=True))
            continue
        try:
            cut = anchor(rule.pattern, slow=rule.slow)
        except ValueError as error:
            raise ConfigError(f"rule {rule.id}: {error}", "see 'Patterns' in docs/rules.md") from None
        expressions.append(cut.expression.encode())
        # An open-ended pattern is a complaint of the linter; here it matches as far as any rule may.
        longest, match = (min(length, MAX_MATCH_BYTES) for length in (cut.longest, width(rule.pattern).longest))
        alone = not rule.near and cut.shortest > 0 and stays_in_line(rule.pattern)
        reaches.append(Reach(cut.shortest, longest, match, cut.near, alone))
    anchored = [index for index, rule in enumerate(rules) if not rule.whole]
    flags = [_flags(rules[index]) for index in anchored]
    found = forms((rule.pattern, rule.ignore_case) for rule in rules if not rule.whole)
    cases = [hyperscan.HS_FLAG_CASELESS if form.any_case else 0 for form in found]
    try:
        anchors = _compile(expressions, anchored, flags)
        # Apart from the anchors: together the two would take three times as long to compile.
        # An id for each form: where many share one, Hyperscan compares every two of them.
        ids = [number * KINDS + form.kind for number, form in enumerate(found)]
        encoded = _compile([form.text for form in found], ids, cases, literal=True)
    except hyperscan.HyperscanError:
        name = _culprit([rules[index] for index in anchored], expressions, flags)
        raise ConfigError(f"rule {name}: the prefilter cannot take its beginning", "see docs/rules.md") from None
    return RuleSet([dump_rule(rule) for rule in rules], reaches, digest, anchors, encoded)


def _flags(rule: Rule) -> int:
    return hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_CASELESS if rule.ignore_case else 0)


def _culprit(rules: Sequence[Rule], expressions: Sequence[bytes], flags: Sequence[int]) -> str:
    """Return the first rule that does not compile by itself; Hyperscan tells its number only in a text."""
    for rule, expression, flag in zip(rules, expressions, flags, strict=True):
        try:
            _compile([expression], [0], [flag])
        except hyperscan.HyperscanError:
            return rule.id
    return "unknown"


def _compile(expressions: list[bytes], ids: list[int], flags: list[int], *, literal: bool = False) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    if expressions:
        database.compile(expressions=expressions, ids=ids, elements=len(ids), flags=flags, literal=literal)
        return _ready(database)
    return None


def _load(data: bytes) -> Any:
    return _ready(hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)) if data else None


def _ready(database: Any) -> Any:
    database.scratch = hyperscan.Scratch(database)
    return database


def _enabled(rules: Sequence[Rule], disabled: Sequence[str]) -> tuple[Rule, ...]:
    ids = [rule.id for rule in rules]
    for name in disabled:
        if name not in ids:
            from scanner.detect.rules import suggest

            raise ConfigError(f"there is no rule {name!r} to disable", suggest(name, ids) or "see 'sealgate rules list'")
    return tuple(rule for rule in rules if rule.id not in disabled)


def ruleset_digest(packs: Sequence[PackFile], disabled: Sequence[str] = ()) -> str:
    """Return the digest of the rule set that these packs make."""
    made_of = hashlib.sha256(_FORMAT)
    versions = f"{__version__} {getattr(hyperscan, '__version__', '')} {sys.version_info[:2]} {sys.platform}"
    for part in (versions.encode(), *(name.encode() for name in sorted(disabled)), b"", *(pack.data for pack in packs)):
        made_of.update(b"%d:" % len(part))
        made_of.update(part)
    return made_of.hexdigest()


def _cache_folder(environ: Mapping[str, str]) -> str | None:
    """Return the private cache folder, made where it is missing, or None where there can be none."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = environ.get("HOME") or environ.get("USERPROFILE") or ""
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    folder = os.path.join(base, "sealgate")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.lstat(folder)
    except OSError:
        return None
    return folder if _private(status) and os.path.isdir(folder) and not os.path.islink(folder) else None


def _private(status: os.stat_result) -> bool:
    """Whether only this user can have written here."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _read_cache(folder: str, digest: str, trust: Callable[[os.stat_result], bool]) -> RuleSet | None:
    try:
        descriptor = os.open(os.path.join(folder, digest), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb") as stream:
            if not trust(os.fstat(descriptor)):
                return None
            content = stream.read(_MAX_CACHE_BYTES)
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        _, texts_size, reaches_size, anchors_size = _HEAD.unpack_from(content)
        texts_end = _HEAD.size + texts_size
        reaches_end = texts_end + reaches_size
        anchors_end = reaches_end + anchors_size
        if anchors_end >= len(content):
            return None
        texts = content[_HEAD.size : texts_end].split(b"\n")
        reaches = [Reach(*numbers) for numbers in _REACH.iter_unpack(content[texts_end:reaches_end])]
        anchors, forms = _load(content[reaches_end:anchors_end]), _load(content[anchors_end:])
        return RuleSet(texts, reaches, digest, anchors, forms)
    except (OSError, ValueError, struct.error, hyperscan.HyperscanError):
        return None


def _write_cache(folder: str, ruleset: RuleSet) -> None:
    """Write the entry; whatever goes wrong, the scan goes on without a cache."""
    try:
        texts = b"\n".join(ruleset.texts)
        reaches = b"".join(_REACH.pack(*reach) for reach in ruleset.reaches)
        anchors = hyperscan.dumpb(ruleset.anchors) if ruleset.anchors is not None else b""
        forms = hyperscan.dumpb(ruleset.forms) if ruleset.forms is not None else b""
        lengths = b"".join(len(part).to_bytes(4, "big") for part in (texts, reaches, anchors))
        content = lengths + texts + reaches + anchors + forms
        temporary = os.path.join(folder, f".{ruleset.digest}.{os.urandom(8).hex()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (OSError, hyperscan.HyperscanError):
        return
    try:
        with open(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(content).digest() + content)
        os.replace(temporary, os.path.join(folder, ruleset.digest))
    except OSError:
        os.unlink(temporary)
