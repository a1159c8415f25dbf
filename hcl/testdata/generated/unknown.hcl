pipeline "any" {
  connector "com.acme.Any" {
    decomposed = raw::base64("ZcyB")
    long       = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    quote      = "\"$${x} %%{y}\""
  }

  config = {
    "transforms"          = ["a", "a.b"]
    "transforms.a.b.type" = "com.acme.T$Key"
    "transforms.a.type"   = "com.acme.T"
  }
}
