# What only a worker's settings lead to.

worker {
  connector_client_config_override_policy = "None"
}

pipeline "client" {
  source "file" {
    topic = "a"
  }
  producer {
    linger_ms = 5 # ERROR "E707 .*\"None\""
  }
}
