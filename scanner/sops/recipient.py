# SPDX-License-Identifier: Apache-2.0
"""Who may decrypt: a recipient as creation rules and files both name it, so that the two can be compared."""

from typing import Literal, NamedTuple

RecipientKind = Literal["age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"]


class Recipient(NamedTuple):
    """One master key; `id` as SOPS compares it (`DiffKeyGroups` of getsops/sops).

    age: the recipient's text. PGP: fingerprint without spaces, upper case. KMS: `arn[+role][|context][|profile]`.
    GCP: resource id. Azure: `vault/keys/name/version`, the version empty where a rule leaves it open.
    Vault: `address/v1/engine/keys/name`. Huawei: key id.
    """

    kind: RecipientKind
    id: str


# Several groups share the data key among them (Shamir); one group is what nearly every file has.
Group = tuple[Recipient, ...]
