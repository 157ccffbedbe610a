# SPDX-License-Identifier: Apache-2.0
"""One file compared with what stood at its path before: what the MAC alone gives away, without any key.

SOPS renews the MAC, nonce and all, whenever it writes values; `updatekeys` renews neither MAC nor values, and a data
key changes with every ciphertext of the file (`rotate`). So of two versions with one MAC the values are the same, or
one of them was edited by something else; and a ciphertext that two versions share was made with one data key.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from scanner.display import decode_path, one_line
from scanner.model import Confidence, Span, Version
from scanner.sops.content import Content
from scanner.sops.coverage import leaf_name
from scanner.sops.likely import looks_secret
from scanner.sops.metadata import Metadata, parse_metadata
from scanner.sops.recipient import Recipient
from scanner.sops.rules import Problem
from scanner.sops.standin import stands_for
from scanner.sops.stores import read
from scanner.sops.stores.sniff import store_of

# A value that is not secret by its name may be so by its place; a shorter one than this is a setting.
_LONG_ENOUGH: Final = 6
_MOST_BYTES: Final = 100_000
_SEALED: Final = (
    b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED", b"-----BEGIN PGP MESSAGE", b"\0GITCRYPT\0", b"$ANSIBLE_VAULT"
)  # fmt: skip
# What a name says of its being encrypted: secrets.enc.yaml, db-sops.json, enc.values.yaml, key.pem.enc.
_MARK: Final = re.compile(rb"[._-](?:enc|encrypted|sops|crypt)(?:\.|$)|^(?:enc|encrypted|sops)[._-]", re.IGNORECASE)
_SISTERS: Final = {b"yaml": (b"yml", b"json"), b"yml": (b"yaml", b"json"), b"json": (b"yaml", b"yml")}
_FOLDERS: Final = frozenset({b"secrets", b"secret", b"encrypted", b"enc", b"sops"})


class Snapshot(NamedTuple):
    """What is compared of one version. `values` are all leaves in order, `ciphertexts` those that are encrypted."""

    mac: str
    values: tuple[tuple[tuple[str, ...], str], ...]
    spans: tuple[Span, ...]
    ciphertexts: frozenset[str]
    recipients: frozenset[Recipient]
    mac_only_encrypted: bool


class Past(NamedTuple):
    """A version, and what is compared of it."""

    version: Version
    snapshot: Snapshot


def take_snapshot(path: bytes, data: bytes, content: Content | None = None) -> Snapshot:
    """Return the snapshot of a version, encrypted or not; of what does not parse, an empty one."""
    content = content or read(store_of(path, data), data)
    if not content.metadata and content.store == "binary":
        return _as_a_whole(data)
    metadata = parse_metadata(content.metadata[0], content.store)[0] if content.metadata else None
    items = [item for item in content.items if item.kind == "value"]
    values = tuple((item.path, item.scalar.text) for item in items)
    return Snapshot(
        mac=metadata.mac if metadata else "",
        values=values,
        spans=tuple(item.scalar.span for item in items),
        ciphertexts=frozenset(text for _, text in values if _is_encrypted(text)),
        recipients=_recipients(metadata),
        mac_only_encrypted=bool(metadata and metadata.mac_only_encrypted),
    )


def _as_a_whole(data: bytes) -> Snapshot:
    """The binary store encrypts whatever there is as one value."""
    text = "" if data.startswith(_SEALED) else data[:_MOST_BYTES].decode("utf-8", "replace").strip()
    end = data.find(b"\n")
    span = Span(0, end if end > 0 else len(data))
    return Snapshot("", ((("data",), text),), (span,), frozenset(), frozenset(), mac_only_encrypted=False)


def former_names(path: bytes) -> list[bytes]:
    """Return names under which people have the clear text of an encrypted file, before they encrypt it or after."""
    folder, slash, name = path.rpartition(b"/")
    plain = _MARK.sub(_without_mark, name, count=1)
    stem, dot, extension = plain.rpartition(b".")
    names = {plain, plain + b".dec"}
    if stem:
        names |= {stem + middle + dot + extension for middle in (b".dec", b".decrypted")}
    names |= {stem + dot + other for other in _SISTERS.get(extension, ())}
    found = {folder + slash + other for other in names}
    outside = b"/".join(part for part in folder.split(b"/") if part.lower() not in _FOLDERS)
    if outside != folder:
        found.add((outside + b"/" if outside else b"") + plain)
    return sorted(found - {path})


def _without_mark(found: re.Match[bytes]) -> bytes:
    """Keep the dot of an extension behind the mark."""
    return b"." if found[0].endswith(b".") and found[0][:1] in b"._-" else b""


def _recipients(metadata: Metadata | None) -> frozenset[Recipient]:
    if metadata is None:
        return frozenset()
    return frozenset(one.recipient for group in metadata.groups for one in group)


def _is_encrypted(text: str) -> bool:
    return text.startswith("ENC[")


def compare(
    now: Snapshot, past: Sequence[Past], others: Sequence[Past]
) -> Iterator[tuple[Problem, Version | None]]:
    """Yield what the past, the oldest first, says of a file; each with the version that it stands in, None for `now`.

    `others` stood under names that people give to the clear text of such a file (`former_names`).
    """
    start = Span(0, 0)
    snapshots = [snapshot for _, snapshot in past]
    if was_edited(now, snapshots):
        yield tampered(start), None
    former = known_to(now, snapshots)
    if former:
        yield not_rotated(former, start), None
    for version, snapshot in reversed(past):
        clear = list(once_clear(now, snapshot))
        if clear:
            yield was_clear(clear, version), version
            return
    for version, snapshot in reversed(others):
        # Another file may have entries of the same names: what counts is a secret by name and value.
        clear = [leaf for leaf in once_clear(now, snapshot) if leaf[2]] if not snapshot.mac else []
        if clear:
            problem = was_clear(clear, version, under=f"in {one_line(decode_path(version.path))}")
            yield problem._replace(confidence="low" if problem.confidence == "low" else "medium"), version
            return


def was_edited(current: Snapshot, earlier: Sequence[Snapshot]) -> bool:
    """Whether values changed since SOPS wrote the MAC; `earlier` are the versions before, the oldest first.

    The oldest version with a MAC is the one that SOPS wrote; who goes back to it from an edited one mends the file.
    """
    origin = next((version for version in earlier if version.mac and version.mac == current.mac), None)
    if origin is None:
        return False
    if current.mac_only_encrypted:
        return [v for v in current.values if _is_encrypted(v[1])] != [v for v in origin.values if _is_encrypted(v[1])]
    return current.values != origin.values


def known_to(current: Snapshot, earlier: Sequence[Snapshot]) -> frozenset[Recipient]:
    """Return who is no recipient any more and still knows the data key that is in use."""
    return frozenset(
        recipient
        for version in earlier
        if not version.ciphertexts.isdisjoint(current.ciphertexts)
        for recipient in version.recipients - current.recipients
    )


def once_clear(current: Snapshot, version: Snapshot) -> Iterator[tuple[str, Span, bool]]:
    """Yield what is encrypted now and stood in clear text in `version`: name, place there, whether it is surely secret."""
    encrypted = {path for path, text in current.values if _is_encrypted(text)}
    # A file that was encrypted as a whole (binary store) has nothing but one leaf.
    whole = encrypted == {("data",)} and not version.mac
    for (path, text), span in zip(version.values, version.spans, strict=True):
        if (whole or path in encrypted) and text and not _is_encrypted(text):
            likely = bool(looks_secret(path[-1] if path else "", text))
            # What another selector left in clear before was meant to be: a manifest's kind and name.
            if likely or whole or (len(text) >= _LONG_ENOUGH and not version.mac and not stands_for(text)):
                yield leaf_name(path), span, likely


def tampered(span: Span) -> Problem:
    """Return the problem of a file whose values and MAC do not belong together."""
    reason = "its values are not those that SOPS wrote this MAC for: it was edited or merged outside of SOPS"
    remedy = "take one side whole (git checkout --ours/--theirs {file}), then make the change again with: sops edit {file}"
    return Problem("sops-tampered", reason, span, remedy=remedy)


def not_rotated(recipients: frozenset[Recipient], span: Span) -> Problem:
    """Return the problem of a data key that former recipients know."""
    names = ", ".join(sorted(f"{one.kind} {one.id[:120]}" for one in recipients))
    reason = f"no recipient any more, but the data key is the one they knew: {names}"
    key = ",".join(sorted(one.id for one in recipients))
    return Problem("sops-not-rotated", reason, span, key, confidence="medium", remedy="sops rotate -i {file}")


def was_clear(leaves: Sequence[tuple[str, Span, bool]], version: Version, *, under: str = "here") -> Problem:
    """Return the problem of values that a version had in clear text, `under` the name that it had."""
    name, span, _ = next((leaf for leaf in leaves if leaf[2]), leaves[0])
    more = f" and {len(leaves) - 1} more" if len(leaves) > 1 else ""
    commit = version.provenance.commit
    where = f"commit {commit}" if commit else "an earlier version"
    reason = f"encrypted now, and {name}{more} stood {under} in clear text in {where}"
    surely: Confidence = "high" if any(likely for _, _, likely in leaves) else "medium"
    # What the change at hand has not brought must not keep the commit that mends it from being made.
    settled = version.provenance.order < 0
    remedy = "rotate the secret where it is issued, then set the new one: sops edit {file}"
    return Problem("sops-was-clear", reason, span, confidence="low" if settled else surely, remedy=remedy)
