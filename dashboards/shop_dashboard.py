"""What the shop's dashboard shows, row by row."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import dashboard as models

from expressions import (
    SERVICE_VARIABLE,
    engine_quantile,
    engine_rate,
    engine_sum,
    job_rate,
    job_sum,
    label,
    largest,
    legend,
    matching,
    quantile,
    rate,
    ratio,
    selector,
)
from panels import DATASOURCE_VARIABLE, Graph, Query, Row, add_rows
from shopwatch import catalogue
from shopwatch.catalogue import (
    CACHE_NAME,
    CACHE_REQUESTS,
    CACHE_RESULT,
    DB_CLIENT_DURATION,
    DB_OPERATION,
    ENGINE_ALERTS,
    ENGINE_DELIVERIES,
    ENGINE_DELIVERY_DELAY,
    ERROR_TYPE,
    HTTP_CLIENT_DURATION,
    HTTP_SERVER_DURATION,
    HTTP_STATUS,
    LOGIN_ATTEMPTS,
    MESSAGING_DESTINATION,
    ORDERS,
    OUTCOME,
    PAYMENT_PROVIDER,
    PAYMENTS,
    PEER_SERVICE,
    PROCESS_CPU,
    PROCESS_MEMORY,
    QUEUE_MESSAGES,
    QUEUE_OLDEST,
    SERVICE_NAME,
    TELEMETRY_DROPPED,
    TRACK,
)

UID: Final = "shop"

_FAILED: Final = matching(HTTP_SERVER_DURATION, HTTP_STATUS, '=~"5.."')
_DB_FAILED: Final = matching(DB_CLIENT_DURATION, ERROR_TYPE, '!=""')
_HIT: Final = matching(CACHE_REQUESTS, CACHE_RESULT, '="hit"')
_LOOKED_UP: Final = matching(CACHE_REQUESTS, CACHE_RESULT, '=~"hit|miss"')
_QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def _latency(name: str, share: float) -> Graph:
    return Graph(
        title=f"Latency {name}",
        description=f"{share:.0%} of a service's requests were answered within this time. "
        "Each dot is one traced request.",
        unit="s",
        queries=[
            Query(
                expr=quantile(share, HTTP_SERVER_DURATION, SERVICE_NAME),
                legend=legend(SERVICE_NAME),
                exemplars=name == "p99",
            )
        ],
    )


_REQUESTS: Final = Row(
    title="Requests",
    graphs=[
        Graph(
            title="Requests",
            description="HTTP requests a second that each service answered.",
            unit="reqps",
            queries=[Query(expr=rate(HTTP_SERVER_DURATION, SERVICE_NAME), legend=legend(SERVICE_NAME))],
        ),
        Graph(
            title="Failed requests",
            description="Share of requests that were answered with a 5xx status.",
            unit="percentunit",
            warn=0.01,
            bad=0.05,
            queries=[
                Query(
                    expr=ratio(HTTP_SERVER_DURATION, SERVICE_NAME, part=_FAILED), legend=legend(SERVICE_NAME)
                )
            ],
        ),
    ],
)
_LATENCY: Final = Row(title="Latency", graphs=[_latency(name, share) for name, share in _QUANTILES])
_DATABASE: Final = Row(
    title="Database and calls",
    graphs=[
        Graph(
            title="Failed database operations",
            description="Share of a service's database operations that ended with an error.",
            unit="percentunit",
            warn=0.01,
            bad=0.05,
            queries=[
                Query(
                    expr=ratio(DB_CLIENT_DURATION, SERVICE_NAME, part=_DB_FAILED), legend=legend(SERVICE_NAME)
                )
            ],
        ),
        Graph(
            title="Database latency p95",
            description="95% of a service's operations of a kind were done within this time.",
            unit="s",
            queries=[
                Query(
                    expr=quantile(0.95, DB_CLIENT_DURATION, SERVICE_NAME, DB_OPERATION),
                    legend=legend(SERVICE_NAME, DB_OPERATION),
                )
            ],
        ),
        Graph(
            title="Calls p95",
            description="95% of a service's calls to others were answered within this time.",
            unit="s",
            queries=[
                Query(
                    expr=quantile(0.95, HTTP_CLIENT_DURATION, SERVICE_NAME, PEER_SERVICE),
                    legend=legend(SERVICE_NAME, PEER_SERVICE),
                )
            ],
        ),
    ],
)
_CACHE_AND_QUEUE: Final = Row(
    title="Cache and queue",
    graphs=[
        Graph(
            title="Cache hits",
            description="Share of look-ups that the cache answered.",
            unit="percentunit",
            maximum=1,
            warn=0.8,
            bad=0.5,
            low_is_bad=True,
            queries=[
                Query(
                    expr=ratio(CACHE_REQUESTS, SERVICE_NAME, CACHE_NAME, part=_HIT, whole=_LOOKED_UP),
                    legend=legend(SERVICE_NAME, CACHE_NAME),
                )
            ],
        ),
        Graph(
            title="Messages waiting",
            description="Messages that wait in each queue.",
            unit="short",
            queries=[
                Query(
                    expr=largest(QUEUE_MESSAGES, SERVICE_NAME, MESSAGING_DESTINATION),
                    legend=legend(SERVICE_NAME, MESSAGING_DESTINATION),
                )
            ],
        ),
        Graph(
            title="Oldest message",
            description="How long the oldest message of each queue has waited. "
            "It grows by a second a second when no worker takes messages.",
            unit="s",
            queries=[
                Query(
                    expr=largest(QUEUE_OLDEST, SERVICE_NAME, MESSAGING_DESTINATION),
                    legend=legend(SERVICE_NAME, MESSAGING_DESTINATION),
                )
            ],
        ),
    ],
)
_BUSINESS: Final = Row(
    title="Customers",
    graphs=[
        Graph(
            title="Logins",
            description="Login attempts a second by outcome. Many failures and few successes are an attack.",
            unit="ops",
            queries=[Query(expr=rate(LOGIN_ATTEMPTS, OUTCOME), legend=legend(OUTCOME))],
        ),
        Graph(
            title="Orders",
            description="Orders a second by outcome.",
            unit="ops",
            queries=[Query(expr=rate(ORDERS, OUTCOME), legend=legend(OUTCOME))],
        ),
        Graph(
            title="Payments",
            description="Payments a second by provider and outcome.",
            unit="ops",
            queries=[
                Query(
                    expr=rate(PAYMENTS, PAYMENT_PROVIDER, OUTCOME), legend=legend(PAYMENT_PROVIDER, OUTCOME)
                )
            ],
        ),
    ],
)
_PROCESSES: Final = Row(
    title="Processes",
    graphs=[
        Graph(
            title="CPU",
            description="Cores that each service keeps busy; one Python process hardly uses more than one.",
            unit="short",
            warn=0.6,
            bad=0.8,
            queries=[Query(expr=job_rate(PROCESS_CPU), legend="{{job}}")],
        ),
        Graph(
            title="Memory",
            description="Resident memory of each service.",
            unit="bytes",
            queries=[Query(expr=job_sum(PROCESS_MEMORY), legend="{{job}}")],
        ),
    ],
)
_RELEASES: Final = Row(
    title="Canary beside stable",
    graphs=[
        Graph(
            title="Requests by track",
            description="HTTP requests a second by service and release track.",
            unit="reqps",
            queries=[
                Query(
                    expr=rate(HTTP_SERVER_DURATION, SERVICE_NAME, TRACK), legend=legend(SERVICE_NAME, TRACK)
                )
            ],
        ),
        Graph(
            title="Failed requests by track",
            description="Share of requests with a 5xx status: a canary well above stable is a bad release.",
            unit="percentunit",
            warn=0.01,
            bad=0.05,
            queries=[
                Query(
                    expr=ratio(HTTP_SERVER_DURATION, SERVICE_NAME, TRACK, part=_FAILED),
                    legend=legend(SERVICE_NAME, TRACK),
                )
            ],
        ),
        Graph(
            title="Latency p95 by track",
            description="95% of requests were answered within this time, by service and release track.",
            unit="s",
            queries=[
                Query(
                    expr=quantile(0.95, HTTP_SERVER_DURATION, SERVICE_NAME, TRACK),
                    legend=legend(SERVICE_NAME, TRACK),
                )
            ],
        ),
    ],
)
_ALERTING: Final = Row(
    title="Alerts and pages",
    graphs=[
        Graph(
            title="Alerts",
            description="Alerts by state. Unknown: their query fails, and the last known state is kept.",
            unit="short",
            queries=[
                Query(
                    expr=engine_sum(ENGINE_ALERTS, catalogue.ALERT_STATE),
                    legend=legend(catalogue.ALERT_STATE),
                )
            ],
        ),
        Graph(
            title="Deliveries",
            description="Attempts a second to tell a pager something, by pager and result.",
            unit="ops",
            queries=[
                Query(
                    expr=engine_rate(ENGINE_DELIVERIES, catalogue.INTEGRATION, catalogue.RESULT),
                    legend=legend(catalogue.INTEGRATION, catalogue.RESULT),
                )
            ],
        ),
        Graph(
            title="Delay of pages p95",
            description="From the moment a page was owed to the pager's answer.",
            unit="s",
            queries=[
                Query(
                    expr=engine_quantile(0.95, ENGINE_DELIVERY_DELAY, catalogue.INTEGRATION),
                    legend=legend(catalogue.INTEGRATION),
                )
            ],
        ),
        Graph(
            title="Telemetry dropped",
            description="Spans and log lines a second that services dropped rather than wait.",
            unit="ops",
            queries=[
                Query(
                    expr=rate(TELEMETRY_DROPPED, SERVICE_NAME, catalogue.SIGNAL),
                    legend=legend(SERVICE_NAME, catalogue.SIGNAL),
                )
            ],
        ),
    ],
)
_ROWS: Final = (
    _REQUESTS,
    _LATENCY,
    _DATABASE,
    _CACHE_AND_QUEUE,
    _BUSINESS,
    _PROCESSES,
    _RELEASES,
    _ALERTING,
)


def dashboard() -> models.Dashboard:
    """The dashboard, as Grafana's classic model."""
    builder = (
        dashboards.Dashboard("Shop")
        .uid(UID)
        .description("The shop's services, from requests to pages. Built from the catalogue: edit the code.")
        .tags(["shopwatch"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .with_variable(dashboards.DatasourceVariable(DATASOURCE_VARIABLE).label("Metrics").type("prometheus"))
        .with_variable(_services())
    )
    add_rows(builder, _ROWS)
    return builder.build()


def _services() -> dashboards.QueryVariable:
    """Chosen among the services that the metrics name; all of them at first."""
    name = label(SERVICE_NAME, HTTP_SERVER_DURATION)
    found = f"label_values({selector(HTTP_SERVER_DURATION).partition('{')[0]}, {name})"
    return (
        dashboards.QueryVariable(SERVICE_VARIABLE)
        .label("Service")
        .datasource(models.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE_VARIABLE}}}"))
        .query(found)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the builder takes it by position
        .include_all(True)  # noqa: FBT003 - as above
        .all_value(".+")
    )
