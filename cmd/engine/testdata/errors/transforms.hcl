# Transforms, predicates and the expressions in them.

pipeline "chain" {
  source "file" {
    topic = "a"
  }

  transform "mask_feild" "one" { # ERROR "E601 .*\"mask_field\""
    target = "value"
  }

  transform "regex_router" "two" {
    target      = "value" # ERROR "E603 .*whole record"
    regex       = "a"
    replacement = "b"
  }

  transform "drop" "three" {
    when = value.x > 1 # ERROR "E604 .*quotes"
  }

  transform "drop" "four" {
    when = predicate.missing # ERROR "E606 .*\"missing\""
  }
}

pipeline "foreign" {
  source "file" {
    topic = "a"
  }
  config = {
    "predicates"          = "odd"
    "predicates.odd.type" = "com.acme.Odd" # ERROR "E607"
  }
}

pipeline "expression" {
  source "file" {
    topic = "a"
  }

  transform "set" "five" {
    target     = "value"
    field      = "total"
    expression = "value.x +" # ERROR "E608"
  }
}
