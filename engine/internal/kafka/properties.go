package kafka

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// rule says what becomes of one property; exactly one of set, harmless and refused is there.
type rule struct {
	roles    Role
	set      setter
	harmless string // ignored, because this
	refused  string // ignoring it would change what the user can rely on, because this
	later    bool   // refused by this version only
}

// setter reads the trimmed text of a property into s.
type setter func(s *settings, key, text string) error

const (
	byBroker     = "it is a setting of brokers"
	byKerberos   = "Kerberos is not spoken here"
	byRuntime    = "the program brings its own cryptography"
	oneRefresh   = "a token is asked for anew when a connection needs one and the last is near its end"
	noClasses    = "it names a Java class, and this program runs none"
	byConverters = "converters turn records into bytes, clients see bytes only"
	ownMetrics   = "the engine has metrics of its own at /metrics"
	oneBackoff   = "one back-off serves requests and connections, see retry.backoff.ms"
	bySystem     = "the operating system sizes sockets"
)

// rules is the one table: property, roles that have it, and what becomes of it. An entry that ends in .* speaks for all
// properties that begin so and have no entry of their own. Names, types and ranges are those of Kafka 4.3's
// CommonClientConfigs, ProducerConfig, ConsumerConfig, AdminClientConfig, SslConfigs and SaslConfigs.
var rules = map[string]rule{ //nolint:gochecknoglobals // a literal that nothing changes
	"bootstrap.servers":                                 {roles: everyRole, set: servers},
	"client.id":                                         {roles: everyRole, set: text(func(s *settings) *string { return &s.clientID })},
	"request.timeout.ms":                                {roles: everyRole, set: millis(0, func(s *settings) *time.Duration { return &s.requestTimeout })},
	"metadata.max.age.ms":                               {roles: everyRole, set: longMillis(0, func(s *settings) *time.Duration { return &s.metadataAge })},
	"connections.max.idle.ms":                           {roles: everyRole, set: longMillis(-1, func(s *settings) *time.Duration { return &s.idle })},
	"retry.backoff.ms":                                  {roles: everyRole, set: longMillis(0, func(s *settings) *time.Duration { return &s.backoff })},
	"retry.backoff.max.ms":                              {roles: everyRole, set: longMillis(0, func(s *settings) *time.Duration { return &s.backoffMax })},
	"socket.connection.setup.timeout.ms":                {roles: everyRole, set: longMillis(0, func(s *settings) *time.Duration { return &s.dialTimeout })},
	"socket.connection.setup.timeout.max.ms":            {roles: everyRole, harmless: "a connection is tried again with the same time-out"},
	"reconnect.backoff.ms":                              {roles: everyRole, harmless: oneBackoff},
	"reconnect.backoff.max.ms":                          {roles: everyRole, harmless: oneBackoff},
	"send.buffer.bytes":                                 {roles: everyRole, harmless: bySystem},
	"receive.buffer.bytes":                              {roles: everyRole, harmless: bySystem},
	"client.dns.lookup":                                 {roles: everyRole, harmless: "every address of a name is tried"},
	"client.rack":                                       {roles: Producer | Consumer, set: text(func(s *settings) *string { return &s.rack })},
	"metadata.recovery.strategy":                        {roles: everyRole, harmless: "the addresses of bootstrap.servers are asked again whenever no known broker answers"},
	"metadata.recovery.rebootstrap.trigger.ms":          {roles: everyRole, harmless: "see metadata.recovery.strategy"},
	"enable.metrics.push":                               {roles: everyRole, harmless: ownMetrics},
	"metric.reporters":                                  {roles: everyRole, harmless: ownMetrics},
	"metrics.*":                                         {roles: everyRole, harmless: ownMetrics},
	"auto.include.jmx.reporter":                         {roles: everyRole, harmless: ownMetrics},
	"confluent.*":                                       {roles: everyRole, harmless: "it concerns a vendor's additions to the Java client"},
	"security.protocol":                                 {roles: everyRole, set: protocol},
	"security.providers":                                {roles: everyRole, refused: noClasses},
	"ssl.protocol":                                      {roles: everyRole, set: kept},
	"ssl.enabled.protocols":                             {roles: everyRole, set: kept},
	"ssl.cipher.suites":                                 {roles: everyRole, set: kept},
	"ssl.endpoint.identification.algorithm":             {roles: everyRole, set: kept},
	"ssl.keystore.type":                                 {roles: everyRole, set: kept},
	"ssl.keystore.location":                             {roles: everyRole, set: kept},
	"ssl.keystore.password":                             {roles: everyRole, set: kept},
	"ssl.keystore.key":                                  {roles: everyRole, set: kept},
	"ssl.keystore.certificate.chain":                    {roles: everyRole, set: kept},
	"ssl.key.password":                                  {roles: everyRole, set: kept},
	"ssl.truststore.type":                               {roles: everyRole, set: kept},
	"ssl.truststore.location":                           {roles: everyRole, set: kept},
	"ssl.truststore.password":                           {roles: everyRole, set: kept},
	"ssl.truststore.certificates":                       {roles: everyRole, set: kept},
	"ssl.provider":                                      {roles: everyRole, harmless: byRuntime},
	"ssl.keymanager.algorithm":                          {roles: everyRole, harmless: byRuntime},
	"ssl.trustmanager.algorithm":                        {roles: everyRole, harmless: byRuntime},
	"ssl.secure.random.implementation":                  {roles: everyRole, harmless: byRuntime},
	"ssl.engine.factory.class":                          {roles: everyRole, refused: noClasses},
	"ssl.client.auth":                                   {roles: everyRole, harmless: byBroker},
	"ssl.principal.mapping.rules":                       {roles: everyRole, harmless: byBroker},
	"ssl.allow.dn.changes":                              {roles: everyRole, harmless: byBroker},
	"ssl.allow.san.changes":                             {roles: everyRole, harmless: byBroker},
	"sasl.mechanism":                                    {roles: everyRole, set: kept},
	"sasl.jaas.config":                                  {roles: everyRole, set: kept},
	"sasl.login.callback.handler.class":                 {roles: everyRole, set: kept},
	"sasl.client.callback.handler.class":                {roles: everyRole, refused: noClasses},
	"sasl.login.class":                                  {roles: everyRole, refused: noClasses},
	"sasl.login.connect.timeout.ms":                     {roles: everyRole, set: kept},
	"sasl.login.read.timeout.ms":                        {roles: everyRole, set: kept},
	"sasl.login.retry.backoff.ms":                       {roles: everyRole, harmless: oneBackoff},
	"sasl.login.retry.backoff.max.ms":                   {roles: everyRole, harmless: oneBackoff},
	"sasl.login.refresh.window.factor":                  {roles: everyRole, harmless: oneRefresh},
	"sasl.login.refresh.window.jitter":                  {roles: everyRole, harmless: oneRefresh},
	"sasl.login.refresh.min.period.seconds":             {roles: everyRole, harmless: oneRefresh},
	"sasl.login.refresh.buffer.seconds":                 {roles: everyRole, harmless: oneRefresh},
	"sasl.kerberos.*":                                   {roles: everyRole, harmless: byKerberos},
	"sasl.oauthbearer.token.endpoint.url":               {roles: everyRole, set: kept},
	"sasl.oauthbearer.scope":                            {roles: everyRole, set: kept},
	"sasl.oauthbearer.header.urlencode":                 {roles: everyRole, set: boolean(func(s *settings) *bool { return &s.encodeLogin })},
	"sasl.oauthbearer.jwt.retriever.class":              {roles: everyRole, set: kept},
	"sasl.oauthbearer.client.credentials.client.id":     {roles: everyRole, set: kept},
	"sasl.oauthbearer.client.credentials.client.secret": {roles: everyRole, set: kept},
	"sasl.oauthbearer.*":                                {roles: everyRole, harmless: "tokens are judged by the brokers"},
	"interceptor.classes":                               {roles: Producer | Consumer, refused: noClasses + "; an interceptor may change or count records, so it is not left out silently"},
	"key.serializer":                                    {roles: Producer, harmless: byConverters},
	"value.serializer":                                  {roles: Producer, harmless: byConverters},
	"key.deserializer":                                  {roles: Consumer, harmless: byConverters},
	"value.deserializer":                                {roles: Consumer, harmless: byConverters},
	"default.api.timeout.ms":                            {roles: Consumer | Admin, set: millis(0, func(s *settings) *time.Duration { return &s.apiTimeout })},
	"bootstrap.controllers":                             {roles: Admin, refused: "requests go to brokers; write bootstrap.servers"},
	"acks":                                              {roles: Producer, set: acks},
	"enable.idempotence":                                {roles: Producer, set: boolean(func(s *settings) *bool { return &s.idempotence })},
	"max.in.flight.requests.per.connection":             {roles: Producer, set: integer(1, func(s *settings) *int64 { return &s.inFlight })},
	"retries":                                           {roles: Producer | Admin, set: integer(0, func(s *settings) *int64 { return &s.retries })},
	"delivery.timeout.ms":                               {roles: Producer, set: millis(0, func(s *settings) *time.Duration { return &s.deliveryTimeout })},
	"linger.ms":                                         {roles: Producer, set: longMillis(0, func(s *settings) *time.Duration { return &s.linger })},
	"batch.size":                                        {roles: Producer, set: integer(0, func(s *settings) *int64 { return &s.batch })},
	"max.request.size":                                  {roles: Producer, set: integer(0, func(s *settings) *int64 { return &s.maxRequest })},
	"buffer.memory":                                     {roles: Producer, set: long(0, func(s *settings) *int64 { return &s.buffer })},
	"compression.type":                                  {roles: Producer, set: compression},
	"compression.gzip.level":                            {roles: Producer, set: level("gzip", 1, 9)},
	"compression.lz4.level":                             {roles: Producer, set: level("lz4", 1, 17)},
	"compression.zstd.level":                            {roles: Producer, set: level("zstd", -131072, 22)},
	"partitioner.class":                                 {roles: Producer, set: partitioner},
	"partitioner.ignore.keys":                           {roles: Producer, set: boolean(func(s *settings) *bool { return &s.ignoreKeys })},
	"partitioner.adaptive.partitioning.enable":          {roles: Producer, harmless: "records without a key stay with a partition until its batch is full, then move on"},
	"partitioner.availability.timeout.ms":               {roles: Producer, harmless: "a partition without a leader is passed over by records that have no key"},
	"partitioner.rack.aware":                            {roles: Producer, set: boolean(func(s *settings) *bool { return &s.rackAware })},
	"max.block.ms":                                      {roles: Producer, harmless: "a send waits for room for as long as its task lives, which is Kafka Connect's default too"},
	"metadata.max.idle.ms":                              {roles: Producer, harmless: "a topic's metadata is kept for as long as its producer lives"},
	"transaction.timeout.ms":                            {roles: Producer, set: millis(1, func(s *settings) *time.Duration { return &s.transactionTimeout })},
	"transactional.id":                                  {roles: Producer, refused: "transactional ids are given by the engine, one a task; exactly.once.source.support asks for them"},
	"transaction.two.phase.commit.enable":               {roles: Producer, refused: "transactions are ended by the engine alone"},
	"group.id":                                          {roles: Consumer, set: text(func(s *settings) *string { return &s.group })},
	"group.instance.id":                                 {roles: Consumer, set: text(func(s *settings) *string { return &s.instance })},
	"group.protocol":                                    {roles: Consumer, set: classic},
	"group.remote.assignor":                             {roles: Consumer, refused: "it belongs to group.protocol consumer, which this version does not speak", later: true},
	"partition.assignment.strategy":                     {roles: Consumer, set: balancers},
	"session.timeout.ms":                                {roles: Consumer, set: millis(100, func(s *settings) *time.Duration { return &s.session })},
	"heartbeat.interval.ms":                             {roles: Consumer, set: millis(1, func(s *settings) *time.Duration { return &s.heartbeat })},
	"max.poll.records":                                  {roles: Consumer, set: integer(1, func(s *settings) *int64 { return &s.pollRecords })},
	"max.poll.interval.ms":                              {roles: Consumer, set: millis(100, func(s *settings) *time.Duration { return &s.pollInterval })},
	"auto.offset.reset":                                 {roles: Consumer, set: reset},
	"isolation.level":                                   {roles: Consumer, set: isolation},
	"fetch.min.bytes":                                   {roles: Consumer, set: integer(0, func(s *settings) *int64 { return &s.fetchMin })},
	"fetch.max.bytes":                                   {roles: Consumer, set: integer(0, func(s *settings) *int64 { return &s.fetchMax })},
	"fetch.max.wait.ms":                                 {roles: Consumer, set: millis(0, func(s *settings) *time.Duration { return &s.fetchWait })},
	"max.partition.fetch.bytes":                         {roles: Consumer, set: integer(0, func(s *settings) *int64 { return &s.partitionMax })},
	"check.crcs":                                        {roles: Consumer, set: boolean(func(s *settings) *bool { return &s.checkCRC })},
	"allow.auto.create.topics":                          {roles: Consumer, set: boolean(func(s *settings) *bool { return &s.autoCreate })},
	"exclude.internal.topics":                           {roles: Consumer, harmless: "internal topics are read only when they are named"},
	"enable.auto.commit":                                {roles: Consumer, set: noAutoCommit},
	"auto.commit.interval.ms":                           {roles: Consumer, harmless: "offsets are committed by the task, see offset.flush.interval.ms"},
	"share.*":                                           {roles: Consumer, refused: "share groups do not keep the order of records"},
	"internal.throw.on.fetch.stable.offset.unsupported": {roles: Consumer, harmless: "offsets are fetched as every supported broker can"},
	"internal.leave.group.on.close":                     {roles: Consumer, harmless: "a task leaves its group when it stops"},
}

// lookup finds the rule of a property, by its name or by the longest of its beginnings.
func lookup(key string) (rule, bool) {
	if r, ok := rules[key]; ok {
		return r, true
	}
	for i := strings.LastIndexByte(key, '.'); i > 0; i = strings.LastIndexByte(key[:i], '.') {
		if r, ok := rules[key[:i]+".*"]; ok {
			return r, true
		}
	}
	return rule{}, false
}

// apply does with one property what the table says.
func (s *settings) apply(role Role, key, value string) error {
	r, ok := lookup(key)
	switch {
	case !ok:
		return &plugin.ConfigError{Key: key, Reason: "Configuration " + key + " is not one that clients of Kafka have." + diag.DidYouMean(key, known(role))}
	case r.roles&role == 0:
		return &plugin.ConfigError{Key: key, Reason: "Configuration " + key + " does not concern a " + role.String() + "."}
	case r.refused != "":
		return refuse(key, "", r)
	case r.harmless != "":
		s.log.Debug("client setting has no effect here", "setting", key, "client", role.String(), "reason", r.harmless)
		return nil
	}
	return r.set(s, key, strings.TrimSpace(value))
}

// refuse says why a property cannot be used. value is shown when it is not empty: leave out what may be a secret
// (invariant 6).
func refuse(key, value string, r rule) error {
	e := &plugin.ConfigError{Key: key, Reason: "Configuration " + strings.TrimSpace(key+" "+value) + " cannot be used: " + r.refused + "."}
	if !r.later {
		return e
	}
	d := diag.New(diag.NotAvailable, diag.Place{}, "%s", e.Reason)
	return &unavailable{e, &d}
}

// unavailable is a refusal that another release lifts: a ConfigError for callers that have a place to add, and a
// diagnostic of its own code for those that have none.
type unavailable struct {
	config     *plugin.ConfigError
	diagnostic *diag.Diagnostic
}

func (u *unavailable) Error() string   { return u.config.Reason }
func (u *unavailable) Unwrap() []error { return []error{u.config, u.diagnostic} }

// known lists what a client of a role may be given, for finding the nearest.
func known(role Role) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if r := rules[name]; r.roles&role != 0 && !strings.HasSuffix(name, ".*") {
			names = append(names, name)
		}
	}
	return names
}
