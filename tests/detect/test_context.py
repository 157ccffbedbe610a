# SPDX-License-Identifier: Apache-2.0
"""How a value stands on its line, in many languages; and what a path says of syntax."""

import pytest

from scanner.detect.context import read_context
from scanner.detect.features import inner, open_quote, shape_of
from scanner.detect.names import family_of, meaning
from scanner.detect.syntax import folders_of, kind_of


def _read(line: str):
    """Read the context of what stands between « and »."""
    before, _, rest = line.partition("«")
    value, _, after = rest.partition("»")
    start = len(before.encode())
    return read_context((before + value + after).encode(), start, start + len(value.encode()))


@pytest.mark.parametrize(
    ("line", "name", "link", "quote"),
    [
        ('password = "«qq»"', "password", "=", '"'),
        ("  dbPassword: «qq»", "dbPassword", ":", ""),
        ("'secret' => '«qq»',", "secret", "=>", "'"),
        ('token := "«qq»"', "token", ":=", '"'),
        ('user.setPassword("«qq»")', "user.setPassword", "(", '"'),
        ('os.Setenv("API_TOKEN", "«qq»")', "API_TOKEN", ",", '"'),
        ('if password == "«qq»":', "password", "==", '"'),
        ('const password: string = "«qq»";', "password", "=", '"'),
        ('secret, err := decode("«qq»")', "secret", ":=", '"'),
        ('{\\"token\\":\\"«qq»\\"}', "token", ":", '\\"'),
        ("<password>«qq»</password>", "password", ">", ""),
        ('<add key="Password" value="«qq»"/>', "Password", "value=", '"'),
        ("tool --password «qq» --yes", "--password", " ", ""),
        ("password '«qq»'", "password", " ", "'"),
        ('f(username="peter", password="«qq»")', "password", "=", '"'),
        ("url?token=«qq»&x=1", "token", "=", ""),
        ("«qq»", "", "", ""),
    ],
)
def test_the_name_is_the_nearest_that_is_joined_to_the_value(line: str, name: str, link: str, quote: str) -> None:
    context = _read(line)
    assert (context.name, context.link, context.quote, context.value) == (name, link, quote, "qq")


def test_a_name_is_read_as_words() -> None:
    assert _read('dbPassWord_2 = "«qq»"').words == ("db", "pass", "word")
    assert _read("AWS_SECRET_KEY=«qq»").words == ("aws", "secret", "key")


@pytest.mark.parametrize(
    ("name", "family"),
    [("db password", "password"), ("client secret", "secret"), ("x", "other"), ("dbpass", "password"), ("bypass", "other"), ("repo", "other")],
)
def test_words_tell_what_a_value_is(name: str, family: str) -> None:
    assert family_of(tuple(name.split())) == family


def test_words_of_values_have_meanings_too() -> None:
    assert [meaning(word) for word in ("password", "admin", "file", "verify", "public", "mock", "qzx")] == [
        "secret", "whose", "thing", "deed", "public", "trial", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("two words", "sentence"), ("123456", "digits"), ("1.2.3", "number"), ("https://x.test/y", "url"), ("/etc/app.conf", "path"),
        ("0123456789abcdef0a", "hex"), ("password", "word"), ("qzxvwkjq", "letters"), ("camelCase", "camel word"), ("one-two-three", "phrase"),
        ("config.value", "dotted"), ("{name}", "format"), ("Hunter22", "mixed"), ("aB3!aB3!", "mixed signs"),
        ("zB3aB3aB3aB3aB3aB3", "machine"), ('{\\"a\\":\\"zB3aB3aB3aB3aB3aB3\\"}', "machine"),
    ],
)  # fmt: skip
def test_a_value_has_a_shape(value: str, shape: str) -> None:
    assert shape_of(value) == shape


def test_of_json_in_a_value_the_longest_text_counts() -> None:
    assert inner('{\\"a\\":\\"bcdef\\"}') == "bcdef"
    assert inner("{plain}") == "{plain}"


def test_a_string_is_open_until_its_quote_comes_again() -> None:
    assert [open_quote(text) for text in ("a", 'a "b', 'a "b"', "a \"it's", 'a "\\"', "`x")] == ["", '"', "", '"', '"', "`"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"a/b.py", "code"), (b"b.YML", "config"), (b".env", "config"), (b".env.local", "config"), (b"Dockerfile", "shell"),
        (b"x/Dockerfile.dev", "shell"), (b"README.md", "prose"), (b"a.json", "data"), (b"web.xml", "markup"), (b"settings.py.example", "code"),
        (b"config.example", "config"), (b"Makefile", "shell"), (b"unknown", "plain"), (b"", "plain"),
    ],
)  # fmt: skip
def test_a_path_tells_the_kind_of_syntax(path: bytes, kind: str) -> None:
    assert kind_of(path) == kind


def test_folders_tell_a_purpose() -> None:
    assert folders_of(b"tests/data/a.py") == ("test",)
    assert folders_of(b"docs/examples/latest/a.py") == ("example", "docs")
    assert folders_of(b"vendor/lang/x.json") == ("language", "vendor")
    assert folders_of(b"contest/attest.py") == ()


@pytest.mark.parametrize(
    ("left", "name", "quote"),
    [
        ("- name: DB_PASSWORD\n  value: ", "DB_PASSWORD", ""),
        ('- name: "DB_PASSWORD"\r\n  value: "', "DB_PASSWORD", '"'),
        ('{"name": "DB_PASSWORD", "value": "', "DB_PASSWORD", '"'),
        ('"Key": "DbPassword",\n   "Value": "', "DbPassword", '"'),
        ('<add key="DbPassword"\n  value="', "DbPassword", '"'),
        ("<name>db.password</name>\n  <value>", "db.password", ""),
        ("password: |\n  ", "password", ""),
        ("db_password = <<-EOT\n  ", "db_password", ""),
        ('password = """\n', "password", '"'),
        # What stands on other lines is not its name.
        ("name: DB_PASSWORD\nother: x\nvalue: ", "value", ""),
        ("password: x\nvalue: ", "value", ""),
    ],
)
def test_a_value_in_a_field_or_line_of_its_own_has_the_name_before_it(left: str, name: str, quote: str) -> None:
    value = b"kX9wq2Lm7Q"
    context = read_context(left.encode() + value + quote.encode() + b"\n", len(left), len(left) + len(value))
    assert (context.name, context.quote, context.value) == (name, quote, value.decode())
