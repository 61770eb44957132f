"""Files that survive kill -9: atomic writes, bounded reads, JSON with errors that name the file."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Optional, Union

from .errors import SettingsError
from .model import Text

PathLike = Union[str, Path]
REMEDY = Text(
    "fix it there, or move the file aside (nothing has been changed)",
    "请在该处改正，或将文件移走（尚未改动任何内容）",
)


def private_dir(path: PathLike) -> Path:
    """Make a directory (and its parents) that only the owner can read (0700)."""
    path = Path(path)
    made = (
        [path] + [parent for parent in path.parents if not os.path.isdir(parent)]
        if not os.path.isdir(path)
        else []
    )
    if made:
        path.mkdir(parents=True, exist_ok=True)
        for each in made:
            with contextlib.suppress(OSError):
                os.chmod(each, 0o700)
    return path


def write_atomic(
    path: PathLike,
    content: Union[bytes, str],
    mode: int = 0o600,
    keep_mode: bool = False,
    was: Optional[Callable[[bytes], None]] = None,
) -> None:
    """Replace `path` whole or not at all. keep_mode keeps mode and owner of an existing file. A
    link is written through. Raises OSError.

    was: handed the bytes that are being replaced; what it raises leaves them where they are.
    """
    path = Path(os.path.realpath(str(path)))
    raw = content.encode("utf-8") if isinstance(content, str) else content
    before = os.stat(path) if keep_mode and os.path.exists(path) else None
    handle, temporary = tempfile.mkstemp(
        prefix="." + path.name + ".", suffix=".tmp", dir=str(path.parent)
    )
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(raw)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, (before.st_mode & 0o7777) if before else mode)
        if (
            before
            and hasattr(os, "chown")
            and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid())
        ):
            with contextlib.suppress(OSError):
                os.chown(temporary, before.st_uid, before.st_gid)
        if was is None or not os.path.exists(path):
            _replace(temporary, path)
        elif _exchange(temporary, str(path)):
            try:
                was(Path(temporary).read_bytes())
            except BaseException:  # somebody wrote it while we prepared
                _exchange(temporary, str(path))
                raise
            os.unlink(temporary)
        else:
            was(path.read_bytes())
            _replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name != "nt":
        with contextlib.suppress(OSError):
            directory = os.open(str(path.parent), os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def _exchange(one: str, two: str) -> bool:
    """Swap two files in one step, so that whatever stood there in that very moment is still there.
    False where the system or the filesystem cannot.
    """
    try:
        import ctypes

        swap = ctypes.CDLL(None, use_errno=True).renameat2
        here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        return bool(swap(here, os.fsencode(one), here, os.fsencode(two), exchange) == 0)
    except (ImportError, OSError, AttributeError, TypeError):
        return False


def _replace(source: str, target: Path) -> None:
    """os.replace, tried again for a moment: on Windows a virus scanner or a reader may hold the
    target.
    """
    for attempt in range(10):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == 9:
                raise
            time.sleep(0.05 * (attempt + 1))


def write_json(path: PathLike, value: Any) -> None:
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False) + "\n")


def is_something_else(path: PathLike) -> bool:
    """Whether a directory, a pipe, a device or a link to itself lies where a file should be."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno == errno.ELOOP
    return not os.path.isfile(path)


def read_file(path: PathLike) -> bytes:
    """The bytes of a file. Raise OSError, also for a pipe or a device: reading one would wait for
    ever.
    """
    if is_something_else(path) and not os.path.isdir(path):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return Path(path).read_bytes()


def read_json(path: PathLike, default: Any = None) -> Any:
    """Given a JSON file, return its value; `default` where it does not exist. Raise SettingsError
    with line and column.
    """
    try:
        raw = read_file(path)
    except FileNotFoundError:
        return default
    except OSError as error:
        raise SettingsError(
            str(path), [Text.of("cannot be read: {}", "无法读取：{}", error.strerror)], REMEDY
        ) from error
    try:
        return json_bounded(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError(
            str(path),
            [Text.of("is not UTF-8 at byte {}", "第 {} 字节不是 UTF-8", error.start)],
            REMEDY,
        ) from error
    except json.JSONDecodeError as error:
        raise SettingsError(
            str(path),
            [
                Text.of(
                    "line {} column {}: {}",
                    "第 {} 行第 {} 列：{}",
                    error.lineno,
                    error.colno,
                    error.msg,
                )
            ],
            REMEDY,
        ) from error
    except ValueError as error:  # after its own kinds above
        raise SettingsError(
            str(path), [Text("is nested too deeply or too large", "嵌套过深或过大")], REMEDY
        ) from error


MAX_JSON = 8_000_000  # characters
MAX_DEPTH = 100  # levels; OpenClaw's own files and answers have ten


def json_bounded(raw: Union[bytes, str], limit: int = MAX_JSON, depth: int = MAX_DEPTH) -> Any:
    """The value of JSON that anybody may have written. Raise ValueError also where it is larger or
    deeper than anything we look for.
    """
    if len(raw) > limit:
        raise ValueError("larger than {} characters".format(limit))
    text = raw.decode("utf-8-sig", "replace") if isinstance(raw, bytes) else raw
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level, deep = [value], 0
    while level:
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, (dict, list))
        ]
        deep += 1
        if deep > depth:
            raise ValueError("nested too deeply")
    return value


def set_aside(path: PathLike) -> Optional[str]:
    """Rename a damaged file to <name>.corrupt.<time>; return its new name, None when it could not
    be moved.
    """
    path = Path(path)
    target = path.with_name("{}.corrupt.{}".format(path.name, time.strftime("%Y%m%dT%H%M%S")))
    try:
        os.replace(path, target)
    except OSError:
        return None
    return str(target)


def memory_dir(mark_of: PathLike) -> Path:
    """Where a note can still be kept when a state directory cannot be written: per user and per
    state directory, gone after a reboot. Made by memory(). A place where another account has made
    a folder of that name is passed over.
    """
    name = _memory_name(str(mark_of))
    shared = ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir())
    first: Optional[Path] = None
    for place in shared:
        if not (place and os.path.isdir(place) and os.access(place, os.W_OK)):
            continue
        folder = Path(place) / name
        if is_private(folder) or not os.path.lexists(str(folder)):
            return folder
        first = first or folder
    return first or Path(tempfile.gettempdir()) / name


@functools.lru_cache(maxsize=64)
def _memory_name(mark_of: str) -> str:
    uid = getattr(os, "getuid", lambda: 0)()
    mark = hashlib.sha256(mark_of.encode("utf-8", "replace")).hexdigest()[:12]
    return "iflow-doctor-{}-{}".format(uid, mark)


def is_private(folder: Path) -> bool:
    """Whether a folder in a shared place is ours: what somebody else prepared is not read."""
    try:
        return (
            folder.lstat().st_uid == getattr(os, "getuid", lambda: 0)() and not folder.is_symlink()
        )
    except OSError:
        return False


def memory(mark_of: PathLike) -> Path:
    """memory_dir(), made. Raise OSError when somebody else made it."""
    folder = memory_dir(mark_of)
    private_dir(folder)
    if not is_private(folder):
        raise PermissionError("{} belongs to somebody else".format(folder))
    return folder


def tail_bytes(path: PathLike, limit: int = 262144) -> bytes:
    """The last `limit` bytes of a file, from a whole line on; b"" when it cannot be read."""
    try:
        with open(path, "rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - limit))
            raw = handle.read(limit)
    except OSError:
        return b""
    if size > limit:
        cut = raw.find(b"\n")
        raw = raw[cut + 1 :] if cut >= 0 else raw
    return raw


def append_line(path: PathLike, line: str, max_bytes: int = 5_000_000, keep: int = 5) -> None:
    """Append one line (0600); rotate to .1 .. .keep past max_bytes. Raises OSError."""
    path = Path(path)
    with contextlib.suppress(OSError):
        if path.stat().st_size > max_bytes:
            for number in range(keep - 1, 0, -1):
                with contextlib.suppress(OSError):
                    os.replace("{}.{}".format(path, number), "{}.{}".format(path, number + 1))
            os.replace(path, "{}.1".format(path))
    descriptor = os.open(str(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as out:
        out.write(line.rstrip("\n").encode("utf-8", "replace") + b"\n")


_CHECKOUT = Path(__file__).resolve().parent.parent
_INSTALLED = Path(sys.prefix) / "share" / "openclaw-iflow-doctor"


def shipped_path(*parts: str) -> Path:
    """Beside the package in a checkout or skill directory; below sys.prefix when installed by pip.
    May not exist.
    """
    root = _CHECKOUT if os.path.isfile(_CHECKOUT / "SKILL.md") else _INSTALLED
    return root.joinpath(*parts)
