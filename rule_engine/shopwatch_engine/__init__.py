"""The shopwatch rule engine: definitions -> samples -> alerts -> incidents -> pages.

The floors, each importing only those before it::

    exceptions -> model, clock, durations -> matchers, templates -> core -> ports
    -> definitions, sources, store, pagers -> outbox, evidence -> runtime
    -> api, embedded, sandbox -> wiring -> cli
"""
