"""The practice gateway: a small real process that behaves outwardly as OpenClaw 2026.9.6 does, for
drills.

It is installed as a program named `openclaw` at the head of a private PATH, so that the keeper, the
watchdog and the doctor work on it exactly as on the real thing. It knows no chat platform and opens
no connection of its own.
"""
