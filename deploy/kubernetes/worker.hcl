# What all workers share. Kustomize makes a ConfigMap of it whose name changes with the text, so that a change rolls the pods.
worker {
  bootstrap_servers = ["kafka-bootstrap.kafka.svc:9093"]
  group_id          = "penstock"

  config_storage {
    topic              = "penstock-configs"
    replication_factor = 3
  }
  offset_storage {
    topic              = "penstock-offsets"
    replication_factor = 3
  }
  status_storage {
    topic              = "penstock-status"
    replication_factor = 3
  }

  key_converter "string" {}
  value_converter "json" {
    schemas_enable = false
  }

  listeners = ["http://0.0.0.0:8083"]
  # A pod that comes back has the name it had, and gets back the tasks it had.
  rest {
    advertised_host_name = "${env("POD_NAME")}.penstock-workers"
    advertised_port      = 8083
  }

  # Together less than the grace period of the pods.
  task_shutdown_graceful_timeout_ms = 10000
  # How long the tasks of a pod that has gone wait for it.
  scheduled_rebalance_max_delay_ms = 20000

  security_protocol = "SASL_SSL"
  ssl {
    truststore_type     = "PEM"
    truststore_location = "/etc/penstock/secret/ca.pem"
  }
  sasl {
    mechanism = "SCRAM-SHA-512"
    username  = env("KAFKA_USERNAME")
    password  = env("KAFKA_PASSWORD")
  }

  # For connectors: ${mounted:/etc/penstock/secret:name} is the file of that name in the Secret.
  config_provider "directory" "mounted" {
    param_allowed_paths = "/etc/penstock/secret"
  }
}
