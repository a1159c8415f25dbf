# What connectors need, and what may not stand together. One mistake a line; nothing else may be said.

pipeline "silent" {
  sink "file" { # ERROR "E304 The sink does not say what it reads"
    file = "out.txt"
  }
}

pipeline "torn" {
  sink "file" {
    topics       = ["a"]
    topics_regex = "a.*" # ERROR "E305 A sink reads either a list of topics or a pattern"
  }
}

pipeline "loop" {
  sink "file" {
    topics = ["a", "bad"]
  }
  errors {
    tolerance = "all"
  }
  dead_letter_queue {
    topic_name = "bad" # ERROR "E306 The sink reads \"bad\" and also sends failed records to it"
  }
}

pipeline "bare" {
  source "file" { # ERROR "E706 .*cannot do without topic"
    file = "in.txt"
  }
}

pipeline "both" {
  source "file" {
    topic = "a"
  }
  sink "file" { # ERROR "E302 A pipeline has exactly one source or one sink"
    topics = ["a"]
  }
}

pipeline "neither" { # ERROR "E303 Pipeline \"neither\" needs exactly one source or sink block"
  tasks_max = 1
}

pipeline "converter" {
  source "file" {
    topic = "a"
  }
  value_converter "jsn" { # ERROR "E307 .*\"json\""
  }
}

pipeline "commas" {
  sink "file" {
    topics = ["a,b"] # ERROR "E703 .*comma"
  }
}

pipeline "named" {
  name = "twin"
  source "file" {
    topic = "a"
  }
}

pipeline "named again" { # ERROR "E402 .*both produce a connector named \"twin\""
  name = "twin"
  source "file" {
    topic = "a"
  }
}

pipeline "named" { # ERROR "E401 A pipeline named \"named\" was already declared"
  source "file" {
    topic = "a"
  }
}
