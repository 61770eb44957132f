"""Everything this product raises. Bad news about the gateway is a value (Finding, Verdict, Outcome), never an exception.

    HealerError                 exit 1: could not act
      UsageError                exit 2: wrong flags or arguments
      SettingsError             exit 2: every issue of one settings file at once
      CannotTell                exit 2: could not find out
      ToolError                 a program we called failed
        ToolMissing             it is not installed
        ToolTimeout             it did not end in time (its whole process group was ended)
      GatewayError              the gateway cannot be controlled as asked
      ServiceError              the service manager refused or is not there
      RepairError               a repair could not be planned or done; carries rolled_back
        CannotPlan              the repair does not apply to what is seen
      BridgeError               an AI CLI gave no usable answer; carries kind and permanent
      NotifyError               an alert was not accepted; carries permanent and retry_after
      AlreadyRunning            somebody else holds the lock; carries pid and since
"""

from __future__ import annotations

from typing import Optional, Sequence


class HealerError(Exception):
    """Base of all our errors. `hint` says what to do next, `exit_code` what the command line answers."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(HealerError):
    exit_code = 2


class SettingsError(HealerError):
    """A settings, cases or records file is wrong. `issues` has one line per fault: place, value, remedy."""

    exit_code = 2

    def __init__(self, path: str, issues: Sequence[str], hint: str = "") -> None:
        super().__init__("{}: {}".format(path, "; ".join(issues)), hint)
        self.path = path
        self.issues = list(issues)


class CannotTell(HealerError):
    exit_code = 2


class ToolError(HealerError):
    def __init__(self, argv: Sequence[str], code: Optional[int], tail: str = "", hint: str = "") -> None:
        super().__init__("{} ended with {}{}".format(argv[0], code, ": " + tail if tail else ""), hint)
        self.argv = list(argv)
        self.code = code
        self.tail = tail


class ToolMissing(ToolError):
    pass


class ToolTimeout(ToolError):
    pass


class GatewayError(HealerError):
    pass


class ServiceError(HealerError):
    pass


class RepairError(HealerError):
    def __init__(self, message: str, rolled_back: bool = False, hint: str = "") -> None:
        super().__init__(message, hint)
        self.rolled_back = rolled_back


class CannotPlan(RepairError):
    pass


class BridgeError(HealerError):
    """`kind` is one of: not-installed, not-logged-in, quota, overloaded, network, timeout, refused, bad-output, budget."""

    def __init__(self, kind: str, message: str, permanent: bool = False, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.permanent = permanent


class NotifyError(HealerError):
    """An alert was not accepted. `permanent`: trying again cannot help. `retry_after`: seconds the platform asks for."""

    def __init__(self, message: str, permanent: bool = False, retry_after: Optional[float] = None, hint: str = "") -> None:
        super().__init__(message, hint)
        self.permanent = permanent
        self.retry_after = retry_after


class AlreadyRunning(HealerError):
    def __init__(self, what: str, pid: int, since: str) -> None:
        hint = "see it: iflow-doctor status. Wait for it, or end that process first"
        super().__init__("{} is already running: pid {}, since {}".format(what, pid, since), hint)
        self.pid = pid
        self.since = since
