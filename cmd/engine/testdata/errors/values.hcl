# Values: of variables, of locals, and of what this version does not do.

variable "region" { # ERROR "E503 .*\"region\""
}

variable "size" {
  type    = number
  default = "large" # ERROR "E507"
}

locals {
  a = local.b # ERROR "E508 These locals need each other: local\.a → local\.b → local\.a"
  b = local.a
}

pipeline "dots" {
  source "file" {
    topic            = "a"
    poll.interval.ms = 1 # ERROR "E101"
  }
}

pipeline "later" {
  source "file" {
    topic  = "a"
    config = { "x" = raw::null() } # ERROR "E205 raw::null"
  }
}
