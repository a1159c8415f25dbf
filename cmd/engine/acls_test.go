package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// documentedACLs are what the commands of docs/distributed.md give.
func documentedACLs(t *testing.T) (acls []kfake.ACL) {
	t.Helper()
	resources := map[string]kmsg.ACLResourceType{
		"--topic": kmsg.ACLResourceTypeTopic, "--group": kmsg.ACLResourceTypeGroup, "--transactional-id": kmsg.ACLResourceTypeTransactionalId,
	}
	line := regexp.MustCompile(`(?m)^\$ \$A (.*)$`)
	for _, m := range line.FindAllStringSubmatch(readFile(t, filepath.Join("..", "..", "docs", "distributed.md")), -1) {
		acl, operations := kfake.ACL{Allow: true, Pattern: kmsg.ACLResourcePatternTypeLiteral}, []kmsg.ACLOperation(nil)
		words := strings.Fields(m[1])
		for i := 0; i < len(words); i += 2 {
			switch flag, value := words[i], words[i+1]; flag {
			case "--operation":
				o, err := kmsg.ParseACLOperation(value)
				if err != nil {
					t.Fatal(err)
				}
				operations = append(operations, o)
			case "--resource-pattern-type":
				if value != "prefixed" {
					t.Fatalf("%s %s", flag, value)
				}
				acl.Pattern = kmsg.ACLResourcePatternTypePrefixed
			default:
				if acl.Resource, acl.Name = resources[flag], value; acl.Resource == 0 {
					t.Fatalf("%s in %q", flag, m[1])
				}
			}
		}
		for _, o := range operations {
			acl.Operation = o
			acls = append(acls, acl)
		}
	}
	return acls
}

// TestDocumentedACLsSuffice runs a worker, a source, and a sink with dead letters whose offsets are reset, as a user who has
// been given what docs/distributed.md says and nothing else.
func TestDocumentedACLsSuffice(t *testing.T) {
	t.Parallel()
	const secret = "of-the-worker"
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", secret), kfake.User("PLAIN", "penstock", secret, documentedACLs(t)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	w := startShared(t, testKafka{servers: strings.Join(k.ListenAddrs(), ","), fake: k}, map[string]string{
		"group.id": "penstock", "config.storage.topic": "penstock-configs", "offset.storage.topic": "penstock-offsets", "status.storage.topic": "penstock-status",
		"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "heartbeat.interval.ms": "200",
		"sasl.jaas.config": fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"penstock\" password=%q;", secret),
		"key.converter":    "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.storage.StringConverter",
		// Clients of connectors have security settings of their own, as in Kafka Connect.
		"producer.security.protocol": "SASL_PLAINTEXT", "producer.sasl.mechanism": "PLAIN",
		"producer.sasl.jaas.config":  fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"penstock\" password=%q;", secret),
		"consumer.security.protocol": "SASL_PLAINTEXT", "consumer.sasl.mechanism": "PLAIN",
		"consumer.sasl.jaas.config": fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"penstock\" password=%q;", secret),
		"admin.security.protocol":   "SASL_PLAINTEXT", "admin.sasl.mechanism": "PLAIN",
		"admin.sasl.jaas.config": fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"penstock\" password=%q;", secret),
	})
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	write(t, dir, "in", "{\"a\": 1}\nnot JSON\n{\"a\": 2}\n")
	create := func(name string, config map[string]string) {
		body, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.call(t, http.MethodPut, "/connectors/"+name+"/config", string(body)); got.status != http.StatusCreated {
			t.Fatalf("create %s: %s", name, got)
		}
	}
	create("orders-source", map[string]string{
		"connector.class": "FileStreamSource", "file": in, "topic": "orders", "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
	})
	eventually(t, patience, func() (bool, string) { return w.running(t, "orders-source") })
	create("orders-sink", map[string]string{
		"connector.class": "FileStreamSink", "file": out, "topics": "orders", "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
		"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "orders-dlq", "errors.deadletterqueue.topic.replication.factor": "1",
	})
	lines := func(n int) {
		t.Helper()
		eventually(t, patience, func() (bool, string) {
			text, _ := os.ReadFile(out) // which the sink makes
			got := w.call(t, http.MethodGet, "/connectors/orders-sink/status", "")
			return strings.Count(string(text), "\n") == n, fmt.Sprintf("%s\n%s", text, got)
		})
	}
	lines(2)
	eventually(t, patience, func() (bool, string) {
		info := k.TopicInfo("orders-dlq")
		if info == nil {
			return false, "there is no dead letter"
		}
		p := k.PartitionInfo("orders-dlq", 0)
		return p != nil && p.HighWatermark > 0, "there is no dead letter"
	})
	if got := w.call(t, http.MethodPut, "/connectors/orders-sink/stop", ""); got.status != http.StatusNoContent {
		t.Fatalf("stop: %s", got)
	}
	eventually(t, patience, func() (bool, string) {
		got := w.call(t, http.MethodDelete, "/connectors/orders-sink/offsets", "")
		return got.status == http.StatusOK, got.String()
	})
	if got := w.call(t, http.MethodPut, "/connectors/orders-sink/resume", ""); got.status != http.StatusAccepted {
		t.Fatalf("resume: %s", got)
	}
	lines(4)
}
