# SPDX-License-Identifier: Apache-2.0
"""What the SOPS checks can say: one rule a kind of violation, and the shape of a problem that has been found."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from scanner.model import Confidence, RuleInfo, Secret, Severity, Span


class Problem(NamedTuple):
    """One violation in one file, by a rule of `RULES`.

    `reason` is one sentence for people and never quotes a value that may be secret. `span` counts bytes of the
    file. `key` names what the problem speaks of (a leaf as `stringData.password`, a recipient): together with rule
    and path it is the violation's identity, so it must not depend on lines. `value` is the clear value, where there
    is one. `remedy` is a command or an action that mends it; `{file}` in it stands for the file's path, quoted.
    """

    rule: str
    reason: str
    span: Span
    key: str = ""
    value: Secret | None = None
    confidence: Confidence = "high"
    remedy: str = ""


def _rule(id_: str, name: str, severity: Severity, help_: str) -> tuple[str, RuleInfo]:
    return id_, RuleInfo(id_, name, severity, "sops", help_, ("https://getsops.io/docs/",))


RULES: Final[Mapping[str, RuleInfo]] = dict(
    (
        _rule("sops-plain", "File not encrypted", "critical", "A creation rule covers this file, and it is in clear text."),
        _rule("sops-uncovered", "Secrets in a file that no rule covers", "high", "The file holds secrets in clear text."),
        _rule("sops-decrypted-copy", "Decrypted copy", "critical", "What a decryption left behind is in the repository."),
        _rule("sops-private-key", "Private key of SOPS", "critical", "A key that decrypts is in the repository."),
        _rule("sops-malformed", "File cannot be read", "high", "It does not parse, so nothing can be said for it."),
        _rule("sops-clear-value", "Value in clear text", "critical", "A value that must be encrypted is not."),
        _rule("sops-clear-comment", "Comment in clear text", "high", "SOPS encrypts comments; this one was added later."),
        _rule("sops-clear-secret", "Secret left in clear text", "high", "The selector leaves this value out."),
        _rule("sops-hidden-text", "Text where SOPS writes none", "high", "Keys, tags, anchors and the like stay clear."),
        _rule("sops-fake-ciphertext", "Not what SOPS writes", "critical", "It looks encrypted and cannot be."),
        _rule("sops-metadata", "Metadata incomplete or malformed", "high", "SOPS cannot have written this block."),
        _rule("sops-metadata-unknown", "Unknown metadata", "high", "SOPS ignores it, encrypts it never."),
        _rule("sops-recipients", "Recipients differ from the rule", "high", "Others can decrypt than the rule says."),
        _rule("sops-recipient-key", "Wrapped data key malformed", "high", "The recipient named here cannot decrypt."),
        _rule("sops-hidden-recipient", "Hidden recipient", "critical", "Somebody who is not listed can decrypt."),
        _rule("sops-not-rotated", "Data key not rotated", "medium", "A removed recipient still knows the data key."),
        _rule("sops-selector", "Selector differs from the rule", "high", "The file keeps its own; editing never renews it."),
        _rule("sops-tampered", "Edited outside of SOPS", "high", "Values changed and the MAC did not."),
        _rule("sops-mac", "MAC does not fit", "critical", "What the file says is not what was encrypted."),
        _rule("sops-was-clear", "Once in clear text", "high", "Encrypted now, readable in history: rotate the secret."),
        _rule("sops-config", "Creation rules cannot be used", "high", "SOPS refuses or ignores this configuration."),
        _rule("sops-config-doubt", "Creation rules say something else", "medium", "They parse, and hardly do what is meant."),
        _rule("sops-link", "Link in the place of a file", "medium", "What it points to was not checked here."),
    )
)
