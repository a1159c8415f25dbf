# A block with a syntax error is left out whole; the blocks around it are read.

pipeline "quoted" {
  source "file" {
    "topic" = "x" # ERROR "E102 Names of arguments stand without quotes: topic = \.\.\."
    unknown = 1
  }
}

pipeline "after" {
  source "file" {
    tpic = "x" # ERROR "E202 .*Did you mean \"topic\"\?"
  }
}

pipeline "odd" {
  source "file" {
    "2 topics" = "x" # ERROR "E102 .*config = \{ \"2 topics\" = \.\.\. \}"
  }
}

pipeline "number" {
  source "file" {
    topic = "a${1e999999999}" # ERROR "E705 This number is out of range"
  }
}

pipeline "equals" {
  source "file" {
    topic "orders" # ERROR "E102 Arguments are set with \"=\": topic = \"orders\""
  }
}

pipeline "twice" {
  source "file" {
    topic = "a"
    topic = "b" # ERROR "E701 \"topic\" was already set at testdata/syntax.hcl:36"
  }
}

pipeline "curly" {
  source "file" {
    topic = “a” # ERROR "E103 .*Curly quotes"
  }
}

pipeline "empty" {
  source "file" {
    topic =  # ERROR "E107 "
  }
}

pipeline "reference" {
  source "jdbc" {
    connection_url = "jdbc:${env:HOST}/${env:DB}" # ERROR "E105 .*secret\(\"env:HOST\"\)"
    query          = "a\d" # ERROR "E104 .*query = \"a"
  }
}
}                                               # ERROR "E102 This brace closes nothing"

pipeline "last" {
  source "file" {
    topic = local.maybe_in_a_broken_block
  }
}
