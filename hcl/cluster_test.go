package hcl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
)

const shop = `
project "shop" {
  required_version = ">= 1.2, < 2"
}

variable "host" {
  default = "localhost"
}

variable "password" {
  sensitive = true
  default   = "p-secret"
}

cluster "prod" {
  urls      = ["https://a:8083", "https://b:8083"]
  username  = "deploy"
  password  = var.password
  protect   = true
  ownership = "names"
  owns      = ["shop-*"]
  variables = { host = "db.prod" }

  bootstrap_servers = ["k1:9092", "k2:9092"]
  config_topic      = "connect-configs"
  security_protocol = "SASL_SSL"
  sasl {
    mechanism = "PLAIN"
    username  = "u"
    password  = "p"
  }
}

cluster "dev" {
  url = "http://localhost:8083"
}

pipeline "orders" {
  sink "com.acme.Sink" {
    topics   = ["orders"]
    database = var.host
  }
  transform "com.acme.Mask" "mask" {
    target = "key"
  }
  lifecycle {
    adopt           = true
    prevent_destroy = true
    ignore_changes  = ["tasks.max"]
  }
}

pipeline "odd name" {
  source "file" {
    topic = "t"
  }
}

moved {
  from = pipeline.old["eu"]
  to   = pipeline["odd name"]
}

removed {
  name   = "legacy"
  delete = false
}
`

func TestAProjectSaysWhereItIsApplied(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"shop.hcl": shop})
	o := options(t)
	o.Version, o.ForCluster, o.Cluster = "1.4.1", true, "prod"
	p, found := hcl.Load(dir, o)
	if len(found) > 0 {
		t.Fatalf("unexpected messages:\n%s", render(t, dir, p, found))
	}
	want := &hcl.Project{
		ID: "shop",
		Cluster: &hcl.Cluster{
			Name: "prod", URLs: []string{"https://a:8083", "https://b:8083"}, Username: "deploy", Password: "p-secret",
			Protect: true, ByNames: true, Owns: []string{"shop-*"},
			Kafka: config.Map{
				"bootstrap.servers": "k1:9092,k2:9092", "config.topic": "connect-configs", "security.protocol": "SASL_SSL",
				"sasl.mechanism":   "PLAIN",
				"sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`,
			},
		},
		Moved:   []config.Moved{{From: "old-eu", To: "odd name"}},
		Removed: []config.Removed{{Name: "legacy"}},
	}
	ignore := cmp.Options{
		cmpopts.IgnoreUnexported(hcl.Project{}), cmpopts.IgnoreFields(hcl.Project{}, "Folder", "Pipelines"), cmpopts.IgnoreTypes(diag.Place{}),
	}
	if diff := cmp.Diff(want, p, ignore); diff != "" {
		t.Errorf("project (-want +got):\n%s", diff)
	}
	orders := config.Map{
		"name": "orders", "connector.class": "com.acme.Sink", "topics": "orders", "database": "db.prod",
		"transforms": "mask", "transforms.mask.type": "com.acme.Mask$Key",
	}
	if diff := cmp.Diff(orders, p.Pipelines[0].Map); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(config.Lifecycle{Adopt: true, PreventDelete: true, Ignore: []string{"tasks.max"}}, p.Pipelines[0].Lifecycle); diff != "" {
		t.Errorf("lifecycle (-want +got):\n%s", diff)
	}
}

func TestWhichClusterIsMeant(t *testing.T) {
	t.Parallel()
	one := "cluster \"dev\" {\n  url = \"http://localhost:8083\"\n}\n"
	for name, tt := range map[string]struct {
		text    string
		cluster string
		want    string
		codes   []diag.Code
	}{
		"the only one":     {one, "", "dev", nil},
		"none is declared": {"\n", "", "", nil},
		"by name":          {shop, "dev", "dev", nil},
		"several":          {shop, "", "", []diag.Code{diag.Usage}},
		"misspelt":         {shop, "prd", "", []diag.Code{diag.UnknownName}},
		"no address":       {"cluster \"dev\" {\n}\n", "", "", []diag.Code{diag.MissingArgument}},
		"half a topic":     {"cluster \"dev\" {\n  url = \"x\"\n  config_topic = \"t\"\n}\n", "", "", []diag.Code{diag.MissingArgument}},
		"owns by mark":     {"cluster \"dev\" {\n  url = \"x\"\n  owns = [\"t\"]\n}\n", "", "", []diag.Code{diag.MissingArgument}},
		"names of none":    {"cluster \"dev\" {\n  url = \"x\"\n  ownership = \"names\"\n}\n", "", "", []diag.Code{diag.MissingArgument}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.ForCluster, o.Cluster = true, tt.cluster
			p, found := hcl.Load(folder(t, map[string]string{"a.hcl": tt.text}), o)
			if diff := cmp.Diff(tt.codes, codes(found)); diff != "" {
				t.Errorf("codes (-want +got):\n%s\n%v", diff, found.Err())
			}
			got := ""
			if p.Cluster != nil {
				got = p.Cluster.Name
			}
			if got != tt.want {
				t.Errorf("got cluster %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAForeignClassIsForClustersOnly: what runs here has to be built in.
func TestAForeignClassIsForClustersOnly(t *testing.T) {
	t.Parallel()
	o := options(t)
	dir := folder(t, map[string]string{"a.hcl": "pipeline \"a\" {\n  connector \"com.acme.Any\" {\n  }\n}\n"})
	if _, found := hcl.Load(dir, o); len(found) != 1 || found[0].Code != diag.UnknownConnector {
		t.Errorf("got %v, want it to be unknown", found.Err())
	}
	o.ForCluster = true
	if p, found := hcl.Load(dir, o); len(found) > 0 || len(p.Pipelines) != 1 {
		t.Errorf("got %v, want it to be taken", found.Err())
	}
}
