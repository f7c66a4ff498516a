"""The whole engine under a virtual clock, with a seeded world that fails.

loop    an asyncio loop whose time passes only when nothing is left to do
world   the truth, a Prometheus that tells it, pagers, faults and crashes
oracle  the promises, as invariants checked against the truth
run     one seed, one life of the world: `python -m shopwatch_engine.simulation --seed 7`
"""
