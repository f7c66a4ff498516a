"""The demo shop: five small services watched by shopwatch, a load generator, and faults to practise on.

::

    load --> gateway --> auth
                |----> catalogue (and its canary)
                '----> orders --> catalogue, payments --> the payment provider's stand-in
                          '--> queue --> the confirmation worker

Each service is a process of its own: ``python -m shop orders --port 8003``. What it needs comes from
the environment (``settings``); database, cache and queue stand behind seams, chosen by their URL.
Knows nothing of the rule engine.
"""
