"""The probe: bounded as a whole, and honest about what it met."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from skill.host import Host, end_group, http_get, run_program


def serve(answer, hold=0.0, drip=0.0):
    """A server for one connection that sends `answer` (whole, or dripping a byte each `drip`
    seconds).
    """
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)

    def work():
        connection, _ = server.accept()
        connection.recv(4096)
        try:
            if drip:
                for byte in answer:
                    connection.sendall(bytes([byte]))
                    time.sleep(drip)
            else:
                connection.sendall(answer)
            time.sleep(hold)
        except OSError:
            pass
        connection.close()

    threading.Thread(target=work, daemon=True).start()
    return "http://127.0.0.1:{}/readyz".format(server.getsockname()[1])


def test_whole_answer_and_status():
    reply = http_get(serve(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", hold=2.0), 1.5)
    assert (reply.status, reply.body, reply.error) == (503, b"{}", "") and reply.seconds < 1.0


def test_a_dripping_server_cannot_hold_the_watchdog():
    reply = http_get(serve(b"HTTP/1.1 200 OK\r\n" + b"a" * 500, drip=0.05), 0.5)
    assert reply.error == "timeout" and reply.seconds < 1.0


@pytest.mark.parametrize(
    "raw,error",
    [(b"SSH-2.0-OpenSSH\r\n", "garbled"), (b"", "reset"), (b"HTTP/1.1 abc\r\n\r\n", "garbled")],
)
def test_not_http(raw, error):
    assert http_get(serve(raw), 1.0).error == error


def test_refused():
    spare = socket.socket()
    spare.bind(("127.0.0.1", 0))
    assert http_get("http://127.0.0.1:{}/".format(spare.getsockname()[1]), 1.0).error == "refused"


def test_accepts_and_stays_silent():
    assert http_get(serve(b"", hold=1.0), 0.3).error == "timeout"


def test_programs_are_ended_with_their_whole_group(tmp_path):
    mark = tmp_path / "mark"
    child = "import time,sys; time.sleep(1.5); open(sys.argv[1],chr(119))"
    script = (
        "import subprocess,sys,time; subprocess.Popen([sys.executable,'-c','{}',sys.argv[1]]); "
        "time.sleep(9)"
    ).format(child)

    done = run_program([sys.executable, "-c", script, str(mark)], timeout=0.7)
    assert done.timed_out and done.code is None
    time.sleep(1.6)
    assert not mark.exists()


@pytest.mark.skipif(os.name == "nt", reason="taskkill /T ends the tree")
def test_who_is_ended_while_a_program_runs_ends_that_as_well(tmp_path):
    # found by HealBench: `openclaw config schema` outlived a keep-good that was past its bound
    mark = tmp_path / "pid"
    script = (
        "import sys; from skill.host import ended_politely, run_program\n"
        "with ended_politely():\n"
        "    run_program([sys.executable, '-c', 'import os,sys,time; "
        'open(sys.argv[1], "w").write(str(os.getpid())); time.sleep(60)\', sys.argv[1]])\n'
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(mark)], start_new_session=True)
    until = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    grandchild = int(mark.read_text())
    end_group(child, 10.0)
    assert child.returncode == 143
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild, 0)


def test_a_missing_program_is_a_value():
    assert run_program(["/nonexistent/program"]).missing


def test_home_comes_from_the_environment():
    assert str(Host(env={"HOME": "/h"}, system="linux").home) == "/h"
