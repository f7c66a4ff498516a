"""A shop that is broken on purpose, and the pages that follow: ``shopwatch demo``.

scenes        which fault is shown when, and how long each step may take
play          what was seen of each fault so far
verdict       whether what was seen is what was promised
acceleration  rules and routes with shorter durations
prometheus    a configuration for a real Prometheus
stage         which processes there are, with which command and environment
processes     starting them, and ending them whatever happens
eyes          asking the engine and the pagers what they hold
screen        a live table in a terminal, plain lines elsewhere
show          the run

Knows the shop only by its contract (``stage``); imports nothing of it.
"""
