"""Prints the descriptors of the files that every registry knows, as Google and Confluent publish them: a line each, path and base64."""

import base64
import importlib
import pkgutil

import google.type
from confluent_kafka.schema_registry.confluent import meta_pb2
from confluent_kafka.schema_registry.confluent.type import decimal_pb2, variant_pb2

modules = [meta_pb2, decimal_pb2, variant_pb2]
modules += [importlib.import_module("google.type." + m.name) for m in pkgutil.iter_modules(google.type.__path__) if m.name.endswith("_pb2")]
for module in modules:
    print(module.DESCRIPTOR.name, base64.b64encode(module.DESCRIPTOR.serialized_pb).decode())
