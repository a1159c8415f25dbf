# Where a worker looks references up.

worker {
  config_provider "fil" "vault" { # ERROR "E308 .*\"file\""
  }
}

pipeline "fine" {
  source "file" {
    topic = "a"
  }
}
