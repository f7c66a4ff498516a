"""gRPC: every call of a channel is timed, to its end, streams included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc
import grpc.aio

from shopwatch import catalogue
from shopwatch.hooks.call import ANY, Call, guarded, suppressed
from shopwatch.hooks.patching import Function, Patches
from shopwatch.hooks.peer import peer_of_url

SYSTEM: Final = "grpc"


def watch(patches: Patches, _: object = None) -> None:
    """Put an interceptor into every channel that is made from now on."""
    for name in ("insecure_channel", "secure_channel"):
        patches.around(grpc, name, _intercepted)
        patches.around(grpc.aio, name, _intercepted_aio)


def _intercepted(make: Function) -> Function:
    def watched(target: str, *args: Any, **options: Any) -> Any:
        channel = make(target, *args, **options)
        return channel if suppressed(ANY) else grpc.intercept_channel(channel, _Interceptor(_peer(target)))

    return watched


def _intercepted_aio(make: Function) -> Function:
    def watched(target: str, *args: Any, **options: Any) -> Any:
        if not suppressed(ANY):
            ours = [kind(_peer(target)) for kind in _AIO]
            options["interceptors"] = [*ours, *(options.get("interceptors") or ())]
        return make(target, *args, **options)

    return watched


def _peer(target: str) -> str:
    """From a target such as ``dns:///orders:50051`` or ``orders:50051`` (gRPC naming)."""
    return peer_of_url(f"//{target.rpartition('/')[2].removeprefix('dns:')}")


def _begin(peer: str, details: Any) -> Call:
    method = details.method.decode() if isinstance(details.method, bytes) else details.method
    return Call(
        catalogue.RPC_CLIENT_DURATION,
        {
            catalogue.RPC_SYSTEM: SYSTEM,
            catalogue.RPC_METHOD: method.lstrip("/"),
            catalogue.PEER_SERVICE: peer,
        },
    )


def _ended(call: Call, code: grpc.StatusCode) -> None:
    call.attributes[catalogue.RPC_STATUS] = code.name
    if code is not grpc.StatusCode.OK:
        call.failed(code.name)
    call.end()


class _Interceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Times what goes over one channel.

    Args:
        peer: who is at its other end.
    """

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def _watched(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        call = _begin(self._peer, details)
        answer = go_on(details, request)
        with guarded("waiting for a call's end"):
            answer.add_done_callback(lambda done: _settled(call, done))
        return answer

    intercept_unary_unary = _watched
    intercept_unary_stream = _watched
    intercept_stream_unary = _watched
    intercept_stream_stream = _watched


def _settled(call: Call, done: Any) -> None:
    with guarded("recording a call"):
        _ended(call, done.code())


class _Aio:
    """As ``_Interceptor``, for a channel of asyncio, which wants a class for each sort of call."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    async def watched(self, go_on: Callable[..., Any], details: Any, request: Any) -> Any:
        call = _begin(self._peer, details)
        answer = await go_on(details, request)
        with guarded("waiting for a call's end"):
            answer.add_done_callback(lambda done: _settled_aio(call, done))
        return answer


def _settled_aio(call: Call, done: Any) -> None:
    """The call's end; its status is there, though it has to be awaited."""
    with guarded("recording a call"):
        reading = done.code()
        try:
            reading.send(None)
        except StopIteration as read:
            _ended(call, read.value)
        else:
            reading.close()
            _ended(call, grpc.StatusCode.UNKNOWN)


class _AioUnaryUnary(_Aio, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _Aio.watched


class _AioUnaryStream(_Aio, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _Aio.watched


class _AioStreamUnary(_Aio, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _Aio.watched


class _AioStreamStream(_Aio, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _Aio.watched


_AIO: Final = (_AioUnaryUnary, _AioUnaryStream, _AioStreamUnary, _AioStreamStream)
