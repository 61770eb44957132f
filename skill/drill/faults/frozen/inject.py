"""The port stays open, nobody answers, and SIGTERM is not delivered."""

import os

import psutil

psutil.Process(
    int(os.environ["GATEWAY_PID"])
).suspend()  # SIGSTOP; Windows: every thread is suspended
