"""Calls a server through Python's gRPC with no .proto file: everything it knows comes from reflection.

    check.py HOST:PORT

Prints `ok NAME` for each check and exits with 1 if one failed.
"""

import sys
import traceback

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "shop.stock.v1.StockApi"
WAIT = 10
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Api:
    """The service, put together from what the server says of itself."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)
        self.service = self.pool.FindServiceByName(SERVICE)

    def message(self, name):
        """The class of a message by its full name."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def method(self, name, kind):
        """A callable, and the class of its request."""
        method = self.service.methods_by_name[name]
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        make = getattr(self.channel, kind)
        call = make(f"/{SERVICE}/{name}", request.SerializeToString, response.FromString)
        return call, request


def failure(call, *args, **kwargs):
    """The error that a call ends with."""
    try:
        answer = call(*args, **kwargs)
        if hasattr(answer, "__next__"):
            list(answer)
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


def details(error):
    """The ErrorInfo in an error's google.rpc.Status."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(raw)
    assert status.code == error.code().value[0], status
    info = error_details_pb2.ErrorInfo()
    assert any(any_.Unpack(info) for any_ in status.details), status
    return info


@check
def services_are_listed(api):
    names = set(api.database.get_services())
    wanted = {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
              "grpc.reflection.v1alpha.ServerReflection"}
    assert wanted <= names, names


@check
def reflection_v1_answers_as_v1alpha_does(api):
    call = api.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
    [answer] = call(iter([request]), timeout=WAIT)
    assert answer.file_descriptor_response.file_descriptor_proto, answer
    unknown = reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.Such")
    [answer] = call(iter([unknown]), timeout=WAIT)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], answer


@check
def methods_have_their_kinds(api):
    kinds = {m.name: (m.client_streaming, m.server_streaming) for m in api.service.methods}
    assert kinds == {
        "Level": (False, False), "Hold": (False, False), "Watch": (False, True), "Load": (True, False),
        "Chat": (True, True),
    }, kinds


@check
def unary(api):
    call, request = api.method("Level", "unary_unary")
    answer = call(request(sku="a-7"), timeout=WAIT)
    assert (answer.sku, answer.left) == ("a-7", 7), answer


@check
def several_arguments_and_metadata_both_ways(api):
    call, request = api.method("Hold", "unary_unary")
    answer, rpc = call.with_call(request(sku="a-7", qty=3), metadata=[("tenant", "t-1")], timeout=WAIT)
    assert answer.left == 4, answer
    assert ("tenant", "t-1") in [tuple(pair) for pair in rpc.initial_metadata()], rpc.initial_metadata()


@check
def server_streaming(api):
    call, request = api.method("Watch", "unary_stream")
    answers = list(call(request(skus=["a-1", "a-2", "a-3"]), timeout=WAIT))
    assert [a.left for a in answers] == [1, 2, 3], answers
    assert list(call(request(), timeout=WAIT)) == []


@check
def client_streaming(api):
    call, request = api.method("Load", "stream_unary")
    answer = call((request(sku=f"a-{n}", left=2) for n in range(5)), timeout=WAIT)
    [(_, value)] = answer.ListFields()
    assert value == 0 + 1 + 2 + 2 + 2, answer


@check
def bidirectional_streaming(api):
    call, request = api.method("Chat", "stream_stream")
    answers = list(call((request(sku=f"a-{n}") for n in range(50)), timeout=WAIT))
    assert [a.left for a in answers] == list(range(50)), answers


@check
def an_error_is_typed(api):
    call, request = api.method("Level", "unary_unary")
    error = failure(call, request(sku="none"), timeout=WAIT)
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no article none"), error
    info = details(error)
    assert (info.reason, dict(info.metadata)) == ("UNKNOWN", {"sku": "none"}), info


@check
def an_error_ends_a_stream(api):
    call, request = api.method("Chat", "stream_stream")
    answers = call(iter([request(sku="a-1"), request(sku="none")]), timeout=WAIT)
    assert next(answers).left == 1
    error = failure(next, answers)
    assert error.code() == grpc.StatusCode.NOT_FOUND and details(error).reason == "UNKNOWN", error


@check
def a_deadline_passes(api):
    call, request = api.method("Level", "unary_unary")
    error = failure(call, request(sku="forever"), timeout=0.2)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error


@check
def gzip_is_understood(api):
    call, request = api.method("Watch", "unary_stream")
    skus = ["a-1"] * 2000
    answers = list(call(request(skus=skus), compression=grpc.Compression.Gzip, timeout=WAIT))
    assert len(answers) == len(skus)


@check
def an_unknown_method_and_service_are_unimplemented(api):
    for path in [f"/{SERVICE}/None", "/no.Such/Level"]:
        error = failure(api.channel.unary_unary(path), b"", timeout=WAIT)
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


@check
def garbage_is_an_error_of_the_caller(api):
    error = failure(api.channel.unary_unary(f"/{SERVICE}/Level"), b"\xff\xff\xff", timeout=WAIT)
    assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL), error


@check
def health(api):
    stub = health_pb2_grpc.HealthStub(api.channel)
    for service in ["", SERVICE]:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, answer
    error = failure(stub.Check, health_pb2.HealthCheckRequest(service="no.Such"), timeout=WAIT)
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    first = next(stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=WAIT))
    assert first.status == health_pb2.HealthCheckResponse.SERVING, first


def main():
    api = Api(sys.argv[1])
    failed = 0
    for function in CHECKS:
        try:
            function(api)
            print("ok", function.__name__, flush=True)
        except Exception:
            failed += 1
            print("FAILED", function.__name__, flush=True)
            traceback.print_exc()
    print(len(CHECKS), "checks", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
