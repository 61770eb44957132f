"""Flags, questions and printing of the installer; install.sh and install.bat end here."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Optional, Sequence

from ..errors import HealerError
from ..host import Host, locale_lang
from ..model import Text
from . import bundle, install, selfcheck, uninstall
from .manifest import Places, locate, only_one


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="install",
        description="Install, upgrade or remove openclaw-iflow-doctor for this user. "
        "No root needed.",
    )
    parser.add_argument("--dry-run", action="store_true", help="list every change, make none")
    parser.add_argument(
        "--yes", "-y", action="store_true", help="ask nothing, agree to every listed change"
    )
    parser.add_argument(
        "--no-service", action="store_true", help="no KeepAlive and no watchdog service"
    )
    parser.add_argument(
        "--no-shim", action="store_true", help="no `openclaw skills run|config` shim"
    )
    parser.add_argument(
        "--no-drill", action="store_true", help="skip the practice-gateway drill of the self-check"
    )
    parser.add_argument(
        "--prefix", metavar="DIR", help="put our programs here (default: <state dir>/iflow-doctor)"
    )
    parser.add_argument(
        "--with-plugin",
        action="store_true",
        help="also link the OpenClaw plugin (/heal, gateway_doctor, /plugins/doctor)",
    )
    parser.add_argument(
        "--wheelhouse",
        metavar="DIR",
        help="install the packages from this folder, without any network",
    )
    parser.add_argument(
        "--uninstall",
        action="store_true",
        help="remove everything but your records, cases and settings",
    )
    parser.add_argument("--purge", action="store_true", help="with --uninstall: those too")
    parser.add_argument("--lang", choices=("zh", "en"), help="language (default: the locale)")
    return parser.parse_args(list(arguments))


def main(source: str, arguments: Sequence[str]) -> int:
    """Return 0 when all is well, 1 when something failed, 2 for wrong usage or a machine that lacks
    something.
    """
    args = parse(arguments)
    lang = args.lang or locale_lang(os.environ)
    os.environ["IFLOW_DOCTOR_LANG"] = lang  # what we start speaks the same language
    host = Host()
    places = locate(host, Path(source), args.prefix or _known_prefix(host, source))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        if args.uninstall:
            return _remove(host, places, args, lang)
        return _install(host, places, args, lang)
    except HealerError as error:
        print(
            Text.of("error: {}", "错误：{}", Text(error.told("en"), error.told("zh"))).to(lang),
            file=sys.stderr,
        )
        return error.exit_code
    except OSError as error:
        print(Text.of("error: {}", "错误：{}", error).to(lang), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\n"
            + Text(
                "interrupted; run it again to finish or --uninstall to undo",
                "已中断；可再次运行以完成，或用 --uninstall 撤销",
            ).to(lang),
            file=sys.stderr,
        )
        return 130


def _known_prefix(host: Host, source: str) -> Optional[str]:
    from . import manifest

    return manifest.read(locate(host, Path(source)).manifest)["prefix"] or None


def _agree(args: argparse.Namespace, lang: str) -> bool:
    if args.yes or not sys.stdin.isatty():
        return True
    return input(Text("Go on? [Y/n] ", "继续吗？[Y/n] ").to(lang)).strip().lower() in (
        "",
        "y",
        "yes",
        "是",
        "好",
    )


def _shown(steps: List[install.Step], args: argparse.Namespace, lang: str) -> Optional[int]:
    """Show what would be done. The exit code where that is all (a dry run, or the person says no),
    None to go on.
    """
    for step in steps:
        print("  - " + step.what.to(lang))
    if not args.uninstall:
        print("  - " + NO_AI.to(lang))
    if args.dry_run:
        print(Text("dry run: nothing was changed", "预演：没有改动任何东西").to(lang))
        return 0
    return None if _agree(args, lang) else 1


def _install(host: Host, places: Places, args: argparse.Namespace, lang: str) -> int:
    interactive = sys.stdin.isatty() and not args.yes
    run = install.Install(
        host,
        places,
        install.Options(
            service=not args.no_service,
            shim=not args.no_shim,
            plugin=args.with_plugin,
            profile=(args.yes or interactive) and not args.no_shim,
            drill=not args.no_drill and bundle.has_drill(places.source),
            wheelhouse=args.wheelhouse,
        ),
    )
    steps = run.steps()
    head = (
        Text("Upgrade in {}:".format(places.state_dir), "在 {} 升级：".format(places.state_dir))
        if run.upgrade
        else Text(
            "Install for OpenClaw in {}:".format(places.state_dir),
            "为 {} 的 OpenClaw 安装：".format(places.state_dir),
        )
    )
    print(head.to(lang))
    over = _shown(steps, args, lang)
    if over is not None:
        return over
    try:
        with only_one(places.doctor_dir / "install.lock"):
            run.begin()
            for step in steps:
                began = time.monotonic()
                print("  * {}".format(step.what.to(lang)), end="", flush=True)
                try:
                    step.do()
                except BaseException:
                    print(flush=True)
                    if run.roll_back():
                        print(
                            Text("the previous version is back in place", "已恢复上一版本").to(
                                lang
                            ),
                            file=sys.stderr,
                        )
                    raise
                print("  ({:.1f} s)".format(time.monotonic() - began))
    finally:
        run.leave_no_empty_folder()
    if args.lang or interactive:
        _keep_language(host, run, lang)
    if interactive and not selfcheck.channels(host, places, run.current()):
        # asks for a platform, sends, and asks whether it arrived; Ctrl-C leaves it out
        subprocess.call((str(run.stable_python()), "-I", "-m", "skill", "notify", "setup"))
    _ask_about_ai(places, run, interactive, lang)
    _summary(run, lang)
    if not selfcheck.channels(host, places, run.current()):
        program = run.done["launcher"] or str(places.program(run.current()))
        nobody = Text.of(
            "Nobody would be told of an outage. Set it up: {} notify setup",
            "出现故障时不会通知任何人。请设置：{} notify setup",
            program,
        )
        print(_bold(nobody.to(lang)))
    return 1 if run.notes else 0


NO_AI = Text(
    "No AI is asked about anything, and nothing is sent to one, before you say yes to it",
    "在你同意之前，不会询问任何 AI，也不会向其发送任何内容",
)


def _ask_about_ai(places: Places, run: install.Install, interactive: bool, lang: str) -> None:
    """One question a vendor, asked by the program itself; no answer (--yes, a pipe) is a no."""
    if not interactive:
        hint = Text(
            "Say yes to an AI: iflow-doctor ai enable", "同意使用 AI：iflow-doctor ai enable"
        )
        print("{}. {}".format(NO_AI.to(lang), hint.to(lang)))
        return
    if os.path.exists(places.doctor_dir / "ai" / "consent.json"):
        return  # asked and answered by the version before
    subprocess.call([str(run.stable_python()), "-I", "-m", "skill", "ai", "enable"])


def _bold(text: str) -> str:
    return "\033[1m{}\033[0m".format(text) if sys.stdout.isatty() else text


def _keep_language(host: Host, run: install.Install, lang: str) -> None:
    """The language of the one who installs is theirs from now on, also in the service."""
    argv = (str(run.stable_python()), "-I", "-m", "skill", "config", "--set", "lang=" + lang)
    host.run(argv, timeout=60)


def _summary(run: install.Install, lang: str) -> None:
    for note in run.notes:
        print("! " + note.to(lang))
    program = run.done["launcher"] or str(run.places.program(run.current()))
    print(
        Text("Done. Proved by running: ", "完成。已通过实际运行验证：").to(lang)
        + ", ".join("{} {:.1f} s".format(proof.name, proof.seconds) for proof in run.proofs)
    )
    if not run.where.in_path:
        print(
            Text(
                'Open a new shell, or: export PATH={}:"$PATH"'.format(run.where.folder),
                '打开新的终端，或执行：export PATH={}:"$PATH"'.format(run.where.folder),
            ).to(lang)
        )
    print(
        "  {} status\n  {} notify test\n  openclaw skills run openclaw-iflow-doctor --diagnose "
        '"..."'.format(program, program)
        if run.options.shim
        else "  {} status".format(program)
    )


def _remove(host: Host, places: Places, args: argparse.Namespace, lang: str) -> int:
    steps = uninstall.steps(host, places, args.purge)
    print(
        Text(
            "Remove from {}:".format(places.state_dir), "从 {} 移除：".format(places.state_dir)
        ).to(lang)
    )
    over = _shown(steps, args, lang)
    if over is not None:
        return over
    os.chdir(str(host.home))  # our own folder may be about to go
    for step in steps:
        step.do()
    left = (
        sorted(path.name for path in places.doctor_dir.iterdir())
        if os.path.isdir(places.doctor_dir)
        else []
    )
    print(
        Text("Done.", "完成。").to(lang)
        + (
            " "
            + Text(
                "Kept, because it is yours, in {}: {} (--purge removes it)",
                "属于你的内容保留在 {}：{}（--purge 一并删除）",
            )
            .to(lang)
            .format(places.doctor_dir, ", ".join(left))
            if left
            else ""
        )
    )
    return 0
