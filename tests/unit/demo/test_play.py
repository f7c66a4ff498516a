from __future__ import annotations

from typing import Any

import pytest

from shopwatch_engine.demo.play import PAGERS, Fault, Page, Play, SeenAlert, Stage, Turn, observed
from shopwatch_engine.demo.scenes import Deed, Pace, next_move, overdue, turns_of
from shopwatch_engine.demo.story import Line, Tone, evidence_words, news
from shopwatch_engine.demo.verdict import judge

SLOW = Fault(name="slow", service="payments", description="it is slow", alert="Slow")
DOWN = Fault(name="down", service="orders", description="it is down", alert="Down", mechanism="crash")


def page(pager: str = "pagerduty", **changed: Any) -> Page:
    given: dict[str, Any] = {"alert": "Slow", "service": "payments", "title": "slow", "opened_at": 110.0}
    return Page(**{**given, "pager": pager, "id": f"{pager}-1", **changed})


def pages(**changed: Any) -> tuple[Page, ...]:
    return tuple(page(pager, **changed) for pager in PAGERS)


def good_turn(**changed: Any) -> Turn:
    given: dict[str, Any] = {
        "fault": SLOW,
        "broken_at": 100.0,
        "pending_at": 105.0,
        "firing_at": 109.0,
        "repaired_at": 112.0,
        "pages": pages(traces=3, logs=5, resolved_at=120.0),
    }
    return Turn(**{**given, **changed})


@pytest.mark.parametrize(
    ("turn", "stage"),
    [
        pytest.param(Turn(fault=SLOW), Stage.WAITING, id="waiting"),
        pytest.param(Turn(fault=SLOW, broken_at=1.0), Stage.BROKEN, id="broken"),
        pytest.param(Turn(fault=SLOW, broken_at=1.0, pending_at=2.0), Stage.PENDING, id="pending"),
        pytest.param(Turn(fault=SLOW, broken_at=1.0, firing_at=2.0), Stage.FIRING, id="firing"),
        pytest.param(
            Turn(fault=SLOW, broken_at=1.0, firing_at=2.0, pages=(page(),)), Stage.FIRING, id="one pager only"
        ),
        pytest.param(Turn(fault=SLOW, broken_at=1.0, pages=pages()), Stage.PAGED, id="paged"),
        pytest.param(Turn(fault=SLOW, broken_at=1.0, pages=pages(logs=1)), Stage.EXPLAINED, id="explained"),
        pytest.param(
            Turn(fault=SLOW, broken_at=1.0, pages=pages(logs=1), repaired_at=3.0),
            Stage.REPAIRED,
            id="repaired",
        ),
        pytest.param(good_turn(), Stage.RESOLVED, id="resolved"),
    ],
)
def test_the_stage_that_a_turn_has_reached(turn: Turn, stage: Stage) -> None:
    assert turn.stage is stage


def test_what_is_seen_of_a_fault_belongs_to_its_turn() -> None:
    play = Play(turns=(Turn(fault=SLOW, broken_at=100.0), Turn(fault=DOWN)))
    alert = SeenAlert(name="Slow", service="payments", firing=False, active_at=104.5)
    seen = observed(play, [alert], pages(), now=111.0)
    assert (seen.turn("slow").pending_at, seen.turn("slow").pages) == (104.5, pages())
    assert not seen.strangers


@pytest.mark.parametrize(
    "stray",
    [
        pytest.param(page(alert="Other"), id="of an alert that no fault has"),
        pytest.param(page(service="orders"), id="of another service"),
        pytest.param(page(opened_at=99.0), id="before the fault was on"),
        pytest.param(page(alert="Down", service="orders"), id="of a fault whose turn has not come"),
    ],
)
def test_a_page_that_belongs_to_no_turn_is_a_stranger(stray: Page) -> None:
    play = Play(turns=(Turn(fault=SLOW, broken_at=100.0), Turn(fault=DOWN)))
    seen = observed(play, [], [stray], now=111.0)
    assert seen.strangers == (stray,)
    assert judge(seen, seconds=1.0).failures[-1].startswith("an unexpected page at pagerduty")


def test_a_page_proves_that_its_alert_fired_before() -> None:
    play = Play(turns=(Turn(fault=SLOW, broken_at=100.0),))
    alert = SeenAlert(name="Slow", service="payments", firing=True, active_at=104.5)
    assert observed(play, [alert], pages(), now=111.0).turn("slow").firing_at == 110.0


# ---------------------------------------------------------------- what is done when
def test_the_turn_with_the_crash_comes_last() -> None:
    turns = turns_of((SLOW, DOWN), crash_in="slow")
    assert [(turn.fault.name, turn.is_crash) for turn in turns] == [("down", False), ("slow", True)]


def test_a_crash_in_a_fault_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="no fault 'fire', expected one of slow, down"):
        turns_of((SLOW, DOWN), crash_in="fire")


@pytest.mark.parametrize(
    ("first", "move"),
    [
        pytest.param(Turn(fault=SLOW), (Deed.BREAK, "slow"), id="the first begins"),
        pytest.param(Turn(fault=SLOW, broken_at=1.0, pages=pages()), None, id="paged, evidence to come"),
        pytest.param(
            Turn(fault=SLOW, broken_at=1.0, pages=pages(logs=1)), (Deed.REPAIR, "slow"), id="explained"
        ),
        pytest.param(
            Turn(fault=SLOW, broken_at=1.0, pages=pages(logs=1), repaired_at=2.0),
            (Deed.BREAK, "down"),
            id="the next begins while the first resolves",
        ),
    ],
)
def test_the_next_move(first: Turn, move: tuple[Deed, str] | None) -> None:
    found = next_move(Play(turns=(first, Turn(fault=DOWN))))
    assert (found and (found.deed, found.turn.fault.name)) == move


def test_after_the_last_repair_there_is_nothing_to_do() -> None:
    assert next_move(Play(turns=(good_turn(),))) is None


PACE = Pace(to_page_s=10, to_evidence_s=5, to_resolve_s=20, to_restart_s=7)


@pytest.mark.parametrize(
    ("turn", "now", "late"),
    [
        pytest.param(Turn(fault=SLOW), 1e9, "", id="not begun"),
        pytest.param(Turn(fault=SLOW, broken_at=100.0), 110.0, "", id="in time"),
        pytest.param(
            Turn(fault=SLOW, broken_at=100.0, pages=(page(),)),
            110.1,
            "slow: Slow was not at both pagers 10 s after the fault"
            " (its alert was broken, paged at pagerduty)",
            id="half a page",
        ),
        pytest.param(Turn(fault=SLOW, broken_at=100.0, is_crash=True), 117.0, "", id="a crash has longer"),
        pytest.param(
            Turn(fault=SLOW, broken_at=100.0, pages=(page(logs=1), page("opsgenie"))),
            115.1,
            "slow: no evidence at opsgenie 5 s after the page",
            id="no evidence",
        ),
        pytest.param(
            good_turn(pages=pages(logs=1)),
            132.1,
            "slow: Slow was not resolved at both pagers 20 s after the repair",
            id="no resolve",
        ),
        pytest.param(good_turn(), 1e9, "", id="over"),
    ],
)
def test_what_has_taken_too_long(turn: Turn, now: float, late: str) -> None:
    assert overdue(Play(turns=(turn,)), PACE, now=now) == late


# ---------------------------------------------------------------- the verdict
def test_a_good_turn_has_its_delays_and_no_failure() -> None:
    verdict = judge(Play(turns=(good_turn(),)), seconds=30.04)
    assert verdict.is_good
    assert verdict.as_json() == {
        "ok": True,
        "seconds": 30.0,
        "pages": [
            {
                "fault": "slow",
                "alert": "Slow",
                "pager": pager,
                "page_s": 10.0,
                "resolve_s": 8.0,
                "traces": 3,
                "logs": 5,
            }
            for pager in PAGERS
        ],
        "failures": [],
    }


@pytest.mark.parametrize(
    ("turn", "failures"),
    [
        pytest.param(Turn(fault=SLOW), ["slow: its turn never came"], id="no turn"),
        pytest.param(
            good_turn(pages=(page(traces=1, resolved_at=120.0),)),
            ["slow: no page about Slow at opsgenie"],
            id="one pager",
        ),
        pytest.param(
            good_turn(pages=(*pages(logs=1, resolved_at=120.0), page(id="x", logs=1, resolved_at=121.0))),
            ["slow: 2 pages about Slow, exactly one expected at pagerduty"],
            id="two pages",
        ),
        pytest.param(
            good_turn(pages=(page(logs=1), page("opsgenie", logs=1, resolved_at=120.0))),
            ["slow: a page that did not resolve at pagerduty"],
            id="open",
        ),
        pytest.param(
            good_turn(pages=(page(resolved_at=120.0), page("opsgenie", logs=1, resolved_at=120.0))),
            ["slow: a page without traces and log lines at pagerduty"],
            id="bare",
        ),
        pytest.param(
            good_turn(pages=pages(logs=1, resolved_at=111.0)),
            [f"slow: a page that resolved before the repair at {pager}" for pager in PAGERS],
            id="a false resolve",
        ),
        pytest.param(
            good_turn(is_crash=True),
            ["slow: the engine was not killed between the alert and its page"],
            id="no crash",
        ),
        pytest.param(
            good_turn(is_crash=True, killed_at=110.5, restarted_at=111.0),
            ["slow: the engine was not killed between the alert and its page"],
            id="a crash after the page",
        ),
        pytest.param(good_turn(is_crash=True, killed_at=109.5, restarted_at=109.8), [], id="a crash between"),
    ],
)
def test_what_is_not_as_promised_is_named(turn: Turn, failures: list[str]) -> None:
    verdict = judge(Play(turns=(turn,)), seconds=1.0)
    assert list(verdict.failures) == failures
    assert verdict.is_good is not bool(failures)


def test_what_ended_it_early_stands_first_among_the_failures() -> None:
    assert judge(Play(turns=(Turn(fault=SLOW),)), seconds=1.0, trouble="no way").failures == (
        "no way",
        "slow: its turn never came",
    )


# ---------------------------------------------------------------- what is told
def test_each_step_of_a_turn_is_told_once_with_its_delay() -> None:
    waiting, over = Play(turns=(Turn(fault=SLOW),)), Play(turns=(good_turn(),))
    told = [(line.at, line.text) for line in news(waiting, over, now=121.0)]
    assert told == [
        (100.0, "broken: it is slow"),
        (105.0, "alert Slow is pending"),
        (109.0, "alert Slow fires"),
        (110.0, "PagerDuty paged after 10.0 s: slow"),
        (110.0, "PagerDuty has evidence: 3 traces, 5 logs"),
        (110.0, "Opsgenie paged after 10.0 s: slow"),
        (110.0, "Opsgenie has evidence: 3 traces, 5 logs"),
        (112.0, "repaired"),
        (120.0, "PagerDuty resolved 8.0 s after the repair"),
        (120.0, "Opsgenie resolved 8.0 s after the repair"),
    ]
    assert news(over, over, now=122.0) == ()


def test_a_stranger_is_told_once() -> None:
    before, after = Play(turns=()), Play(turns=(), strangers=(page(),))
    assert news(before, after, now=121.0) == (
        Line(at=110.0, subject="?", text="unexpected page at PagerDuty: slow", tone=Tone.BAD),
    )
    assert news(after, after, now=122.0) == ()


@pytest.mark.parametrize(
    ("traces", "logs", "words"),
    [
        pytest.param(0, 0, "none", id="nothing"),
        pytest.param(1, 0, "1 trace", id="one"),
        pytest.param(2, 1, "2 traces, 1 log", id="both"),
    ],
)
def test_evidence_in_words(traces: int, logs: int, words: str) -> None:
    assert evidence_words(traces, logs) == words
