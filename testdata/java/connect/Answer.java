import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.SchemaProjector;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.data.Values;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Reads requests in the notation of testdata/vectors, a line each, and answers each with a line: what the classes of Kafka
 * Connect on the class path make of it. The first line that it writes is the version of Java. Converters are kept. Before
 * version 19 Java printed some floats with digits that say nothing (JDK-4511638); requests that have such are answered
 * {"unsaid":true}, and so are those whose answer is a schema with half a character in its texts.
 */
public class Answer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, Object> CONVERTERS = new HashMap<>();
    private static final int RELEASE = Runtime.version().feature();

    private static class UnsaidException extends RuntimeException { }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        out.write(RELEASE + "\n");
        out.flush();
        for (String line; (line = in.readLine()) != null; ) {
            out.write(JSON.writeValueAsString(answer(JSON.readTree(line))) + "\n");
            if (!in.ready()) {
                out.flush();
            }
        }
        out.flush();
    }

    private static ObjectNode answer(JsonNode request) {
        if (request.get("op").textValue().equals("chain")) {
            return chain(request);
        }
        String stage = "input";
        List<Integer> calls = new ArrayList<>(); // the last one is the call under way
        try {
            Schema schema = schema(request.get("schema"));
            Object value = value(request.get("value"), schema);
            ObjectNode ok = JSON.createObjectNode();
            switch (request.get("op").textValue()) {
                case "converter", "header_converter" -> {
                    stage = "configure";
                    Object converter = converter(request);
                    stage = "apply";
                    convert(ok, converter, request, schema, value);
                }
                case "parse_string" -> {
                    stage = "apply";
                    typed(ok, Values.parseString((String) value(request.get("text"), null)));
                }
                case "convert_to_string" -> {
                    stage = "apply";
                    ok.put("string", Values.convertToString(schema, value));
                }
                case "convert_to" -> {
                    stage = "apply";
                    ok.set("value", show(convertTo(request, schema, value)));
                }
                case "project" -> {
                    Schema to = schema(request.get("to"));
                    stage = "apply";
                    typed(ok, new SchemaAndValue(to, SchemaProjector.project(schema, value, to)));
                }
                case "logical" -> {
                    stage = "apply";
                    ok.set("value", show(logical(request, schema, value)));
                }
                case "builder" -> {
                    calls.add(0);
                    ok.set("schema", show(built(request, calls)));
                }
                case "struct" -> struct(ok, request, schema, calls);
                case "headers" -> headers(ok, request, calls);
                default -> throw new IllegalArgumentException("no such op");
            }
            return JSON.createObjectNode().set("ok", ok);
        } catch (UnsaidException e) {
            return JSON.createObjectNode().put("unsaid", true);
        } catch (Throwable e) {
            if (RELEASE < 19 && e.getMessage() != null && e.getMessage().matches("(?s).*[0-9]\\.[0-9]{7}.*")) {
                return JSON.createObjectNode().put("unsaid", true);
            }
            ObjectNode error = failure(calls.isEmpty() ? stage : "apply", e);
            if (!calls.isEmpty()) {
                error.put("index", calls.get(calls.size() - 1));
            }
            return JSON.createObjectNode().set("error", error);
        }
    }

    private static ObjectNode failure(String stage, Throwable e) {
        ObjectNode error = JSON.createObjectNode().put("stage", stage).put("class", e.getClass().getName());
        return error.put("message", e.getMessage() == null ? null : e.getMessage()
            .replaceAll("@[0-9a-f]+", "@*").replaceAll("[\\ud800-\\udfff]+", "\ufffd"));
    }

    /** Takes a record through transforms, which need not be Kafka Connect's own. */
    @SuppressWarnings({"rawtypes", "unchecked"})
    private static ObjectNode chain(JsonNode request) {
        String stage = "input";
        int index = 0;
        try {
            ConnectRecord record = request.has("record") ? record(request.get("record")) : null;
            List<Transformation> transforms = new ArrayList<>();
            stage = "configure";
            for (JsonNode step : request.get("chain")) {
                Transformation t = (Transformation) Class.forName(step.get("class").textValue()).getDeclaredConstructor().newInstance();
                transforms.add(t);
                t.configure(JSON.convertValue(step.get("config"), Map.class));
                index++;
            }
            stage = "apply";
            ConnectRecord before = record;
            for (index = 0; record != null && index < transforms.size(); index++) {
                record = transforms.get(index).apply(record);
            }
            ObjectNode ok = JSON.createObjectNode();
            if (before == null) {
                return JSON.createObjectNode().set("ok", ok);
            } else if (record == null) {
                ok.put("dropped", true);
            } else {
                if (record == before) {
                    ok.put("same", true);
                }
                ok.set("record", show(record));
            }
            return JSON.createObjectNode().set("ok", ok);
        } catch (UnsaidException e) {
            return JSON.createObjectNode().put("unsaid", true);
        } catch (Throwable e) {
            return JSON.createObjectNode().set("error", failure(stage, e).put("index", index));
        }
    }

    private static ConnectRecord<?> record(JsonNode n) throws Exception {
        String topic = n.path("topic").textValue();
        Long timestamp = n.path("timestamp").isTextual() ? Long.valueOf(n.get("timestamp").textValue()) : null;
        Schema keySchema = schema(n.path("key").get("schema")), valueSchema = schema(n.path("value").get("schema"));
        Object key = value(n.path("key").get("value"), keySchema), value = value(n.path("value").get("value"), valueSchema);
        ConnectRecord<?> record = n.path("kind").asText("sink").equals("source")
            ? new SourceRecord(Map.of(), Map.of(), topic, n.path("partition").isInt() ? n.get("partition").intValue() : null,
                keySchema, key, valueSchema, value, timestamp)
            : new SinkRecord(topic, n.get("partition").intValue(), keySchema, key, valueSchema, value, Long.parseLong(n.get("offset").textValue()),
                timestamp, timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME);
        for (JsonNode h : n.path("headers")) {
            Schema s = schema(h.get("schema"));
            record.headers().add(h.get("name").textValue(), value(h.get("value"), s), s);
        }
        return record;
    }

    private static ObjectNode show(ConnectRecord<?> r) {
        boolean sink = r instanceof SinkRecord;
        ObjectNode n = JSON.createObjectNode().put("kind", sink ? "sink" : "source").put("topic", r.topic()).put("partition", r.kafkaPartition());
        n.put("timestamp", r.timestamp() == null ? null : r.timestamp().toString());
        if (sink) {
            n.put("offset", Long.toString(((SinkRecord) r).kafkaOffset())).put("timestamp_type", ((SinkRecord) r).timestampType().toString());
        }
        typed(n.putObject("key"), new SchemaAndValue(r.keySchema(), r.key()));
        typed(n.putObject("value"), new SchemaAndValue(r.valueSchema(), r.value()));
        ArrayNode headers = n.putArray("headers");
        for (Header h : r.headers()) {
            typed(headers.addObject().put("name", h.key()), new SchemaAndValue(h.schema(), h.value()));
        }
        return n;
    }

    private static Object logical(JsonNode request, Schema schema, Object value) {
        boolean encode = request.get("dir").textValue().equals("encode");
        return switch (request.get("type").textValue()) {
            case "Decimal" -> encode ? Decimal.fromLogical(schema, (BigDecimal) value) : Decimal.toLogical(schema, (byte[]) value);
            case "Date" -> encode ? Date.fromLogical(schema, (java.util.Date) value) : Date.toLogical(schema, (Integer) value);
            case "Time" -> encode ? Time.fromLogical(schema, (java.util.Date) value) : Time.toLogical(schema, (Integer) value);
            default -> encode ? Timestamp.fromLogical(schema, (java.util.Date) value) : Timestamp.toLogical(schema, (Long) value);
        };
    }

    private static Schema built(JsonNode request, List<Integer> calls) throws Exception {
        SchemaBuilder b = switch (request.get("type").textValue()) {
            case "array" -> SchemaBuilder.array(schema(request.get("items")));
            case "map" -> SchemaBuilder.map(schema(request.get("keys")), schema(request.get("values")));
            case "null" -> SchemaBuilder.type(null);
            default -> SchemaBuilder.type(Schema.Type.valueOf(request.get("type").textValue().toUpperCase()));
        };
        for (JsonNode call : request.get("calls")) {
            calls.add(calls.size());
            switch (call.get(0).textValue()) {
                case "optional" -> b.optional();
                case "required" -> b.required();
                case "name" -> b.name(call.get(1).textValue().intern());
                case "doc" -> b.doc(call.get(1).textValue().intern());
                case "version" -> b.version(call.get(1).intValue());
                case "parameter" -> b.parameter(call.get(1).textValue(), call.get(2).textValue());
                case "default" -> b.defaultValue(value(call.get(1), b));
                case "field" -> b.field(call.get(1).textValue(), schema(call.get(2)));
                default -> throw new IllegalArgumentException("no such call");
            }
        }
        return b.build();
    }

    private static void struct(ObjectNode ok, JsonNode request, Schema schema, List<Integer> calls) throws Exception {
        calls.add(0);
        Struct s = new Struct(schema);
        ArrayNode results = ok.putArray("results");
        for (JsonNode call : request.get("calls")) {
            calls.add(calls.size());
            String field = call.path(1).textValue();
            results.add(switch (call.get(0).textValue()) {
                case "put" -> {
                    s.put(field, value(call.get(2), schema.field(field) == null ? null : schema.field(field).schema()));
                    yield JSON.nullNode();
                }
                case "get" -> show(s.get(field));
                case "getWithoutDefault" -> show(s.getWithoutDefault(field));
                case "validate" -> {
                    s.validate();
                    yield JSON.nullNode();
                }
                case "toString" -> show(said(s.toString()));
                default -> show(Struct.class.getMethod(call.get(0).textValue(), String.class), s, field);
            });
        }
        ok.set("value", show(s));
    }

    private static JsonNode show(java.lang.reflect.Method getter, Struct s, String field) throws Exception {
        try {
            return show(getter.invoke(s, field));
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
    }

    private static void headers(ObjectNode ok, JsonNode request, List<Integer> calls) throws Exception {
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode call : request.get("calls")) {
            calls.add(calls.size());
            String key = call.path(1).textValue();
            switch (call.get(0).textValue()) {
                case "add" -> {
                    Schema schema = schema(call.get(2));
                    headers.add(key, value(call.get(3), schema), schema);
                }
                case "remove" -> headers.remove(key);
                case "retainLatest" -> {
                    if (key == null) {
                        headers.retainLatest();
                    } else {
                        headers.retainLatest(key);
                    }
                }
                case "clear" -> headers.clear();
                default -> throw new IllegalArgumentException("no such call");
            }
        }
        ArrayNode all = ok.putArray("headers");
        for (Header h : headers) {
            ObjectNode one = all.addObject().put("name", said(h.key()));
            typed(one, new SchemaAndValue(h.schema(), h.value()));
        }
    }

    private static Object converter(JsonNode request) throws Exception {
        boolean isHeader = request.get("op").textValue().equals("header_converter");
        String key = isHeader + " " + request.path("key") + request.get("class") + request.get("config");
        Object converter = CONVERTERS.get(key);
        if (converter == null) {
            Map<String, String> config = new HashMap<>();
            request.get("config").fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().textValue()));
            converter = Class.forName(request.get("class").textValue()).getDeclaredConstructor().newInstance();
            if (isHeader) {
                config.put("converter.type", "header");
                ((HeaderConverter) converter).configure(config);
            } else {
                ((Converter) converter).configure(config, request.path("key").booleanValue());
            }
            CONVERTERS.put(key, converter);
        }
        return converter;
    }

    private static void convert(ObjectNode ok, Object converter, JsonNode request, Schema schema, Object value) throws Exception {
        boolean read = request.get("dir").textValue().equals("read");
        byte[] bytes = read ? request.get("bytes").binaryValue() : null;
        if (converter instanceof HeaderConverter h && request.get("op").textValue().equals("header_converter")) {
            if (read) {
                typed(ok, h.toConnectHeader("t", "h", bytes));
            } else {
                ok.put("bytes", h.fromConnectHeader("t", "h", schema, value));
            }
        } else if (read) {
            typed(ok, ((Converter) converter).toConnectData("t", bytes));
        } else {
            ok.put("bytes", ((Converter) converter).fromConnectData("t", schema, value));
        }
    }

    private static Object convertTo(JsonNode request, Schema schema, Object value) {
        return switch (request.get("target").textValue()) {
            case "boolean" -> Values.convertToBoolean(schema, value);
            case "int8" -> Values.convertToByte(schema, value);
            case "int16" -> Values.convertToShort(schema, value);
            case "int32" -> Values.convertToInteger(schema, value);
            case "int64" -> Values.convertToLong(schema, value);
            case "float32" -> Values.convertToFloat(schema, value);
            case "float64" -> Values.convertToDouble(schema, value);
            case "string" -> Values.convertToString(schema, value);
            case "list" -> Values.convertToList(schema, value);
            case "map" -> Values.convertToMap(schema, value);
            case "struct" -> Values.convertToStruct(schema, value);
            case "date" -> Values.convertToDate(schema, value);
            case "time" -> Values.convertToTime(schema, value);
            case "timestamp" -> Values.convertToTimestamp(schema, value);
            case "decimal" -> {
                if (RELEASE < 19 && value instanceof Number n && Math.abs(n.doubleValue()) >= 1L << 53) {
                    throw new UnsaidException(); // goes by way of a double's text
                }
                yield Values.convertToDecimal(schema, value, request.get("scale").intValue());
            }
            default -> throw new IllegalArgumentException("no such target");
        };
    }

    private static Schema schema(JsonNode n) throws Exception {
        if (n == null || n.isNull()) {
            return null;
        }
        SchemaBuilder b = switch (n.get("type").textValue()) {
            case "array" -> SchemaBuilder.array(schema(n.get("items")));
            case "map" -> SchemaBuilder.map(schema(n.get("keys")), schema(n.get("values")));
            default -> SchemaBuilder.type(Schema.Type.valueOf(n.get("type").textValue().toUpperCase()));
        };
        if (n.path("optional").booleanValue()) {
            b.optional();
        }
        if (n.has("name")) {
            b.name(n.get("name").textValue());
        }
        if (n.has("version")) {
            b.version(n.get("version").intValue());
        }
        if (n.has("doc")) {
            b.doc(n.get("doc").textValue());
        }
        for (JsonNode p : n.path("params")) {
            b.parameter(p.get(0).textValue(), p.get(1).textValue());
        }
        for (JsonNode f : n.path("fields")) {
            b.field(f.get("name").textValue(), schema(f.get("schema")));
        }
        if (n.has("default")) {
            b.defaultValue(value(n.get("default"), b));
        }
        return b.build();
    }

    private static Object value(JsonNode n, Schema place) throws Exception {
        if (n == null || n.isNull()) {
            return null;
        }
        if (n.isBoolean()) {
            return n.booleanValue();
        }
        if (n.isTextual()) {
            return n.textValue();
        }
        String kind = n.fieldNames().next();
        JsonNode v = n.get(kind);
        return switch (kind) {
            case "i8" -> (byte) v.intValue();
            case "i16" -> (short) v.intValue();
            case "i32" -> v.intValue();
            case "i64" -> Long.valueOf(v.textValue());
            case "f32" -> v.textValue().startsWith("NaN:")
                ? Float.intBitsToFloat(Integer.parseUnsignedInt(v.textValue().substring(4), 16))
                : shown(Float.valueOf(v.textValue()), v.textValue());
            case "f64" -> v.textValue().startsWith("NaN:")
                ? Double.longBitsToDouble(Long.parseUnsignedLong(v.textValue().substring(4), 16))
                : shown(Double.valueOf(v.textValue()), v.textValue());
            case "bytes" -> v.binaryValue();
            case "dec" -> new BigDecimal(new BigInteger(v.get(0).textValue()), v.get(1).intValue());
            case "bigint" -> new BigInteger(v.textValue());
            case "instant" -> new java.util.Date(Long.parseLong(v.textValue()));
            case "utf16" -> units(v.textValue());
            case "list" -> {
                List<Object> list = new ArrayList<>();
                for (JsonNode e : v) {
                    list.add(value(e, place == null || place.type() != Schema.Type.ARRAY ? null : place.valueSchema()));
                }
                yield list;
            }
            case "map" -> {
                boolean typed = place != null && place.type() == Schema.Type.MAP;
                Map<Object, Object> map = new HashMap<>();
                for (JsonNode e : v) {
                    map.put(value(e.get(0), typed ? place.keySchema() : null), value(e.get(1), typed ? place.valueSchema() : null));
                }
                yield map;
            }
            case "struct" -> {
                Struct struct = new Struct(place);
                for (JsonNode f : v) {
                    struct.put(f.get(0).textValue(), value(f.get(1), place.field(f.get(0).textValue()).schema()));
                }
                yield struct;
            }
            default -> throw new IllegalArgumentException("no such value");
        };
    }

    /** Makes sure that Java prints a float with the digits of the request, which are the shortest. */
    private static <T extends Number> T shown(T f, String digits) {
        boolean isNumber = Double.isFinite(f.doubleValue());
        if (RELEASE < 19 && isNumber && new BigDecimal(digits).compareTo(new BigDecimal(f.toString())) != 0) {
            throw new UnsaidException();
        }
        return f;
    }

    private static String units(String hex) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < hex.length(); i += 4) {
            b.append((char) Integer.parseInt(hex.substring(i, i + 4), 16));
        }
        return b.toString();
    }

    private static void typed(ObjectNode ok, SchemaAndValue answer) {
        ok.set("schema", answer == null ? JSON.nullNode() : show(answer.schema()));
        ok.set("value", answer == null ? JSON.nullNode() : show(answer.value()));
    }

    private static JsonNode show(Schema s) {
        if (s == null) {
            return JSON.nullNode();
        }
        ObjectNode n = JSON.createObjectNode().put("type", s.type().getName());
        if (s.isOptional()) {
            n.put("optional", true);
        }
        if (s.name() != null) {
            n.put("name", said(s.name()));
        }
        if (s.version() != null) {
            n.put("version", s.version());
        }
        if (s.doc() != null) {
            n.put("doc", said(s.doc()));
        }
        if (s.parameters() != null && !s.parameters().isEmpty()) {
            ArrayNode params = n.putArray("params");
            s.parameters().forEach((k, v) -> params.addArray().add(said(k)).add(said(v)));
        }
        if (s.defaultValue() != null) {
            n.set("default", show(s.defaultValue()));
        }
        switch (s.type()) {
            case STRUCT -> {
                ArrayNode fields = n.putArray("fields");
                for (Field f : s.fields()) {
                    fields.addObject().put("name", said(f.name())).set("schema", show(f.schema()));
                }
            }
            case ARRAY -> n.set("items", show(s.valueSchema()));
            case MAP -> {
                n.set("keys", show(s.keySchema()));
                n.set("values", show(s.valueSchema()));
            }
            default -> { }
        }
        return n;
    }

    private static JsonNode show(Object v) {
        ObjectNode n = JSON.createObjectNode();
        if (v == null) {
            return JSON.nullNode();
        } else if (v instanceof Boolean b) {
            return JSON.getNodeFactory().booleanNode(b);
        } else if (v instanceof String s) {
            return text(s);
        } else if (v instanceof Byte b) {
            n.put("i8", b.intValue());
        } else if (v instanceof Short s) {
            n.put("i16", s.intValue());
        } else if (v instanceof Integer i) {
            n.put("i32", i);
        } else if (v instanceof Long l) {
            n.put("i64", l.toString());
        } else if (v instanceof Float f) {
            int bits = Float.floatToRawIntBits(f);
            n.put("f32", f.isNaN() && bits != 0x7fc00000 ? "NaN:" + Integer.toHexString(bits) : f.toString());
        } else if (v instanceof Double d) {
            long bits = Double.doubleToRawLongBits(d);
            n.put("f64", d.isNaN() && bits != 0x7ff8000000000000L ? "NaN:" + Long.toHexString(bits) : d.toString());
        } else if (v instanceof byte[] b) {
            n.put("bytes", b);
        } else if (v instanceof ByteBuffer b) {
            n.put("bytes", b.array());
        } else if (v instanceof BigDecimal d) {
            n.putArray("dec").add(d.unscaledValue().toString()).add(d.scale());
        } else if (v instanceof BigInteger i) {
            n.put("bigint", i.toString());
        } else if (v instanceof java.util.Date d) {
            n.put("instant", Long.toString(d.getTime()));
        } else if (v instanceof List<?> list) {
            ArrayNode elements = n.putArray("list");
            list.forEach(e -> elements.add(show(e)));
        } else if (v instanceof Map<?, ?> map) {
            ArrayNode pairs = n.putArray("map");
            map.forEach((k, e) -> pairs.addArray().add(show(k)).add(show(e)));
        } else if (v instanceof Struct struct) {
            ArrayNode fields = n.putArray("struct");
            for (Field f : struct.schema().fields()) {
                fields.addArray().add(f.name()).add(show(struct.getWithoutDefault(f.name())));
            }
        } else {
            n.put("other", v.getClass().getName());
        }
        return n;
    }

    private static String said(String s) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(s)) {
            throw new UnsaidException();
        }
        return s;
    }

    private static JsonNode text(String s) {
        if (StandardCharsets.UTF_8.newEncoder().canEncode(s)) {
            return JSON.getNodeFactory().textNode(s);
        }
        StringBuilder hex = new StringBuilder();
        s.chars().forEach(c -> hex.append(String.format("%04x", c)));
        return JSON.createObjectNode().put("utf16", hex.toString());
    }
}
