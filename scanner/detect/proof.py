# SPDX-License-Identifier: Apache-2.0
"""Offline proofs: what a credential's own format says about whether it is real.

A proof looks at the value alone, never at the network. `PROOFS` names them for rule packs.
"""

from collections.abc import Callable, Mapping
from typing import Final

from scanner.detect.proofs.checksums import (
    check_azure,
    check_base58,
    check_bech32,
    check_crc16,
    check_crc32,
    check_entra,
    check_gitlab,
    check_grafana,
)
from scanner.detect.proofs.keys import check_pem
from scanner.detect.proofs.outcome import Proof
from scanner.detect.proofs.tokens import check_aws_access_key_id, check_json, check_jwt, check_macaroon

PROOFS: Final[Mapping[str, Callable[[bytes], Proof]]] = {
    "crc32-base62": check_crc32,
    "gitlab": check_gitlab,
    "grafana": check_grafana,
    "azure": check_azure,
    "entra": check_entra,
    "bech32": check_bech32,
    "age": check_bech32,
    "base58check": check_base58,
    "crc16-base32": check_crc16,
    "jwt": check_jwt,
    "json-base64": check_json,
    "macaroon": check_macaroon,
    "pem": check_pem,
    "aws-access-key-id": check_aws_access_key_id,
}
