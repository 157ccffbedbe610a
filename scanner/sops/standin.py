# SPDX-License-Identifier: Apache-2.0
"""Does this value only stand for a secret: a reference, somebody's ciphertext, something public, a dummy?

And how much like a secret is what is left. What cannot be told apart from a real value counts as one.
"""

import itertools
import re
from typing import Final, Literal

from scanner.sops.ciphertext import doubt, parse_ciphertext

Strength = Literal["none", "weak", "strong"]

_USERINFO: Final = re.compile(r"[a-z][a-z0-9+.-]{1,30}://([^\s:@/?#]*):([^\s@]*)@", re.IGNORECASE)
_REFERENCE: Final = re.compile(
    r"\$\$?\{[^{}]*\}|\$\([^()]*\)|\{\{.*?\}\}|<%.*?%>|#\{[^{}]*\}|%\([^()]*\)s"
    r"|<[A-Za-z][\w .-]{1,60}>|\[\[[^\[\]]*\]\]|@@\w+@@|%[A-Z_]{3,}%"
)
_WHOLE: Final = re.compile(
    r"\$\w+|\$\([a-z][^()]*|__\w+__|<[^<>]*>|\[[A-Za-z _-]*\]|\{[\w .-]*\}|%[sdvq]"
    r"|ref\+[a-z0-9]+://.+|(?:op|vault|secret|awssm|awssecret|gcpsm|sm|ssm|azurekeyvault|keyvault|gopass|keyring"
    r"|bws|doppler|infisical|env|file|secretsmanager|akeyless|conjur)://.+|vault:(?:v\d+:[A-Za-z0-9+/=]+|[\w/.-]*[/#].*)"
    r"|arn:aws[a-z-]*:(?:secretsmanager|ssm|kms):.+|projects/[^/]+/secrets/.+|secretref:.+|@Microsoft\.KeyVault\(.+"
    r"|\{\{resolve:.+|!(?:vault|secret|env_var)\b.*|&\w{1,40};|(?:getenv|env)\(.*|(?:process\.env|os\.environ|secrets|var|local|data|module|each|random_password)[.\[].+"
    r"|(?:env|file|ssm|secret|sops|keychain|pass):[\w./#-]*[/#A-Z_][\w./#-]*",
    re.DOTALL,
)
# Ciphertexts of others: hiera-eyaml, jasypt, Spring's {cipher}, dotenvx (ECIES: at least 97 bytes), AWS KMS, armour.
_SEALED: Final = re.compile(
    r"ENC\[(?:PKCS7|GPG|KMS),[A-Za-z0-9+/=\s]{60,}\]|\{cipher\}[A-Za-z0-9+/=]{32,}"
    r"|encrypted:[A-Za-z0-9+/]{130,}={0,2}|AQICAH[A-Za-z0-9+/=]{100,}"
    r"|-----BEGIN (?:AGE ENCRYPTED FILE|PGP MESSAGE)-----.*",
    re.DOTALL,
)
_PUBLIC: Final = re.compile(
    r"-----BEGIN (?:CERTIFICATE|PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE REQUEST|X509 CRL|TRUSTED CERTIFICATE|PGP PUBLIC KEY"
    r" BLOCK|DH PARAMETERS|EC PARAMETERS)-----.*|(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) AAAA.*"
    r"|age1[a-z0-9]{50,}|sha(?:1|256|384|512)[:-].+",
    re.DOTALL,
)
_DUMMY: Final = re.compile(
    r"example|placeholder|change.?(?:me|it|this)\b|changeme|re(?:dacted|moved\b|place.?(?:me|this|with|_))|^insert|dummy"
    r"|^(?:put|enter|paste|add|type|use)?[-_ ]?(?:your|ur)[-_ ]|^your|[-_ ]here$|sample.?(?:key|token|secret|pass)|fake"
    r"|not.?an?.?(?:real|valid)|not.?(?:real|secret)|xxxx|\*\*\*\*?|\.\.\.$|^\.\.\.|….*|fill.?(?:me|in)|set.?me\b"
    r"|to.?be.?(?:set|changed|replaced|defined|filled)|\btodo\b|\bfixme\b|\btbd\b|lorem.?ipsum|^foo.?bar|overridden|^override",
    re.IGNORECASE,
)
# Made of words for what should stand here: my-secret-key, testpassword, api_token.
_FILLER: Final = re.compile(
    r"(?:my|the|an?|some|super|top|very|your|test|testing|secret|secrets|password|passwd|pass|pwd|passphrase|key|token|api|value"
    r"|here|db|database|user|username|name|account|authentication|another|other|pw|string|text|private|access|client|auth|none|null|nil|undefined|default|sample|foo|bar|baz|demo"
    r"|mock|stub|na|empty|unset|unused|xx+|[-_ .:/])+",
    re.IGNORECASE,
)
# Names of things: my-app-v2, db_1, eu-west-1.
_IDENTIFIER: Final = re.compile(r"[a-z]+\d{0,2}(?:[-_./](?:v?\d{1,4}|[a-z]+\d{0,2}))+", re.IGNORECASE)
_LITERAL: Final = re.compile(r"\"([^\"\\]{8,200})\"|'([^'\\]{8,200})'|:?[-=]([^{}]{8,200})\}")


def stands_for(value: str) -> str:
    """Return why a value is no secret in clear text but a reference, a ciphertext or a dummy; or nothing."""
    value = value.strip()
    if not value:
        return "it is empty"
    if value.startswith("ENC["):
        sealed = parse_ciphertext(value)
        if sealed is not None and not doubt(sealed):
            return "it is encrypted"
    if _SEALED.fullmatch(value):
        return "it is encrypted"
    if _PUBLIC.fullmatch(value):
        return "it is public"
    head = value[:1000]
    if _WHOLE.fullmatch(head):
        return "it refers to a value that is kept elsewhere"
    if _REFERENCE.search(head):
        return "" if _clear_beside_references(head) else "it refers to a value that is kept elsewhere"
    if _USERINFO.search(head):
        return "" if password_of_url(head) else "its password is a placeholder"
    if value[0] in "{[" and ":" in value:
        return ""  # a text with values of its own
    if len(value) < 200 and (_DUMMY.search(value) or _FILLER.fullmatch(value) or _monotonous(value)):
        return "it is a placeholder"
    return ""


def _clear_beside_references(value: str) -> bool:
    """`${X:-hunter2…}` has a default and `{{ "hunter2…" | b64enc }}` a literal; text may stand beside, too."""
    for reference in _REFERENCE.findall(value):
        for literal in _LITERAL.findall(reference):
            text = "".join(literal)
            if strength(text) == "strong" and not re.search(r"[\s./]", text) and not _DUMMY.search(text):
                return True
    rest = _REFERENCE.sub("", value).strip()
    if _USERINFO.search(rest):
        return password_of_url(rest)
    return strength(rest) == "strong" and not re.search(r"[\s:/@?&=,{}$]", rest) and not _DUMMY.search(rest)


def _monotonous(value: str) -> bool:
    """`aaaaaaaa`, `12345678`, `abcdefgh`, `0000-0000`: the same few characters, or characters in a row."""
    if len(set(value)) <= max(1 + (len(value) > 7), len(value) // 16):
        return True
    return len(value) > 3 and value.lower() in "01234567890123456789abcdefghijklmnopqrstuvwxyz"


def strength(value: str) -> Strength:
    """Return `strong` for what no word or identifier looks like, `weak` for what may be one."""
    if len(value) < 4:
        return "none"
    digits = sum(character.isdigit() for character in value)
    letters = sum(character.isalpha() for character in value)
    cases = any(map(str.islower, value)) + any(map(str.isupper, value))
    marks = len(value) - digits - letters
    variety = cases + (digits > 0) + (marks > 0)
    if len(value) < 6 or len(set(value)) < 5 or _IDENTIFIER.fullmatch(value):
        return "weak"
    if digits and letters and (variety >= 3 or len(value) >= 20 or (digits > 1 and not marks)):
        return "strong"
    # Four changes of case or more inside a word: base64 without a digit, not camelCase.
    changes = sum(a.isupper() != b.isupper() for a, b in itertools.pairwise(value))
    return "strong" if len(value) >= 12 and changes > len(value) // 3 else "weak"


def password_of_url(value: str) -> bool:
    """Whether an address has a password in it that is not a placeholder, nor the user's name over again."""
    for found in _USERINFO.finditer(value):
        user, password = found.groups()
        if len(password) > 2 and password != user and not stands_for(password):
            return True
    return False
