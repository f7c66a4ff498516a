"""What the demo sees of the real sandbox, to which the real pagers have sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from shopwatch_engine.demo.eyes import Eyes
from shopwatch_engine.model import Action, Evidence, Integration, LabelSet, LogLine, PagerKind, Secret, TraceSummary
from shopwatch_engine.pagers import make_pager
from shopwatch_engine.sandbox.server import RunningSandbox, running_sandbox
from shopwatch_engine.testing.notifications import notification
