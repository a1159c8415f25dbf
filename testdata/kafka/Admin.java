import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/**
 * Tries the calls of Kafka's own clients on a broker, in an order in which each finds what it needs, and prints a line for
 * each: its name and "ok", or the class of the exception. It is run from its source: java -cp … Admin.java HOST:PORT
 */
public class Admin {
    interface Call { void run() throws Exception; }

    static final Map<String, Object> base = new HashMap<>();

    static void attempt(String name, Call call) {
        String said = "ok";
        try {
            call.run();
        } catch (Throwable t) {
            while (t instanceof ExecutionException && t.getCause() != null) t = t.getCause();
            said = t.getClass().getSimpleName() + (t instanceof IllegalStateException ? " " + t.getMessage() : "");
        }
        System.out.println(name + ": " + said);
    }

    static void demand(boolean holds, Object found) {
        if (!holds) throw new IllegalStateException("unexpected: " + found);
    }

    static Map<String, Object> with(Object... settings) {
        Map<String, Object> m = new HashMap<>(base);
        for (int i = 0; i < settings.length; i += 2) m.put((String) settings[i], settings[i + 1]);
        return m;
    }

    static void consume(String group, String protocol) {
        Map<String, Object> settings = with("group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("orders"));
            List<String> values = new ArrayList<>();
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (values.size() < 3 && System.nanoTime() < end) {
                for (var r : consumer.poll(Duration.ofMillis(200))) values.add(r.value());
            }
            Collections.sort(values);
            demand(values.equals(List.of("a", "b", "c")), values);
            consumer.commitSync();
        }
    }

    public static void main(String[] args) throws Exception {
        base.put("bootstrap.servers", args[0]);
        base.put("default.api.timeout.ms", 10000);
        base.put("request.timeout.ms", 5000);
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, "orders");
        try (var admin = org.apache.kafka.clients.admin.Admin.create(base)) {
            String node = admin.describeCluster().nodes().get().iterator().next().idString();
            var self = new ConfigResource(ConfigResource.Type.BROKER, node);
            attempt("describeCluster", () -> demand(admin.describeCluster().nodes().get().size() == 1, "nodes"));
            attempt("describeFeatures", () -> admin.describeFeatures().featureMetadata().get());
            attempt("createTopics", () -> admin.createTopics(List.of(new NewTopic("orders", 2, (short) 1).configs(Map.of("retention.ms", "3600000")))).all().get());
            attempt("createTopics with 3 replicas", () -> admin.createTopics(List.of(new NewTopic("three", 1, (short) 3))).all().get());
            attempt("createTopics that exist", () -> admin.createTopics(List.of(new NewTopic("orders", 2, (short) 1))).all().get());
            attempt("listTopics", () -> demand(admin.listTopics().names().get().contains("orders"), "no orders"));
            attempt("describeTopics", () -> demand(admin.describeTopics(List.of("orders")).allTopicNames().get().get("orders").partitions().size() == 2, "partitions"));
            attempt("createPartitions", () -> admin.createPartitions(Map.of("orders", NewPartitions.increaseTo(3))).all().get());
            attempt("describeConfigs of a topic", () -> demand("3600000".equals(admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").value()), "retention.ms"));
            attempt("incrementalAlterConfigs of a topic", () -> {
                admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.bytes", "10000000"), AlterConfigOp.OpType.SET)))).all().get();
                demand("10000000".equals(admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.bytes").value()), "retention.bytes");
            });
            attempt("describeConfigs of the broker", () -> admin.describeConfigs(List.of(self)).all().get());
            attempt("incrementalAlterConfigs of the broker", () -> admin.incrementalAlterConfigs(Map.of(self, List.of(new AlterConfigOp(new ConfigEntry("log.retention.ms", "1000"), AlterConfigOp.OpType.SET)))).all().get());
            attempt("listConfigResources", () -> admin.listConfigResources().all().get());
            for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
                attempt("produce with " + codec, () -> {
                    admin.createTopics(List.of(new NewTopic(codec, 1, (short) 1))).all().get();
                    try (var producer = new KafkaProducer<>(with("compression.type", codec), new StringSerializer(), new StringSerializer())) {
                        producer.send(new ProducerRecord<>(codec, "x".repeat(10000))).get();
                    }
                });
            }
            attempt("produce", () -> {
                try (var producer = new KafkaProducer<>(base, new StringSerializer(), new StringSerializer())) {
                    for (String v : List.of("a", "b", "c")) producer.send(new ProducerRecord<>("orders", v, v)).get();
                }
            });
            attempt("consume", () -> consume("classic", "classic"));
            attempt("consume by the new protocol", () -> consume("modern", "consumer"));
            attempt("listGroups", () -> demand(admin.listGroups().all().get().size() >= 2, "groups"));
            attempt("describeConsumerGroups", () -> demand(admin.describeConsumerGroups(List.of("classic", "modern")).all().get().size() == 2, "groups"));
            attempt("listConsumerGroupOffsets", () -> {
                long sum = 0;
                for (var o : admin.listConsumerGroupOffsets("classic").partitionsToOffsetAndMetadata().get().values()) sum += o == null ? 0 : o.offset();
                demand(sum == 3, sum);
            });
            attempt("alterConsumerGroupOffsets", () -> admin.alterConsumerGroupOffsets("classic", Map.of(new TopicPartition("orders", 0), new OffsetAndMetadata(0))).all().get());
            attempt("deleteConsumerGroupOffsets", () -> admin.deleteConsumerGroupOffsets("classic", Set.of(new TopicPartition("orders", 0))).all().get());
            attempt("deleteConsumerGroups", () -> admin.deleteConsumerGroups(List.of("classic")).all().get());
            attempt("listOffsets", () -> {
                Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
                for (int p = 0; p < 3; p++) ends.put(new TopicPartition("orders", p), OffsetSpec.latest());
                long sum = 0;
                for (var o : admin.listOffsets(ends).all().get().values()) sum += o.offset();
                demand(sum == 3, sum);
            });
            attempt("deleteRecords", () -> admin.deleteRecords(Map.of(new TopicPartition("zstd", 0), RecordsToDelete.beforeOffset(1))).all().get());
            attempt("describeLogDirs", () -> admin.describeLogDirs(List.of(Integer.valueOf(node))).allDescriptions().get());
            attempt("describeProducers", () -> admin.describeProducers(List.of(new TopicPartition("orders", 0))).all().get());
            attempt("listTransactions", () -> admin.listTransactions().all().get());
            attempt("listPartitionReassignments", () -> admin.listPartitionReassignments().reassignments().get());
            attempt("electLeaders", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(new TopicPartition("orders", 0))).all().get());
            attempt("describeMetadataQuorum", () -> admin.describeMetadataQuorum().quorumInfo().get());
            attempt("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
            attempt("createAcls", () -> admin.createAcls(List.of(new AclBinding(new ResourcePattern(ResourceType.TOPIC, "orders", PatternType.LITERAL), new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW)))).all().get());
            attempt("describeUserScramCredentials", () -> admin.describeUserScramCredentials().all().get());
            attempt("alterUserScramCredentials", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("a", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get());
            attempt("describeClientQuotas", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get());
            attempt("alterClientQuotas", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("client-id", "a")), List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1000.0))))).all().get());
            attempt("createDelegationToken", () -> admin.createDelegationToken().delegationToken().get());
            attempt("transactional producer", () -> {
                try (var producer = new KafkaProducer<>(with("transactional.id", "t", "max.block.ms", 5000), new StringSerializer(), new StringSerializer())) {
                    producer.initTransactions();
                }
            });
            attempt("produce to a topic that is not there", () -> {
                try (var producer = new KafkaProducer<>(with("max.block.ms", 2000), new StringSerializer(), new StringSerializer())) {
                    producer.send(new ProducerRecord<>("missing", "v")).get();
                }
            });
            attempt("deleteTopics", () -> {
                admin.deleteTopics(List.of("orders")).all().get();
                demand(!admin.listTopics().names().get().contains("orders"), "orders is there");
            });
        }
    }
}
