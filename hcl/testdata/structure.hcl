# One mistake a line, at many levels; nothing else may be said.

variable "topic" {
  default = "orders"
  defualt = "x" # ERROR "E202 .*Did you mean \"default\"\?"
}

variable "topic" { # ERROR "E405 A variable named \"topic\" was already declared"
}

variable "1st" { # ERROR "E404 \"1st\" cannot be written after"
  default = 1
}

locals {
  a = 1
  nested { # ERROR "E201 .*not expected in a locals block"
  }
}

locals {
  a = 2 # ERROR "E405 A local named \"a\" was already declared"
}

count = 3         # ERROR "E202 .*top of a file"
environment = "x" # ERROR "E202 .*not expected at the top of a file"
topic = "x"       # ERROR "E202 .*To give the variable \"topic\" a value, write this in a file called"
group_id = "x"    # ERROR "E203 .*is a setting of the worker"

resource "x" "y" { # ERROR "E201 .*What this tool manages are pipelines"
}

source "file" { # ERROR "E201 .*It belongs in a pipeline"
}

defaults {
  tasks_max = 2
  use       = [] # ERROR "E202 .*\"use\" is not expected in a defaults block"
}

defaults { # ERROR "E206 One defaults block applies to every pipeline"
}

defaults "x" {
  tolerance = "all" # ERROR "E203 .*errors \{ tolerance = \.\.\. \}"
}

defaults "x" { # ERROR "E405 A defaults block named \"x\""
}

pipeline "orders" {
  depends_on = []          # ERROR "E202 .*they meet in topics"
  kind       = "important" # ERROR "E202 .*\"kind\" is not expected in a pipeline"
  source     = "file"      # ERROR "E202 .*define a block of type \"source\""

  source "file" {
    topic      = var.topic
    batch_siez = 1 # ERROR "E202 .*Did you mean \"batch_size\"\?"
  }
}

pipeline "audit" {
  use   = "x"    # ERROR "E704 use takes a list of defaults"
  state = "done" # ERROR "E705 state must be"
  name  = ["a"]  # ERROR "E705 name must be a string, but this is tuple"

  sink "file" {
    topics    = ["a"]
    batchsize = 1           # ERROR "E202 .*not expected in sink \"file\""
    state     = "x"         # ERROR "E203 .*Move it out of the sink block"
    linger_ms = 1           # ERROR "E202 .*It takes topics, topics_regex, file\."
    errors { # ERROR "E201 .*not expected in sink \"file\"\. It belongs in a pipeline"
    }
  }

  value_converter "json" {
    schema_enable   = true # ERROR "E202 .*Did you mean \"schemas_enable\"\?"
    fields          = []   # ERROR "E202"
    decimal__format = "x"  # ERROR "E202 .*Did you mean \"decimal_format\"\?"
  }

  errors {
    tolerance = "all"
  }

  errors { # ERROR "E206 There is one errors block at most; the first is at"
  }

  predicate "topic_name_matches" "p" {
    pattern = "x"
  }

  predicate "topic_name_matches" "p" { # ERROR "E405 A predicate named \"p\" was already declared"
  }

  transform "drop" "d" {
    when   = predicate.p
    unless = predicate.p # ERROR "E702 A transform has when or unless, not both"
  }

  transform "drop" "e" {
    when = true # ERROR "E605 when takes a predicate of this pipeline"
  }

  transform "drop" "f" {
    when    = var.predicate # ERROR "E501"
    enabled = "perhaps"     # ERROR "E705 enabled must be true or false"
  }

  transform "org.apache.kafka.connect.transforms.MaskField" "g" { # ERROR "E602 .*Add target = \"key\" or target = \"value\""
  }

  transform "org.apache.kafka.connect.transforms.MaskField$Key" "h" {
    target = "value" # ERROR "E602 target is \"value\", but the class says \$Key"
  }

  topic_creation "a" "b" { # ERROR "E207 A topic_creation block has one label, its name"
  }

  config = ["a"] # ERROR "E704 config is a map"
}

pipeline "refs" {
  for_each = { a = 1 }

  sink "file" {
    topics = [each.kye]     # ERROR "E502 \"each\" has no \"kye\", only key, value"
    file   = pipeline.label # ERROR "E502 \"pipeline\" has no \"label\", only name"
    config = {
      a          = var            # ERROR "E502 \"var\" alone is not a value"
      b          = path.module    # ERROR "E502 \"path\" has no \"module\""
      c          = predicate.x    # ERROR "E502 Predicates stand only after when and unless"
      d          = defaults.x     # ERROR "E502 Defaults stand only in use"
      e          = topic          # ERROR "E502 .*Did you mean \"var.topic\"\?"
      f          = "${ topic }"   # ERROR "E502 .*write \$\$\{topic\}"
      g          = null + 1       # ERROR "E505"
      h          = upper("a", 1)  # ERROR "E504"
      i          = { a = 1 }      # ERROR "E704 \"i\" needs a string"
      j          = [[1]]          # ERROR "E704 The elements of \"j\""
      k          = [null]         # ERROR "E704 .*but one is null"
      (null)     = 1              # ERROR "E404"
      ""         = 1              # ERROR "E404"
      l          = local.b        # ERROR "E502 There is no local named \"b\""
      m          = local.b        # ERROR "E502 There is no local named \"b\""
    }
  }
}

pipeline "no-each" {
  source "file" {
    topic = each.key # ERROR "E502 each.key and each.value exist only in a pipeline with for_each"
  }
}

pipeline "null-each" {
  for_each = null # ERROR "E403 .*but this is null"
  source "file" {
    tpic = each.key # ERROR "E202 .*Did you mean \"topic\"\?"
  }
}

pipeline "set-each" {
  for_each = toset([1, 2]) # ERROR "E403 .*but this is set of number"
  source "file" {}
}

pipeline "secret-each" {
  for_each = { a = sensitive("x"), (sensitive("b")) = 1 } # ERROR "E403 for_each may not be sensitive"
  source "file" {}
}
