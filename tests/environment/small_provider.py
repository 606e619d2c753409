#!PYTHON
"""A provider of protocol 6 with two types that become each other. What exists is a file in a directory each; what it is
asked, with the provider's own bytes, is appended to the file `asked` there."""
import base64, importlib.util, json, os, sys, tempfile, threading, uuid
from concurrent import futures

import grpc, msgpack

if os.environ.get("TF_PLUGIN_MAGIC_COOKIE") is None:
    sys.exit("this is a provider of Terraform's")
spec = importlib.util.spec_from_file_location("tfplugin6_pb2", "PROTOCOL")
pb = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pb)

UNKNOWN = msgpack.ExtType(0, b"\0")
WORLD = {}


def decode(value):
    return msgpack.unpackb(value.msgpack, raw=False) if value.msgpack else json.loads(value.json or "null")


def encode(value):
    return pb.DynamicValue(msgpack=msgpack.packb(value, use_bin_type=True))


def attribute(name, **how):
    return pb.Schema.Attribute(name=name, type=b'"string"', **how)


def resource():
    timeouts = pb.Schema.Block(attributes=[attribute("update", optional=True)])
    names = [attribute("id", computed=True), attribute("name", required=True)]
    names += [attribute("label", optional=True), attribute("secret", optional=True), attribute("copy", computed=True)]
    nested = pb.Schema.NestedBlock(type_name="timeouts", nesting=pb.Schema.NestedBlock.NestingMode.SINGLE, block=timeouts)
    return pb.Schema(version=0, block=pb.Schema.Block(attributes=names, block_types=[nested]))


def path(id):
    return os.path.join(WORLD["at"], id + ".json")


def load(id):
    try:
        with open(path(id)) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def asked(*words):
    with open(os.path.join(WORLD["at"], "asked"), "a") as file:
        file.write(" ".join(word if isinstance(word, str) else json.dumps(word) for word in words) + "\n")


def whole(state):
    return {name: state.get(name) for name in ("id", "name", "label", "secret", "copy", "timeouts")}


class Provider:
    def GetProviderSchema(self, request):
        answer = pb.GetProviderSchema.Response(provider=pb.Schema(block=pb.Schema.Block(attributes=[attribute("world", required=True)])))
        for kind in ("small_thing", "small_kit"):
            answer.resource_schemas[kind].CopyFrom(resource())
        answer.server_capabilities.get_provider_schema_optional = True
        answer.server_capabilities.move_resource_state = True
        return answer

    def GetResourceIdentitySchemas(self, request):
        return pb.GetResourceIdentitySchemas.Response()

    def ValidateProviderConfig(self, request):
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request):
        return pb.ValidateResourceConfig.Response()

    def ConfigureProvider(self, request):
        WORLD["at"] = decode(request.config)["world"]
        os.makedirs(WORLD["at"], exist_ok=True)
        return pb.ConfigureProvider.Response()

    def UpgradeResourceState(self, request):
        return pb.UpgradeResourceState.Response(upgraded_state=encode(whole(json.loads(request.raw_state.json))))

    def MoveResourceState(self, request):
        moved = whole(json.loads(request.source_state.json))
        own = request.source_private and request.source_private + b"+moved"
        return pb.MoveResourceState.Response(target_state=encode(moved), target_private=own)

    def ReadResource(self, request):
        found = load(decode(request.current_state)["id"])
        asked("read", request.type_name, request.private.decode())
        return pb.ReadResource.Response(new_state=encode(found and whole(found)), private=request.private)

    def PlanResourceChange(self, request):
        prior, planned = decode(request.prior_state), decode(request.proposed_new_state)
        if planned is not None:
            if prior is None:
                planned["id"] = UNKNOWN
            planned["copy"] = planned["secret"]
        return pb.PlanResourceChange.Response(planned_state=encode(planned), planned_private=request.prior_private)

    def ApplyResourceChange(self, request):
        prior, planned, config = decode(request.prior_state), decode(request.planned_state), decode(request.config)
        what = "delete" if planned is None else "update" if prior else "create"
        asked(what, request.type_name, request.planned_private.decode(), config and config["timeouts"])
        if planned is None:
            os.remove(path(prior["id"]))
            return pb.ApplyResourceChange.Response(new_state=encode(None))
        state = {**planned, "id": prior["id"] if prior else uuid.uuid4().hex}
        with open(path(state["id"]), "w") as file:
            json.dump(state, file)
        return pb.ApplyResourceChange.Response(new_state=encode(state), private=request.planned_private or b"own")

    def ImportResourceState(self, request):
        stubs = [part.split(":") for part in request.id.split("+")]
        answer = pb.ImportResourceState.Response()
        for kind, id in stubs:
            answer.imported_resources.add(type_name=kind, state=encode(whole({"id": id})), private=b"imported")
        return answer

    def StopProvider(self, request):
        return pb.StopProvider.Response()


provider, handlers = Provider(), {}
for method in pb.DESCRIPTOR.services_by_name["Provider"].methods:
    answer = getattr(provider, method.name, None)
    if answer is not None:
        handlers[method.name] = grpc.unary_unary_rpc_method_handler(
            lambda request, _, answer=answer: answer(request),
            request_deserializer=getattr(pb, method.name).Request.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
over = threading.Event()
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
end = grpc.unary_unary_rpc_method_handler(
    lambda *_: over.set() or b"", request_deserializer=bytes, response_serializer=bytes
)
server.add_generic_rpc_handlers((
    grpc.method_handlers_generic_handler("tfplugin6.Provider", handlers),
    grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": end}),
))
where = tempfile.mkdtemp() + "/socket"
certificate = ""
if os.environ.get("PLUGIN_CLIENT_CERT"):
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256())
    form = serialization.Encoding
    secret = key.private_bytes(form.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server.add_secure_port("unix://" + where, grpc.ssl_server_credentials([(secret, made.public_bytes(form.PEM))]))
    certificate = base64.b64encode(made.public_bytes(form.DER)).decode().rstrip("=")
else:
    server.add_insecure_port("unix://" + where)
server.start()
print(f"1|6|unix|{where}|grpc|{certificate}", flush=True)
over.wait()
server.stop(0)
os._exit(0)
