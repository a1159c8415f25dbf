"""Confluent's Python client against a registry: registers schemas of the three formats with its serializers, produces what
they make, reads it back with its deserializers, and tries the calls of its registry client.

usage: registry.py REGISTRY_URL BOOTSTRAP AVRO_TOPIC JSON_TOPIC PROTOBUF_TOPIC

Prints one line for each part that went well; any failure ends the program.
"""

import sys

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2  # noqa: F401

AVRO = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"},
    {"name": "note", "type": ["null", "string"], "default": null}]}"""

JSON = """{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Order", "type": "object",
    "properties": {"id": {"type": "integer"}, "note": {"type": "string"}}, "required": ["id"]}"""


def messages():
    """Builds what protoc would generate for two files, one of which imports the other and a file of Google's."""
    pool = descriptor_pool.Default()
    field = descriptor_pb2.FieldDescriptorProto
    money = descriptor_pb2.FileDescriptorProto(name="money.proto", package="shop", syntax="proto3")
    m = money.message_type.add(name="Money")
    m.field.add(name="units", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    order = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    order.dependency.extend(["money.proto", "google/protobuf/timestamp.proto"])
    o = order.message_type.add(name="Order")
    o.field.add(name="id", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    o.field.add(name="total", number=2, type=field.TYPE_MESSAGE, type_name=".shop.Money", label=field.LABEL_OPTIONAL)
    o.field.add(name="at", number=3, type=field.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp", label=field.LABEL_OPTIONAL)
    o.field.add(name="tags", number=4, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    pool.AddSerializedFile(money.SerializeToString())
    pool.AddSerializedFile(order.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


def round_trip(bootstrap, topic, serialize, deserialize, values):
    """Produces values and reads them back from the broker."""
    context = SerializationContext(topic, MessageField.VALUE)
    producer = Producer({"bootstrap.servers": bootstrap})
    failures = []
    for value in values:
        producer.produce(topic, value=serialize(value, context), on_delivery=lambda e, _: e and failures.append(e))
    assert producer.flush(30) == 0 and not failures, failures
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got = []
    while len(got) < len(values):
        message = consumer.poll(30)
        assert message is not None and message.error() is None, message and message.error()
        got.append(deserialize(message.value(), context))
    consumer.close()
    return got


def serializers(client, bootstrap, avro, json, protobuf):
    values = [{"id": 1, "note": "one"}, {"id": 2, "note": "zwei"}]
    got = round_trip(bootstrap, avro, AvroSerializer(client, AVRO), AvroDeserializer(client), values)
    assert got == values, got
    print("avro: 2 records of " + avro)

    got = round_trip(bootstrap, json, JSONSerializer(JSON, client), JSONDeserializer(JSON, schema_registry_client=client), values)
    assert got == values, got
    print("json: 2 records of " + json)

    order = messages()
    orders = [order(id=7, tags=["a", "b"]), order(id=8)]
    orders[0].total.units = 12
    orders[0].at.seconds = 1700000000
    got = round_trip(
        bootstrap, protobuf,
        ProtobufSerializer(order, client, {"use.deprecated.format": False}),
        ProtobufDeserializer(order, {"use.deprecated.format": False}, client), orders)
    assert got == orders, got
    print("protobuf: 2 records of " + protobuf)


def refused(code, call, *args, **more):
    try:
        call(*args, **more)
    except SchemaRegistryError as e:
        assert e.error_code == code, (e.error_code, code, e.error_message)
        return
    raise AssertionError("%d expected" % code)


def calls(client):
    schema = Schema(AVRO, "AVRO")
    one = client.register_schema("py", schema)
    assert client.register_schema("py", schema) == one
    assert client.get_schema(one).schema_str.replace(" ", "").startswith('{"type":"record"')
    found = client.lookup_schema("py", schema)
    assert (found.version, found.schema_id) == (1, one), found
    assert client.get_latest_version("py").version == 1
    assert client.get_versions("py") == [1]
    assert "py" in client.get_subjects()
    wrong = Schema(AVRO.replace('"long"', '"string"'), "AVRO")
    assert not client.test_compatibility("py", wrong)
    refused(409, client.register_schema, "py", wrong)
    client.register_schema("py-base", Schema('{"type":"enum","name":"shop.Kind","symbols":["A"]}', "AVRO"))
    refers = Schema('{"type":"record","name":"R","fields":[{"name":"k","type":"shop.Kind"}]}', "AVRO",
                    [SchemaReference("shop.Kind", "py-base", 1)])
    assert client.get_schema(client.register_schema("py-refers", refers)).references[0].subject == "py-base"
    refused(42206, client.delete_subject, "py-base")
    client.set_compatibility("py", "NONE")
    assert client.get_compatibility("py") == "NONE"
    two = client.register_schema("py", wrong)
    assert two != one
    assert client.delete_version("py", 2) == 2
    assert client.delete_subject("py") == [1]
    refused(40401, client.get_versions, "py")
    print("client: %d subjects" % len(client.get_subjects()))


def main(url, bootstrap, *topics):
    client = SchemaRegistryClient({"url": url})
    calls(client)
    serializers(client, bootstrap, *topics)


if __name__ == "__main__":
    main(*sys.argv[1:])
