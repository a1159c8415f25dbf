# Blocks that say where and how a project is applied, loaded for the cluster "prod".

project "shop" {
  required_version = ">= 9" # ERROR "E208 This project asks for version >= 9, and this is 1.2.0"
}

project "other" { # ERROR "E206 There is one project block; the first is at"
}

cluster "prod" {
  url       = "http://localhost:8083"
  uri       = "x"       # ERROR "E202 .*Did you mean \"url\"\?"
  ownership = "mark"    # ERROR "E705 ownership must be \"marker\" or \"names\", not \"mark\""
  variables = { x = 1 } # ERROR "E506 No variable \"x\" is declared"
}

cluster "prod" { # ERROR "E405 A cluster named \"prod\" was already declared"
}

pipeline "orders" {
  connector "com.acme.Anything" {
    any_thing = 1
  }
  transform "com.acme.Mask" "mask" {
    target = "values" # ERROR "E602 target is \"values\"; it must be"
  }
  lifecycle {
    ignore_changes = ["name"] # ERROR "E705 \"name\" cannot be ignored"
    ignore         = []       # ERROR "E202 .*\"ignore\" is not expected in a lifecycle block"
  }
}

pipeline "shop" {
  for_each = toset(["eu"])
  source "flie" { # ERROR "E301 There is no built-in source \"flie\""
  }
}

pipeline "audit" {
  source "file" {
    topic = "audit"
  }
}

moved { # ERROR "E204 A moved block needs to"
  from = "x"
}

moved {
  from = pipeline.audit # ERROR "E406 The connector \"audit\" is still made by pipeline.audit"
  to   = pipeline.audit
}

moved {
  from = "old"
  to   = pipeline.audot # ERROR "E502 No pipeline of this project makes a connector named \"audot\". Did you mean \"audit\"\?"
}

moved {
  from = "old-shop"
  to   = pipeline.shop # ERROR "E502 pipeline.shop is repeated by for_each. Name one of its pipelines: pipeline.shop\[KEY\]"
}

moved {
  from = "old-eu"
  to   = pipeline.shop["eu"]
}

removed {
  name = "audit" # ERROR "E406 The connector \"audit\" is still made by"
}

removed {
  name = "old-eu" # ERROR "E405 \"old-eu\" was already said of at"
}

removed {
  name = "" # ERROR "E404 The name of a connector may not be empty"
}

removed { # ERROR "E204 A removed block needs name"
}

cluster "not-chosen" {
  ulr      = "http://localhost:8083" # ERROR "E202 .*Did you mean \"url\"\?"
  password = env("NOT_SET_HERE")     # nothing of it is worked out
}
