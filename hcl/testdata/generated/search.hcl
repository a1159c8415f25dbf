pipeline "orders-to-search" {
  tasks_max = 4

  sink "elasticsearch" {
    connection_password = secret("file:/etc/connect/search.properties:password")
    connection_url      = "https://search.internal:9200"
    key_ignore          = "TRUE"
    topics              = ["orders", "order_lines"]
    config = {
      "behavior_on_null" = "delete"
    }
  }

  key_converter "string" {}

  predicate "topic_name_matches" "isCdc" {
    pattern = "shop\\..*"
  }

  transform "unwrap" "unwrap" {
    when            = predicate.isCdc
    drop_tombstones = false
  }

  transform "regex_router" "route" {
    regex       = "shop\\.(.*)"
    replacement = "$1"
  }

  errors {
    tolerance = "all"
  }

  dead_letter_queue {
    topic_name               = "orders.dlq"
    topic_replication_factor = 1
  }

  consumer {
    max_poll_records = 500
  }

  config = {
    "value.converter.schemas.enable" = false
    "transforms"                     = "unwrap, route"
  }
}
