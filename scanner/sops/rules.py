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
        _rule(
            "sops-plain",
            "File not encrypted",
            "critical",
            "A creation rule of .sops.yaml covers this file, and it is in clear text. Encrypt it, and rotate what was "
            "in it if it has been pushed.",
        ),
        _rule(
            "sops-uncovered",
            "Secrets in a file that no rule covers",
            "high",
            "The file holds secrets in clear text. Encrypt it and give it a creation rule, or keep the secret "
            "elsewhere; rotate it if it has been pushed.",
        ),
        _rule(
            "sops-decrypted-copy",
            "Decrypted copy",
            "critical",
            "What a decryption left behind is in the repository. Remove it, ignore files like it, and rotate what was in it.",
        ),
        _rule(
            "sops-private-key",
            "Private key of SOPS",
            "critical",
            "A key that decrypts is in the repository. Take it out, make a new one, and rotate all that was encrypted to it.",
        ),
        _rule(
            "sops-malformed",
            "File cannot be read",
            "high",
            "It does not parse, so nothing can be said for what is in it. Resolve conflicts, mend the syntax, or "
            "encrypt it again.",
        ),
        _rule(
            "sops-clear-value",
            "Value in clear text",
            "critical",
            "A value that the file's selector says to encrypt is not. Edit it with sops, and rotate it if it has been "
            "pushed.",
        ),
        _rule(
            "sops-clear-comment",
            "Comment in clear text",
            "high",
            "SOPS encrypts comments too; this one was added outside of it, or its selector leaves it out and it holds "
            "a secret.",
        ),
        _rule(
            "sops-clear-secret",
            "Secret left in clear text",
            "high",
            "The selector leaves this value out, and it is a secret. Widen the selector, encrypt again, and rotate "
            "the secret.",
        ),
        _rule(
            "sops-hidden-text",
            "Text where SOPS writes none",
            "high",
            "Tags, anchors, directives, duplicate keys and other documents are never encrypted, and sops reads past "
            "them. Take it out.",
        ),
        _rule(
            "sops-fake-ciphertext",
            "Not what SOPS writes",
            "critical",
            "It looks encrypted and cannot be: other text around it, parts of wrong lengths, readable or repeated "
            "bytes. Set it again with sops.",
        ),
        _rule(
            "sops-metadata",
            "Metadata incomplete or malformed",
            "high",
            "SOPS cannot have written this block: without a whole one the file can be neither decrypted nor checked. "
            "Encrypt it again.",
        ),
        _rule(
            "sops-metadata-unknown",
            "Unknown metadata",
            "high",
            "SOPS ignores this entry and never encrypts it. Take it out.",
        ),
        _rule(
            "sops-recipients",
            "Recipients differ from the rule",
            "high",
            "Others can decrypt than the creation rule says. Run updatekeys, and rotate the data key if somebody had to go.",
        ),
        _rule(
            "sops-recipient-key",
            "Wrapped data key malformed",
            "high",
            "The recipient named here cannot decrypt: the data key that is wrapped for them is damaged or of another kind.",
        ),
        _rule(
            "sops-hidden-recipient",
            "Hidden recipient",
            "critical",
            "Behind a listed recipient the data key is wrapped for another key as well, or for that one only. Encrypt "
            "again, and rotate the secrets.",
        ),
        _rule(
            "sops-not-rotated",
            "Data key not rotated",
            "medium",
            "Somebody who is no recipient any more knows the data key that is in use. Run rotate, and rotate the "
            "secrets they knew.",
        ),
        _rule(
            "sops-selector",
            "Selector differs from the rule",
            "high",
            "The file's own selector counts, and no edit ever takes over the rule's. Decrypt and encrypt again.",
        ),
        _rule(
            "sops-tampered",
            "Edited outside of SOPS",
            "high",
            "Values changed and the MAC did not: an edit by hand, or a merge. Go back to a whole version, and make "
            "the change with sops.",
        ),
        _rule(
            "sops-mac",
            "MAC does not fit",
            "critical",
            "What the file says is not what was encrypted. Find out who changed it; go back to a version that fits.",
        ),
        _rule(
            "sops-was-clear",
            "Once in clear text",
            "high",
            "Encrypted now, and readable in history for everybody who has a clone: rotate the secret.",
        ),
        _rule(
            "sops-config",
            "Creation rules cannot be used",
            "high",
            "SOPS refuses this configuration, or does not read it at all. Until it is mended nothing that it covers "
            "can be judged.",
        ),
        _rule(
            "sops-config-doubt",
            "Creation rules say something else",
            "medium",
            "They can be read, and hardly do what is meant: rules that are never used, a second configuration, "
            "recipients named twice.",
        ),
        _rule(
            "sops-link",
            "Link in the place of a file",
            "medium",
            "A creation rule covers this path, and a link leads out of the repository from there. Put the encrypted "
            "file itself here.",
        ),
    )
)
