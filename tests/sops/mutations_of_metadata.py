# SPDX-License-Identifier: Apache-2.0
"""Changes of the metadata and of the recipients."""

import base64
import re

from mutation import mutation, only
from samples import CIPHERTEXT, Sample, flip, unwrap, wrap_for, wrap_for_pgp

# --- Metadata

METADATA = "Metadata"


@mutation(METADATA, "entry added", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add_field("note", s.quote("plain words"))


@mutation(METADATA, "empty entry added", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add_field("plain_words", b'""' if s.store in ("yaml", "json", "binary") else b"")


@mutation(METADATA, "entry added to a recipient", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add_to_recipient("note", s.quote("plain words"))


@mutation(METADATA, "of another file", "keyed")
def _(s: Sample) -> bytes | None:
    begin, end = s.metadata
    return s.data[:begin] + s.other.data[slice(*s.other.metadata)] + s.data[end:]


@mutation(METADATA, "mac removed", "keyless")
def _(s: Sample) -> bytes | None:
    return s.without_field("mac")


@mutation(METADATA, "mac empty", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("mac", '""' if s.store == "yaml" else "")


@mutation(METADATA, "mac shortened", "keyless")
def _(s: Sample) -> bytes | None:
    found = CIPHERTEXT.fullmatch(s.field("mac").encode())
    assert found is not None
    return s.with_field("mac", s.field("mac").replace(found[1].decode(), found[1].decode()[4:]))


@mutation(METADATA, "mac in clear", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("mac", "0" * 128)


@mutation(METADATA, "mac of another type", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("mac", s.field("mac").replace("type:str", "type:comment"))


@mutation(METADATA, "mac of another file", "keyed")
def _(s: Sample) -> bytes | None:
    return s.with_field("mac", s.other.field("mac"))


@mutation(METADATA, "mac twice", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add_field("mac", s.quote(s.other.field("mac")))


@mutation(METADATA, "text behind the mac", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("mac", s.field("mac") + " plain words")


@mutation(METADATA, "lastmodified changed", "keyed")
def _(s: Sample) -> bytes | None:
    time = "2001-02-03T04:05:06Z"
    return s.with_field("lastmodified", f'"{time}"' if s.store == "yaml" else time)


@mutation(METADATA, "lastmodified of another form", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("lastmodified", "plain words")


@mutation(METADATA, "lastmodified removed", "keyless")
def _(s: Sample) -> bytes | None:
    return s.without_field("lastmodified")


@mutation(METADATA, "version removed", "keyless")
def _(s: Sample) -> bytes | None:
    return s.without_field("version")


@mutation(METADATA, "version empty", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("version", '""' if s.store == "yaml" else "")


@mutation(METADATA, "version is text", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("version", "plain words")


@mutation(METADATA, "version of another release", "never", why="nothing depends on which release wrote the file")
def _(s: Sample) -> bytes | None:
    return s.with_field("version", "3.9.4")


@mutation(METADATA, "default selector removed", "never", why="where a file names no selector, SOPS goes by this one")
def _(s: Sample) -> bytes | None:
    return s.without_field("unencrypted_suffix") if s.store != "binary" else None


@mutation(METADATA, "regex removed", "keyless", "encrypted_regex")
def _(s: Sample) -> bytes | None:
    return s.without_field("encrypted_regex")


@mutation(METADATA, "selector widened", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_field("unencrypted_suffix", "d") if s.store != "binary" else None


@mutation(METADATA, "selector of another kind added", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add_field("encrypted_regex", s.quote("^lines$"))


@mutation(METADATA, "regex narrowed and the values decrypted", "keyless", "encrypted_regex")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    narrower = s.with_field("encrypted_regex", "^lines$")
    clear = {b"user": b"bob", b"word": b"some plain words"}
    return re.sub(rb'(user|word)("?: "?)ENC\[[^]]*\]', lambda found: found[1] + found[2] + clear[found[1]], narrower)


@mutation(METADATA, "mac_only_encrypted added", "keyed")
def _(s: Sample) -> bytes | None:
    return s.add_field("mac_only_encrypted", b"true")


@mutation(METADATA, "mac_only_encrypted removed", "keyed", "mac_only_encrypted")
def _(s: Sample) -> bytes | None:
    return s.without_field("mac_only_encrypted") if s.store != "binary" else None


# --- Recipients

RECIPIENTS = "Recipients"


@mutation(RECIPIENTS, "one added", "keyless")
def _(s: Sample) -> bytes | None:
    both = s.maker.recipe(recipients={"age": [s.maker.age(0).recipient, s.maker.age(3).recipient]})
    return s.maker.updatekeys(s.data, s.store, both)


@mutation(RECIPIENTS, "one removed", "keyless", "age and PGP")
def _(s: Sample) -> bytes | None:
    return s.maker.updatekeys(s.data, s.store, s.maker.recipe())


@mutation(RECIPIENTS, "one replaced", "keyless")
def _(s: Sample) -> bytes | None:
    return s.maker.updatekeys(s.data, s.store, s.maker.recipe(recipients={"age": [s.maker.age(3).recipient]}))


@mutation(RECIPIENTS, "all removed", "keyless")
def _(s: Sample) -> bytes | None:
    if s.store in ("dotenv", "ini"):
        return re.sub(rb"(?m)^(sops_)?age__.*\n", b"", s.data)
    return re.sub(rb'(?s)(    age:|\t\t"age": \[)\n.*?\n(?=    \w|\t\t\])(\t\t\],\n)?', b"", s.data)


@mutation(RECIPIENTS, "name of another key, wrapped for the old one", "keyless")
def _(s: Sample) -> bytes | None:
    return s.data.replace(s.maker.age().recipient.encode(), s.maker.age(3).recipient.encode())


@mutation(RECIPIENTS, "name as demanded, wrapped for another key", "keyed")
def _(s: Sample) -> bytes | None:
    stolen = s.maker.updatekeys(s.data, s.store, s.maker.recipe(recipients={"age": [s.maker.age(3).recipient]}))
    return stolen.replace(s.maker.age(3).recipient.encode(), s.maker.age().recipient.encode())


@mutation(RECIPIENTS, "name misspelt", "keyless")
def _(s: Sample) -> bytes | None:
    name = s.maker.age().recipient
    return s.data.replace(name.encode(), (name[:-1] + ("q" if name[-1] != "q" else "p")).encode())


@mutation(RECIPIENTS, "hidden behind an age recipient", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_armor("AGE", wrap_for(s.data_key, [s.maker.age(0), s.maker.age(3)]))


@mutation(RECIPIENTS, "hidden behind a PGP recipient", "keyless", "age and PGP")
def _(s: Sample) -> bytes | None:
    both = [s.maker.pgp(0).fingerprint, s.maker.pgp(1).fingerprint]
    return s.with_armor("PGP", wrap_for_pgp(s.maker, s.data_key, both))


@mutation(RECIPIENTS, "PGP name as demanded, wrapped for another key", "keyless", "age and PGP")
def _(s: Sample) -> bytes | None:
    return s.with_armor("PGP", wrap_for_pgp(s.maker, s.data_key, [s.maker.pgp(1).fingerprint]))


@mutation(RECIPIENTS, "wrapped data key empty", "keyless")
def _(s: Sample) -> bytes | None:
    if s.store == "yaml":
        return re.sub(rb"(?s)enc: \|\n.*?-----END [^\n]*\n", b'enc: ""\n', s.data)
    if s.is_json:
        return re.sub(rb'("enc": )"[^"]*"', rb'\1""', s.data)
    return re.sub(rb"(?m)(age__list_0__map_enc *= ?).*$", rb"\1", s.data)


@mutation(RECIPIENTS, "wrapped data key truncated", "keyless")
def _(s: Sample) -> bytes | None:
    lines = s.armor("AGE").split("\n")
    return s.with_armor("AGE", "\n".join([*lines[:4], *lines[-2:]]))


@mutation(RECIPIENTS, "wrapped data key in clear", "keyless")
def _(s: Sample) -> bytes | None:
    lines = s.armor("AGE").split("\n")
    plain = base64.b64encode(b"some plain words, in the form of a key").decode()
    return s.with_armor("AGE", "\n".join([lines[0], plain, *lines[-2:]]))


@mutation(RECIPIENTS, "text in front of the wrapped data key", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_armor("AGE", "plain words\n" + s.armor("AGE"))


@mutation(RECIPIENTS, "text behind the wrapped data key", "keyless")
def _(s: Sample) -> bytes | None:
    return s.with_armor("AGE", s.armor("AGE") + "plain words\n")


@mutation(RECIPIENTS, "header with text in the PGP armor", "keyless", "age and PGP")
def _(s: Sample) -> bytes | None:
    return s.with_armor("PGP", s.armor("PGP").replace("MESSAGE-----\n", "MESSAGE-----\nComment: plain words\n", 1))


@mutation(RECIPIENTS, "wrapped data key of another file", "keyed")
def _(s: Sample) -> bytes | None:
    return s.with_armor("AGE", s.other.armor("AGE"))


@mutation(RECIPIENTS, "wrapped data key changed by a bit", "keyed")
def _(s: Sample) -> bytes | None:
    lines = s.armor("AGE").split("\n")
    lines[-3] = flip(lines[-3].encode(), 4).decode()
    return s.with_armor("AGE", "\n".join(lines))


@mutation(RECIPIENTS, "listed twice", "never", why="nobody else can decrypt by it")
def _(s: Sample) -> bytes | None:
    if s.store == "yaml":
        return re.sub(rb"(?sm)(    age:\n)(.*?)(?=^    \w)", rb"\1\2\2", s.data)
    if s.is_json:
        return re.sub(rb'(?s)("age": \[\n)(.*?)(\n\t\t\])', rb"\1\2,\n\2\3", s.data)
    lines = re.findall(rb"(?m)^(?:sops_)?age__list_0__.*\n", s.data)
    again = b"".join(lines).replace(b"list_0", b"list_1")
    return re.sub(rb"(?m)^(?=(sops_)?age__list_0__)", lambda _: again, s.data, count=1)


@mutation(RECIPIENTS, "listed twice, the second wrapped for somebody else", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    """Both open it: updatekeys sees nothing to do, and one stanza stands in each."""
    thief = s.maker.encrypt(s.clear, s.store, s.maker.recipe(recipients={"age": [s.maker.age(3).recipient]}))
    entry = re.search(rb"(?sm)^    age:\n(.*?)(?=^    \w)", thief)
    assert entry is not None
    own = s.maker.age().recipient.encode()
    return s.data.replace(b"    age:\n", b"    age:\n" + entry[1].replace(s.maker.age(3).recipient.encode(), own), 1)


@mutation(RECIPIENTS, "of another service added", "keyless")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    arn, wrapped = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-4000-8000-000000000000", base64.b64encode(bytes(range(180))).decode()
    key = f'{{"arn": "{arn}", "created_at": "2020-01-01T00:00:00Z", "enc": "{wrapped}", "aws_profile": ""}}'
    return s.add_field("kms", f"[{key}]".encode())


@mutation(RECIPIENTS, "threshold of the groups lowered", "keyless", "key groups")
def _(s: Sample) -> bytes | None:
    return s.with_field("shamir_threshold", "2")


@mutation(RECIPIENTS, "threshold of the groups removed", "keyless", "key groups")
def _(s: Sample) -> bytes | None:
    return s.without_field("shamir_threshold")


@mutation(RECIPIENTS, "hidden behind a recipient of a group", "keyless", "key groups")
def _(s: Sample) -> bytes | None:
    share, owner = unwrap(s)
    return s.with_armor("AGE", wrap_for(share, [owner, s.maker.age(3)]))


@mutation(RECIPIENTS, "time of a PGP recipient is text", "keyless", "age and PGP")
def _(s: Sample) -> bytes | None:
    return re.sub(rb'(created_at"?(?:: "?| *= ?))[-0-9T:]+Z', rb"\1plain words", s.data)


@mutation(RECIPIENTS, "time of a PGP recipient changed", "never", "age and PGP", why="nothing depends on it")
def _(s: Sample) -> bytes | None:
    return re.sub(rb'(created_at"?(?:: "?| *= ?))\d\d\d\d', rb"\g<1>2001", s.data)
