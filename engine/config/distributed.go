package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// Distributed is what a worker needs that shares its work with others (Kafka Connect: DistributedConfig). Of the defaults
// one differs: the tasks of a worker that has gone wait 10 seconds for it, or a second longer than a task may take to stop, not five
// minutes (decision D2).
type Distributed struct {
	Group string `cfg:"group.id,required,nonempty" importance:"high" doc:"Name of the cluster of workers; all that have it share their work."`

	ConfigTopic      string `cfg:"config.storage.topic,required,nonempty" importance:"high" doc:"Topic of connectors' configurations, of one partition."`
	ConfigReplicas   int    `cfg:"config.storage.replication.factor" min:"-1" importance:"low" doc:"Replicas of the configurations' topic when it is made; -1: the cluster's default."`
	OffsetTopic      string `cfg:"offset.storage.topic,required,nonempty" importance:"high" doc:"Topic of sources' offsets."`
	OffsetReplicas   int    `cfg:"offset.storage.replication.factor" min:"-1" importance:"low" doc:"Replicas of the offsets' topic when it is made; -1: the cluster's default."`
	OffsetPartitions int    `cfg:"offset.storage.partitions" min:"-1" importance:"low" doc:"Partitions of the offsets' topic when it is made; -1: the cluster's default."`
	StatusTopic      string `cfg:"status.storage.topic,required,nonempty" importance:"high" doc:"Topic of the states of connectors and tasks."`
	StatusReplicas   int    `cfg:"status.storage.replication.factor" min:"-1" importance:"low" doc:"Replicas of the states' topic when it is made; -1: the cluster's default."`
	StatusPartitions int    `cfg:"status.storage.partitions" min:"-1" importance:"low" doc:"Partitions of the states' topic when it is made; -1: the cluster's default."`

	Session   time.Duration `cfg:"session.timeout.ms" min:"1" importance:"high" doc:"A worker that is not heard of for so long is expelled from the cluster."`
	Heartbeat time.Duration `cfg:"heartbeat.interval.ms" min:"1" importance:"high" doc:"Time between two signs of life; at most a third of the session lets some be lost."`
	Rebalance time.Duration `cfg:"rebalance.timeout.ms" min:"1" importance:"high" doc:"A worker that does not join again within it, when another comes or goes, is expelled."`
	Delay     time.Duration `cfg:"scheduled.rebalance.max.delay.ms" min:"0" importance:"low" doc:"Time that the tasks of a worker that has gone wait for it to come back."`

	// Settings of the three topics when they are made, by name: what the prefixes above hold beyond the names above.
	ConfigSettings, OffsetSettings, StatusSettings map[string]string
}

// distributedDefaults are the settings of a distributed worker that sets nothing.
func distributedDefaults() Distributed {
	return Distributed{
		ConfigReplicas: 3, OffsetReplicas: 3, OffsetPartitions: 25, StatusReplicas: 3, StatusPartitions: 5,
		Session: 10 * time.Second, Heartbeat: 3 * time.Second, Rebalance: time.Minute, Delay: 10 * time.Second,
	}
}

// storagePrefixes are those of the settings of the three topics.
var storagePrefixes = []string{"config.storage.", "offset.storage.", "status.storage."} //nolint:gochecknoglobals // a literal

// idleDistributed are properties of a distributed Kafka Connect worker that are accepted and have no effect: there are no
// calls between workers that would have to be signed, and no reader is waited for (decision D3).
var idleDistributed = []string{ //nolint:gochecknoglobals // a literal
	"connect.protocol", "worker.sync.timeout.ms", "worker.unsync.backoff.ms", "inter.worker.",
}

// ReadDistributed is [ReadWorker] for a worker that shares its work with others: [Worker.Distributed] is set.
func ReadDistributed(d *Declared, r *plugin.Registry) (*Worker, diag.List) {
	return readWorker(d, r, new(distributedDefaults()))
}

// ReadDistributedHere is [ReadWorkerHere] for such a worker.
func ReadDistributedHere(d *Declared, r *plugin.Registry) (*Worker, diag.List) {
	return readHere(d, r, ReadDistributed)
}

// distributed checks what a distributed worker has beyond a standalone one.
func (c *checker) distributed(w *Distributed) {
	for _, s := range plugin.SpecOf(*w).Fields {
		c.read("", s.Name)
		if s.Required && strings.TrimSpace(c.Map[s.Name]) == "" && !Refers(c.Map[s.Name]) {
			c.fail(diag.MissingProperty, s.Name, "A distributed worker needs %s: %s%s", c.Spelling(s.Name), strings.ToLower(s.Doc[:1]), s.Doc[1:])
			continue
		}
		c.value("", s)
	}
	if !c.set("bootstrap.servers") {
		c.fail(diag.MissingProperty, "bootstrap.servers", "A distributed worker needs %s: the cluster that holds its topics. The development broker, which engine run starts by itself, has no transactions, which a leader needs.", c.Spelling("bootstrap.servers"))
	}
	topics := []string{"config.storage.topic", "offset.storage.topic", "status.storage.topic"}
	for i, key := range topics {
		for _, other := range topics[:i] {
			if c.set(key) && strings.TrimSpace(c.Map[key]) == strings.TrimSpace(c.Map[other]) {
				c.fail(diag.InvalidValue, key, "%s and %s must be two topics, and both are %s.", c.Spelling(other), c.Spelling(key), c.shown(key))
			}
		}
	}
	for _, key := range []string{"config.storage.replication.factor", "offset.storage.replication.factor", "status.storage.replication.factor", "offset.storage.partitions", "status.storage.partitions"} {
		if strings.TrimSpace(c.Map[key]) == "0" {
			c.fail(diag.InvalidValue, key, "%s is a number from 1 on, or -1 for the cluster's default.", c.Spelling(key))
		}
	}
}

// agree checks what has been read as a whole.
func (w *Distributed) agree(c *checker, stop time.Duration) {
	if w.Heartbeat >= w.Session {
		c.fail(diag.InvalidValue, "heartbeat.interval.ms", "%s (%s) must be less than %s (%s), at most a third of it for some to get lost.",
			c.Spelling("heartbeat.interval.ms"), w.Heartbeat, c.Spelling("session.timeout.ms"), w.Session)
	}
	if w.Rebalance < w.Session {
		c.fail(diag.InvalidValue, "rebalance.timeout.ms", "%s (%s) must not be less than %s (%s).",
			c.Spelling("rebalance.timeout.ms"), w.Rebalance, c.Spelling("session.timeout.ms"), w.Session)
	}
	w.agreeDelay(c, stop)
}

// agreeDelay keeps rule 7 of D2: who is out must have stopped before others take over. Kafka Connect gives tasks to others sooner,
// with a delay of 0 at once; a file that was written for it is taken, with the shortest delay that is safe.
func (w *Distributed) agreeDelay(c *checker, stop time.Duration) {
	const key = "scheduled.rebalance.max.delay.ms"
	least := stop + time.Second
	switch {
	case w.Delay >= least:
		return
	case c.set(key) && c.Spelling(key) != key:
		c.fail(diag.InvalidValue, key, "%s is %s, and %s is %s. A worker that the cluster has given up stops what it runs by itself, which may take that long, so its tasks must wait for at least %s.",
			c.Spelling(key), w.Delay, c.Spelling("task.shutdown.graceful.timeout.ms"), stop, least)
	case c.set(key):
		c.warn(diag.InvalidValue, key, "%s is %s, and %s is %s. A worker that the cluster has given up stops what it runs by itself, which may take that long, so its tasks wait for %s.",
			key, w.Delay, c.Spelling("task.shutdown.graceful.timeout.ms"), stop, least)
	}
	w.Delay = least
}

// topicSettings is what a prefix holds beyond the settings of the struct.
func topicSettings(m Map, prefix string, known []plugin.Setting) map[string]string {
	rest := m.Sub(prefix)
	maps.DeleteFunc(rest, func(k, _ string) bool {
		return prefix+k == "offset.storage.file.filename" ||
			slices.ContainsFunc(known, func(s plugin.Setting) bool { return s.Name == prefix+k })
	})
	return rest
}
