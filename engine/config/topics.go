package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// pattern checks one pattern of a key.
func (c *checker) pattern(key, text string) {
	if _, err := plugin.ParsePattern(text); err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n") // Java's texts go on with the pattern, which the place shows
		c.fail(diag.InvalidValue, key, "%s is not a valid pattern: %s.", c.Spelling(key), reason)
	}
}

// topics checks what a sink reads.
func (c *checker) topics() {
	list := List(c.Map[Topics])
	switch {
	case c.set(TopicsRegex) && len(list) > 0:
		c.fail(diag.TopicsTwice, TopicsRegex, "A sink reads either a list of topics or a pattern, not both.")
	case c.set(TopicsRegex):
		c.pattern(TopicsRegex, strings.TrimSpace(c.Map[TopicsRegex]))
	case len(list) == 0:
		place := c.At(ConnectorClass)
		if _, ok := c.Map[Topics]; ok {
			place = c.At(Topics)
		}
		c.failAt(Topics, diag.NoTopics, place, "The sink does not say what it reads. Write %s, or %s for a pattern.", c.topicsExample(), c.word("", TopicsRegex))
	}
}

func (c *checker) topicsExample() string {
	if c.arguments() {
		return `topics = ["…"]`
	}
	return "topics=…"
}

// deadLetter checks a sink's dead letter queue.
func (c *checker) deadLetter() {
	queue := strings.TrimSpace(c.Map[DeadLetterTopic])
	if queue == "" {
		return
	}
	if slices.Contains(List(c.Map[Topics]), queue) {
		c.fail(diag.QueueIsInput, DeadLetterTopic, "The sink reads %q and also sends failed records to it, which would loop.", queue)
	}
	if p := strings.TrimSpace(c.Map[TopicsRegex]); p != "" {
		if re, err := plugin.ParsePattern(p); err == nil && re.Matches(queue) {
			c.fail(diag.QueueIsInput, DeadLetterTopic, "The pattern %q of the sink's topics matches %q, and the sink also sends failed records there, which would loop.", p, queue)
		}
	}
	c.replicas(DeadLetterReplicas)
	if !c.tolerant() {
		c.warn(diag.QueueDoesNotHelp, DeadLetterTopic, "%s is \"none\", so the task stops at the first bad record after sending it to the queue. To carry on past bad records, add: %s",
			ErrorsTolerance, c.tolerateAll())
	}
}

func (c *checker) tolerateAll() string {
	if c.arguments() {
		return `errors { tolerance = "all" }`
	}
	return ErrorsTolerance + "=all"
}

func (c *checker) tolerant() bool { return strings.TrimSpace(c.Map[ErrorsTolerance]) == "all" }

// lost warns when bad records would vanish.
func (c *checker) lost() {
	if !c.tolerant() || strings.EqualFold(strings.TrimSpace(c.Map[ErrorsLog]), "true") {
		return
	}
	switch {
	case c.role == plugin.SourceRole:
		c.warn(diag.LostWithoutTrace, ErrorsTolerance, "Errors are tolerated, but %s is not true. A source has no dead letter queue.", c.spelt("", ErrorsLog))
	case c.role == plugin.SinkRole && !c.set(DeadLetterTopic) && c.arguments():
		c.warn(diag.LostWithoutTrace, ErrorsTolerance, "Errors are tolerated, but there is neither a dead_letter_queue nor log_enable = true.")
	case c.role == plugin.SinkRole && !c.set(DeadLetterTopic):
		c.warn(diag.LostWithoutTrace, ErrorsTolerance, "Errors are tolerated, but there is neither %s nor %s=true.", DeadLetterTopic, ErrorsLog)
	}
}

// exactlyOnce refuses what needs transactions.
func (c *checker) exactlyOnce() {
	if strings.EqualFold(strings.TrimSpace(c.Map[ExactlyOnceSupport]), "required") {
		c.fail(diag.NotAvailable, ExactlyOnceSupport, "This version delivers at least once. Exactly-once delivery, which %s demands, is not in it.", c.Spelling(ExactlyOnceSupport))
	}
	if b := strings.TrimSpace(c.Map[TransactionBoundary]); b != "" && !strings.EqualFold(b, "poll") {
		c.fail(diag.NotAvailable, TransactionBoundary, "This version delivers at least once, so there are no transactions whose ends %s could choose.", c.Spelling(TransactionBoundary))
	}
	if c.set(OffsetsTopic) {
		c.fail(diag.NotAvailable, OffsetsTopic, "Offsets of a standalone worker are kept in its data folder, not in a topic, so a connector cannot have one of its own.")
	}
}

// topicCreation checks the rules for topics that a source makes (KIP-158).
func (c *checker) topicCreation() {
	any := slices.ContainsFunc(c.keys, func(k string) bool { return strings.HasPrefix(k, TopicCreationPrefix) })
	if !any {
		return
	}
	groups := c.names(TopicGroups, "group")
	if slices.Contains(groups, "default") {
		c.fail(diag.InvalidName, TopicGroups, "The group \"default\" is always there and not listed in %s.", c.Spelling(TopicGroups))
	}
	c.topicSizes("default", true)
	for _, g := range groups {
		c.topicSizes(g, false)
		c.topicPatterns(g)
	}
	c.orphans(TopicCreation, append(groups, "default", "groups"), "group")
	for _, g := range append(groups, "default") {
		c.topicSettings(g)
	}
}

// topicSettings warns of what Kafka's topics do not have: a broker refuses to make a topic with it. A newer broker may
// have it.
func (c *checker) topicSettings(group string) {
	prefix := TopicCreationPrefix + group + "."
	known := append([]string{"partitions", "replication.factor", "include", "exclude"}, TopicSettings()...)
	for _, key := range c.keys {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok || slices.Contains(known, name) {
			continue
		}
		hint := ""
		if near := diag.Nearest(name, known); near != "" {
			hint = fmt.Sprintf(" Did you mean %q?", c.word(prefix, near))
		}
		c.warn(diag.ProbablyMisspelt, key, "%q is not a setting that topics of Kafka 4.3 have, and a broker that does not know it makes no topic.%s", c.word(prefix, name), hint)
	}
}

// TopicSettings are the names of the settings of topics in Kafka 4.3 (TopicConfig and, of the server, its throttles), in their order.
func TopicSettings() []string {
	return []string{
		"cleanup.policy", "compression.gzip.level", "compression.lz4.level", "compression.type", "compression.zstd.level",
		"delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms", "follower.replication.throttled.replicas",
		"index.interval.bytes", "leader.replication.throttled.replicas", "local.retention.bytes", "local.retention.ms",
		"max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
		"message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas", "preallocate",
		"remote.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable", "retention.bytes", "retention.ms",
		"segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms", "unclean.leader.election.enable",
	}
}

// topicSizes checks how large the topics of a group become.
func (c *checker) topicSizes(group string, required bool) {
	prefix := TopicCreationPrefix + group + "."
	for _, name := range []string{"replication.factor", "partitions"} {
		if _, ok := c.Map[prefix+name]; ok {
			c.replicas(prefix + name)
		} else if required {
			c.failAt(prefix+name, diag.MissingProperty, c.firstAt(TopicCreationPrefix), "Where topics are created, the default group must say %s; -1 leaves it to the broker. Write %s.",
				c.word(prefix, name), c.inBlock("topic_creation \"default\"", prefix, name, "-1"))
		}
	}
}

// inBlock is how to set a key that may need a block of its own.
func (c *checker) inBlock(block, prefix, name, value string) string {
	if c.arguments() {
		return fmt.Sprintf("%s { %s }", block, c.write(prefix, name, value))
	}
	return c.write(prefix, name, value)
}

// topicPatterns checks which topics belong to a group.
func (c *checker) topicPatterns(group string) {
	prefix := TopicCreationPrefix + group + "."
	if len(List(c.Map[prefix+"include"])) == 0 {
		c.failAt(prefix+"include", diag.MissingProperty, c.At(TopicGroups), "The group %q does not say which topics belong to it. Write %s.", group, c.inBlock(fmt.Sprintf("topic_creation %q", group), prefix, "include", "…"))
	}
	for _, key := range []string{prefix + "include", prefix + "exclude"} {
		for _, p := range List(c.Map[key]) {
			c.pattern(key, p)
		}
	}
}

// replicas checks a number of replicas or partitions.
func (c *checker) replicas(key string) {
	text, ok := c.Map[key]
	if !ok {
		return
	}
	bits := 16
	if strings.HasSuffix(key, ".partitions") {
		bits = 32
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, bits)
	if err != nil {
		c.fail(diag.InvalidValue, key, "%s must be a whole number, not %s.", c.Spelling(key), c.shown(key))
	} else if n < 1 && n != -1 {
		c.fail(diag.InvalidValue, key, "%s must be at least 1, or -1 for the broker's own number, not %s.", c.Spelling(key), c.shown(key))
	}
}

// firstAt is the place of the first key under a prefix.
func (c *checker) firstAt(prefix string) diag.Place {
	for _, k := range c.keys {
		if strings.HasPrefix(k, prefix) {
			return c.At(k)
		}
	}
	return c.Place
}
