"""OpenClaw Self-Healing: keeps an OpenClaw Gateway answering, or tells its owner exactly what is
wrong.
"""

__version__ = "1.0.0"
