package avro_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/record"
	"github.com/penstock/penstock/plugins/registry/registrytest"
)

// valuesASchema is how many values of each random schema are compared.
const valuesASchema = 50

// TestBesideJava writes random data of random schemas: org.apache.avro takes the schemas, prints them as they were
// registered, and writes what it read as the same bytes. ENGINE_TEST_AVRO is the class path of Avro; -rapid.checks says how many
// schemas.
func TestBesideJava(t *testing.T) {
	path := os.Getenv("ENGINE_TEST_AVRO")
	if path == "" {
		t.Skip("ENGINE_TEST_AVRO does not name Avro's classes")
	}
	java := exec.CommandContext(t.Context(), "java", "-cp", path, "../../testdata/java/avro/Echo.java")
	in, err := java.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := java.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := java.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(out)
	rapid.Check(t, func(rt *rapid.T) {
		reg := registrytest.Start(t)
		defer reg.Close()
		name := 0
		inner := drawSchema(rt, 3, &name)
		s := record.Build(record.Struct).Named("root.Root").Field("v", inner).MustBuild()
		c := converter(t, reg.URL(), nil)
		for range valuesASchema {
			d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{drawValue(rt, inner, 1)})} // Java's maps have no order
			message, err := c.AppendData([]byte{}, "t", d)
			if err != nil {
				rt.Fatal(errorsOf(err))
			}
			stored, _ := reg.GetSchema("t-value", 1)
			want := fmt.Sprintf("%s\t%x\n", stored.Schema.Schema, message[5:])
			if _, err := in.Write([]byte(want)); err != nil {
				rt.Fatal(err)
			}
			got, err := answers.ReadString('\n')
			if err != nil || got != want {
				rt.Fatalf("got  %s (%v)\nwant %s", strings.TrimSpace(got), err, want)
			}
		}
	})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := java.Wait(); err != nil {
		t.Fatal(err)
	}
}
