package compat_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlanAndApplyOnGenuineWorker takes a genuine Kafka Connect from nothing to a project, to another one, and back. It has
// the worker to itself, see [TestCommandsOnGenuineWorker].
func TestPlanAndApplyOnGenuineWorker(t *testing.T) {
	g, cluster := start(t, "planned")
	dir := t.TempDir()
	input := filepath.Join(dir, "in.txt")
	write(t, input, "one\ntwo\n")
	topic := cluster.Name("planned")
	project := func(name, prefix, more string) {
		write(t, filepath.Join(dir, "shop.hcl"), fmt.Sprintf(`
project %[1]q {
}

pipeline "source" {
  name = "%[1]s-%[2]s"
  source "file" {
    file  = %[3]q
    topic = %[4]q
  }
  value_converter "string" {
  }
  transform "insert_field" "stamp" {
    target       = "value"
    static_field = "a"
    static_value = "b"
    when         = predicate.none
  }
  predicate "topic_name_matches" "none" {
    pattern = "none"
  }
}
%[5]s`, name, prefix, input, topic, more))
	}
	name := cluster.Name("shop")
	run := func(fails bool, says string, args ...string) {
		t.Helper()
		out, err := commandOn(t, g, append(args, dir)...)
		if (err != nil) != fails || !strings.Contains(out, says) {
			t.Fatalf("engine %s: got %v and the text below, want %q\n%s", strings.Join(args, " "), err, says, out)
		}
	}
	project(name, "a", "")
	run(true, "1 to create", "plan", "-detailed-exitcode")
	run(false, "1 of 1 created", "apply", "-auto-approve")
	run(false, "Nothing to do", "plan", "-detailed-exitcode")

	project(name, "b", fmt.Sprintf("moved {\n  from = \"%s-a\"\n  to   = pipeline.source\n}\n", name))
	run(true, "becomes", "plan", "-detailed-exitcode")
	run(false, "1 of 1 renamed", "apply", "-auto-approve")
	run(false, "Nothing to do", "plan", "-detailed-exitcode")
	if out, err := commandOn(t, g, "offsets", name+"-b"); err != nil || !strings.Contains(out, `{"position":8}`) {
		t.Errorf("the offsets did not go along: %v\n%s", err, out)
	}
	project(name+"2", "b", "")
	text, err := os.ReadFile(filepath.Join(dir, "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "shop.hcl"), strings.Replace(string(text), name+"2-b", name+"-b", 1))
	run(true, "belongs to another project", "plan")
	project(name, "b", "")
	run(false, "1 of 1 deleted", "apply", "-destroy", "-auto-approve", "-allow-delete")
	run(false, "Nothing to do", "plan", "-destroy", "-detailed-exitcode")
}
