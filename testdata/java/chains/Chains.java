import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Takes records through chains of Kafka Connect's own transforms. A line that is an array is a chain, [{"class", "config"}],
 * of which a stage may have a "predicate", {"class", "config"}, and "negate";
 * one that is an object is a record for the newest chain: topic, partition, offset, timestamp, key, value and headers (and
 * "source", for a record of a source), of
 * which data are texts in the form of JsonConverter with schemas. Each line is answered with one: what came out in the same
 * form, or {"dropped"}, {"failed": number of the transform}, {"encode"}; for a chain {"ok"} or {"configure"}.
 */
@SuppressWarnings({"rawtypes", "unchecked"})
public class Chains {
    static final ObjectMapper mapper = new ObjectMapper();
    static final JsonConverter json = new JsonConverter();

    /** What Kafka Connect's TransformationStage is, which needs a worker. */
    record Stage(Transformation transform, Predicate predicate, boolean negate) {
        boolean applies(ConnectRecord record) {
            return predicate == null || predicate.test(record) != negate;
        }
    }

    public static void main(String[] args) throws Exception {
        json.configure(Map.of("schemas.enable", "true", "converter.type", "value"));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false, "UTF-8");
        List<Stage> chain = new ArrayList<>();
        for (String line; (line = in.readLine()) != null; ) {
            if (line.isEmpty()) {
                out.flush();
                continue;
            }
            JsonNode node = mapper.readTree(line);
            out.println(node.isArray() ? configure(node, chain) : run(node, chain));
        }
        out.flush();
    }

    static String configure(JsonNode stages, List<Stage> chain) {
        chain.clear();
        int i = 0;
        try {
            for (JsonNode stage : stages) {
                Class<?> c = Class.forName(stage.get("class").asText());
                Transformation t = (Transformation) c.getDeclaredConstructor().newInstance();
                t.configure(mapper.convertValue(stage.get("config"), Map.class));
                Predicate p = null;
                if (stage.has("predicate")) {
                    p = (Predicate) Class.forName(stage.get("predicate").get("class").asText()).getDeclaredConstructor().newInstance();
                    p.configure(mapper.convertValue(stage.get("predicate").get("config"), Map.class));
                }
                chain.add(new Stage(t, p, stage.path("negate").asBoolean()));
                i++;
            }
        } catch (Exception e) {
            return mapper.createObjectNode().put("configure", i).put("why", e.toString()).toString();
        }
        return "{\"ok\":true}";
    }

    static SchemaAndValue read(JsonNode text) {
        return json.toConnectData("t", text == null || text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8));
    }

    static String run(JsonNode r, List<Stage> chain) {
        SchemaAndValue key = read(r.get("key")), value = read(r.get("value"));
        Long timestamp = r.get("timestamp").isNull() ? null : r.get("timestamp").asLong();
        ConnectRecord record = r.has("source") ? new SourceRecord(Map.of(), Map.of(), r.get("topic").asText(), null, key.schema(), key.value(),
            value.schema(), value.value(), timestamp) : new SinkRecord(r.get("topic").asText(), r.get("partition").asInt(), key.schema(), key.value(), value.schema(),
            value.value(), r.get("offset").asLong(), timestamp, timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME);
        for (JsonNode h : r.get("headers")) {
            record.headers().add(h.get("key").asText(), read(h.get("value")));
        }
        int i = 0;
        try {
            for (Stage s : chain) {
                if (s.applies(record)) {
                    record = (ConnectRecord) s.transform().apply(record);
                }
                if (record == null) {
                    return "{\"dropped\":true}";
                }
                i++;
            }
        } catch (Exception e) {
            return mapper.createObjectNode().put("failed", i).put("why", e.toString()).toString();
        }
        ObjectNode out = mapper.createObjectNode();
        try {
            out.put("topic", record.topic());
            out.put("partition", record.kafkaPartition());
            out.put("timestamp", record.timestamp());
            write(out, "key", json.fromConnectData("t", record.keySchema(), record.key()));
            write(out, "value", json.fromConnectData("t", record.valueSchema(), record.value()));
            ArrayNode headers = out.putArray("headers");
            for (Object o : record.headers()) {
                Header h = (Header) o;
                write(headers.addObject().put("key", h.key()), "value", json.fromConnectData("t", h.schema(), h.value()));
            }
        } catch (Exception e) {
            return mapper.createObjectNode().put("encode", true).put("why", e.toString()).toString();
        }
        return out.toString();
    }

    static void write(ObjectNode to, String name, byte[] text) {
        to.put(name, text == null ? null : new String(text, StandardCharsets.UTF_8));
    }
}
