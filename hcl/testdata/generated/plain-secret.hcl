pipeline "shop-orders" {
  name                 = "shop orders"
  state                = "stopped"
  exactly_once_support = "required"

  source "com.acme.Source" {
    db_password = env("SHOP_ORDERS_DB_PASSWORD")
    x           = "007"
    y           = "1.10"
    z           = -5
  }

  producer {
    linger_ms = 20
  }

  topic_creation "default" {
    partitions         = 3
    replication_factor = 1
  }

  topic_creation "wide" {
    include = ["a", "b"]
  }
}
