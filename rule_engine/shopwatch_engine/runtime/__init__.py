"""The engine at work, on asyncio, reaching everything through ports.

grid        at which times a group is looked at
evaluation  asking the source: batches, and finding the rule that spoils one
ledger      deciding, committing and remembering, one at a time
engine      the tasks, and how they end
"""
