package hcl

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/penstock/penstock/engine/diag"
)

// Test is a test block: records that go into a pipeline's chain, and what is to come out. Data is JSON.
type Test struct {
	Name      string
	Connector string // that is tested
	Records   []TestRecord
	Expect    []Expectation // in order; empty with None: nothing is to come out
	None      bool
	Errors    []ExpectedError
	Place     diag.Place
	Project   *Project // as it is with the test's variables; nil: it has none
}

// testSuffix ends the names of files that hold tests only.
const testSuffix = ".test.hcl"

// TestRecord is a record that goes in. JSON that is nil was not written, which is a null without a schema.
type TestRecord struct {
	Topic                  string
	Key, Value             []byte
	KeySchema, ValueSchema []byte // of Kafka Connect's JSON envelope; nil: schemaless
	Bytes                  []byte // of the value as a message has it, instead of Value; nil: none
	Headers                []byte // an object; nil: none
	Partition              int32  // -1: none
	Offset, Timestamp      int64  // -1: none
	Place                  diag.Place
}

// Expectation is a record that is to come out; what is nil is not looked at.
type Expectation struct {
	Topic                *string
	Key, Value, Includes []byte // Includes: an object of which all members are there
	Headers              []byte
	Partition, Timestamp *int64
	Place                diag.Place
}

// ExpectedError is a record that is to fail; what is "" is not looked at.
type ExpectedError struct {
	Stage   string // such as transform.mask
	Message string // a part of it
	Topic   string // of the dead letter queue
	Place   diag.Place
}

// makeTests evaluates the test blocks.
func (l *loader) makeTests() {
	for _, b := range inOrder(l.tests) {
		if l.only != "" && b.Labels[0] != l.only {
			continue
		}
		s := l.scope(l.shared)
		if a := b.Body.Attributes["variables"]; a != nil && l.only == "" {
			l.variant(s, b, a)
			continue
		}
		t := s.test(b)
		if !s.failed {
			l.project.Tests = append(l.project.Tests, t)
		}
	}
}

// variant evaluates a test that has variables of its own: the project is loaded again with these. What is wrong only then is
// said with the test's name.
func (l *loader) variant(s *scope, b *hclsyntax.Block, a *hclsyntax.Attribute) {
	given, ok := l.testVariables(s, a)
	if !ok {
		return
	}
	v := newLoader(l.project.path, l.opts, l.disk)
	v.only, v.tried, v.where = b.Labels[0], given, a.Expr.Range()
	if names, values, ok := v.list(l.project.path); ok {
		v.read(names)
		v.compile(values)
	}
	v.release()
	for _, d := range v.found {
		if !slices.Contains(l.found, d) {
			d.Detail += fmt.Sprintf("\n\nIt is so with the variables of the test %q at %s.", b.Labels[0], l.line(a.SrcRange))
			l.found = append(l.found, d)
		}
	}
	for _, t := range v.project.Tests {
		t.Project = v.project
		l.project.Tests = append(l.project.Tests, t)
	}
}

// testVariables evaluates the variables of a test.
func (l *loader) testVariables(s *scope, a *hclsyntax.Attribute) (map[string]cty.Value, bool) {
	values, _ := s.eval(a.Expr).Unmark()
	switch ty := values.Type(); {
	case !values.IsKnown():
		return nil, false
	case values.IsNull() || !ty.IsObjectType() && !ty.IsMapType():
		s.fail(diag.UnsuitableType, a.Expr.Range(), "variables is a map from names of variables to values: variables = { environment = \"prod\" }")
		return nil, false
	}
	given := map[string]cty.Value{}
	for it := values.ElementIterator(); it.Next(); {
		k, value := it.Element()
		name, _ := k.Unmark()
		if _, ok := l.variables[name.AsString()]; !ok {
			if !l.lost {
				s.fail(diag.UndeclaredValue, a.Expr.Range(), "No variable %q is declared in this folder.%s", name.AsString(), l.variableMeant(name.AsString()))
			}
			return nil, false
		}
		given[name.AsString()] = value
	}
	return given, !s.failed
}

func (s *scope) test(b *hclsyntax.Block) Test {
	t := Test{Name: b.Labels[0], Place: s.place(b.DefRange())}
	own, _, children := s.shape(site{spec: testBlock, body: b.Body})
	if !s.required(b, own, "pipeline") {
		return t
	}
	name, declared := s.connectorOf(own["pipeline"])
	if !declared && !s.failed && !s.lost {
		s.fail(diag.UnknownName, own["pipeline"].Expr.Range(), "No pipeline of this project makes a connector named %q.%s", name,
			diag.DidYouMean(name, slices.Sorted(maps.Keys(s.made))))
	}
	t.Connector = name
	for _, c := range children {
		args, _, _ := s.shape(site{spec: c.spec, body: c.block.Body, parent: testBlock})
		switch c.spec.name {
		case "record":
			t.Records = append(t.Records, s.testRecord(c.block, args))
		case "expect":
			t.Expect = append(t.Expect, s.expectation(c.block, args))
		case "expect_none":
			t.None = true
		case "expect_error":
			t.Errors = append(t.Errors, ExpectedError{
				Stage: s.optionalText(args["stage"]), Message: s.optionalText(args["message"]), Topic: s.optionalText(args["topic"]),
				Place: s.place(c.block.DefRange()),
			})
		}
	}
	switch {
	case len(t.Records) == 0:
		s.fail(diag.MissingArgument, b.DefRange(), "A test needs at least one record block.")
	case t.None && len(t.Expect) > 0:
		s.fail(diag.SetTwice, b.DefRange(), "A test expects records or none, not both.")
	case !t.None && len(t.Expect)+len(t.Errors) == 0:
		s.fail(diag.MissingArgument, b.DefRange(), "A test that expects nothing in particular cannot fail. Add expect, expect_error or expect_none {}.")
	}
	return t
}

func (s *scope) testRecord(b *hclsyntax.Block, args map[string]*hclsyntax.Attribute) TestRecord {
	r := TestRecord{
		Topic: s.optionalText(args["topic"]), Key: s.json(args["key"]), Value: s.json(args["value"]),
		KeySchema: s.json(args["key_schema"]), ValueSchema: s.json(args["value_schema"]), Headers: s.object(args["headers"]),
		Offset: s.number(args["offset"], math.MaxInt64), Timestamp: s.number(args["timestamp"], math.MaxInt64),
		Partition: int32(s.number(args["partition"], math.MaxInt32)), Place: s.place(b.DefRange()),
	}
	values := 0
	for _, name := range []string{"value", "value_bytes", "value_file"} {
		if args[name] != nil {
			values++
		}
	}
	if values > 1 {
		s.fail(diag.SetTwice, b.DefRange(), "A record has one of value, value_bytes and value_file.")
	}
	if a := args["value_bytes"]; a != nil {
		if text := s.text(a.Name, s.eval(a.Expr), a.Expr.Range()); text.known && !text.null {
			r.Bytes = []byte(text.text)
		}
	}
	if a := args["value_file"]; a != nil {
		if name := s.optionalText(a); name != "" {
			text, err := s.disk.text(inFolder(s.project.Folder, name))
			if err != nil {
				s.fail(diag.Unreadable, a.Expr.Range(), "%s.", err)
			}
			r.Bytes = append([]byte{}, text...)
		}
	}
	return r
}

func (s *scope) expectation(b *hclsyntax.Block, args map[string]*hclsyntax.Attribute) Expectation {
	e := Expectation{
		Key: s.json(args["key"]), Value: s.json(args["value"]), Includes: s.object(args["value_includes"]), Headers: s.object(args["headers"]),
		Place: s.place(b.DefRange()),
	}
	if a := args["topic"]; a != nil {
		topic := s.optionalText(a)
		e.Topic = &topic
	}
	for name, into := range map[string]**int64{"partition": &e.Partition, "timestamp": &e.Timestamp} {
		if a := args[name]; a != nil {
			n := s.number(a, math.MaxInt64)
			*into = &n
		}
	}
	if args["value"] != nil && args["value_includes"] != nil {
		s.fail(diag.SetTwice, b.DefRange(), "An expectation has value, which is the whole of it, or value_includes, not both.")
	}
	if len(args) == 0 {
		s.fail(diag.MissingArgument, b.DefRange(), "An expectation says something of the record: topic, key, value, value_includes, headers, partition or timestamp.")
	}
	return e
}

// optionalText is an argument that is a text, "" when it is left out.
func (s *scope) optionalText(a *hclsyntax.Attribute) string {
	if a == nil {
		return ""
	}
	text, _ := s.argText(a.Name, s.eval(a.Expr), a.Expr.Range())
	return text
}

// json is an argument of any type as JSON; nil when it is left out.
func (s *scope) json(a *hclsyntax.Attribute) []byte {
	if a == nil {
		return nil
	}
	v, marks := s.eval(a.Expr).UnmarkDeep()
	switch {
	case s.pending(v):
		return nil
	case len(marks) > 0:
		s.fail(diag.InvalidValue, a.Expr.Range(), "%s may not be sensitive, because a test that fails shows it.", a.Name)
		return nil
	case v.IsNull():
		return []byte("null")
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		s.fail(diag.InvalidValue, a.Expr.Range(), "%s cannot be written as JSON: %s.", a.Name, err)
		return nil
	}
	return text
}

// object is json of an argument that must be an object.
func (s *scope) object(a *hclsyntax.Attribute) []byte {
	text := s.json(a)
	if text != nil && text[0] != '{' {
		s.fail(diag.UnsuitableType, a.Expr.Range(), "%s is an object: %s = { name = \"value\" }", a.Name, a.Name)
		return nil
	}
	return text
}

// number is an argument that is a whole number from 0 on; -1 when it is left out.
func (s *scope) number(a *hclsyntax.Attribute, most int64) int64 {
	if a == nil {
		return -1
	}
	v, _ := s.eval(a.Expr).UnmarkDeep()
	if s.pending(v) {
		return -1
	}
	var n int64
	if v.IsNull() || v.Type() != cty.Number || gocty.FromCtyValue(v, &n) != nil || n < 0 || n > most {
		s.fail(diag.InvalidValue, a.Expr.Range(), "%s must be a whole number from 0 to %d.", a.Name, most)
		return -1
	}
	return n
}
