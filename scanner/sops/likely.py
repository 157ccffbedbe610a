# SPDX-License-Identifier: Apache-2.0
"""Is this value, under this key, a secret in clear text? By the words of the name, and by what the value is.

This judges values that stand where secrets may stand (leaves of configuration), so that a name and a plausible
value are enough; the secret detector looks for what is recognised anywhere, and asks for more.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from scanner.sops.standin import Strength, password_of_url, stands_for, strength

# A value longer than this is judged by its beginning, a text by its first pairs: a file may be one string.
_MOST_CHARACTERS: Final = 100_000
_MOST_PAIRS: Final = 500

HOLDS_MANIFEST: Final = "it holds a Kubernetes Secret"


class Pair(NamedTuple):
    """`name = value`, found in a text; the offsets are those of the value, without quotes."""

    key: str
    value: str
    start: int
    end: int


def looks_secret(key: str, value: str) -> str:
    """Return why this value is a secret in clear text, or nothing; `key` may be a path such as `db.password`."""
    value = value[:_MOST_CHARACTERS].strip()
    reason = _by_form(key, value)
    if reason or ("\n" not in value and len(value) < 200 and not value.startswith(("{", "["))):
        return reason
    if _holds_manifest(value):
        return HOLDS_MANIFEST
    return next((f"it holds a {why}" for _, why in secrets_within(value)), "")


def secrets_within(text: str) -> Iterator[tuple[Pair, str]]:
    """Yield what looks secret among the pairs of a text (properties, JSON, a script), with the reason."""
    for pair in pairs(text):
        reason = _by_form(pair.key, pair.value)
        if reason:
            yield pair, reason


def pairs(text: str) -> Iterator[Pair]:
    """Yield `name: value` and `name=value` of a text in any notation, at most some hundreds."""
    for count, found in enumerate(_PAIR.finditer(text, 0, _MOST_CHARACTERS)):
        if count >= _MOST_PAIRS:
            return
        start, end = found.span(2)
        if text[start] in "\"'" and end - start > 1:
            start, end = start + 1, end - 1
        yield Pair(found[1], text[start:end], start, end)


def _by_form(key: str, value: str) -> str:
    if len(value) < 4 or stands_for(value):
        return ""
    known = known_form(value)
    if known:
        return known
    if not may_be_value(value):
        return ""
    if _KEY_ID.fullmatch(value) and _OPENPGP.search(key):
        return ""
    rank = names_secret(key)
    if rank == "none" or (rank == "weak" and strength(value) != "strong"):
        return ""
    return "value whose name says that it is secret"


# Names -------------------------------------------------------------------------------------------------------------

def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Whatever ends so: PGPASSWORD, dbpass, clientsecret, authtoken.
_ENDS: Final = ("password", "passwords", "passwd", "passphrase", "passphrases", "passcode", "passwort", "apikey", "apikeys")
_WEAK_ENDS: Final = ("secret", "secrets", "token", "tokens", "credential", "credentials")
_STRONG: Final = _words(
    "pass pwd pw psk tok dsn mnemonic privkey dbpass"
    " userpass authkey secretkey privatekey accesskey keypass storepass htpasswd"
)
_BEFORE_KEY: Final = _words(
    "private secret access api encryption signing sign auth master account deploy shared client session cookie crypt aes"
    " hmac jwt storage app application admin license service recovery unseal identity ssh pgp gpg age tls ssl server"
    " preshared root"
)
_STRONG_PAIRS: Final = frozenset(
    {("connection", "string"), ("key", "data"), ("webhook", "url"), ("conn", "string"), ("seed", "phrase")}
)
# Names of what may hold a secret beside much that is none: only a value that could not be a word counts.
_WEAK: Final = _words(
    "key keys cred creds salt seed hmac bearer auth authorization pepper otp nonce signature webhook jwt cookie session"
)
# password_file, secretName, token_ttl: what follows says that it is not the secret itself.
_AFTER: Final = _words(
    "name names ref refs file files filename path paths dir directory url uri endpoint host port length len size ttl expiry"
    " expires expiration expire expiring timeout age day days hour hours minute minutes second seconds lifetime duration type"
    " types policy policies enabled enable disabled required require count limit limits min max id ids algorithm algo alg"
    " format prefix suffix header headers field fields version rotation label labels title description hint placeholder"
    " store stores manager provider providers class engine mount mounts namespace annotation annotations selector scope"
    " scopes issuer audience rules validation regex pattern column attribute env envs var variable exists create created"
    " generate strategy resource arn location bucket usage mode method service server group user username email reset"
    " change changed update updated date time at by for from in on of with authentication request requests review"
    " property properties source sources target operator controller volume driver refresh interval period alias"
    " sha fingerprint checksum list object objects map items kind encryption hashing"
)
_BEFORE: Final = _words(
    "public pub no use enable enabled require requires required has is existing show allow allowed disable skip max min num"
    " forgot reset change with without automount create created generate mount pull lookup"
)
# Where Kubernetes and External Secrets call a name `key`: of an entry, of a label.
_NAMED_BY_KEY: Final = _words(
    "secretKeyRef configMapKeyRef secretRef remoteRef valuesFrom extract items matchExpressions tolerations taints labels"
)
_GENERIC: Final = frozenset({"value", "default", "data", "content", "literal", "text", "string", "plaintext", "val"})
# hashes of a lock file, cache keys and the like are opaque and public
_PUBLIC_WORDS: Final = frozenset({"public", "pub", "partition", "primary", "foreign", "sort", "cache", "fingerprint"})


def names_secret(key: str) -> Strength:
    """Return how surely the last part of a key says that its value is secret.

    `weak` names also stand over what is none, a reference by name for one: `secret: db-credentials`.
    """
    return _names_secret(key[-300:])


@lru_cache(maxsize=4096)
def _names_secret(key: str) -> Strength:
    parts = [part for part in re.split(r"[.\[\]/:]+", key) if part and not part.isdecimal()]
    while len(parts) > 1 and parts[-1].lower() in _GENERIC:
        parts.pop()
    if len(parts) > 1 and parts[-1] == "key" and parts[-2] in _NAMED_BY_KEY:
        return "none"
    return _rank([word.lower() for word in _WORD.findall(parts[-1])]) if parts else "none"


def _rank(words: list[str]) -> Strength:
    if not words or (words[-1] in _AFTER and tuple(words[-2:]) not in _STRONG_PAIRS):
        return "none"
    if _BEFORE.intersection(words[:-1]) or _PUBLIC_WORDS.intersection(words):
        return "none"
    last = words[-1]
    if last in ("key", "keys") and len(words) > 1 and words[-2].endswith((*_ENDS, "token", "user", "username")):
        return "none"  # passwordKey: under which key of something else the password is
    if last in ("key", "keys") and _BEFORE_KEY.intersection(words[:-1]):
        return "strong"
    if tuple(words[-2:]) in _STRONG_PAIRS:
        return "strong"
    # SECRET_KEY_BASE, PASSWORD_PROD, TOKEN_2: the word may stand before what narrows it down.
    if any(word in _STRONG or word.endswith(_ENDS) for word in words):
        return "strong"
    return "weak" if last in _WEAK or any(word.endswith(_WEAK_ENDS) for word in words) else "none"


# Values that are one -----------------------------------------------------------------------------------------------

_KNOWN: Final = re.compile(
    r"-----BEGIN (?P<armour>[A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?)-----(?:\s|\\[nr]){0,9}[A-Za-z0-9+/]{16}"
    r"|(?P<age>AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{40})"
    r"|(?P<token>\b(?:gh[pousr]_\w{30}|github_pat_\w{30}|glpat-[\w-]{20}|xox[abeprs]-[\w-]{20}|[sr]k_live_\w{16}|sk-ant-[\w-]{20}"
    r"|sk-proj-[\w-]{20}|AIza[\w-]{35}|SG\.[\w-]{20}\.[\w-]{20}|npm_\w{36}|pypi-AgE[\w-]{20}|hv[sb]\.[\w-]{20}|do[opr]_v1_\w{40}"
    r"|(?:AKIA|ASIA)[A-Z2-7]{16}\b|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{16}))"
    r"|(?P<hook>hooks\.slack\.com/services/\w+/\w+/\w{16}|discord(?:app)?\.com/api/webhooks/\d+/[\w-]{30})"
    r"|(?P<connection>\b(?:AccountKey|SharedAccessKey|Password|Pwd)=(?P<within>[^;\s'\"]{6,200}))",
    re.IGNORECASE,
)
_KNOWN_REASON: Final = {
    "armour": "private key",
    "age": "private key of age",
    "token": "token of a known form",
    "hook": "webhook address that is a credential",
    "connection": "connection string with a password",
}
# The quotes belong to the value; an atomic key, so that a long word is tried once.
_PAIR: Final = re.compile(
    r"(?<![\w.-])([A-Za-z_](?>[\w.-]{0,80}))(?:\\?[\"'])?[ \t]{0,20}[:=]>?[ \t]{0,20}"
    r"(\"(?>(?:[^\"\\\n]|\\.){0,4096})\"|'(?>[^'\n]{0,4096})'|"
    r"(?![#|>])(?>(?:\{\{[^{}\n]{0,200}\}\}|\$\{[^{}\n]{0,200}\}|<[^<>\n]{0,100}>|[^\s\"',;}\]])+))"
)
_MANIFEST: Final = re.compile(r"[\"']?\bkind[\"']?\s{0,9}:\s{0,9}[\"']?Secret\b(?!\w)")
_MANIFEST_DATA: Final = re.compile(r"[\"']?\b(?:data|stringData)[\"']?\s{0,9}:\s{0,9}(?:\{\s{0,9}[\"']|\n\s{1,40}\w)")
# The name of an environment variable, numeronyms (K8S) included.
_VARIABLE: Final = re.compile(r"[A-Z]+(?:\d{1,2}[A-Z])?(?:_[A-Z0-9]+)+")
# A label or annotation of Kubernetes, an attribute of OpenTelemetry: `key: example.org/pool`, `key: k8s.pod.name`.
_LABEL: Final = re.compile(
    r"(?:[a-z\d-]{1,30}\.){1,5}[a-z]{2,12}/[a-z]{1,20}(?:[._-][a-z]{1,20}){0,5}|k8s(?:\.[a-z_]{1,20}){1,4}"
)
# By which a public key is known; who names it `gpg_key` means which one.
_KEY_ID: Final = re.compile(r"(?:0x)?(?:[0-9A-F]{8}|[0-9A-F]{16}|[0-9A-F]{40})!?", re.IGNORECASE)
_OPENPGP: Final = re.compile(r"(?:gpg|pgp)[_-]?key$", re.IGNORECASE)
_NO_VALUE: Final = re.compile(
    r"(?:true|false|yes|no|on|off|null|none|nil|enabled|disabled|optional|required|always|never|auto|~)"
    r"|[-+]?\d{1,5}(?:\.\d+)?(?:[a-z]{1,2}|%)?|\d+(?:ms|[smhdwy]|[kmg]i?b?)|(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?"
    r"|(?:\.{0,2}|~)/[a-z0-9._/ -]*|(?:\.{0,2}|~)?/?(?:[\w.-]+/)+[\w-]+\.[a-z]{1,6}|[A-Z]:\\.*"
    r"|\d{4}-\d\d-\d\d(?:[T ][\d:.Z+-]*)?|arn:[\w:/*@.+=,-]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|[a-z][a-z0-9+.-]*://[^\s@?]*(?:\?[^=\s]*)?|[\w.-]+\.(?:pem|key|crt|txt|ya?ml|json|env|p12|jks)|(?:[\w.-]+/)*(?:ssh_host|id)_(?:rsa|dsa|ecdsa|ed25519)(?:_key)?",
    re.IGNORECASE,
)


def known_form(value: str) -> str:
    """Return what kind of credential a value is by its form alone, or nothing."""
    if password_of_url(value[:2000]):
        return "address with a password in it"
    found = _KNOWN.search(value[:_MOST_CHARACTERS])
    if not found or (found["within"] and stands_for(found["within"])):
        return ""
    return next(reason for group, reason in _KNOWN_REASON.items() if found[group])


def may_be_value(value: str) -> bool:
    """Whether a value could be a secret at all: not a switch, a number, a path or an address."""
    if any(form.fullmatch(value) for form in (_NO_VALUE, _VARIABLE, _LABEL)):
        return False
    return not (len(value) > 40 and value.count(" ") > 5)


def _holds_manifest(value: str) -> bool:
    return bool(_MANIFEST.search(value) and _MANIFEST_DATA.search(value))
