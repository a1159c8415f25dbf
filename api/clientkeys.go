package api

import (
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// clientKeys describes settings of Kafka's clients that connectors override: name, type, default ("-" for none) and
// importance, as ProducerConfig, ConsumerConfig and AdminClientConfig of 4.3 declare them. The validation answers others
// without a definition, as it does for keys that no client knows.
var clientKeys = map[string]string{ //nolint:gochecknoglobals // a literal
	config.ProducerPrefix: `
acks STRING all low
batch.size INT 16384 medium
buffer.memory LONG 33554432 high
compression.type STRING none high
delivery.timeout.ms INT 120000 medium
enable.idempotence BOOLEAN true low
linger.ms LONG 5 medium
max.block.ms LONG 60000 medium
max.in.flight.requests.per.connection INT 5 low
max.request.size INT 1048576 medium
partitioner.ignore.keys BOOLEAN false medium
retries INT 2147483647 high
transaction.timeout.ms INT 60000 low
transactional.id STRING - low
` + everyClient,
	config.ConsumerPrefix: `
allow.auto.create.topics BOOLEAN true medium
auto.commit.interval.ms INT 5000 low
auto.offset.reset STRING latest medium
check.crcs BOOLEAN true low
enable.auto.commit BOOLEAN true medium
exclude.internal.topics BOOLEAN true medium
fetch.max.bytes INT 52428800 medium
fetch.max.wait.ms INT 500 low
fetch.min.bytes INT 1 high
group.id STRING - high
group.instance.id STRING - medium
heartbeat.interval.ms INT 3000 high
isolation.level STRING read_uncommitted medium
max.partition.fetch.bytes INT 1048576 high
max.poll.interval.ms INT 300000 medium
max.poll.records INT 500 medium
session.timeout.ms INT 45000 high
` + everyClient,
	config.AdminPrefix: `
default.api.timeout.ms INT 60000 medium
retries INT 2147483647 low
` + everyClient,
}

const everyClient = `
client.id STRING  medium
client.rack STRING  low
connections.max.idle.ms LONG 540000 medium
metadata.max.age.ms LONG 300000 low
request.timeout.ms INT 30000 medium
sasl.jaas.config PASSWORD - medium
sasl.mechanism STRING GSSAPI medium
security.protocol STRING PLAINTEXT medium
ssl.key.password PASSWORD - high
ssl.keystore.key PASSWORD - high
ssl.keystore.location STRING - high
ssl.keystore.password PASSWORD - high
ssl.truststore.location STRING - high
ssl.truststore.password PASSWORD - high
`

var types = map[string]plugin.Type{ //nolint:gochecknoglobals // a literal
	"STRING": plugin.StringType, "BOOLEAN": plugin.BooleanType, "INT": plugin.IntType, "LONG": plugin.LongType, "PASSWORD": plugin.PasswordType,
}

// clientKey describes one setting of the clients under a prefix.
func clientKey(prefix, name string) (key, bool) {
	for line := range strings.Lines(clientKeys[prefix]) {
		f := strings.Split(strings.TrimSpace(line), " ")
		if f[0] != name || len(f) != 4 {
			continue
		}
		return plainKey(plugin.Setting{Name: name, Type: types[f[1]], HasDefault: f[2] != "-", Default: f[2], Importance: f[3]}), true
	}
	return key{}, false
}
