"""Everything this product raises. Bad news about the gateway is a value (Finding, Verdict,
Outcome), never an exception.

HealerError                 exit 1: could not act
  UsageError                exit 2: wrong flags or arguments
  SettingsError             exit 2: every issue of one settings file at once
  CannotTell                exit 2: could not find out
  ToolError                 a program we called failed
  GatewayError              the gateway cannot be controlled as asked
  ServiceError              the service manager refused or is not there
  RepairError               a repair could not be planned or done; carries rolled_back
    CannotPlan              the repair does not apply to what is seen
  BridgeError               an AI CLI gave no usable answer; carries kind and permanent
  NotifyError               an alert was not accepted; carries permanent and retry_after
  AlreadyRunning            somebody else holds the lock; carries pid and since
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union

from .model import Text

Said = Union[str, Text]  # a plain string is a name, a path or another program's own words


def both(said: Said) -> Text:
    return said if isinstance(said, Text) else Text(said, said)


class HealerError(Exception):
    """Base of all our errors. `hint` says what to do next, `exit_code` what the command line
    answers.

    text, todo: message and hint in both languages. message, hint, str(): in English, for logs.
    """

    exit_code = 1

    def __init__(self, message: Said, hint: Said = "") -> None:
        self.text, self.todo = both(message), both(hint)
        super().__init__(self.text.en)
        self.message, self.hint = self.text.en, self.todo.en

    def told(self, lang: str) -> str:
        """Message, and the hint on a line of its own, for a person."""
        return self.text.to(lang) + ("\n  -> " + self.todo.to(lang) if self.hint else "")


class UsageError(HealerError):
    exit_code = 2


class SettingsError(HealerError):
    """A settings, cases or records file is wrong. `issues` has one line per fault: place, value,
    remedy.
    """

    exit_code = 2

    def __init__(self, path: Said, issues: Sequence[Said], hint: Said = "") -> None:
        said = [both(issue) for issue in issues]
        every = Text("; ".join(one.en for one in said), "；".join(one.zh for one in said))
        super().__init__(Text.of("{}: {}", "{}:{}", path, every), hint)
        self.path = both(path).en
        self.issues = [one.en for one in said]


class CannotTell(HealerError):
    exit_code = 2


class ToolError(HealerError):
    def __init__(
        self, argv: Sequence[str], code: Optional[int], tail: str = "", hint: Said = ""
    ) -> None:
        end = ": " + tail if tail else ""
        super().__init__(Text.of("{} ended with {}{}", "{} 以 {} 结束{}", argv[0], code, end), hint)
        self.argv = list(argv)
        self.code = code
        self.tail = tail


class GatewayError(HealerError):
    pass


class ServiceError(HealerError):
    pass


class RepairError(HealerError):
    def __init__(self, message: Said, rolled_back: bool = False, hint: Said = "") -> None:
        super().__init__(message, hint)
        self.rolled_back = rolled_back


class CannotPlan(RepairError):
    pass


class BridgeError(HealerError):
    """`kind` is one of: not-installed, not-logged-in, quota, overloaded, network, timeout, refused,
    bad-output, budget, killed, no-consent. `spent`: what the call cost all the same (bridges.base).
    """

    spent: Any = None
    tool_calls: Sequence[Any] = ()

    def __init__(self, kind: str, message: Said, permanent: bool = False, hint: Said = "") -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.permanent = permanent


class NotifyError(HealerError):
    """An alert was not accepted. `permanent`: trying again cannot help. `retry_after`: seconds the
    platform asks for.
    """

    def __init__(
        self,
        message: Said,
        permanent: bool = False,
        retry_after: Optional[float] = None,
        hint: Said = "",
    ) -> None:
        super().__init__(message, hint)
        self.permanent = permanent
        self.retry_after = retry_after


class AlreadyRunning(HealerError):
    def __init__(self, what: Said, pid: int, since: str) -> None:
        hint = Text(
            "see it: iflow-doctor status. Wait for it, or end that process first",
            "查看：iflow-doctor status。请等它结束，或先结束该进程",
        )
        super().__init__(
            Text.of(
                "{} is already running: pid {}, since {}",
                "{}已在运行：pid {}，始于 {}",
                what,
                pid,
                since,
            ),
            hint,
        )
        self.pid = pid
        self.since = since
