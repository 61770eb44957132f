"""A deterministic simulation of one machine with one gateway: the real decision code runs in it, the world around it is ours."""
