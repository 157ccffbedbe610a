# SPDX-License-Identifier: Apache-2.0
"""Builds the compiled kernel and the compiled rules into the wheel where that is possible.

Without the kernel Sealgate lets git read every object, without the rules a first run compiles them.

`SEALGATE_KERNEL` says otherwise of the kernel: `0` builds none, `1` fails where it cannot be built (for those who publish
wheels).
"""

import os
import shutil
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PACKAGE = ("scanner", "git", "kernel")


class CompilingHook(BuildHookInterface):
    """Compiles the rules, and `scanner/git/kernel/`: beside its sources for an editable installation, else into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add what was compiled to what the wheel holds."""
        if self.target_name != "wheel":
            return
        self._folder = tempfile.mkdtemp(prefix="sealgate-build-")
        if version != "editable":
            self._add_rules(build_data)
        wanted = os.environ.get("SEALGATE_KERNEL", "")
        if wanted != "0":
            self._add_kernel(version, build_data, must=wanted == "1")

    def _add_rules(self, build_data: dict[str, Any]) -> None:
        """Compile the rules for this machine; elsewhere, and after any change to them, they are compiled anew."""
        sys.path.insert(0, self.root)
        try:
            from scanner.detect.prefilter import write_builtin

            path = write_builtin(self._folder)
        except Exception as error:  # noqa: BLE001 - the rules that come with it are good; whatever a library can raise
            self.app.display_warning(f"the rules are not compiled, the first run will do that: {error}")
            return
        finally:
            sys.path.remove(self.root)
        build_data["force_include"][path] = f"scanner/rules/{os.path.basename(path)}"

    def _add_kernel(self, version: str, build_data: dict[str, Any], *, must: bool) -> None:
        try:
            built = _compile(self.root, self._folder)
        except (Exception, SystemExit) as error:  # whatever a compiler that is not there can raise
            if must:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            self.app.display_warning(f"the compiled kernel is left out, git will read every object: {reason}")
            return
        if version == "editable":
            for extension in built:
                shutil.copy(extension, os.path.join(self.root, *_PACKAGE))
            return
        for extension in built:
            build_data["force_include"][extension] = "/".join([*_PACKAGE, os.path.basename(extension)])
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was only there for the build."""
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)


def _has_libdeflate(folder: str) -> bool:
    """Whether a compiler finds libdeflate, which inflates in half the time."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    source = os.path.join(folder, "probe.c")
    with open(source, "w", encoding="ascii") as stream:
        stream.write("#include <libdeflate.h>\nvoid *PyInit_probe(void) { return libdeflate_alloc_decompressor(); }\n")
    command = build_ext(Distribution({"ext_modules": [Extension("probe", [source], libraries=["deflate"])]}))
    command.build_lib, command.build_temp = folder, os.path.join(folder, "temp")
    command.ensure_finalized()
    try:
        command.run()
    except (Exception, SystemExit):  # noqa: BLE001 - whatever a compiler can raise
        return False
    return True


def _compile(root: str, folder: str) -> list[str]:
    """Translate and compile the kernel's sources into the folder; return the extensions' paths."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    # A copy of the packages that the sources name, so that nothing is written beside them.
    for depth in range(1, len(_PACKAGE) + 1):
        os.makedirs(os.path.join(folder, *_PACKAGE[:depth]))
        shutil.copy(os.path.join(root, *_PACKAGE[:depth], "__init__.py"), os.path.join(folder, *_PACKAGE[:depth]))
    names = sorted(os.listdir(os.path.join(root, *_PACKAGE)))
    # A module with types beside it runs without a compiler too.
    typed = [name for name in names if name.endswith(".py") and name.replace(".py", ".pxd") in names]
    sources = [name for name in names if name.endswith((".pyx", ".pxd"))] + typed
    for name in sources:
        shutil.copy(os.path.join(root, *_PACKAGE, name), os.path.join(folder, *_PACKAGE))
    windows = sys.platform == "win32"
    fast = ["deflate"] if _has_libdeflate(folder) else []
    extensions = [
        Extension(
            ".".join([*_PACKAGE, os.path.splitext(name)[0]]),
            [os.path.join(*_PACKAGE, name)],
            libraries=["zlib" if windows else "z", *fast],
            define_macros=[("SEALGATE_LIBDEFLATE", "1")] if fast else [],
            extra_compile_args=[] if windows else ["-O2", "-g0"],
        )
        for name in sources
        if not name.endswith(".pxd")
    ]
    before = os.getcwd()
    os.chdir(folder)
    try:
        modules = cythonize(extensions, quiet=True, language_level=3)
        command = build_ext(Distribution({"ext_modules": modules}))
        command.build_lib, command.build_temp = folder, os.path.join(folder, "temp")
        command.ensure_finalized()
        command.run()
        return [os.path.join(folder, command.get_ext_filename(extension.name)) for extension in extensions]
    finally:
        os.chdir(before)
