# SPDX-License-Identifier: Apache-2.0
"""Names of variables and files that secrets go to: which are well-formed, and which would change what runs.

Whoever can write a secret must not thereby choose what the job executes: a variable such as LD_PRELOAD
or NODE_OPTIONS is a way to run code in every program that the job starts.
"""

import re
from typing import Final

from scanner.display import one_line
from scanner.errors import ConfigError

# POSIX.1-2024, section 8.1, and the shells' lower case.
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

# Loader, shells, interpreters, build tools, TLS, proxies, the CI systems' own files: compared in upper case.
_REFUSED: Final = frozenset(
    """
    PATH HOME SHELL USER LOGNAME PWD OLDPWD TMPDIR TMP TEMP IFS ENV CDPATH PS4 PROMPT_COMMAND GLOBIGNORE SHELLOPTS BASHOPTS
    BASH_ENV BASH_XTRACEFD ZDOTDIR FPATH GCONV_PATH GETCONF_DIR HOSTALIASES LOCALDOMAIN LOCPATH NLSPATH RESOLV_HOST_CONF
    RES_OPTIONS TERMINFO TERMINFO_DIRS TERMCAP NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE NODE_EXTRA_CA_CERTS
    NODE_TLS_REJECT_UNAUTHORIZED PERLLIB PERL5LIB PERL5OPT PERL5DB PERL5SHELL RUBYOPT RUBYLIB RUBYSHELL GEM_HOME GEM_PATH
    BUNDLE_GEMFILE LUA_INIT LUA_PATH LUA_CPATH PHPRC PHP_INI_SCAN_DIR R_PROFILE R_PROFILE_USER R_ENVIRON R_ENVIRON_USER
    JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS JAVA_HOME CLASSPATH MAVEN_OPTS MAVEN_ARGS GRADLE_OPTS ANT_OPTS ANT_ARGS
    SBT_OPTS GOFLAGS GOENV GOROOT GOPROXY GOTOOLCHAIN RUSTFLAGS RUSTC RUSTC_WRAPPER RUSTDOC CARGO_HOME MAKEFLAGS GNUMAKEFLAGS
    MAKEFILES CC CXX LD AR CFLAGS CXXFLAGS LDFLAGS CPATH C_INCLUDE_PATH LIBRARY_PATH DOTNET_STARTUP_HOOKS
    DOTNET_ADDITIONAL_DEPS CORECLR_PROFILER CORECLR_PROFILER_PATH CORECLR_ENABLE_PROFILING COR_PROFILER COR_PROFILER_PATH
    COR_ENABLE_PROFILING PSMODULEPATH COMSPEC PATHEXT SYSTEMROOT WINDIR EDITOR VISUAL PAGER MANPAGER BROWSER LESSOPEN
    LESSCLOSE SSH_ASKPASS SUDO_ASKPASS SSL_CERT_FILE SSL_CERT_DIR SSLKEYLOGFILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE CURL_HOME
    WGETRC OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY FTP_PROXY GITHUB_ENV
    GITHUB_PATH GITHUB_OUTPUT GITHUB_STATE GITHUB_STEP_SUMMARY GITHUB_WORKSPACE GITHUB_EVENT_PATH GITHUB_ACTION_PATH
    """.split()  # noqa: SIM905  words read better than a list of a hundred strings
)
_REFUSED_BEGINNINGS: Final = (
    "LD_", "DYLD_", "GLIBC_", "MALLOC_", "BASH_FUNC_", "PYTHON", "GIT_", "NPM_CONFIG_", "ACTIONS_", "RUNNER_", "SEALGATE_",
)  # fmt: skip


def check_variable(name: str) -> str:
    """Return the name of a variable that may hold a secret, or raise `ConfigError`."""
    if not _VARIABLE.fullmatch(name):
        raise ConfigError(f"{one_line(name)[:80]!r} is no name for a variable", "letters, digits and _, no digit first")
    if name.upper() in _REFUSED or name.upper().startswith(_REFUSED_BEGINNINGS):
        raise ConfigError(
            f"the variable {name} is refused", "it changes which programs run or what they trust; take another name"
        )
    return name


def check_file(name: str) -> str:
    """Return the name of a file that may hold a secret, or raise `ConfigError`: a plain name, no path."""
    if not _FILE.fullmatch(name) or name.endswith("."):
        raise ConfigError(f"{one_line(name)[:80]!r} is no name for a file", "letters, digits, '_', '-' and '.', not '.' first")
    return name


def variable_of(prefix: str, field: str) -> str:
    """Return `PREFIX_FIELD` in upper case; what no variable may have in its name becomes `_`. Checked like any other."""
    return check_variable(f"{prefix}_{re.sub('[^A-Za-z0-9_]', '_', field)}".upper())
