# SPDX-License-Identifier: Apache-2.0
"""What the words of names say: that a value is a secret, whose, or that it is something else, such as a file's name."""

import functools
from typing import Final

# Words of names, by what they say. A name's last word weighs most: `password_file` is a file.
FAMILIES: Final = {
    "password": "password passwd passwort passphrase passcode pass pwd psw pw passwords passphrases",
    "secret": "secret secrets",
    "token": "token tokens",
    "credential": "credential credentials creds cred",
    "key": "key keys apikey secretkey passkey accesskey",
    "auth": "auth oauth authorization cookie cookies session sid otp totp verifier signature nonce code bearer",
}
_WORDS: Final = {
    # what kind of a secret, or whose
    "whose": (
        "api access private client consumer app application bot account admin root master user db database mysql "
        "postgres redis mongo rabbitmq smtp mail email ldap ssh ftp http https proxy server service sql sa my bind "
        "default aws s3 azure gcp google github gitlab slack twitter facebook dropbox stripe jwt hmac aes encryption "
        "signing shared webhook refresh id login keystore truststore storage store basic"
    ),
    # a name of something else than the secret itself
    "thing": (
        "name names file files filename path paths dir directory folder url uri urls endpoint host port type types kind "
        "class id ids field fields column table label title text message messages msg error errors hint placeholder help "
        "description desc prompt caption button dialog form page view input element header headers param params "
        "parameter parameters variable var env property prop attr attribute option options config configuration settings "
        "policy policies rule rules pattern regex format length size len min max count limit strength age days expiry "
        "expires expiration expire expired timeout ttl lifetime interval date time timestamp version status state result "
        "response request method mode provider providers service manager store factory handler helper util utils "
        "repository source ref reference arn index position offset range scope scopes prefix suffix separator delimiter "
        "char chars link links route screen item items list map set array object model schema entity resource resources "
        "template event events action actions listener callback function encoder decoder parser generator builder "
        "converter validator exception required"
    ),
    # what is done with it
    "deed": (
        "get set is has can should use uses enable enabled disable disabled allow allowed show hide display toggle "
        "forgot forget reset change changed update updated create generate generated delete remove add check verify "
        "validate validation confirm confirmation encrypt decrypt encode decode hash read write load save find lookup "
        "fetch ask enter insert new old current previous next wrong incorrect invalid missing empty null none no not "
        "without must need require requires weak strong short bad mismatch match"
    ),
    # what may be seen by everybody
    "public": (
        "public pub fingerprint thumbprint hash hashed hashes digest checksum md5 sha sha1 sha256 sha512 salt iv "
        "certificate cert csr encoding algorithm alg scheme encryption complexity code"
    ),
    "trial": (
        "test tests testing mock fake dummy example sample demo expected expect actual valid temp tmp"
    ),
}
_MEANING: Final = {word: kind for table in (_WORDS, FAMILIES) for kind, words in table.items() for word in words.split()}
# Words written together: `dbpassword`, `userpwd`. Short ones only after a word that says whose: a bypass is none.
_ENDINGS: Final = ("password", "passwd", "passphrase", "secret", "token", "credentials", "apikey", "cookie", "pwd", "pass", "key")


@functools.lru_cache(maxsize=4096)
def kind_of_word(word: str) -> str:
    """Return the kind of a name's word; one of a family for a word that ends in such a one."""
    kind = _MEANING.get(word)
    if kind is None:
        for ending in _ENDINGS:
            if word.endswith(ending) and (len(ending) > 4 or _MEANING.get(word[: -len(ending)]) == "whose"):
                return _MEANING.get(ending, "key")
    return kind or "word"


def meaning(word: str) -> str:
    """Return what a word (in lower case) says: secret, whose, thing, deed, public, trial; nothing for any other."""
    kind = _MEANING.get(word, "")
    return "secret" if kind in FAMILIES else kind


@functools.lru_cache(maxsize=4096)
def family_of(words: tuple[str, ...]) -> str:
    """Return what a name says its value is: the surest of its words."""
    for family in ("password", "secret", "token", "credential", "key", "auth"):
        if any(kind_of_word(word) == family for word in words):
            return family
    return "other"
