package kafka

import (
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/plugin"
)

// The texts of this file are those of Kafka's ConfigDef, which its users know and search for.

func text(to func(*settings) *string) setter {
	return func(s *settings, _, text string) error {
		*to(s) = text
		return nil
	}
}

func boolean(to func(*settings) *bool) setter {
	return func(s *settings, key, text string) error {
		switch strings.ToLower(text) {
		case "true":
			*to(s) = true
		case "false":
			*to(s) = false
		default:
			return plugin.Invalid(key, text, "Expected value to be either true or false")
		}
		return nil
	}
}

// integer is a property of type int, from least on.
func integer(least int64, to func(*settings) *int64) setter {
	return func(s *settings, key, text string) (err error) {
		*to(s), err = number(key, text, 32, least, math.MaxInt64)
		return err
	}
}

// long is a property of type long, from least on.
func long(least int64, to func(*settings) *int64) setter {
	return func(s *settings, key, text string) (err error) {
		*to(s), err = number(key, text, 64, least, math.MaxInt64)
		return err
	}
}

// millis is a property of type int that counts milliseconds.
func millis(least int64, to func(*settings) *time.Duration) setter {
	return func(s *settings, key, text string) error {
		n, err := number(key, text, 32, least, math.MaxInt64)
		*to(s) = time.Duration(n) * time.Millisecond
		return err
	}
}

// longMillis is a property of type long that counts milliseconds; what a time.Duration cannot hold counts as forever.
func longMillis(least int64, to func(*settings) *time.Duration) setter {
	return func(s *settings, key, text string) error {
		n, err := number(key, text, 64, least, math.MaxInt64)
		*to(s) = time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
		return err
	}
}

func number(key, text string, bits int, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, bits)
	switch {
	case err != nil && bits == 32:
		return 0, plugin.Invalid(key, text, "Not a number of type INT")
	case err != nil:
		return 0, plugin.Invalid(key, text, "Not a number of type LONG")
	case n < least:
		return 0, plugin.Invalid(key, text, fmt.Sprintf("Value must be at least %d", least))
	case n > most:
		return 0, plugin.Invalid(key, text, fmt.Sprintf("Value must be no more than %d", most))
	}
	return n, nil
}

func oneOf(key, text string, names ...string) error {
	if slices.Contains(names, text) {
		return nil
	}
	return plugin.Invalid(key, text, "String must be one of: "+strings.Join(names, ", "))
}

// servers takes host:port, with an optional listener name before it as Kafka does (ClientUtils.parseAndValidateAddresses).
func servers(s *settings, key, text string) error {
	s.servers = nil
	for _, entry := range config.List(text) {
		address := entry
		if _, after, ok := strings.Cut(entry, "://"); ok {
			address = after
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" {
			return &plugin.ConfigError{Key: key, Reason: "Invalid url in bootstrap.servers: " + entry}
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return &plugin.ConfigError{Key: key, Reason: "Invalid port in bootstrap.servers: " + entry}
		}
		if !slices.Contains(s.servers, address) {
			s.servers = append(s.servers, address)
		}
	}
	if s.servers == nil {
		return &plugin.ConfigError{Key: key, Reason: "No bootstrap urls given in bootstrap.servers"}
	}
	return nil
}

func acks(s *settings, key, text string) error {
	if err := oneOf(key, text, "all", "-1", "0", "1"); err != nil {
		return err
	}
	switch text {
	case "0":
		s.acks = kgo.NoAck()
	case "1":
		s.acks = kgo.LeaderAck()
	default:
		s.acks = kgo.AllISRAcks()
	}
	s.allAcks = text != "0" && text != "1"
	return nil
}

func compression(s *settings, key, text string) error {
	s.codec = text
	return oneOf(key, text, "none", "gzip", "snappy", "lz4", "zstd")
}

func level(codec string, least, most int64) setter {
	return func(s *settings, key, text string) error {
		if codec == "gzip" && text == "-1" { // Kafka: CompressionType.GZIP, the library's own default
			return nil
		}
		n, err := number(key, text, 32, least, most)
		if s.levels == nil {
			s.levels = map[string]int{}
		}
		s.levels[codec] = int(n)
		return err
	}
}

func (s *settings) compressor() kgo.CompressionCodec {
	c := kgo.NoCompression()
	switch s.codec {
	case "gzip":
		c = kgo.GzipCompression()
	case "snappy":
		c = kgo.SnappyCompression()
	case "lz4":
		c = kgo.Lz4Compression()
	case "zstd":
		c = kgo.ZstdCompression()
	}
	if l, ok := s.levels[s.codec]; ok {
		c = c.WithLevel(l)
	}
	return c
}

func partitioner(s *settings, key, text string) error {
	switch text {
	case "", "null":
	case "org.apache.kafka.clients.producer.RoundRobinPartitioner":
		s.partitioner = kgo.RoundRobinPartitioner()
	default:
		return &plugin.ConfigError{Key: key, Reason: "Configuration " + key + " cannot be used: " + noClasses +
			", except org.apache.kafka.clients.producer.RoundRobinPartitioner. Records would go to other partitions than the ones it chooses."}
	}
	return nil
}

func classic(_ *settings, key, text string) error {
	switch strings.ToLower(text) {
	case "classic":
		return nil
	case "consumer":
		return refuse(key, "consumer", rule{refused: "this version joins groups by the classic protocol, which brokers keep offering", later: true})
	}
	return oneOf(key, text, "CLASSIC", "CONSUMER")
}

// balancers takes the class names of Kafka's assignors and the names that they have in the protocol.
func balancers(s *settings, key, text string) error {
	s.balancers = nil
	for _, name := range config.List(text) {
		switch strings.TrimPrefix(name, "org.apache.kafka.clients.consumer.") {
		case "RangeAssignor", "range":
			s.balancers = append(s.balancers, kgo.RangeBalancer())
		case "RoundRobinAssignor", "roundrobin":
			s.balancers = append(s.balancers, kgo.RoundRobinBalancer())
		case "StickyAssignor", "sticky":
			s.balancers = append(s.balancers, kgo.StickyBalancer())
		case "CooperativeStickyAssignor", "cooperative-sticky":
			s.balancers = append(s.balancers, kgo.CooperativeStickyBalancer())
		default:
			return &plugin.ConfigError{Key: key, Reason: "Configuration " + key + " cannot be used: " + noClasses +
				", except range, roundrobin, sticky and cooperative-sticky under these names or those of Kafka's classes. The members of a group could not agree."}
		}
	}
	if s.balancers == nil {
		return plugin.Invalid(key, text, "It must name at least one assignor")
	}
	return nil
}

func noAutoCommit(_ *settings, key, text string) error {
	switch strings.ToLower(text) {
	case "false":
		return nil
	case "true": // invariant 1
		return &plugin.ConfigError{Key: key, Reason: "Configuration " + key + " true cannot be used: offsets would be stored before the records up to them are delivered."}
	}
	return plugin.Invalid(key, text, "Expected value to be either true or false")
}

func reset(s *settings, key, text string) error {
	switch lower := strings.ToLower(text); lower {
	case "earliest":
		s.start, s.restart = kgo.NewOffset().AtStart(), kgo.NewOffset().AtStart()
	case "latest":
		s.start, s.restart = kgo.NewOffset().AtEnd(), kgo.NewOffset().AtEnd()
	case "none":
		s.start, s.restart = kgo.NewOffset().AtCommitted(), kgo.NoResetOffset()
	default:
		by, ok := strings.CutPrefix(lower, "by_duration:")
		if !ok {
			return plugin.Invalid(key, text, "Expected earliest, latest, none or by_duration: with an ISO 8601 duration such as by_duration:PT1H")
		}
		d, ok := isoDuration(by)
		if !ok {
			return plugin.Invalid(key, text, "The part after by_duration: is not an ISO 8601 duration of days, hours, minutes and seconds, such as PT1H or P1DT12H")
		}
		s.start, s.restart = kgo.LookbackOffset(d), kgo.LookbackOffset(d)
	}
	return nil
}

var isoPattern = sync.OnceValue(func() *regexp.Regexp { //nolint:gochecknoglobals // a constant, made when it is first needed
	return regexp.MustCompile(`^p(?:(\d{1,6})d)?(?:t(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})(?:\.(\d{1,9}))?s)?)?$`)
})

// isoDuration reads what java.time.Duration.parse reads, without signs: they make no sense here. The text is lower case.
func isoDuration(text string) (time.Duration, bool) {
	m := isoPattern().FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, "t") || text == "p" {
		return 0, false
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.ParseInt(m[i+1], 10, 64) // the pattern lets in digits or nothing
		if n > int64((math.MaxInt64-total)/unit) {
			return 0, false
		}
		total += time.Duration(n) * unit
	}
	fraction, _ := strconv.ParseInt((m[5] + "000000000")[:9], 10, 64)
	return total + time.Duration(fraction), true
}

func isolation(s *settings, key, text string) error {
	switch text {
	case "read_committed":
		s.isolation = kgo.ReadCommitted()
	case "read_uncommitted":
		s.isolation = kgo.ReadUncommitted()
	}
	return oneOf(key, text, "read_committed", "read_uncommitted")
}
