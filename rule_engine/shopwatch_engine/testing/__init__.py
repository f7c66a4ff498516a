"""Fakes of the engine's ports; each passes the same contract suite as the real thing."""
