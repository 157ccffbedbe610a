# SPDX-License-Identifier: Apache-2.0
"""What can be said of a value on its line, in short names: the weights of `weights.py` belong to them.

Every name is general: it speaks of syntax, of what a name is made of, of the form of a value. How random a value looks is told
in coarse steps only, for people choose words.
"""

import re
from collections.abc import Iterator
from typing import Final

from scanner.detect.context import Context
from scanner.detect.likeness import surprise

# Words of names, by what they say. A name's last word weighs most: `password_file` is a file.
_FAMILIES: Final = {
    "password": "password passwd passwort passphrase passcode pass pwd psw pw passwords passphrases",
    "secret": "secret secrets",
    "token": "token tokens",
    "credential": "credential credentials creds cred",
    "key": "key keys apikey secretkey passkey accesskey",
    "auth": "auth oauth authorization cookie cookies session sid otp totp verifier signature nonce code bearer",
}
_WORDS: Final = {
    # what kind of a secret, or whose
    "whose": "api access private client consumer app application bot account admin root master user db database mysql postgres redis "
    "mongo rabbitmq smtp mail email ldap ssh ftp http https proxy server service sql sa my bind default aws s3 azure gcp google github "
    "gitlab slack twitter facebook dropbox stripe jwt hmac aes encryption signing shared webhook refresh id login keystore truststore "
    "storage store basic",
    # a name of something else than the secret itself
    "thing": "name names file files filename path paths dir directory folder url uri urls endpoint host port type types kind class id ids "
    "field fields column table label title text message messages msg error errors hint placeholder help description desc prompt caption "
    "button dialog form page view input element header headers param params parameter parameters variable var env property prop attr "
    "attribute option options config configuration settings policy policies rule rules pattern regex format length size len min max count "
    "limit strength age days expiry expires expiration expire expired timeout ttl lifetime interval date time timestamp version status "
    "state result response request method mode provider providers service manager store factory handler helper util utils "
    "service repository source ref reference arn index position offset range scope scopes prefix suffix separator delimiter char chars "
    "link links route screen item items "
    "list map set array object model schema entity resource resources template event events action actions listener callback function "
    "encoder decoder parser generator builder converter validator exception required",
    # what is done with it
    "deed": "get set is has can should use uses enable enabled disable disabled allow allowed show hide display toggle forgot forget reset "
    "change changed update updated create generate generated delete remove add check verify validate validation confirm confirmation "
    "encrypt decrypt encode decode hash read write load save find lookup fetch ask enter insert new old current previous next wrong "
    "incorrect invalid missing empty null none no not without must need require requires weak strong short bad mismatch match",
    # what may be seen by everybody
    "public": "public pub fingerprint thumbprint hash hashed hashes digest checksum md5 sha sha1 sha256 sha512 salt iv certificate cert csr "
    "encoding algorithm alg scheme encryption complexity code",
    "trial": "test tests testing mock fake dummy example sample demo expected expect actual valid temp tmp",
}
_MEANING: Final = {word: kind for table in (_WORDS, _FAMILIES) for kind, words in table.items() for word in words.split()}
_MODIFIERS: Final = frozenset(_WORDS["whose"].split()) | frozenset("the a your my our new old some any this that no".split())

_HEX: Final = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z_]*")
_DOTTED: Final = re.compile(r"[A-Za-z_][\w-]*(?:(?:\.|::|->|/)[A-Za-z_][\w-]*)+")
_PHRASE: Final = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)+\d{0,3}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NUMBER: Final = re.compile(r"[-+]?\d*\.\d+|[<>=~^v]{0,2}\d+(?:\.\d+)+(?:[-+.]\w{1,12})*|[\w.-]+:\d+(?:\.\d+)+[\w.:-]*|\d{1,4}(?:[-:/]\d{1,4}){1,5}")
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]{1,12}://|www\.|mailto:", re.IGNORECASE)
_PATH: Final = re.compile(r"(?:[A-Za-z]:)?[~.]{0,2}[/\\][\w./\\-]*|[\w.-]+\.(?:pem|key|json|ya?ml|txt|crt|cer|p12|jks|conf|cfg|ini|html?|js|py|sh|xml)")
_FORMAT: Final = re.compile(r"%[-+0-9.]*[sdvqxrf@]|\{[\w.:]{0,40}\}|\$\{?\w|#\{|<[%\w/]|\$\(|\{\{|%\w+%|@\{|\\\(")
_WORDS_IN: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_COMMENT: Final = re.compile(r"\s*(?:#|//|/\*|\*|--|;|<!--|%|rem\b|::|'|\")", re.IGNORECASE)
_COMMAND: Final = re.compile(r"(?:^|\s)(?:export|set|env|docker|curl|wget|kubectl|helm|mysql|psql|openssl|-[eDd]|-H|sudo|\$)(?:\s|$)", re.IGNORECASE)
_EXPECT: Final = re.compile(r"\b(?:assert\w*|expect\w*|should|equal\w*|eq|must|require)\b|[=!]=", re.IGNORECASE)


def features(context: Context, kind: str, folders: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of what holds for a value in a file of this kind."""
    shape = shape_of(context.value)
    family = family_of(context.words)
    enclosed = "quoted" if context.quote else "string" if inside_string(context.before) else "bare"
    yield f"{kind} {enclosed}"
    yield from (f"in {folder}" for folder in folders)
    yield from _name(context, family)
    yield from _link(context, enclosed, kind)
    yield from _value(context, shape)
    yield from _around(context)
    yield f"{family} {shape}"
    yield f"{enclosed} {shape}"
    yield f"{kind} {shape}"
    yield f"{family} {_length(context.value)}"


def family_of(words: tuple[str, ...]) -> str:
    """Return what a name says its value is: the surest of its words."""
    for family in ("password", "secret", "token", "credential", "key", "auth"):
        if any(_MEANING.get(word) == family for word in words):
            return family
    return "other"


def _name(context: Context, family: str) -> Iterator[str]:
    words = context.words
    if not words:
        yield "no name"
        return
    kinds = [_MEANING.get(word, "word") for word in words]
    yield f"name {family}"
    last = kinds[-1] if kinds[-1] not in _FAMILIES else "secret"
    yield f"name ends {last}"
    if last == "thing" or words[-1] in _FREQUENT:
        yield f"ends {words[-1]}" if words[-1] in _FREQUENT else "ends thing"
    for place in ("thing", "deed", "trial", "whose", "public", "word"):
        if place in kinds[:-1]:
            yield f"name has {place}"
    yield "name alone" if len(words) == 1 else f"name of {min(len(words), 4)}"
    if context.link == "(":
        yield f"call of {kinds[0]} {words[0] if words[0] in ('set', 'get', 'check', 'new', 'with') else ''}"
    if words[0] in ("is", "has", "get", "set", "no", "forgot", "reset", "change", "invalid", "incorrect", "confirm"):
        yield f"begins {words[0]}"
    name = context.name.lstrip("-$@:")
    yield "upper" if name.isupper() else "camel" if re.search(r"[a-z][A-Z]", name) else "lower" if name.islower() else "capital"
    if context.name.startswith("-"):
        yield "option"
    if "." in name:
        yield "dotted"


# The words that say most by themselves.
_FREQUENT: Final = frozenset(
    "id name file path url uri type field label text message title hash salt policy length key code header param placeholder error hint "
    "confirmation verifier signature nonce ref store".split()
)


def _link(context: Context, enclosed: str, kind: str) -> Iterator[str]:
    link = context.link or "none"
    yield f"link {link}"
    yield f"link {link} {'spaced' if context.spaced else 'tight'} {enclosed}"
    if enclosed == "bare":
        yield f"{kind} {link} {'spaced' if context.spaced else 'tight'}"
    if context.call:
        yield f"call {context.call}" if context.call in ("[", "(", "@", "string", "basic", "bearer", "[]byte", "[]byte{") else "call"


def _value(context: Context, shape: str) -> Iterator[str]:
    value = context.value
    yield f"value {shape}"
    yield f"value {_length(value)}"
    if any(char in value for char in "()[]{}<>"):
        yield "value brackets"
    if value[-1:] in ":.,?!" and value[-1:]:
        yield f"value ends {value[-1]}"
    if value[:1] in "$%<{@&*#/-.:+=!?~^|" and value[:1]:
        yield f"value begins {value[0]}"
    if not value.isascii():
        yield "value foreign"
    if "\\" in value:
        yield "value escapes"
    if value.isupper():
        yield "value upper"
    own = {word.lower() for word in _WORDS_IN.findall(value)}
    told = own & set(context.words)
    if told:
        yield "value repeats name"
    if any(_MEANING.get(word) in _FAMILIES for word in own):
        yield "value names a secret"
    if any(_MEANING.get(word) in ("thing", "deed") for word in own):
        yield "value names a thing"
    if own & {"test", "example", "sample", "demo", "dummy", "fake", "mock", "foo", "bar", "baz", "hello", "world", "some", "your", "my"}:
        yield "value of a trial"


def shape_of(value: str) -> str:
    """Return the form of a value, in one word."""
    if value[:1] in "{[" and len(value) >= 16 and '"' in value:
        return "nested"
    if " " in value or "\t" in value:
        return "sentence"
    if _UUID.fullmatch(value):
        return "uuid"
    if value.isdigit():
        return "digits"
    if _NUMBER.fullmatch(value):
        return "number"
    if _URL.match(value):
        return "url"
    if _PATH.fullmatch(value):
        return "path"
    if _FORMAT.search(value):
        return "format"
    if len(value) >= 16 and _HEX.fullmatch(value):
        return "hex"
    if _IDENTIFIER.fullmatch(value):
        return _letters(value)
    if _PHRASE.fullmatch(value):
        return "phrase" if surprise(value) < 5.2 else "random phrase"
    if _DOTTED.fullmatch(value):
        return "dotted" if surprise(value) < 5.2 else "random dotted"
    kinds = sum(any(test(char) for char in value) for test in (str.islower, str.isupper, str.isdigit))
    other = not value.isalnum()
    if len(value) >= 16 and kinds == 3 and re.fullmatch(r"[\w+/=-]+", value):
        return "machine"
    return ("mixed" if kinds > 1 else "plain") + (" signs" if other else "")


def _letters(value: str) -> str:
    bits = surprise(value)
    step = "word" if bits < 4.7 else "odd word" if bits < 5.3 else "letters"
    return f"camel {step}" if re.search(r"[a-z][A-Z]", value) else step


def _length(value: str) -> str:
    for most in (4, 6, 8, 12, 16, 24, 32, 48, 80, 160):
        if len(value) <= most:
            return f"to {most}"
    return "long"


def _around(context: Context) -> Iterator[str]:
    after = context.after
    yield f"then {_next(after)}"
    before = context.before
    if _COMMENT.match(before):
        yield "comment"
    if _COMMAND.search(before):
        yield "command"
    if _EXPECT.search(before):
        yield "expectation"
    if len(before) > 100:
        yield "far in the line"
    if not before.strip(" \t\"'-{(,[@:$/#*"):
        yield "first on the line"
    if "://" in before[-100:]:
        yield "in a URL"


def _next(after: str) -> str:
    text = after[:1]
    if not text or text in "\r\n":
        return "end"
    if text == " ":
        rest = after.strip()
        return "space word" if rest[:1].isalnum() else f"space {rest[:1]}" if rest else "end"
    return text if text in ",;)]}&<\"'`\\|.:" else "other"


def inside_string(before: str) -> bool:
    """Whether what precedes a name opens a string that is still open there."""
    return bool(open_quote(before))


def open_quote(text: str) -> str:
    """Return the quote of the string that is open at the end of a text, or nothing."""
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif quote:
            if char == quote:
                quote = ""
        elif char in "\"'`":
            quote = char
        position += 1
    return quote
