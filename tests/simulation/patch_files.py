"""The file calls of Python during a run: faults of the disk, times of the world, who replaced what."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import tempfile
import time
from typing import Any, Dict

real_open = builtins.open
REAL: Dict[str, Any] = {
    name: getattr(os, name)
    for name in (
        "open",
        "replace",
        "rename",
        "unlink",
        "remove",
        "mkdir",
        "rmdir",
        "stat",
        "lstat",
        "utime",
        "link",
        "symlink",
        "scandir",
        "chmod",
        "fsync",
        "kill",
        "killpg",
        "getpid",
        "urandom",
        "statvfs",
        "listdir",
    )
    if hasattr(os, name)
}
real_rmtree, real_time, real_monotonic = shutil.rmtree, time.time, time.perf_counter
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class FilePatches:
    """A part of Patches."""

    world: Any
    dirty: Dict[str, float]
    put: Any

    # -- files --------------------------------------------------------------------------------------------------------
    def flush(self) -> None:
        """Give what was written since the last look the world's time instead of the machine's."""
        if self.dirty:
            todo, self.dirty = self.dirty, {}
            for path, at in todo.items():
                try:
                    REAL["utime"](path, (at, at))
                except OSError:
                    pass

    def _files(self) -> None:
        world, root = self.world, str(self.world.root)
        r_open, r_replace, r_rename, r_unlink = (
            REAL["open"],
            REAL["replace"],
            REAL["rename"],
            REAL["unlink"],
        )
        r_mkdir, r_stat, r_lstat = REAL["mkdir"], REAL["stat"], REAL["lstat"]

        def text(path: Any) -> str:
            if isinstance(path, str):
                return path
            if isinstance(path, int):
                return ""
            path = os.fspath(path)
            return path if isinstance(path, str) else os.fsdecode(path)

        def ours(path: str) -> bool:
            return path.startswith(root) or path.startswith("/dev/shm/iflow-doctor-")

        def moved(path: str) -> Any:
            """Where a place that all programs of a machine share lies in this world."""
            return root + path if path.startswith("/tmp/openclaw") else path

        def os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
            if dir_fd is None and flags & WRITING:
                name = moved(text(path))
                if ours(name):
                    world.write_effect("open", name, bool(flags & os.O_APPEND))
                    self.dirty[name] = world.wall()
                path = name
            return (
                r_open(path, flags, mode)
                if dir_fd is None
                else r_open(path, flags, mode, dir_fd=dir_fd)
            )

        def any_open(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
            if isinstance(file, int):
                return real_open(file, mode, *args, **more)
            name = text(file)
            if name.startswith("/proc/"):
                content = world.proc_file(name)
                return io.BytesIO(content) if "b" in mode else io.StringIO(content.decode())
            name = moved(name)
            if ("w" in mode or "a" in mode or "x" in mode or "+" in mode) and ours(name):
                world.write_effect("open", name, "a" in mode)
                self.dirty[name] = world.wall()
            return real_open(name, mode, *args, **more)

        def replace(src: Any, dst: Any, **more: Any) -> None:
            source, target = text(src), text(dst)
            world.write_effect("replace", target)
            self.flush()
            before = world.before_change(target)
            r_replace(source, target)
            cache.clear()
            REAL["utime"](target, (world.wall(), world.wall())) if ".tmp" in source else None
            world.after_change("replace", target, before)

        def rename(src: Any, dst: Any, **more: Any) -> None:
            source, target = text(src), text(dst)
            world.write_effect("rename", target)
            self.flush()
            before, gone = world.before_change(target), world.before_change(source)
            r_rename(source, target)
            cache.clear()
            world.after_change("rename", target, before)
            world.after_change("rename", source, gone)

        def unlink(path: Any, *, dir_fd: Any = None) -> None:
            if dir_fd is not None:
                world.effect("unlink")
                cache.clear()
                return r_unlink(path, dir_fd=dir_fd)
            name = text(path)
            world.write_effect("unlink", name, True)
            before = world.before_change(name)
            r_unlink(name)
            cache.clear()
            world.after_change("unlink", name, before)

        def mkdir(path: Any, mode: int = 0o777, *, dir_fd: Any = None) -> None:
            world.write_effect("mkdir", text(path))
            cache.clear()
            r_mkdir(path, mode) if dir_fd is None else r_mkdir(path, mode, dir_fd=dir_fd)

        cache = world.seen_files

        def looked(name: str, follow: bool) -> Any:
            if self.dirty:
                self.flush()
                cache.clear()
            key = name if follow else "\0" + name
            hit = cache.get(key)
            if hit is None:
                try:
                    hit = r_stat(moved(name)) if follow else r_lstat(name)
                except OSError as error:
                    hit = error.errno
                cache[key] = hit
            if type(hit) is int:
                raise OSError(hit, os.strerror(hit), name)
            return hit

        def stat(path: Any, *, dir_fd: Any = None, follow_symlinks: bool = True) -> Any:
            if dir_fd is None and type(path) is not int:
                return looked(path if type(path) is str else text(path), follow_symlinks)
            return r_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

        def lstat(path: Any, *, dir_fd: Any = None) -> Any:
            if dir_fd is None:
                return looked(path if type(path) is str else text(path), False)
            return r_lstat(path, dir_fd=dir_fd)

        def scandir(path: Any = ".") -> Any:
            if self.dirty:
                self.flush()
            return REAL["scandir"](path if isinstance(path, int) else moved(text(path)))

        def fsync(descriptor: int) -> None:
            world.effect("fsync")
            if world.disk_full and world.current is not None:
                name = os.readlink("/proc/self/fd/{}".format(descriptor))
                if not name.startswith("/dev/shm/iflow-doctor-"):  # memory has room
                    raise OSError(errno.ENOSPC, "No space left on device")

        def clearing(name: str) -> Any:
            def work(*args: Any, **more: Any) -> Any:
                cache.clear()
                return REAL[name](*args, **more)

            return work

        for name in ("rmdir", "chmod", "symlink", "link"):
            self.put(os, name, clearing(name))

        def utime(path: Any, *args: Any, **more: Any) -> None:
            cache.clear()
            self.dirty.pop(text(path), None)
            REAL["utime"](path, *args, **more)

        for name, value in dict(
            open=os_open,
            replace=replace,
            rename=rename,
            unlink=unlink,
            remove=unlink,
            mkdir=mkdir,
            stat=stat,
            lstat=lstat,
            fsync=fsync,
            utime=utime,
            scandir=scandir,
        ).items():
            self.put(os, name, value)
        self.put(builtins, "open", any_open)
        self.put(io, "open", any_open)
        self.put(os, "urandom", world.random_bytes)
        self.put(os, "access", lambda path, mode, **more: world.access(text(path), mode))
        self.put(os, "statvfs", world.statvfs)
        self.put(shutil, "disk_usage", world.disk_usage)
        self.put(tempfile, "_get_candidate_names", lambda: world.temp_names)
