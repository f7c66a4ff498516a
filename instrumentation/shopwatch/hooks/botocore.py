"""botocore, and so boto3: every call of an operation is timed, its retries within; retries are counted."""

from __future__ import annotations

from typing import Any, Final

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from shopwatch import catalogue
from shopwatch.hooks.call import HTTP, Call, count, timed
from shopwatch.hooks.patching import Patches

SYSTEM: Final = "aws-api"


def watch(patches: Patches, _: object = None) -> None:
    """Time ``BaseClient._make_api_call``, which all operations end in."""
    patches.around(BaseClient, "_make_api_call", timed(_begin, _answered, key=HTTP))


class _Operation(Call):
    """A call that reads the code of an error that AWS answers, and the retries before it."""

    __slots__ = ()

    def failed(self, error: BaseException | str) -> None:
        """As of any call."""
        super().failed(error)
        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", "")) or catalogue.OTHER
            self.attributes[catalogue.RPC_STATUS] = code
            super().failed(code)
            _count_retries(self, error.response)


def _begin(client: Any, operation: str, *_: object, **__: object) -> Call:
    service = client.meta.service_model.service_name
    return _Operation(
        catalogue.RPC_CLIENT_DURATION,
        {
            catalogue.RPC_SYSTEM: SYSTEM,
            catalogue.RPC_METHOD: f"{client.meta.service_model.service_id}/{operation}",
            catalogue.PEER_SERVICE: service,
        },
    )


def _answered(call: Call, response: Any) -> None:
    _count_retries(call, response)


def _count_retries(call: Call, response: Any) -> None:
    retries = response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    count(catalogue.CLIENT_RETRIES, call.attributes[catalogue.PEER_SERVICE], amount=retries)
