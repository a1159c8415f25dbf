package kafka

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock/penstock/engine/plugin"
)

// forever is what Kafka writes for "no limit" in a property of type int.
const forever = math.MaxInt32 * time.Millisecond

// settings are the values of one client, typed.
type settings struct {
	given map[string]string // what somebody wrote, all levels merged
	log   *slog.Logger

	servers                                 []string
	clientID, rack                          string
	requestTimeout, apiTimeout, dialTimeout time.Duration
	metadataAge, idle                       time.Duration
	backoff, backoffMax                     time.Duration
	acks                                    kgo.Acks
	allAcks, idempotence                    bool
	inFlight, retries                       int64
	deliveryTimeout, linger                 time.Duration
	batch, maxRequest, buffer               int64
	codec                                   string
	levels                                  map[string]int
	partitioner                             kgo.Partitioner
	ignoreKeys, rackAware                   bool
	transactionTimeout                      time.Duration
	group, instance                         string
	balancers                               []kgo.GroupBalancer
	session, heartbeat, pollInterval        time.Duration
	pollRecords                             int64
	start, restart                          kgo.Offset
	isolation                               kgo.IsolationLevel
	fetchMin, fetchMax, partitionMax        int64
	fetchWait                               time.Duration
	checkCRC, autoCreate                    bool
	security                                security
	encodeLogin                             bool
}

// newSettings starts from Kafka's defaults as Kafka Connect changes them, and from ours where they are better and
// promise no less (performance of a linger and of batches, idempotence).
func newSettings(given map[string]string, log *slog.Logger) *settings {
	return &settings{
		given: given, log: log,
		requestTimeout: 30 * time.Second, apiTimeout: time.Minute, dialTimeout: 10 * time.Second,
		metadataAge: 5 * time.Minute, idle: 9 * time.Minute,
		backoff: 100 * time.Millisecond, backoffMax: time.Second,
		acks: kgo.AllISRAcks(), allAcks: true, idempotence: true,
		inFlight: 1, retries: math.MaxInt32, deliveryTimeout: forever, linger: 5 * time.Millisecond,
		maxRequest: 1 << 20, buffer: 32 << 20,
		codec: "none", transactionTimeout: time.Minute,
		balancers: []kgo.GroupBalancer{kgo.RangeBalancer(), kgo.CooperativeStickyBalancer()},
		session:   45 * time.Second, heartbeat: 3 * time.Second,
		pollInterval: 5 * time.Minute, pollRecords: 500,
		start: kgo.NewOffset().AtStart(), restart: kgo.NewOffset().AtStart(),
		isolation: kgo.ReadUncommitted(),
		fetchMin:  1, fetchMax: 50 << 20, partitionMax: 1 << 20, fetchWait: 5 * time.Second,
		checkCRC: true,
	}
}

// read applies what was given, then checks what single values cannot show. It reports every mistake, not just the first.
func (s *settings) read(role Role) error {
	var errs []error
	for _, key := range sortedKeys(s.given) {
		if err := s.apply(role, key, s.given[key]); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		errs = s.agree(role)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

func (s *settings) has(key string) bool {
	_, ok := s.given[key]
	return ok
}

// agree checks pairs of settings.
func (s *settings) agree(role Role) []error {
	var errs []error
	wrong := func(key, reason string) { errs = append(errs, &plugin.ConfigError{Key: key, Reason: reason}) }
	if len(s.servers) == 0 {
		wrong("bootstrap.servers", "Missing required configuration bootstrap.servers: the addresses of the brokers.")
	}
	s.agreeSecurity(wrong)
	if role == Producer {
		s.agreeIdempotence(wrong)
		if s.has("delivery.timeout.ms") && s.deliveryTimeout < s.linger+s.requestTimeout {
			wrong("delivery.timeout.ms", "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms")
		}
	}
	if role == Consumer && s.heartbeat >= s.session {
		wrong("heartbeat.interval.ms", "heartbeat.interval.ms must be less than session.timeout.ms, and best a third of it.")
	}
	return errs
}

// agreeIdempotence follows Kafka's ProducerConfig.postProcessAndValidateIdempotenceConfigs: settings that exclude
// idempotence switch it off, unless it was asked for.
func (s *settings) agreeIdempotence(wrong func(key, reason string)) {
	asked := s.has("enable.idempotence")
	if asked && !s.idempotence {
		return
	}
	exclude := func(key, reason string) {
		if asked {
			wrong(key, reason)
			return
		}
		s.idempotence = false
		s.log.Info("producer is not idempotent because of another setting, so a retry may write a record twice", "setting", key)
	}
	if s.retries == 0 {
		exclude("retries", "Must set retries to non-zero when using the idempotent producer.")
	}
	if !s.allAcks {
		exclude("acks", "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.")
	}
	if s.inFlight > 5 {
		exclude("max.in.flight.requests.per.connection", "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.")
	}
}

// connection gives the options that every client has. The library bounds some durations more tightly than Kafka does;
// a value beyond a bound is one that it may be held to without anybody noticing, so it is moved there.
// Files that the settings name are opened here.
func (s *settings) connection(dial dialer) ([]kgo.Opt, error) {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	dial, secured, err := s.secure(dial)
	if err != nil {
		return nil, err
	}
	age := min(max(s.metadataAge, 10*time.Millisecond), time.Hour)
	idle := s.idle
	if idle < 0 {
		idle = 15 * time.Minute // its longest; a connection that was let go is made again
	}
	return append(secured,
		kgo.SeedBrokers(s.servers...),
		kgo.ClientID(s.clientID),
		kgo.WithLogger(&logger{to: s.log}),
		kgo.Dialer(dialWithin(dial, s.dialTimeout)),
		kgo.ConnIdleTimeout(min(max(idle, 100*time.Millisecond), 15*time.Minute)),
		kgo.MetadataMaxAge(age),
		kgo.MetadataMinAge(min(age, 5*time.Second)),
		kgo.RetryBackoffFn(backoff(s.backoff, s.backoffMax)),
		kgo.DisableClientMetrics(), // pushing them to the broker (KIP-714) costs half a megabyte of compressors a client
	), nil
}

func dialWithin(dial dialer, timeout time.Duration) dialer {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return dial(ctx, network, host)
	}
}

// backoff doubles from least to most with a fifth of jitter either way (Kafka: ExponentialBackoff).
func backoff(least, most time.Duration) func(tries int) time.Duration {
	most = max(least, most)
	return func(tries int) time.Duration {
		wait := min(least<<min(max(tries-1, 0), 16), most)
		return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
	}
}

// overhead is how long an answer may take beyond the time that the request itself gives the broker.
func (s *settings) overhead() kgo.Opt {
	return kgo.RequestTimeoutOverhead(min(max(s.requestTimeout, 100*time.Millisecond), 15*time.Minute))
}

func (s *settings) produce() []kgo.Opt {
	// Records larger than the limit of a batch are refused by the library, while Kafka sends them alone; so the limit is
	// that of a request, and batch.size only raises it.
	limit := min(max(s.maxRequest, s.batch, 512), 1<<30)
	opts := []kgo.Opt{
		kgo.RequiredAcks(s.acks),
		kgo.ProducerLinger(min(s.linger, time.Minute)),
		kgo.ProducerBatchMaxBytes(int32(limit)),
		kgo.BrokerMaxWriteBytes(int32(max(limit, 100<<20))),
		kgo.MaxBufferedBytes(int(s.buffer)),
		kgo.ProducerBatchCompression(s.compressor()),
		kgo.RecordPartitioner(chosen{s.partition()}),
		kgo.ProduceRequestTimeout(max(s.requestTimeout, 100*time.Millisecond)),
		kgo.RequestTimeoutOverhead(10 * time.Second),
		kgo.TransactionTimeout(s.transactionTimeout),
		// A cluster that makes topics by itself does so for Kafka's producers, which always ask for it.
		kgo.AllowAutoTopicCreation(),
	}
	if s.retries < math.MaxInt32 {
		opts = append(opts, kgo.RecordRetries(int(s.retries)))
	}
	if s.deliveryTimeout < forever {
		opts = append(opts, kgo.RecordDeliveryTimeout(max(s.deliveryTimeout, time.Second)))
	}
	if s.rackAware {
		opts = append(opts, kgo.Rack(s.rack), kgo.RackAwarePartitioning())
	}
	if !s.idempotence {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(int(s.inFlight)))
	}
	return opts
}

func (s *settings) partition() kgo.Partitioner {
	switch {
	case s.partitioner != nil:
		return s.partitioner
	case s.ignoreKeys:
		return kgo.StickyPartitioner()
	}
	return kgo.StickyKeyPartitioner(nil)
}

func (s *settings) consume() []kgo.Opt {
	most := min(max(s.fetchMax, 1), 1<<30)
	opts := []kgo.Opt{
		s.overhead(),
		kgo.RetryTimeoutFn(s.retryTimeout),
		kgo.FetchMinBytes(int32(s.fetchMin)),
		kgo.FetchMaxBytes(int32(most)),
		kgo.BrokerMaxReadBytes(int32(min(max(2*most, 100<<20), 1<<30))),
		kgo.FetchMaxPartitionBytes(int32(max(s.partitionMax, 1))),
		kgo.FetchMaxWait(max(s.fetchWait, 10*time.Millisecond)),
		kgo.FetchIsolationLevel(s.isolation),
		kgo.ConsumeStartOffset(s.start),
		kgo.ConsumeResetOffset(s.restart),
		kgo.Balancers(s.balancers...),
		kgo.SessionTimeout(s.session),
		kgo.HeartbeatInterval(s.heartbeat),
		kgo.RebalanceTimeout(s.pollInterval),
	}
	if s.group != "" {
		opts = append(opts, kgo.ConsumerGroup(s.group), kgo.DisableAutoCommit())
	}
	if s.instance != "" {
		opts = append(opts, kgo.InstanceID(s.instance))
	}
	if s.rack != "" {
		opts = append(opts, kgo.Rack(s.rack))
	}
	if !s.checkCRC {
		opts = append(opts, kgo.DisableFetchCRCValidation())
	}
	if s.autoCreate {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	return opts
}

// retryTimeout bounds a consumer's requests with all their tries. Those of a group are of no use after its session.
func (s *settings) retryTimeout(key int16) time.Duration {
	switch kmsg.Key(key) {
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat:
		return s.session
	default:
		return s.apiTimeout
	}
}

func (s *settings) administer() []kgo.Opt {
	opts := []kgo.Opt{s.overhead(), kgo.RetryTimeout(s.apiTimeout)}
	if s.retries < math.MaxInt32 {
		opts = append(opts, kgo.RequestRetries(int(s.retries)))
	}
	return opts
}
