# SPDX-License-Identifier: Apache-2.0
"""Tokens with a structure that can be read: JSON Web Tokens, macaroons, JSON in base64, AWS key ids."""

import base64
from typing import Any, Final

from scanner.detect.proofs.outcome import Proof, decode_base64


def check_jwt(value: bytes) -> Proof:
    """A JSON Web Token: a JOSE header that names its algorithm, claims, and a signature (RFC 7519, 7515)."""
    import json

    parts = value.split(b".")
    decoded = [decode_base64(part) for part in parts[:2]]
    try:
        header, claims = (json.loads(part or b"") for part in decoded)
    except (ValueError, RecursionError):
        return Proof("refuted", "header or claims are not JSON")
    if not isinstance(header, dict) or not isinstance(claims, dict) or not isinstance(header.get("alg"), str):
        return Proof("refuted", "the header names no algorithm")
    if header["alg"].lower() == "none" or len(parts) < 3 or len(parts[2]) < 20:
        return Proof("doubtful", "it is not signed")
    if claims.get("sub") == "1234567890" or claims.get("name") == "John Doe":
        return Proof("refuted", "it is the example token of the documentation")
    return Proof("plausible", f"header and claims are whole, signed with {header['alg'][:10]}, {_end(claims)}")


def _end(claims: dict[str, Any]) -> str:
    """Return until when a token is good; whether that is over hangs on the day, so it is for the reader to say."""
    import datetime as dt

    try:
        end = dt.datetime.fromtimestamp(int(claims["exp"]), dt.UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "without an end"
    return f"good until {end:%Y-%m-%d}"


# Kinds of fields in a macaroon.
_FIELD_END, _LOCATION, _IDENTIFIER, _CAVEAT_KEY, _SIGNATURE = 0, 1, 2, 4, 6
_SIGNATURE_BYTES: Final = 32


def check_macaroon(value: bytes) -> Proof:
    """PyPI's tokens: `pypi-`, then a macaroon (libmacaroons, version 2) in base64url that ends with a signature."""
    data = decode_base64(value.partition(b"-")[2]) or b""
    fields = _fields(data)
    if len(fields) >= 3 and fields[-1][0] == _SIGNATURE and len(fields[-1][1]) == _SIGNATURE_BYTES and fields[0][0] == _LOCATION:
        where = fields[0][1].decode("ascii", "replace")[:40]
        return Proof("proven", f"it is a whole macaroon of {where}")
    return Proof("doubtful", "it is no whole macaroon: cut off, or made up")


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Return the fields of a macaroon, type and content; none where lengths and ends do not fit."""
    fields: list[tuple[int, bytes]] = []
    if data[:1] != b"\x02":
        return []
    at = 1
    while at < len(data):
        kind = data[at]
        at += 1
        if kind == _FIELD_END:
            continue
        length, shift = 0, 0
        while at < len(data) and shift <= 14:
            length |= (data[at] & 0x7F) << shift
            at += 1
            shift += 7
            if not data[at - 1] & 0x80:
                break
        if kind not in (_LOCATION, _IDENTIFIER, _CAVEAT_KEY, _SIGNATURE) or at + length > len(data):
            return []
        fields.append((kind, data[at : at + length]))
        at += length
    return fields


def check_json(value: bytes) -> Proof:
    """JSON in base64 within a token, as in those of Sentry, Grafana Cloud and Cloudflare's tunnels."""
    import json

    rest = value[value.find(b"eyJ") :]
    for text in (rest, rest.rpartition(b"_")[0]):
        try:
            content = json.loads(decode_base64(text) or b"")
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            named = next((f" of {content[key]}"[:60] for key in ("org", "o", "url") if isinstance(content.get(key), str)), "")
            return Proof("plausible", f"the JSON in it is whole, a token{named}")
    return Proof("doubtful", "the JSON in it is cut off or made up")


def check_aws_access_key_id(value: bytes) -> Proof:
    """An AWS access key id: 16 characters of base32 after its prefix, which hold the account's number.

    The account stands in bits 1 to 40 after the prefix, for keys made since 2019; an older key has no
    readable account. Source: AWS documents the prefixes in "IAM identifiers".
    """
    try:
        data = base64.b32decode(value[4:])
    except ValueError:
        return Proof("refuted", "it is not base32")
    account = (int.from_bytes(data[:6], "big") & 0x7FFFFFFFFF80) >> 7
    if account < 10**12 and value[4:5] >= b"Q":
        return Proof("plausible", f"it belongs to AWS account {account:012d}")
    return Proof("plausible", "it has the shape of an AWS access key id")
