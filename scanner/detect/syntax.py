# SPDX-License-Identifier: Apache-2.0
"""What a file's name says of its syntax: is a bare word a value there, or an expression; and what its folders say of it."""

import re
from collections.abc import Mapping
from typing import Final

# A bare word is an expression, a value stands in quotes.
_CODE: Final = (
    "py pyx pxd pyi js mjs cjs jsx ts tsx mts java kt kts scala groovy gradle go rs c h cc cpp cxx hpp hh cs vb fs fsx "
    "swift m mm dart rb php phtml pl pm lua r jl ex exs erl hs lhs ml mli clj cljs elm nim zig sol proto thrift sql psql "
    "graphql vue svelte pas d v sv vhd tcl el lisp scm rkt cr coffee bal feature idl j f90 asm s purs pony gni cmake"
)
# A bare word is a value.
_CONFIG: Final = (
    "yml yaml ini cfg conf cnf config properties env envrc toml tf tfvars hcl reg rc npmrc netrc pgpass ldif service "
    "desktop editorconfig example sample dist template tmpl j2 tpl erb eex inf plist travis golden credentials"
)
_SHELL: Final = (
    "sh bash zsh fish ksh csh bat cmd ps1 psm1 dockerfile containerfile mk makefile bats postinst preinst postrm exp "
    "cast"
)
_MARKUP: Final = (
    "xml html htm xhtml svg xaml axaml csproj fsproj vbproj props targets resx wsdl xsd iml jsp aspx cshtml har"
)
_DATA: Final = (
    "json jsonc json5 ipynb tfstate webmanifest avsc lock snap jsonl"
)
_PROSE: Final = (
    "md markdown mdx rst adoc asciidoc txt text org tex rtf 1 2 3 4 5 6 7 8 pod textile wiki log"
)
# A model of a file, whose own kind stands before: `settings.py.example`.
_MODELS: Final = frozenset(("example", "sample", "dist", "template", "tmpl", "j2", "tpl", "erb", "eex", "golden"))
_KINDS: Final[Mapping[str, str]] = {
    name: kind
    for kind, names in (
        ("code", _CODE),
        ("config", _CONFIG),
        ("shell", _SHELL),
        ("markup", _MARKUP),
        ("data", _DATA),
        ("prose", _PROSE),
    )
    for name in names.split()
}
# All that `kind_of` returns.
KINDS: Final = ("code", "config", "shell", "markup", "data", "prose", "plain")
_TEST: Final = re.compile(rb"(?:^|[/_.-])(?:tests?|specs?|testing|testdata|fixtures?|mocks?|e2e)(?:[/_.-]|$)", re.IGNORECASE)
_EXAMPLE: Final = re.compile(rb"(?:^|[/_.-])(?:examples?|samples?|demos?|templates?|tutorials?)(?:[/_.-]|$)", re.IGNORECASE)
_DOCS: Final = re.compile(rb"(?:^|[/_.-])(?:docs?|documentation|readme|changelog|changes|man)(?:[/_.-]|$)", re.IGNORECASE)
_LANGUAGE: Final = re.compile(rb"(?:^|[/_.-])(?:lang|langs|i18n|l10n|locales?|translations?|messages)(?:[/_.-]|$)", re.IGNORECASE)
_VENDOR: Final = re.compile(rb"(?:^|/)(?:vendor|third_party|node_modules|dist|bower_components)/", re.IGNORECASE)


def kind_of(path: bytes) -> str:
    """Return the kind of syntax: code, config, shell, markup, data, prose, or plain for what is not known."""
    name = path.rpartition(b"/")[2].decode("utf-8", "replace").lower()
    stem, _, extension = name.rpartition(".")
    kind = _KINDS.get(extension)
    if kind is None or (stem and extension in _MODELS):
        # `Dockerfile.dev`, `.env.local`, `settings.py.example`: the last part that is known decides.
        kind = next((_KINDS[part] for part in reversed(name.split(".")[:-1]) if part in _KINDS), kind)
    return kind or "plain"


def folders_of(path: bytes) -> tuple[str, ...]:
    """Return what the path says of the file's purpose: of test, example, docs, language, vendor."""
    found = (("test", _TEST), ("example", _EXAMPLE), ("docs", _DOCS), ("language", _LANGUAGE), ("vendor", _VENDOR))
    return tuple(name for name, expression in found if expression.search(path))
