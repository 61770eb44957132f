"""Drills: break a gateway that nobody needs, on purpose, and see what the real watchdog does about
it, in seconds.

faults.py what a fault is · bench.py the isolated place · sandbox.py its environment · watcher.py
the watchdog's process and log · evidence.py what was seen and what it means · runner.py one fault
from start to end · report.py the table and the JSON.
"""
