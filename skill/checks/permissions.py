"""May the account read and write what the gateway needs? Asked of the operating system for this account, nothing is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Iterable, List, Tuple

from ..model import Check, Finding, Text
from .look import looking
from .tell import error, warning


def run(ctx: Any) -> Iterable[Finding]:
    look = looking(ctx)
    home = look.home
    uid = os.geteuid() if hasattr(os, "geteuid") else None
    account = _account(home.state_dir)
    for path, need in _wanted(home):
        try:
            found = os.stat(str(path))
        except FileNotFoundError:
            continue
        except OSError as problem:
            yield error(
                "permissions/not-owner",
                "{} cannot be reached: {}".format(path, problem.strerror),
                "无法访问 {}:{}".format(path, problem.strerror),
                path,
                _fix(path),
                reason=problem.strerror,
            )
            continue
        foreign = uid is not None and found.st_uid not in (uid, account) if uid != 0 else account not in (None, found.st_uid)
        if not os.access(str(path), need):
            kind = "permissions/not-owner" if uid is not None and found.st_uid != uid else "permissions/not-writable"
            yield error(
                kind,
                "This account may not {} {}".format("write" if need & os.W_OK else "read", path),
                "本账户无权{} {}".format("写入" if need & os.W_OK else "读取", path),
                path,
                _fix(path),
                owner=found.st_uid,
                mode=oct(found.st_mode & 0o7777),
            )
        elif foreign and not look.up and _blamed(look.log, path):
            # We run as root and may do everything; the gateway's own account may not.
            yield error(
                "permissions/not-owner",
                "{} belongs to uid {}, and the gateway of uid {} is denied access".format(path, found.st_uid, account),
                "{} 属于 uid {},uid {} 的网关被拒绝访问".format(path, found.st_uid, account),
                path,
                _fix(path, str(account)),
                owner=found.st_uid,
                wanted=account,
            )
        elif foreign:
            yield warning(
                "permissions/foreign-owner",
                "{} belongs to uid {}, the state directory to uid {}".format(path, found.st_uid, account),
                "{} 属于 uid {},而状态目录属于 uid {}".format(path, found.st_uid, account),
                path,
                _fix(path),
                owner=found.st_uid,
                wanted=account,
            )
        elif uid == 0 and uid == account and not _writable_bits(found, need):
            yield warning(
                "permissions/not-writable",
                "{} has mode {}: nobody but root could write it".format(path, oct(found.st_mode & 0o7777)),
                "{} 的权限是 {}:除 root 外无人可写".format(path, oct(found.st_mode & 0o7777)),
                path,
                _fix(path),
                mode=oct(found.st_mode & 0o7777),
            )
        if path == home.config_path and os.name != "nt" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o007:
            yield warning(
                "permissions/world-readable",
                "Every user of this machine can read {}".format(path),
                "本机所有用户都能读取 {}".format(path),
                path,
                ("chmod 600 {}".format(path), "chmod 600 {}".format(path)),
                mode=oct(found.st_mode & 0o7777),
            )


def _wanted(home: Any) -> List[Tuple[Path, int]]:
    both = os.R_OK | os.W_OK
    folders = [home.state_dir] + [home.state_dir / n for n in ("state", "agents", "logs", "tmp", "credentials", "extensions")]
    wanted = [(folder, both | os.X_OK) for folder in folders]
    return wanted + [(home.config_path, os.R_OK), (home.env_file, os.R_OK), (home.state_dir / "state" / "openclaw.sqlite", both)]


def _account(state_dir: Path) -> Any:
    try:
        return os.stat(str(state_dir.parent)).st_uid
    except OSError:
        return None


def _writable_bits(found: os.stat_result, need: int) -> bool:
    return not need & os.W_OK or bool(found.st_mode & 0o200)


def _blamed(log: str, path: Path) -> bool:
    denied = (line for line in log.splitlines() if "EACCES" in line or "EPERM" in line or "ermission denied" in line)
    return any(str(path) in line for line in denied)


def _fix(path: Path, account: str = "$(id -un)") -> Tuple[str, str]:
    text = "sudo chown -R {1} '{0}' && chmod -R u+rwX '{0}'".format(path, account)
    return text, text


CHECK = Check("permissions", Text("Permissions", "权限"), run)
