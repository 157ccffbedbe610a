# SPDX-License-Identifier: Apache-2.0
"""Which values under telling names are believed, and which not, with reasons."""

import pytest
from planted import fill

from scanner.detect.weigh import weigh, weigh_anywhere

RANDOM = fill("{{alnum:20}}")


def _weigh(line: str, path: str):
    before, _, rest = line.partition("«")
    value, _, after = rest.partition("»")
    return weigh((before + value + after).encode(), len(before.encode()), len((before + value).encode()), path.encode())


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (f'password = "«{RANDOM}»"', "app/settings.py"),
        (f"DB_PASSWORD=«{RANDOM}»", ".env"),
        (f"  api_key: «{RANDOM}»", "config/app.yml"),
        (f'"client_secret": "«{RANDOM}»",', "config/app.json"),
        ("    password: «hunterdragon»", "config/database.yml"),
        ("MYSQL_ROOT_PASSWORD=«tigersecret9»", "docker/.env"),
        ('String password = "«tigerlily77»";', "src/Main.java"),
        (f"docker run -e POSTGRES_PASSWORD=«{RANDOM}» -d postgres", "README.md"),
    ],
)
def test_a_value_that_is_set_where_values_are_is_believed(line: str, path: str) -> None:
    assert _weigh(line, path).confidence in ("medium", "high")


@pytest.mark.parametrize(
    ("line", "path", "reason"),
    [
        ("password = «config_password»", "a.py", "a bare word is an expression here"),
        ("password: «request.body»,", "a.ts", "a bare word is an expression here"),
        ('password: "«password»"', "a.yml", "it only names what is wanted"),
        ('"access_token": "«my-access-token»"', "a.json", "it only names what is wanted"),
        ("password: «null»", "a.yml", "it is a word for no value or for a type"),
        ("  typeof password !== '«string»'", "a.js", "it is a word for no value or for a type"),
        ("PASSWORD=«$OTHER_PASSWORD»", "a.sh", "it refers to a value that is kept elsewhere"),
        ("PASSWORD=`«cat /run/x»`", "a.sh", "it is what a command prints"),
        ('publicKeyToken="«31bf3856ad364e35»"', "a.config", "what is public is no secret"),
        ('token = f"«{user}-{x}»"', "a.py", "it is put together of other values"),
        ('secret = "«00000000000000000000»"', "a.py", "it repeats the same character"),
        ('_TOKEN = "«[0-9a-f]{32,}»"', "a.py", "it is a pattern"),
        ("SECRET_FILE=«/run/app/settings»", ".env", "it is a path"),
        ('password = "«DATABASE_PASSWORD_NAME»"', "a.py", "it is a variable's name"),
        ("password = config.get('«client_password_1»')", "a.py", "it is the name of what is looked up"),
        ('token_time = "«2020-01-02T03:04:05Z»"', "a.py", "it is a time"),
        ("$x = 'TOKEN='«.$this->y[»'z'];", "a.php", "it stands between two strings"),
    ],
)
def test_what_its_syntax_or_form_rules_out_is_no_secret(line: str, path: str, reason: str) -> None:
    verdict = _weigh(line, path)
    assert verdict.confidence is None
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('"incorrectPassword": "«Falsches Kennwort oder Konto»",', "lang/de.json"),
        ('token_type = "«rfc7519»"', "a.py"),
        ('"passwordLabel": "«Ihr Kennwort»"', "i18n/de.json"),
        ("secretName: «backend-tls»", "k8s/ingress.yml"),
    ],
)
def test_what_weighs_too_little_tells_what_counted(line: str, path: str) -> None:
    verdict = _weigh(line, path)
    assert verdict.confidence in (None, "low")
    assert verdict.reason.startswith("weighs ")


def test_without_a_path_only_what_no_path_could_save_is_dropped() -> None:
    def anywhere(line: str):
        before, _, rest = line.partition("«")
        value, _, after = rest.partition("»")
        return weigh_anywhere((before + value + after).encode(), len(before), len(before + value))

    assert anywhere(f"password = «{RANDOM}»").confidence == "medium"
    assert anywhere('password: "«password»"').confidence is None
    assert anywhere('get_token_type(name, "«see the message»")').confidence is None
