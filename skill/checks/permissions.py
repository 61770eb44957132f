"""May the account read and write what the gateway needs? Asked of the operating system for this
account, nothing is written.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Tuple

from ..model import Check, Finding, Severity, Text
from ..openclaw import logs
from .base import error, looking, warning

if TYPE_CHECKING:
    from ..openclaw.home import Home
    from .base import Seen


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    found = list(_known(look))
    if any(one.check_id == "permissions/foreign-owner" for one in found):
        found = [_whole(look, one) for one in found]  # else the next folder is denied next
    yield from found
    if not look.up and not any(one.severity is Severity.ERROR for one in found):
        yield from _deeper(look)


# what a refused start says of it; 2026.9.6 leaves the path out ("mkdir [redacted-path]")
_DENIED = re.compile(r"EACCES|EPERM|[Pp]ermission denied")
MOST = 5000  # entries that are looked at


def _deeper(look: Any) -> Iterable[Finding]:
    """Access is denied, and nothing at the top of the state directory explains it: one `sudo
    openclaw` leaves folders of root's anywhere below.
    """
    account = _owner(look.home.state_dir)
    if account is None or not any(
        _DENIED.search(line) and not logs.quoted(line) for line in look.log.splitlines()
    ):
        return
    left = MOST
    for base, folders, names in os.walk(str(look.home.state_dir)):
        folders[:] = [name for name in folders if name not in ("node_modules", "iflow-doctor")]
        for name in folders + names:
            left -= 1
            path = Path(base) / name
            owner = _owner(path)
            if owner is not None and owner != account:
                yield error(
                    "permissions/not-owner",
                    "{} belongs to uid {}, and the gateway of uid {} is denied access".format(
                        path, owner, account
                    ),
                    "{} 属于 uid {}，uid {} 的网关被拒绝访问".format(path, owner, account),
                    path,
                    _fix(look.home.state_dir, str(account)),
                    owner=owner,
                    wanted=account,
                )
                return
        if left < 0:
            return


def _whole(look: Any, one: Finding) -> Finding:
    wanted = one.evidence.get("wanted")
    if one.check_id != "permissions/not-owner" or wanted is None:
        return one
    return replace(one, fix_hint=Text(*_fix(look.home.state_dir, str(wanted))))


def _known(look: Any) -> Iterable[Finding]:
    home = look.home
    uid = os.geteuid() if hasattr(os, "geteuid") else None
    account = _account(home.state_dir)
    for path, need in _wanted(home):
        try:
            found = os.stat(str(path))
        except FileNotFoundError:
            if os.path.islink(str(path)) and path in _needed(home):
                yield _dangling(look, path)
            continue
        except NotADirectoryError:  # the folder above is said to be none
            continue
        except OSError as problem:
            yield _unreachable(path, problem)
            continue
        if need & os.X_OK and not stat.S_ISDIR(found.st_mode):
            if path not in _needed(home):
                continue
            yield (warning if look.up else error)(
                "permissions/not-a-folder",
                "{} is not a folder, "
                "and the gateway keeps its data in a folder of that name".format(path),
                "{} 不是文件夹，而网关要在同名文件夹里存放数据".format(path),
                path,
                (
                    "look what it is: ls -ld '{0}'; "
                    "then move it away and put the folder back".format(path),
                    "查看它是什么：ls -ld '{0}'；然后移走它并放回原文件夹".format(path),
                ),
            )
            continue
        foreign = (
            uid is not None and found.st_uid not in (uid, account)
            if uid != 0
            else account not in (None, found.st_uid)
        )
        if not os.access(str(path), need):
            kind = (
                "permissions/not-owner"
                if uid is not None and found.st_uid != uid
                else "permissions/not-writable"
            )
            yield error(
                kind,
                "This account may not {} {}".format("write" if need & os.W_OK else "read", path),
                "本账户无权{} {}".format("写入" if need & os.W_OK else "读取", path),
                path,
                _unlock(path) if _flagged(path, found, uid) else _fix(path),
                owner=found.st_uid,
                mode=oct(found.st_mode & 0o7777),
            )
        elif foreign and not look.up and _blamed(look.log, path):
            # We run as root and may do everything; the gateway's own account may not.
            yield error(
                "permissions/not-owner",
                "{} belongs to uid {}, and the gateway of uid {} is denied access".format(
                    path, found.st_uid, account
                ),
                "{} 属于 uid {},uid {} 的网关被拒绝访问".format(path, found.st_uid, account),
                path,
                _fix(path, str(account)),
                owner=found.st_uid,
                wanted=account,
            )
        elif foreign:
            yield warning(
                "permissions/foreign-owner",
                "{} belongs to uid {}, the state directory to uid {}".format(
                    path, found.st_uid, account
                ),
                "{} 属于 uid {}，而状态目录属于 uid {}".format(path, found.st_uid, account),
                path,
                _fix(path),
                owner=found.st_uid,
                wanted=account,
            )
        elif uid == 0 and uid == account and not _writable_bits(found, need):
            yield warning(
                "permissions/not-writable",
                "{} has mode {}: nobody but root could write it".format(
                    path, oct(found.st_mode & 0o7777)
                ),
                "{} 的权限是 {}：除 root 外无人可写".format(path, oct(found.st_mode & 0o7777)),
                path,
                _fix(path),
                mode=oct(found.st_mode & 0o7777),
            )
        if (
            path == home.config_path
            and os.name != "nt"
            and stat.S_ISREG(found.st_mode)
            and found.st_mode & 0o007
        ):
            yield warning(
                "permissions/world-readable",
                "Every user of this machine can read {}".format(path),
                "本机所有用户都能读取 {}".format(path),
                path,
                ("chmod 600 {}".format(path), "chmod 600 {}".format(path)),
                mode=oct(found.st_mode & 0o7777),
            )
    if not look.up:
        yield from _temporary(look)


# 2026.9.6 copies a database into the user's cache folder before it reads it; where it may write
# neither that nor a folder beside it, it calls the sound database unreadable and exits with 78.
_NO_TEMPORARY = re.compile(
    r"(?:Unable to create|Unsafe) fallback [\w ]{1,40}dir: (/[^|\n]{1,400}?)(?: \||$)"
    r"|snapshot staging root (/[^;\n]{1,400}); free disk",
    re.M,
)


def _temporary(look: Any) -> Iterable[Finding]:
    """The last words name a folder for temporary copies, and this account cannot write it."""
    named = list(_NO_TEMPORARY.finditer(look.log))
    if not named or look.elsewhere:
        return
    found = named[-1]
    path = Path((found.group(1) or found.group(2)).strip())
    above = next((one for one in [path, *path.parents] if os.path.lexists(str(one))), Path("/"))
    account = _owner(look.home.state_dir)
    if (
        os.path.isdir(str(above))
        and _can_make(above)
        and not _of_others(above, account, above == path)
    ):
        return
    fix = (
        "make {0} writable (in a container: mount a writable volume at {1}), or set "
        "XDG_CACHE_HOME to a folder that is".format(above, path.parent),
        "让 {0} 可写（容器中：在 {1} 挂载可写卷），或将 XDG_CACHE_HOME 设为可写的文件夹".format(
            above, path.parent
        ),
    )
    if account is not None and _owner(above) != account:  # one `sudo openclaw` is enough
        fix = _fix(above, str(account))
    yield error(
        "permissions/temp-folder",
        "The gateway keeps its temporary copies of databases in {}, and {} is not writable: it "
        "calls a sound database unreadable".format(path, above),
        "网关把数据库的临时副本放在 {}，而 {} 不可写：完好的数据库被说成无法读取".format(
            path, above
        ),
        above,
        fix,
        folder=str(path),
    )


def _owner(path: Path) -> Optional[int]:
    try:
        return os.lstat(str(path)).st_uid if hasattr(os, "geteuid") else None
    except OSError:
        return None


def _can_make(folder: Path) -> bool:
    """Whether files can be made there. A read-only file system refuses root as well."""
    try:
        read_only = bool(os.statvfs(str(folder)).f_flag & getattr(os, "ST_RDONLY", 1))
    except (OSError, AttributeError):
        read_only = False
    return not read_only and os.access(str(folder), os.W_OK | os.X_OK)


def _of_others(folder: Path, account: Optional[int], itself: bool) -> bool:
    """Whether the gateway's account would refuse it as its own (somebody else's, or writable for
    others), or may not write it although we may.
    """
    if account is None:
        return False
    found = os.lstat(str(folder))
    if itself:
        return found.st_uid != account or bool(found.st_mode & 0o022)
    if os.geteuid() == account:
        return False
    return not found.st_mode & (0o200 if found.st_uid == account else 0o022)


def _unreachable(path: Path, problem: OSError) -> Finding:
    """Not even its owner can be asked for."""
    loop = problem.errno == errno.ELOOP
    fix = (
        "look where it leads: ls -l '{0}'; then put the real file or folder there".format(path),
        "查看它指向哪里：ls -l '{0}'；然后放回真正的文件或文件夹".format(path),
    )
    if problem.errno in (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT):
        fix = (
            "the volume of {} does not answer: sudo dmesg | tail -20, then mount it again".format(
                path
            ),
            "{} 所在的卷没有响应：sudo dmesg | tail -20，然后重新挂载".format(path),
        )
    elif not loop:
        fix = _fix(path)
    return error(
        "permissions/dangling-link" if loop else "permissions/not-owner",
        "{} cannot be reached: {}".format(path, problem.strerror),
        "无法访问 {}：{}".format(path, problem.strerror),
        path,
        fix,
        reason=problem.strerror,
    )


def _needed(home: Home) -> List[Path]:
    """Folders without which 2026.9.6 does not start (measured: exit 78)."""
    return [home.state_dir, home.state_dir / "state", home.state_dir / "agents"]


def _dangling(look: Any, path: Path) -> Finding:
    to = os.readlink(str(path))
    return (warning if look.up else error)(
        "permissions/dangling-link",
        "{} is a link to {}, which does not exist: a volume that is not mounted?".format(path, to),
        "{} 是指向 {} 的链接，而目标不存在：卷未挂载？".format(path, to),
        path,
        (
            "mount the volume of {}, or put the folder back".format(to),
            "请挂载 {} 所在的卷，或放回该文件夹".format(to),
        ),
        target=to,
    )


def _wanted(home: Home) -> List[Tuple[Path, int]]:
    both = os.R_OK | os.W_OK
    folders = [home.state_dir] + [
        home.state_dir / n for n in ("state", "agents", "logs", "tmp", "credentials", "extensions")
    ]
    wanted = [(folder, both | os.X_OK) for folder in folders]
    return wanted + [
        (home.config_path, os.R_OK),
        (home.env_file, os.R_OK),
        (home.state_dir / "state" / "openclaw.sqlite", both),
    ]


def _account(state_dir: Path) -> Any:
    try:
        return os.stat(str(state_dir.parent)).st_uid
    except OSError:
        return None


def _writable_bits(found: os.stat_result, need: int) -> bool:
    return not need & os.W_OK or bool(found.st_mode & 0o200)


def _blamed(log: str, path: Path) -> bool:
    denied = (
        line
        for line in log.splitlines()
        if "EACCES" in line or "EPERM" in line or "ermission denied" in line
    )
    return any(str(path) in line for line in denied)


def _flagged(path: Path, found: os.stat_result, uid: Any) -> bool:
    """Owner and mode allow it, the file system is writable, and it may not be written all the same:
    the file is marked as immutable.
    """
    if uid not in (0, found.st_uid) or not found.st_mode & 0o200 or not hasattr(os, "statvfs"):
        return False
    try:
        return not os.statvfs(str(path)).f_flag & os.ST_RDONLY
    except OSError:
        return False


def _unlock(path: Path) -> Tuple[str, str]:
    """The command that takes the mark away, on Linux and on macOS."""
    text = "sudo chattr -i '{0}' || sudo chflags nouchg '{0}'".format(path)
    return text, text


def _fix(path: Path, account: str = "$(id -un)") -> Tuple[str, str]:
    text = "sudo chown -R {1} '{0}' && chmod -R u+rwX '{0}'".format(path, account)
    return text, text


CHECK = Check("permissions", Text("Permissions", "权限"), run)
