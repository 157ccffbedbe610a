# SPDX-License-Identifier: Apache-2.0
"""The cache of compiled rules: used where it is private and whole, ignored and made again where it is not."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from planted import ROOT, clean_environ

from scanner.detect import prefilter
from scanner.detect.engine import Detector
from scanner.detect.prefilter import RuleSet, compile_ruleset, load_ruleset
from scanner.detect.rules import PackFile, load_rules
from scanner.errors import ConfigError

RULES = b"""
rules:
  - id: %s
    name: Test token
    severity: high
    confidence: high
    pattern: '(?P<secret>tst_[0-9a-z]{8})'
    help: Nothing to be done about it.
    references: ['https://example.org']
    positive: ['\xc2\xabtst_12ab34cd\xc2\xbb']
    negative: ['tst_']
"""
PACK = PackFile("pack.yaml", RULES % b"test-token")
OTHER = PackFile("pack.yaml", RULES % b"other-token")


def _entries(home: Path) -> list[Path]:
    return sorted((home / ".cache" / "sealgate").iterdir())


def _load(home: Path, pack: PackFile = PACK) -> RuleSet:
    return load_ruleset([pack], environ={"HOME": str(home)})


def _entry(home: Path) -> Path:
    """Load once, and return the cache entry that this leaves."""
    _load(home)
    [entry] = _entries(home)
    return entry


def _finds(ruleset: RuleSet) -> list[str]:
    return [match.value.rule.id for match in Detector(ruleset).find(b"x = tst_12ab34cd\n")]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_an_entry_is_private_and_begins_with_the_digest_of_its_content(tmp_path: Path) -> None:
    entry = _entry(tmp_path)
    content = entry.read_bytes()
    assert (_mode(entry.parent), _mode(entry)) == (0o700, 0o600)
    assert content[:32] == hashlib.sha256(content[32:]).digest()


def test_an_entry_is_used_again_and_finds_the_same(tmp_path: Path) -> None:
    entry = _entry(tmp_path)
    before = entry.stat()
    ruleset = _load(tmp_path)
    after = entry.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert _finds(ruleset) == ["test-token"]
    assert [ruleset[index] for index in range(len(ruleset))] == list(load_rules([PACK]))


def test_an_entry_is_believed_without_looking_at_the_rules_again(tmp_path: Path) -> None:
    entry = _entry(tmp_path)
    (tmp_path / "other").mkdir()
    other = _entry(tmp_path / "other")
    assert entry.name == other.name
    # The entry of another rule set under this one's name, rightly signed, is what is used: it was not compiled again.
    _load(tmp_path, OTHER)
    [foreign] = [path for path in _entries(tmp_path) if path != entry]
    entry.write_bytes(foreign.read_bytes())
    assert _finds(_load(tmp_path)) == ["other-token"]


def test_other_rules_have_an_entry_of_their_own(tmp_path: Path) -> None:
    _load(tmp_path)
    assert _finds(_load(tmp_path, OTHER)) == ["other-token"]
    assert len(_entries(tmp_path)) == 2


def test_a_disabled_rule_has_an_entry_of_its_own(tmp_path: Path) -> None:
    packs = [PACK, OTHER]
    both = load_ruleset(packs, environ={"HOME": str(tmp_path)})
    one = load_ruleset(packs, ["test-token"], {"HOME": str(tmp_path)})
    assert (len(both), len(one), _finds(one)) == (2, 1, ["other-token"])
    assert both.digest != one.digest


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "extended", "noise", "no digest"])
def test_a_damaged_entry_is_ignored_and_written_again(tmp_path: Path, damage: str) -> None:
    entry = _entry(tmp_path)
    whole = entry.read_bytes()
    damaged = {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
        "extended": whole + b"\0",
        "noise": bytes(range(256)) * 20,
        "no digest": whole[:20],
    }[damage]
    entry.write_bytes(damaged)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert hashlib.sha256(entry.read_bytes()[32:]).digest() == entry.read_bytes()[:32]
    assert [path.name for path in _entries(tmp_path)] == [entry.name]


def test_an_entry_signed_over_something_else_is_ignored_and_written_again(tmp_path: Path) -> None:
    entry = _entry(tmp_path)
    for content in (b"", b"\0" * 8, b"\0\0\0\2\0\0\0\xc0{}" + b"\1" * 24, b"\xff" * 400):
        entry.write_bytes(hashlib.sha256(content).digest() + content)
        assert _finds(_load(tmp_path)) == ["test-token"]


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o622])
def test_an_entry_that_others_may_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    entry = _entry(tmp_path)
    _load(tmp_path, OTHER)
    [foreign] = [path for path in _entries(tmp_path) if path != entry]
    entry.write_bytes(foreign.read_bytes())
    entry.chmod(mode)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert _mode(entry) == 0o600


def test_a_linked_entry_is_not_followed(tmp_path: Path) -> None:
    entry = _entry(tmp_path)
    _load(tmp_path, OTHER)
    [foreign] = [path for path in _entries(tmp_path) if path != entry]
    elsewhere = tmp_path / "elsewhere"
    foreign.rename(elsewhere)
    entry.unlink()
    entry.symlink_to(elsewhere)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert not entry.is_symlink()
    assert elsewhere.is_file()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / ".cache" / "sealgate"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / "sealgate"
    folder.mkdir(parents=True, mode=0o700)
    os.chown(folder, 12345, -1)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert list(folder.iterdir()) == []


def test_a_linked_folder_is_not_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "sealgate").symlink_to(elsewhere)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("mine")
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert (tmp_path / ".cache").read_text() == "mine"


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "home"}, {"XDG_CACHE_HOME": "cache"}])
def test_without_an_absolute_home_there_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _finds(load_ruleset([PACK], environ=environ)) == ["test-token"]
    assert list(tmp_path.iterdir()) == []


def test_the_cache_home_of_the_desktop_standard_is_used(tmp_path: Path) -> None:
    load_ruleset([PACK], environ={"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert len(list((tmp_path / "cache" / "sealgate").iterdir())) == 1
    assert not (tmp_path / "home").exists()


def test_what_a_crashed_process_left_behind_does_not_keep_an_entry_from_being_written(tmp_path: Path) -> None:
    entry = _entry(tmp_path)
    entry.rename(entry.with_name(f".{entry.name}.{os.getpid()}"))
    _load(tmp_path)
    assert entry.exists()


def test_processes_that_start_at_once_share_one_whole_entry(tmp_path: Path) -> None:
    program = (
        "import sys; from scanner.detect.prefilter import load_ruleset; from scanner.detect.rules import PackFile;"
        "from scanner.detect.engine import Detector; sys.stdin.read(1);"
        "r = load_ruleset([PackFile('p', open(sys.argv[1], 'rb').read())], environ={'HOME': sys.argv[2]});"
        "print([m.value.rule.id for m in Detector(r).find(b'tst_12ab34cd')])"
    )
    pack = tmp_path / "pack.yaml"
    pack.write_bytes(PACK.data)
    home = tmp_path / "home"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(pack), str(home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environ() | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]  # fmt: skip
    answers = [one.communicate(b"x") for one in started]
    assert answers == [(b"['test-token']\n", b"")] * 4
    assert len(_entries(home)) == 1


def test_a_rule_without_a_literal_is_named_in_the_error() -> None:
    rule = load_rules([PACK])[0]._replace(pattern="(?P<secret>[a-z]{20})")
    with pytest.raises(ConfigError, match="rule test-token: no literal of at least 3 characters"):
        compile_ruleset([rule])


def test_a_slow_rule_needs_no_literal() -> None:
    rule = load_rules([PACK])[0]._replace(pattern="(?P<secret>[a-z]{20})", slow=True)
    value = b"qzmvkrpwtyhbnxjcdlfs"
    assert [match.value.secret.reveal() for match in Detector(compile_ruleset([rule])).find(b"a " + value + b" b")] == [value]


def test_disabling_an_unknown_rule_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_ruleset([PACK], ["test-tokn"], {"HOME": str(tmp_path)})
    assert str(caught.value) == "there is no rule 'test-tokn' to disable (did you mean 'test-token'?)"


def test_a_rule_that_the_prefilter_cannot_take_is_named_in_the_error() -> None:
    rules = [*load_rules([PACK]), load_rules([OTHER])[0]._replace(pattern="(?P<secret>abcd(?:e){0}f)")]
    with pytest.raises(ConfigError, match="rule other-token: "):
        compile_ruleset(rules)


def _built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Compile the rules as the build of the package does; return the file."""
    (folder / "rules").mkdir()
    (folder / "rules" / "pack.yaml").write_bytes(PACK.data)
    monkeypatch.setattr(prefilter, "builtin_directory", lambda: str(folder / "rules"))
    return Path(prefilter.write_builtin(str(folder / "rules")))


def test_what_was_compiled_with_the_package_is_used_and_leaves_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built(tmp_path, monkeypatch).chmod(0o644)
    monkeypatch.setattr(prefilter, "compile_ruleset", None)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert _entries(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"x" * 500])
def test_what_was_compiled_elsewhere_or_is_damaged_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    _built(tmp_path, monkeypatch).write_bytes(damage)
    assert _finds(_load(tmp_path)) == ["test-token"]
    assert len(_entries(tmp_path)) == 1


def test_other_rules_are_not_taken_from_what_was_compiled_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built(tmp_path, monkeypatch)
    assert _finds(_load(tmp_path, OTHER)) == ["other-token"]
