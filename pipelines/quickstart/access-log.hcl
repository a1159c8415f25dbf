# A web server's access log, line by line, into the topic "access-log".

pipeline "access-log" {
  source "file" {
    file  = "${path.project}/../../testdata/access.log"
    topic = "access-log"
  }

  # Transforms run from top to bottom. The source's records have no key, and a line of text as their value.

  transform "hoist_field" "wrap" { # value: {"line": "…"}
    target = "value"
    field  = "line"
  }

  transform "insert_field" "host" { # value: {"line": "…", "host": "web-1"}
    target       = "value"
    static_field = "host"
    static_value = "web-1"
  }

  transform "value_to_key" "by_host" { # key: {"host": "web-1"}
    fields = ["host"]
  }

  transform "insert_field" "site" { # key: {"host": "web-1", "site": "shop"}
    target       = "key"
    static_field = "site"
    static_value = "shop"
  }

  transform "mask_field" "hide_host" { # value: {"line": "…", "host": "***"}
    target      = "value"
    fields      = ["host"]
    replacement = "***"
  }

  key_converter "json" {
    schemas_enable = false
  }

  value_converter "json" {
    schemas_enable = false
  }
}
