"""npm left half of it, or somebody's clean-up took a part. The package is a copy of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..model import ESCALATE, HEAL, Facts
from ..place import Place
from .base import BOTH, PRACTICE, REAL, fault, pick

MORE = {"needs_copy": True, "targets": REAL, "limit_s": 560.0}


def package(p: Place) -> Path:
    assert p.package
    return p.package


def gone(p: Place, *patterns: str) -> None:
    found = [path for pattern in patterns for path in package(p).glob(pattern)]
    if not found:
        raise RuntimeError("nothing matches {}".format(patterns))
    for path in found:
        path.unlink()
    p.kill_gateway()


@fault("install-entry-missing", "installation", "dist/entry is missing", HEAL, **MORE)
def entry(p: Place) -> None:
    gone(p, "dist/entry.js", "dist/entry.mjs")


@fault("install-chunk-missing", "installation", "a chunk of dist is missing", HEAL, **MORE)
def chunk(p: Place) -> None:
    gone(p, pick(p, ("dist/server-start-*.mjs", "dist/server-start-*.*")))


@fault("install-chunk-zeroed", "installation", "a chunk of dist became zero bytes", HEAL, **MORE)
def zeroed(p: Place) -> None:
    found = sorted(package(p).glob("dist/server-start-*.*"))
    path = found[0]
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(bytes(len(raw)))
    p.kill_gateway()


@fault("install-dependency-missing", "installation", "a dependency's folder is gone", HEAL, **MORE)
def dependency(p: Place) -> None:
    for name in (pick(p, ("ws", "zod")),):
        path = package(p).parent / name
        inner = package(p) / "node_modules" / name
        for each in (path, inner):
            if each.is_symlink():
                each.unlink()
            elif each.exists():
                shutil.rmtree(str(each))
    p.kill_gateway()


@fault("install-manifest-cut", "installation", "package.json is cut", HEAL, **MORE)
def manifest(p: Place) -> None:
    path = package(p) / "package.json"
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw[: p.rng.randrange(50, 400)])
    p.kill_gateway()


@fault(
    "install-chunk-html",
    "installation",
    "a proxy's login page was saved in place of a chunk",
    HEAL,
    **MORE,
)
def html(p: Place) -> None:
    path = sorted(package(p).glob("dist/server-start-*.*"))[0]
    path.unlink()
    path.write_text("<html><title>Sign in to the network</title></html>\n")
    p.kill_gateway()


GONE = Facts(
    cause=(r"not found|missing|ENOENT|no such|cannot be (run|started)|install|PATH",),
    evidence=(r"openclaw|127|126|PATH|program",),
    remedy=(r"npm|install|reinstall",),
)


@fault(
    "install-program-gone",
    "installation",
    "the program `openclaw` is gone (npm uninstall half-way)",
    ESCALATE,
    targets=PRACTICE,
    limit_s=120,
    facts=GONE,
)
def program_gone(p: Place) -> None:
    (p.program_path / "openclaw").unlink()
    p.kill_gateway()


@fault(
    "install-link-dangling",
    "installation",
    "`openclaw` links to a package that is gone",
    ESCALATE,
    targets=PRACTICE,
    limit_s=120,
    facts=GONE,
)
def dangling(p: Place) -> None:
    shutil.rmtree(str(package(p)))
    p.kill_gateway()


@fault("install-node-gone", "installation", "the service's node is gone", ESCALATE, targets=REAL, limit_s=120, facts=Facts(
    cause=(r"node",),
    evidence=(r"not found|127|PATH|version|missing|node",),
    remedy=(r"install|PATH|path",),
))  # fmt: skip
def node_gone(p: Place) -> None:
    assert p.subject is not None
    bare = p.root / "bare"
    bare.mkdir()
    for name in ("sh", "env", "cat", "sed", "dirname", "readlink", "uname", "basename"):
        real = shutil.which(name)
        if real:
            os.symlink(real, str(bare / name))
    path = os.pathsep.join([str(p.program_path), str(bare)])
    p.subject.break_environment(p, {"PATH": path})
    p.kill_gateway()


@fault("install-not-executable", "installation", "`openclaw` lost its x bit", ESCALATE, targets=PRACTICE, limit_s=120, facts=Facts(
    cause=(r"permission|not executable|cannot be (run|started)|EACCES|not found|missing",),
    evidence=(r"openclaw|126|127",),
    remedy=(r"chmod|npm|install",),
))  # fmt: skip
def not_executable(p: Place) -> None:
    target = Path(os.path.realpath(str(p.program_path / "openclaw")))
    os.chmod(str(target), 0o644)
    p.kill_gateway()


__all__ = ["BOTH"]
