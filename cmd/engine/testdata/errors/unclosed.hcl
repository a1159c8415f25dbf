# A block that nothing closes takes the rest of the file along.

pipeline "open" { # ERROR "E106"
  source "file" {
    topic = "a"
  }
