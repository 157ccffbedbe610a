# SPDX-License-Identifier: Apache-2.0
"""Transit engines of HashiCorp Vault and OpenBao: `POST /v1/<engine>/decrypt/<key>` with the caller's token.

A file names the server itself, and whoever may write to the repository may write any name there. SOPS would send
its token to all of them (its allowlist, new in 3.12, is open unless set); here a token goes only to an address that
the environment or the caller knows, over verified TLS unless that address itself says http, and never along a redirect.
"""

import binascii
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from scanner.display import one_line, shorten
from scanner.sops.keyed.keyring.refusal import NoKey, Unreachable

if TYPE_CHECKING:
    import urllib.request

_SECONDS: Final = 15.0
_MAX_ANSWER: Final = 64 * 1024
# A mount may have several segments; none of them may climb, or end the path.
_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[\w.~-]+", re.ASCII)
_CIPHERTEXT: Final = re.compile(r"vault:v[0-9]+:[A-Za-z0-9+/=]+")


def open_vault(name: str, wrapped: str, environ: Mapping[str, str], home: str, addresses: Sequence[str] = ()) -> bytes:
    """Return what a transit key wraps; `name` is `address/v1/engine/keys/name`, `addresses` more trusted servers.

    Raises `NoKey`, as `Unreachable` where the server does not answer at all.
    """
    shown = shorten(one_line(name), 100)
    address, _, path = name.partition("/v1/")
    engine, _, key = path.rpartition("/keys/")
    if not all(_SEGMENT.fullmatch(segment) for segment in (*engine.split("/"), key)):
        raise NoKey(f"vault: {shown} is no transit key")
    if not is_trusted(address, environ, addresses):
        raise NoKey(f"vault: {shown} is not on the server that VAULT_ADDR or BAO_ADDR names, so it gets no token")
    token = _token(address, environ) or _token_of(home)
    if not token.isascii() or not token.isprintable() or not token:
        raise NoKey(f"vault: no usable VAULT_TOKEN or BAO_TOKEN for {shown}")
    if not _CIPHERTEXT.fullmatch(wrapped):
        raise NoKey(f"vault: what is wrapped for {shown} is no transit ciphertext")
    return _decrypt(f"{_plain(address)}/v1/{engine}/decrypt/{key}", wrapped, token, environ, shown)


def is_trusted(address: str, environ: Mapping[str, str], addresses: Sequence[str] = ()) -> bool:
    """Whether a server may have the token: the environment or the caller named it, not the file alone."""
    named = [environ.get("VAULT_ADDR", ""), environ.get("BAO_ADDR", ""), *addresses]
    named += environ.get("SOPS_HC_VAULT_ALLOWLIST", "").split(",")
    # `all` and `none`, which SOPS knows in its list, are no addresses and so trust nobody.
    plain = _plain(address)
    return bool(plain) and plain in {_plain(known.strip()) for known in named}


def _plain(address: str) -> str:
    """Return an address in the one spelling to compare; user, path, query and fragment make it nobody's."""
    found = re.fullmatch(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/*", address.lower())
    return f"{found[1]}://{found[2]}{found[3] or ''}" if found else ""


def _token(address: str, environ: Mapping[str, str]) -> str:
    names = ["VAULT_TOKEN", "BAO_TOKEN"]
    if _plain(address) == _plain(environ.get("BAO_ADDR", "")) != _plain(environ.get("VAULT_ADDR", "")):
        names.reverse()
    return environ.get(names[0]) or environ.get(names[1]) or ""


def _token_of(home: str) -> str:
    """Return the token that `vault login` leaves behind, which SOPS takes as well."""
    try:
        with open(os.path.join(home, ".vault-token"), encoding="utf-8") as stream:
            return stream.read(4096).strip()
    except (OSError, ValueError):
        return ""


def _decrypt(url: str, wrapped: str, token: str, environ: Mapping[str, str], shown: str) -> bytes:
    import json
    import urllib.error
    import urllib.request

    headers = {"X-Vault-Token": token, "X-Vault-Request": "true", "Content-Type": "application/json"}
    if namespace := environ.get("VAULT_NAMESPACE") or environ.get("BAO_NAMESPACE"):
        headers["X-Vault-Namespace"] = namespace
    body = json.dumps({"ciphertext": wrapped}).encode()
    try:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310  # http(s) by `_plain`
        with _opener(url, environ).open(request, timeout=_SECONDS) as answer:
            text = answer.read(_MAX_ANSWER)
        return binascii.a2b_base64(json.loads(text)["data"]["plaintext"], strict_mode=True)
    except urllib.error.HTTPError as error:
        reason = f"the server refuses it ({error.code})"
        error.close()
    except OSError:  # URLError and SSLError among them
        raise Unreachable(f"vault: {shown}: the server cannot be reached, or its certificate is not trusted") from None
    except Exception:  # noqa: BLE001  # http.client, json and base64 raise many kinds, some with the answer in them
        reason = "the server gives no answer that can be read"
    raise NoKey(f"vault: {shown}: {reason}")


def _opener(url: str, environ: Mapping[str, str]) -> "urllib.request.OpenerDirector":
    """Return what opens a URL: certificates are checked, redirects are errors, netrc and cookies do not exist.

    A proxy is used only where `https_proxy` names one, as a token inside TLS stays closed to it.
    """
    import ssl
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """Follow nobody: urllib would carry the token along."""

    context = ssl.create_default_context(
        cafile=environ.get("VAULT_CACERT") or environ.get("BAO_CACERT") or None,
        capath=environ.get("VAULT_CAPATH") or environ.get("BAO_CAPATH") or None,
    )
    proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    proxies = {"https": proxy} if proxy else {}
    hosts = {"no": environ.get("no_proxy") or environ.get("NO_PROXY") or ""}
    host = urllib.request.Request(url).host  # noqa: S310  # nothing is opened
    if urllib.request.proxy_bypass_environment(host, hosts):  # type: ignore[attr-defined] # documented nowhere, used by urllib
        proxies = {}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context), NoRedirect
    )
