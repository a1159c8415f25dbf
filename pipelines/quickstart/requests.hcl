# The topic "access-log" into a file: the sink reads what the other pipeline has written.

pipeline "requests" {
  sink "file" {
    topics = ["access-log"]
    file   = "${path.project}/requests.log"
  }

  value_converter "json" {
    schemas_enable = false
  }

  transform "extract_field" "line" { # value: the line again
    target = "value"
    field  = "line"
  }
}
