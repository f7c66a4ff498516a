"""What the engine decides: pure functions of values and ``now``. No network, no clock, no randomness.

state     an alert's life, a table
observe   samples become observations: labels and annotations are templated here
batch     many rules in one query, and its answer split again
routing   which routes an alert takes, which group it joins, which key the group has
incidents what a group of alerts owes its receiver's pagers
board     everything that is tracked, and how a transaction changes it
settling  when an empty answer after an outage counts again
selfwatch the alerts that the engine raises about itself
retry     when to try again
"""
