"""All that is known about OpenClaw; nothing here heals anything."""
