package hcl

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
)

// block says what may be written in a block and what becomes of it. The table below is the whole grammar: the walker, the
// messages about what is unknown, and completion read it.
type block struct {
	name   string
	labels labels
	many   bool        // may stand more than once
	role   plugin.Role // the first label names a plugin of this role, whose settings are arguments too
	list   string      // the property that lists the names of these blocks in order
	class  string      // the property that holds the class of the first label; %s stands for the name
	prefix string      // of every property in the block; %s stands for the name
	fresh  bool        // replaces an inherited block of its name instead of merging with it
	open   bool        // takes any argument beyond args, by rule 1
	starts string      // what arguments beyond args must start with, where open is set
	plain  bool        // makes no properties, so it takes no config map
	args   []argument
	blocks []*block
}

// argument is one name that may stand before an equals sign.
type argument struct {
	name string
	typ  plugin.Type // of the property; 0 for an argument of the language's own, which is no property
}

type labels uint8

const (
	noLabel labels = iota
	whatItIs
	itsName
	maybeName
	whatAndName
)

// usage shows how a block's first line is written.
func (b *block) usage() string {
	example := map[string]string{
		"source": "file", "sink": "file", "transform": "mask_field", "predicate": "topic_name_matches", "config_provider": "file",
	}[b.name]
	if example == "" {
		example = "json"
	}
	switch b.labels {
	case whatItIs:
		return b.name + ` "` + example + `" { ... }`
	case whatAndName:
		return b.name + ` "` + example + `" "NAME" { ... }`
	case itsName, maybeName:
		return b.name + ` "NAME" { ... }`
	default:
		return b.name + " { ... }"
	}
}

func (b *block) child(name string) *block {
	for _, c := range b.blocks {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (b *block) argument(name string) (argument, bool) {
	i := slices.IndexFunc(b.args, func(a argument) bool { return a.name == name })
	if i < 0 {
		return argument{}, false
	}
	return b.args[i], true
}

// at puts a block's name into one of its property names.
func at(pattern, name string) string { return strings.Replace(pattern, "%s", name, 1) }

func own(names ...string) []argument {
	args := make([]argument, len(names))
	for i, n := range names {
		args[i] = argument{name: n}
	}
	return args
}

func properties(t plugin.Type, names ...string) []argument {
	args := own(names...)
	for i := range args {
		args[i].typ = t
	}
	return args
}

// configMap is the argument of every block that makes properties: the names in it are taken as they are.
const configMap = "config"

//nolint:gochecknoglobals // the table: literals that nothing changes
var (
	connectorArgs = slices.Concat(
		properties(plugin.IntType, "tasks_max"),
		properties(plugin.BooleanType, "tasks_max_enforce"),
		properties(plugin.LongType, "transaction_boundary_interval_ms"),
		properties(plugin.StringType, "config_action_reload", "exactly_once_support", "transaction_boundary",
			"offsets_storage_topic", "connector_plugin_version"),
	)
	versioned = properties(plugin.StringType, "plugin_version")

	converterBlocks = []*block{
		{name: "key_converter", labels: whatItIs, role: plugin.ConverterRole, class: "key.converter", prefix: "key.converter.", args: versioned},
		{name: "value_converter", labels: whatItIs, role: plugin.ConverterRole, class: "value.converter", prefix: "value.converter.", args: versioned},
		{name: "header_converter", labels: whatItIs, role: plugin.ConverterRole, class: "header.converter", prefix: "header.converter.", args: versioned},
	}
	connectorBlocks = []*block{
		{name: "source", labels: whatItIs, role: plugin.SourceRole, class: "connector.class"},
		{
			name: "sink", labels: whatItIs, role: plugin.SinkRole, class: "connector.class",
			args: slices.Concat(properties(plugin.ListType, "topics"), properties(plugin.StringType, "topics_regex")),
		},
		{ // what import writes of a connector of which the cluster does not say which it is
			name: "connector", labels: whatItIs, role: plugin.SourceRole, class: "connector.class",
			args: slices.Concat(properties(plugin.ListType, "topics"), properties(plugin.StringType, "topics_regex")),
		},
	}
	lifecycleBlock = &block{name: "lifecycle", plain: true, args: own("adopt", "prevent_destroy", "prevent_delete", "ignore_changes")}
	stageBlocks    = slices.Concat(converterBlocks, []*block{
		{
			name: "predicate", labels: whatAndName, many: true, role: plugin.PredicateRole, fresh: true, args: versioned,
			list: "predicates", class: "predicates.%s.type", prefix: "predicates.%s.",
		},
		{
			name: "transform", labels: whatAndName, many: true, role: plugin.TransformRole, fresh: true,
			list: "transforms", class: "transforms.%s.type", prefix: "transforms.%s.",
			args: slices.Concat(own("target", "when", "unless", "enabled"), versioned),
		},
		{name: "errors", prefix: "errors.", args: slices.Concat(
			properties(plugin.StringType, "tolerance", "restart_policy"),
			properties(plugin.IntType, "restart_max_attempts"),
			properties(plugin.LongType, "retry_timeout", "retry_delay_max_ms", "restart_delay_ms", "restart_delay_max_ms"),
			properties(plugin.BooleanType, "log_enable", "log_include_messages"),
		)},
		{name: "dead_letter_queue", prefix: "errors.deadletterqueue.", args: slices.Concat(
			properties(plugin.StringType, "topic_name"),
			properties(plugin.ShortType, "topic_replication_factor"),
			properties(plugin.BooleanType, "context_headers_enable"),
		)},
		{
			name: "topic_creation", labels: itsName, many: true, open: true,
			list: "topic.creation.groups", prefix: "topic.creation.%s.",
			args: slices.Concat(
				properties(plugin.ListType, "include", "exclude"),
				properties(plugin.ShortType, "replication_factor"),
				properties(plugin.IntType, "partitions"),
			),
		},
		{name: "producer", prefix: "producer.override.", open: true},
		{name: "consumer", prefix: "consumer.override.", open: true},
		{name: "admin", prefix: "admin.override.", open: true},
		lifecycleBlock,
	})

	defaultsBlock = &block{
		name: "defaults", labels: maybeName, many: true,
		args:   slices.Concat(own("enabled", "description", "state"), connectorArgs),
		blocks: stageBlocks,
	}
	pipelineBlock = &block{
		name: "pipeline", labels: itsName, many: true,
		args:   slices.Concat(own("for_each", "name", "enabled", "description", "state", "use"), connectorArgs),
		blocks: slices.Concat(connectorBlocks, stageBlocks),
	}
	variableBlock = &block{
		name: "variable", labels: itsName, many: true, plain: true,
		args:   own("type", "default", "description", "sensitive", "nullable"),
		blocks: []*block{{name: "validation", many: true, plain: true, args: own("condition", "error_message")}},
	}
	localsBlock = &block{name: "locals", many: true, open: true, plain: true}

	projectBlock = &block{name: "project", labels: itsName, plain: true, args: own("required_version")}
	movedBlock   = &block{name: "moved", many: true, plain: true, args: own("from", "to")}
	removedBlock = &block{name: "removed", many: true, plain: true, args: own("name", "delete")}
	testBlock    = &block{
		name: "test", labels: itsName, many: true, plain: true, args: own("pipeline", "variables"),
		blocks: []*block{
			{name: "record", many: true, plain: true, args: own("topic", "key", "value", "value_bytes", "value_file", "key_schema",
				"value_schema", "headers", "partition", "offset", "timestamp")},
			{name: "expect", many: true, plain: true, args: own("topic", "key", "value", "value_includes", "headers", "partition", "timestamp")},
			{name: "expect_none", plain: true},
			{name: "expect_error", many: true, plain: true, args: own("stage", "message", "topic")},
		},
	}
	clusterBlock = &block{
		name: "cluster", labels: itsName, many: true, plain: true,
		args: slices.Concat(
			own("url", "urls", "username", "password", "bearer_token", "ca_file", "cert_file", "key_file", "variables", "protect",
				"ownership", "owns"),
			properties(plugin.ListType, "bootstrap_servers"), properties(plugin.StringType, "config_topic", "security_protocol"),
		),
		blocks: []*block{workerBlock.child("ssl"), workerBlock.child("sasl")},
	}

	fileBlock = &block{plain: true, blocks: []*block{
		pipelineBlock, workerBlock, variableBlock, localsBlock, defaultsBlock, projectBlock, clusterBlock, movedBlock, removedBlock,
		testBlock,
	}}
)

//nolint:gochecknoglobals // the table: literals that nothing changes
var (
	storageArgs = slices.Concat(
		properties(plugin.StringType, "topic"),
		properties(plugin.ShortType, "replication_factor"),
		properties(plugin.IntType, "partitions"),
	)
	// workerBlock has the settings of Kafka Connect's WorkerConfig, StandaloneConfig and DistributedConfig and of the
	// worker's own Kafka clients.
	workerBlock = &block{
		name: "worker",
		args: slices.Concat(
			properties(plugin.ListType, "bootstrap_servers", "listeners", "admin_listeners", "plugin_path", "metric_reporters",
				"inter_worker_verification_algorithms", "connector_client_config_override_allowlist"),
			properties(plugin.LongType, "offset_flush_interval_ms", "offset_flush_timeout_ms", "task_shutdown_graceful_timeout_ms",
				"metadata_max_age_ms", "reconnect_backoff_ms", "reconnect_backoff_max_ms", "retry_backoff_ms",
				"retry_backoff_max_ms", "socket_connection_setup_timeout_ms", "socket_connection_setup_timeout_max_ms",
				"connections_max_idle_ms", "bootstrap_resolve_timeout_ms", "metadata_recovery_rebootstrap_trigger_ms",
				"metrics_sample_window_ms"),
			properties(plugin.IntType, "session_timeout_ms", "heartbeat_interval_ms", "rebalance_timeout_ms", "request_timeout_ms",
				"scheduled_rebalance_max_delay_ms", "worker_sync_timeout_ms", "worker_unsync_backoff_ms", "send_buffer_bytes",
				"receive_buffer_bytes", "metrics_num_samples", "inter_worker_key_size", "inter_worker_key_ttl_ms"),
			properties(plugin.BooleanType, "topic_creation_enable", "topic_tracking_enable", "topic_tracking_allow_reset",
				"internal_topics_automatic_creation_enable", "metadata_cluster_check_enable"),
			properties(plugin.StringType, "group_id", "client_id", "client_dns_lookup", "security_protocol",
				"exactly_once_source_support", "connect_protocol", "connector_client_config_override_policy", "plugin_discovery",
				"metrics_recording_level", "metadata_recovery_strategy", "access_control_allow_origin",
				"access_control_allow_methods", "response_http_headers_config", "inter_worker_key_generation_algorithm",
				"inter_worker_signature_algorithm"),
		),
		blocks: slices.Concat(converterBlocks, []*block{
			{name: "config_storage", prefix: "config.storage.", open: true, args: storageArgs},
			{
				name: "offset_storage", prefix: "offset.storage.", open: true,
				args: slices.Concat(storageArgs, properties(plugin.StringType, "file_filename")),
			},
			{name: "status_storage", prefix: "status.storage.", open: true, args: storageArgs},
			{name: "rest", prefix: "rest.", args: slices.Concat(
				properties(plugin.StringType, "advertised_host_name", "advertised_listener", "basic_auth_file"),
				properties(plugin.IntType, "advertised_port"),
				properties(plugin.ListType, "extension_classes"),
				properties(plugin.BooleanType, "get_actions"),
			)},
			{name: "ssl", prefix: "ssl.", args: slices.Concat(
				properties(plugin.ListType, "enabled_protocols", "cipher_suites"),
				properties(plugin.PasswordType, "key_password", "keystore_password", "keystore_key", "keystore_certificate_chain",
					"truststore_password", "truststore_certificates"),
				properties(plugin.StringType, "client_auth", "protocol", "provider", "keystore_type", "keystore_location",
					"truststore_type", "truststore_location", "keymanager_algorithm", "trustmanager_algorithm",
					"endpoint_identification_algorithm", "secure_random_implementation", "engine_factory_class"),
			)},
			{
				name: "sasl", prefix: "sasl.", open: true,
				args: slices.Concat(own("username", "password"), properties(plugin.StringType, "mechanism"),
					properties(plugin.PasswordType, "jaas_config")),
			},
			{name: "producer", prefix: "producer.", open: true},
			{name: "consumer", prefix: "consumer.", open: true},
			{name: "admin", prefix: "admin.", open: true},
			{
				name: "config_provider", labels: whatAndName, many: true, open: true, starts: "param_",
				list: "config.providers", class: "config.providers.%s.class", prefix: "config.providers.%s.",
			},
		}),
	}
)
