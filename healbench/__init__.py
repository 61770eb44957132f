"""HealBench: break a real OpenClaw Gateway in many ways, and judge whatever is to heal it.

It judges from outside: by the state of the gateway, the files, the process table, the kernel's
record of signals, and the messages that arrived. It imports nothing of any product. Standard
library only, Linux only.

model.py what a fault is · place.py one isolated gateway · procs.py, trace.py processes and signals
· collector.py messages and AI calls · observer.py what happened, in time · harm.py what was made
worse · judge.py right or not · score.py many results · report.py the page · faults/ · subjects/
"""

__version__ = "0.1.0"
