"""Exchanges records with the engine by Confluent's Python serializers, through a registry and a broker.

usage: exchange.py write REGISTRY_URL BOOTSTRAP AVRO_TOPIC JSON_TOPIC PROTOBUF_TOPIC
       exchange.py read  REGISTRY_URL BOOTSTRAP COUNT AVRO_TOPIC JSON_TOPIC PROTOBUF_TOPIC PLAIN_TOPIC

write makes the topics and writes three values into each, the last of them null. read prints, for each topic, COUNT values of
the row that the test's sources make, one line of JSON each, in one form for all: what the formats have their own types for
(decimals, timestamps) is turned into text and numbers here. PLAIN_TOPIC holds JSON without schemas.
"""

import decimal
import json
import sys

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.confluent.type import decimal_pb2
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2  # noqa: F401

from registry import AVRO, JSON, messages


def write(url, bootstrap, *topics):
    admin = AdminClient({"bootstrap.servers": bootstrap})  # which has to live as long as its answers are waited for
    for future in admin.create_topics([NewTopic(t, 1, 1) for t in topics]).values():
        future.result()
    client = SchemaRegistryClient({"url": url})
    plain = [{"id": 1, "note": "one"}, {"id": 1 << 40, "note": "zwei ☃"}, None]
    order = messages()
    orders = [order(id=7, tags=["a", "b"]), order(id=8), None]
    orders[0].total.units = 12
    orders[0].at.seconds = 1700000000
    producer = Producer({"bootstrap.servers": bootstrap})
    failures = []
    for topic, serialize, values in zip(topics, [
        AvroSerializer(client, AVRO), JSONSerializer(JSON, client), ProtobufSerializer(order, client, {"use.deprecated.format": False}),
    ], [plain, plain, orders]):
        context = SerializationContext(topic, MessageField.VALUE)
        for value in values:
            producer.produce(topic, value=serialize(value, context), on_delivery=lambda e, _: e and failures.append(e))
    assert producer.flush(30) == 0 and not failures, failures
    print("written")


def row_class():
    """Builds what protoc would generate for the schema that the engine registers of its rows."""
    pool = descriptor_pool.Default()
    assert decimal_pb2.DESCRIPTOR.name == "confluent/type/decimal.proto", decimal_pb2.DESCRIPTOR.name
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", package="penstock.datagen", syntax="proto3")
    file.dependency.extend(["confluent/type/decimal.proto", "google/protobuf/timestamp.proto"])
    row = file.message_type.add(name="Row")
    for number, (name, kind, type_name) in enumerate([
        ("id", field.TYPE_INT64, None), ("user", field.TYPE_STRING, None), ("amount", field.TYPE_MESSAGE, ".confluent.type.Decimal"),
        ("active", field.TYPE_BOOL, None), ("at", field.TYPE_MESSAGE, ".google.protobuf.Timestamp"), ("share", field.TYPE_DOUBLE, None),
    ], 1):
        row.field.add(name=name, number=number, type=kind, type_name=type_name, label=field.LABEL_OPTIONAL)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("penstock.datagen.Row"))


def from_avro(v):
    return {**v, "amount": str(v["amount"]), "at": round(v["at"].timestamp() * 1000)}


def from_json(v):
    return {**v, "amount": "%.2f" % v["amount"]}


def from_protobuf(v):
    unscaled = int.from_bytes(v.amount.value, "big", signed=True)
    return {
        "id": v.id, "user": v.user, "amount": str(decimal.Decimal(unscaled).scaleb(-v.amount.scale)), "active": v.active,
        "at": v.at.seconds * 1000 + v.at.nanos // 1000000, "share": v.share,
    }


def read(url, bootstrap, count, *topics):
    client = SchemaRegistryClient({"url": url})
    row = row_class()
    for topic, deserialize, form in zip(topics, [
        AvroDeserializer(client), JSONDeserializer(None, schema_registry_client=client),
        ProtobufDeserializer(row, {"use.deprecated.format": False}, client), lambda b, _: json.loads(b),
    ], [from_avro, from_json, from_protobuf, from_json]):
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "exchange-" + topic, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        for _ in range(int(count)):
            message = consumer.poll(30)
            assert message is not None and message.error() is None, message and message.error()
            value = form(deserialize(message.value(), SerializationContext(topic, MessageField.VALUE)))
            print(topic, json.dumps(value, sort_keys=True))
        consumer.close()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
