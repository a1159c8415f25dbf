# What is missing on this machine, which is found when everything else is right.

worker {
  config_provider "env" "env" {
  }
}

pipeline "secret" {
  source "file" {
    topic = secret("env:NOT_SET_ANYWHERE") # ERROR "E509"
  }
}
