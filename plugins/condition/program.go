package condition

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/record"
)

// Program is a compiled expression over one record. It belongs to one task: one goroutine uses it.
type Program struct {
	code    *vm.Program
	machine vm.VM
	record  *record.Record // the one at hand, only during a call
	whole   *operand       // the expression is one field or constant: nothing is left for the machine
	kind    reflect.Kind   // of the result, as far as it is known without a record; Invalid: it is not
	date    bool           // the result is a time
}

// Bounds of an expression, so that a configuration cannot stop a task.
const (
	memoryBudget = 100_000 // elements that one evaluation may make (vm.VM)
	mostNodes    = 1_000   // of the syntax tree
	mostLoops    = 2       // any, filter, … within each other
)

// functions are those of expr that give the same for the same record, in time and memory that the record bounds. Left
// out are now and timezone (another answer at another time or place), repeat, join, replace and ranges (a short expression
// makes much of little), and what makes text of composites.
var functions = []string{ //nolint:gochecknoglobals // a literal
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum",
	"len", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix", "upper", "lower",
	"split", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "max", "min", "first", "last", "keys", "values",
	"duration", "date", "get", "toBase64", "fromBase64",
}

// names are what an expression sees of a record. The types are for the check only: what may be missing is null.
type names struct {
	Value     any            `expr:"value"`
	Key       any            `expr:"key"`
	Headers   map[string]any `expr:"headers"`
	Topic     string         `expr:"topic"`
	Partition int            `expr:"partition"`
	Offset    int            `expr:"offset"`
	Timestamp time.Time      `expr:"timestamp"`
}

var nameList = []string{"value", "key", "headers", "topic", "partition", "offset", "timestamp"} //nolint:gochecknoglobals // a literal

// CompileCondition compiles an expression that gives true or false.
func CompileCondition(text string) (*Program, error) { return compile(text, true) }

// Compile compiles an expression of any type.
func Compile(text string) (*Program, error) { return compile(text, false) }

func compile(text string, condition bool) (*Program, error) {
	p := &Program{machine: vm.VM{MemoryBudget: memoryBudget}}
	if strings.TrimSpace(text) == "" {
		return nil, &plugin.ConfigError{Reason: "The expression is empty."}
	}
	c := newCompilation(p)
	// The first time with the types of the names and as it is written, for the sake of the messages.
	code, err := expr.Compile(text, c.options((*rules)(c))...)
	if c.refused != nil {
		return nil, c.refused
	}
	if err != nil {
		return nil, c.explain(text, err)
	}
	if err := p.result(code.Node().Type(), condition); err != nil {
		return nil, err
	}
	c = newCompilation(p)
	if p.code, err = expr.Compile(text, c.options((*rules)(c), c)...); err != nil {
		return nil, c.explain(text, err)
	}
	if c.refused != nil {
		return nil, c.refused
	}
	p.whole = c.known[p.code.Node()]
	return p, nil
}

func newCompilation(p *Program) *compilation {
	return &compilation{program: p, known: map[ast.Node]*operand{}, methods: map[ast.Node]bool{}, loops: map[ast.Node]int{}}
}

func (c *compilation) options(visitors ...ast.Visitor) []expr.Option {
	options := []expr.Option{
		expr.Env(names{}), expr.MaxNodes(mostNodes), expr.DisableAllBuiltins(), expr.Timezone("UTC"),
		func(cfg *conf.Config) {
			c.config = cfg
			cfg.Visitors = append(cfg.Visitors, visitors...)
		},
	}
	for _, name := range functions {
		options = append(options, expr.EnableBuiltin(name))
	}
	return options
}

// result takes the type of the whole expression.
func (p *Program) result(t reflect.Type, condition bool) error {
	if t == nil || t.Kind() == reflect.Interface {
		return nil
	}
	if condition && t.Kind() != reflect.Bool {
		return &plugin.ConfigError{Reason: fmt.Sprintf("A condition must be true or false: expected bool, but got %s.", typeName(t))}
	}
	p.kind, p.date = t.Kind(), t == reflect.TypeFor[time.Time]()
	return nil
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time"
	case t.Kind() == reflect.Map:
		return "a map"
	case t.Kind() == reflect.Slice:
		return "a list"
	}
	return t.String()
}

var (
	unknownName = pattern(`^unknown name (\S+)`)               //nolint:gochecknoglobals // a constant, made when it is first needed
	unexpected  = pattern(`^unexpected token Operator\("="\)`) //nolint:gochecknoglobals // a constant, made when it is first needed
)

// pattern is an expression that is compiled when it is first used.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// explain says in words for people what expr says of an expression.
func (c *compilation) explain(text string, err error) error {
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return &plugin.ConfigError{Reason: "The expression is wrong: " + err.Error() + "."}
	}
	ce := &plugin.ConfigError{From: fe.From, To: max(fe.To, fe.From+1)}
	if n := len([]rune(text)); ce.From >= n { // the end was not expected
		ce.From, ce.To = n-1, n
	}
	if unexpected().MatchString(fe.Message) {
		ce.To = ce.From + 1
		ce.Reason = `"=" is not a comparison. Use "==".`
		return ce
	}
	m := unknownName().FindStringSubmatch(fe.Message)
	switch {
	case m == nil:
		ce.Reason = "The expression is wrong: " + fe.Message + "."
	case m[1] == "now":
		ce.Reason = "now() is not available in an expression over records, because a replay would give a different result. Use the record's timestamp."
	case slices.ContainsFunc(builtin.Builtins, func(f *builtin.Function) bool { return f.Name == m[1] }):
		ce.Reason = m[1] + "() is not available in an expression over records."
	default:
		ce.Reason = fmt.Sprintf("There is no name %q in a record.%s An expression sees: %s.", m[1],
			diag.DidYouMean(m[1], slices.Concat(nameList, functions)), strings.Join(nameList, ", "))
	}
	return ce
}

// Test evaluates a condition.
func (p *Program) Test(r *record.Record) (bool, error) {
	if p.whole != nil {
		return p.whole.truth(r)
	}
	p.record = r
	out, err := p.machine.Run(p.code, nil)
	p.record = nil
	if err != nil {
		return false, failure(err)
	}
	is, ok := out.(bool)
	if !ok {
		return false, plugin.Data("The condition gives %s, not true or false", goName(out))
	}
	return is, nil
}

// Value evaluates an expression. The schema is that of the field where the expression is one, else it is nil. The value
// refers to the record's memory; what the expression makes itself is on the heap.
func (p *Program) Value(r *record.Record) (record.Datum, error) {
	if p.whole != nil {
		return p.whole.get(r)
	}
	p.record = r
	out, err := p.machine.Run(p.code, nil)
	p.record = nil
	if err != nil {
		return record.Datum{}, failure(err)
	}
	v, err := valueOf(out)
	return record.Datum{Value: v}, err
}

// Schema is the schema of the results where the expression tells it before any record: a primitive, or a timestamp. nil:
// it depends on the record.
func (p *Program) Schema() *record.Schema {
	switch p.kind {
	case reflect.Bool:
		return record.OptionalOf(record.Boolean)
	case reflect.Int:
		return record.OptionalOf(record.Int64)
	case reflect.Float64:
		return record.OptionalOf(record.Float64)
	case reflect.String:
		return record.OptionalOf(record.String)
	}
	if p.date {
		return record.Build(record.Int64).Like(record.TimestampSchema()).Optional().MustBuild()
	}
	return nil
}

// typeWords are all that a message of expr may hold to be shown: others may hold the data itself (invariant 6).
var typeWords = pattern(`^(?:invalid operation: |cannot fetch |cannot range over |index out of range)?(?:int|float64|string|bool|<nil>|\[\]interface \{\}|\[\]uint8|map\[string\]interface \{\}|time\.Time|time\.Duration|from| |[-+*/%<>=!]|\*\*|\(\))*$`) //nolint:gochecknoglobals // a constant, made when it is first needed

// failure is an error of the machine for people: of one record, with the place in the expression.
func failure(err error) error {
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return &plugin.DataError{Reason: "The expression cannot be worked out"}
	}
	at := fmt.Sprintf(" (at %d:%d of the expression)", fe.Line, fe.Column+1)
	if own, ok := errors.AsType[*plugin.DataError](fe.Prev); ok {
		return &plugin.DataError{Reason: own.Reason + at}
	}
	if typeWords().MatchString(fe.Message) && fe.Message != "" {
		return &plugin.DataError{Reason: fe.Message + at}
	}
	return &plugin.DataError{Reason: "The expression does not fit the record's data" + at}
}

// rules refuse what an expression may not do, before anything is replaced, and note the names of methods.
type rules compilation

// Visit implements [ast.Visitor].
func (c *rules) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			c.refuse(n, "$env is not available in an expression over records.")
		}
	case *ast.CallNode:
		m, ok := n.Callee.(*ast.MemberNode)
		if !ok {
			return
		}
		c.methods[m] = true
		name, ok := m.Property.(*ast.StringNode)
		if !ok || !slices.Contains(methods, name.Value) {
			c.refuse(n, "An expression over records calls only these of a time or a duration: %s.", strings.Join(methods, ", "))
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "..":
			c.refuse(n, "Ranges are not available in an expression over records. Write x >= 1 and x <= 10 for x in 1..10.")
		case "matches":
			c.pattern(n)
		}
	case *ast.PredicateNode:
		c.loop(n)
	}
}

// loop notes how many loops stand within each other.
func (c *rules) loop(n *ast.PredicateNode) {
	deepest := 0
	ast.Walk(&n.Node, visit(func(m ast.Node) { deepest = max(deepest, c.loops[m]) }))
	c.loops[n] = deepest + 1
	if deepest+1 > mostLoops {
		c.refuse(n, "Loops such as any, filter and map may stand at most %d within each other.", mostLoops)
	}
}

// methods of times and durations whose answer is the same everywhere.
var methods = []string{ //nolint:gochecknoglobals // a literal
	"Year", "Month", "Day", "Hour", "Minute", "Second", "Nanosecond", "Weekday", "YearDay", "Unix", "UnixMilli",
	"Add", "Sub", "Before", "After", "Equal", "IsZero", "Hours", "Minutes", "Seconds", "Milliseconds",
}

func (c *rules) pattern(n *ast.BinaryNode) {
	text, ok := n.Right.(*ast.StringNode)
	if !ok {
		c.refuse(n.Right, "The pattern behind matches must stand in the expression itself.")
		return
	}
	if _, err := regexp.Compile(text.Value); err != nil {
		c.refuse(text, "The pattern cannot be used: %s.", err)
	}
}

func (c *rules) refuse(n ast.Node, format string, args ...any) {
	if c.refused == nil {
		at := n.Location()
		c.refused = &plugin.ConfigError{Reason: fmt.Sprintf(format, args...), From: at.From, To: max(at.To, at.From+1)}
	}
}

type visit func(ast.Node)

// Visit implements [ast.Visitor].
func (v visit) Visit(n *ast.Node) { v(*n) }

// compilation replaces what can be answered without the machine: paths to fields, and comparisons of them with each other
// and with constants, become calls without arguments.
type compilation struct {
	config  *conf.Config
	program *Program
	known   map[ast.Node]*operand
	methods map[ast.Node]bool // MemberNodes that are called
	loops   map[ast.Node]int  // of PredicateNodes: how many stand within each other
	refused error
}

// Visit implements [ast.Visitor]; children come before their parents.
func (c *compilation) Visit(node *ast.Node) {
	if c.refused != nil {
		return
	}
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if root := slices.Index(nameList, n.Value); root >= 0 {
			c.operand(node, &operand{ref: &ref{root: origin(root), text: n.Value}})
		}
	case *ast.MemberNode:
		c.member(node, n)
	case *ast.ChainNode:
		if op := c.known[n.Node]; op != nil {
			*node = n.Node
		}
	case *ast.BinaryNode:
		c.binary(node, n)
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			c.boolean(&n.Node)
		}
	case *ast.ConditionalNode:
		c.boolean(&n.Cond)
	case *ast.BuiltinNode:
		c.constantCall(node, n)
	}
}

// member takes a step of a path.
func (c *compilation) member(node *ast.Node, n *ast.MemberNode) {
	base := c.known[n.Node]
	if base == nil || base.ref == nil || base.alternative != nil || c.methods[n] {
		return
	}
	r := &ref{root: base.ref.root, steps: slices.Clone(base.ref.steps)}
	switch p := n.Property.(type) {
	case *ast.StringNode:
		r.steps = append(r.steps, step{name: p.Value})
		r.text = base.ref.text + "." + p.Value
	case *ast.IntegerNode:
		r.steps = append(r.steps, step{at: p.Value, element: true})
		r.text = fmt.Sprintf("%s[%d]", base.ref.text, p.Value)
	default:
		return
	}
	c.operand(node, &operand{ref: r})
}

func (c *compilation) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		c.boolean(&n.Left)
		c.boolean(&n.Right)
		return
	case "??":
		left, right := c.known[n.Left], c.constantOr(n.Right)
		if left != nil && right != nil && left.alternative == nil {
			c.operand(node, &operand{ref: left.ref, constant: left.constant, alternative: right})
		}
		return
	case "in":
		if test := c.membership(n); test != nil {
			c.test(node, test)
		}
		return
	}
	left, right := c.constantOr(n.Left), c.constantOr(n.Right)
	if left == nil || right == nil || left.ref == nil && right.ref == nil {
		return
	}
	if n.Operator == "matches" {
		c.test(node, matches(left, n.Right.(*ast.StringNode).Value))
	} else if op, ok := comparisons[n.Operator]; ok {
		c.test(node, func(r *record.Record) (bool, error) { return op(left, right, r) })
	}
}

// membership is x in [constants] or x in field.
func (c *compilation) membership(n *ast.BinaryNode) func(*record.Record) (bool, error) {
	left := c.constantOr(n.Left)
	if left == nil {
		return nil
	}
	if right := c.known[n.Right]; right != nil && right.ref != nil {
		return func(r *record.Record) (bool, error) { return within(left, right, r) }
	}
	array, ok := n.Right.(*ast.ArrayNode)
	if !ok || left.ref == nil {
		return nil
	}
	var list []record.Value
	for _, e := range array.Nodes {
		v, ok := constant(e)
		if !ok {
			return nil
		}
		list = append(list, v)
	}
	return func(r *record.Record) (bool, error) {
		d, err := left.get(r)
		return err == nil && slices.ContainsFunc(list, func(v record.Value) bool { return equal(d.Value, v) }), err
	}
}

// constantOr is what is known of a node: a field, or a constant.
func (c *compilation) constantOr(n ast.Node) *operand {
	if op := c.known[n]; op != nil {
		return op
	}
	if v, ok := constant(n); ok {
		return &operand{constant: v}
	}
	return nil
}

// constant is the value of a literal.
func constant(n ast.Node) (record.Value, bool) {
	switch n := n.(type) {
	case *ast.NilNode:
		return record.Value{}, true
	case *ast.IntegerNode:
		return record.OfInt64(int64(n.Value)), true
	case *ast.FloatNode:
		return record.OfFloat64(n.Value), true
	case *ast.BoolNode:
		return record.OfBool(n.Value), true
	case *ast.StringNode:
		return record.OfString(n.Value), true
	case *ast.ConstantNode:
		if t, ok := n.Value.(time.Time); ok {
			return record.OfInstant(t.UnixMilli()), t.Nanosecond()%1e6 == 0
		}
	case *ast.UnaryNode:
		if v, ok := constant(n.Node); ok && n.Operator == "-" {
			switch v.Kind() {
			case record.Int64:
				return record.OfInt64(-v.Int()), true
			case record.Float64:
				return record.OfFloat64(-v.Float()), true
			}
		}
	}
	return record.Value{}, false
}

// constantCall works out date('…') and duration('…') once.
func (c *compilation) constantCall(node *ast.Node, n *ast.BuiltinNode) {
	if n.Name != "date" && n.Name != "duration" {
		return
	}
	if n.Name == "date" && len(n.Arguments) > 3 { // with the location that comes of itself
		(*rules)(c).refuse(n, "date() takes no time zone in an expression over records: times are in UTC.")
		return
	}
	var args []any
	for _, a := range n.Arguments {
		switch a := a.(type) {
		case *ast.StringNode:
			args = append(args, a.Value)
		case *ast.ConstantNode:
			args = append(args, a.Value)
		default:
			return
		}
	}
	at := slices.IndexFunc(builtin.Builtins, func(f *builtin.Function) bool { return f.Name == n.Name })
	v, err := builtin.Builtins[at].Func(args...)
	if err != nil {
		(*rules)(c).refuse(n, "%s() cannot read the text: %s.", n.Name, err)
		return
	}
	ast.Patch(node, &ast.ConstantNode{Value: v})
	(*node).SetType(reflect.TypeOf(v))
}

// operand replaces a node by a call that gives a field's value.
func (c *compilation) operand(node *ast.Node, op *operand) {
	p := c.program
	c.call(node, reflect.TypeFor[func() any](), func(...any) (any, error) {
		d, err := op.get(p.record)
		if err != nil {
			return nil, err
		}
		return goValue(d.Schema, d.Value), nil
	})
	c.known[*node] = op
}

// boolean replaces a field that stands where true or false is wanted.
func (c *compilation) boolean(node *ast.Node) {
	if op := c.known[*node]; op != nil {
		c.test(node, op.truth)
	}
}

// test replaces a node by a call that gives true or false.
func (c *compilation) test(node *ast.Node, test func(*record.Record) (bool, error)) {
	p := c.program
	c.call(node, reflect.TypeFor[func() bool](), func(...any) (any, error) {
		is, err := test(p.record)
		return is, err
	})
}

func (c *compilation) call(node *ast.Node, t reflect.Type, f func(...any) (any, error)) {
	name := fmt.Sprintf("record %d", len(c.config.Functions)) // a name that nobody can write
	c.config.Functions[name] = &builtin.Function{Name: name, Func: f, Types: []reflect.Type{t}}
	ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}})
	(*node).SetType(t.Out(0))
}
