package hcl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

// Cluster is where a project is applied, as a cluster block says.
type Cluster struct {
	Name     string
	URLs     []string // of workers, tried in turn
	Username string   // with Password, of basic authentication
	Password string
	Token    string // of bearer authentication (RFC 6750)
	CAFile   string
	CertFile string
	KeyFile  string
	Protect  bool       // what deletes, renames or repeats has to be confirmed with the cluster's name
	ByNames  bool       // a connector is the project's when its name matches Owns, instead of when it carries a mark
	Owns     []string   // patterns of path.Match
	Kafka    config.Map // to read the config topic: client properties and config.topic; nil when it is not to be read
	Place    diag.Place
}

// makeCluster evaluates the chosen cluster block.
func (l *loader) makeCluster() {
	block := l.chosenCluster()
	for _, other := range l.clusters {
		if other != block { // nothing of it is worked out, but its arguments must be ones
			l.scope(l.shared).shape(site{spec: clusterBlock, body: other.Body})
		}
	}
	if block == nil {
		return
	}
	b := newBuild(l.scope(l.shared), clusterBlock)
	b.add(clusterBlock, block.Body)
	b.finish()
	b.login()
	kafka, _ := b.flatten()
	c := &Cluster{Name: block.Labels[0], Place: l.place(block.DefRange())}
	for name, into := range map[string]*string{
		"username": &c.Username, "password": &c.Password, "bearer_token": &c.Token,
		"ca_file": &c.CAFile, "cert_file": &c.CertFile, "key_file": &c.KeyFile,
	} {
		*into = b.credential(name)
	}
	c.URLs = slices.Concat(b.texts("url"), b.texts("urls"))
	c.Owns = b.texts("owns")
	c.Protect = b.flag("protect")
	b.ownership(c)
	if len(c.URLs) == 0 && !b.failed {
		b.fail(diag.MissingArgument, block.DefRange(), "A cluster needs the address of a worker:\n\n    url = \"https://connect.example:8083\"")
	}
	if len(kafka) > 0 {
		c.Kafka = kafka
		for _, key := range []string{"bootstrap.servers", "config.topic"} {
			if kafka[key] == "" && !b.failed {
				b.fail(diag.MissingArgument, block.DefRange(), "To read the config topic, a cluster needs both bootstrap_servers and config_topic.")
				break
			}
		}
	}
	if !b.failed {
		l.project.Cluster = c
	}
}

// chosenCluster finds the block that the options ask for; without a name, the only one.
func (l *loader) chosenCluster() *hclsyntax.Block {
	if !l.opts.ForCluster {
		return nil
	}
	name := l.opts.Cluster
	names := slices.Sorted(maps.Keys(l.clusters))
	switch {
	case name == "" && len(names) == 1:
		return l.clusters[names[0]]
	case name == "" && len(names) > 1:
		l.say(diag.Usage, "These files have several clusters. Choose one with -cluster: %s.", strings.Join(names, ", "))
	case name != "" && l.clusters[name] == nil && !l.lost:
		l.say(diag.UnknownName, "There is no cluster %q in these files.%s", name, diag.DidYouMean(name, names))
	}
	return l.clusters[name]
}

// clusterVariables gives the values that the chosen cluster has for variables.
func (l *loader) clusterVariables(s *scope) {
	name := l.opts.Cluster
	if name == "" && len(l.clusters) == 1 {
		name = slices.Collect(maps.Keys(l.clusters))[0]
	}
	block := l.clusters[name]
	if !l.opts.ForCluster || block == nil || block.Body.Attributes["variables"] == nil {
		return
	}
	a := block.Body.Attributes["variables"]
	values, _ := s.eval(a.Expr).Unmark()
	r := a.Expr.Range()
	switch ty := values.Type(); {
	case !values.IsKnown() || values.IsNull():
		return
	case !ty.IsObjectType() && !ty.IsMapType():
		s.fail(diag.UnsuitableType, r, "variables is a map from names of variables to values, but this is %s.", ty.FriendlyName())
		return
	}
	for it := values.ElementIterator(); it.Next(); {
		k, value := it.Element()
		v, ok := l.variables[k.AsString()]
		switch {
		case ok:
			v.given, v.from = value, r
		case !l.lost:
			s.fail(diag.UndeclaredValue, r, "No variable %q is declared in this folder.%s", k.AsString(), l.variableMeant(k.AsString()))
		}
	}
}

// credential is an argument of the body itself that may be sensitive, "" when it is not set.
func (b *build) credential(name string) string {
	a := b.parts[0].own[name]
	if a == nil {
		return ""
	}
	return b.text(name, b.eval(a.Expr), a.Expr.Range()).text
}

// texts is an argument of the body itself that is a text or a list of texts.
func (b *build) texts(name string) []string {
	a := b.parts[0].own[name]
	if a == nil {
		return nil
	}
	v := b.eval(a.Expr)
	if !v.IsWhollyKnown() || v.IsNull() {
		b.pending(v)
		return nil
	}
	if ty := v.Type(); !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		v = cty.TupleVal([]cty.Value{v})
	}
	var list []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if text, ok := b.argText(name, e, a.Expr.Range()); ok {
			list = append(list, text)
		}
	}
	return list
}

// flag is an argument of the body itself that is a bool, false when it is not set.
func (b *build) flag(name string) bool {
	a := b.parts[0].own[name]
	if a == nil {
		return false
	}
	is, _ := b.argBool(name, b.eval(a.Expr), a.Expr.Range())
	return is
}

// ownership reads how a project knows its connectors.
func (b *build) ownership(c *Cluster) {
	a := b.parts[0].own["ownership"]
	if a == nil {
		if owns := b.parts[0].own["owns"]; owns != nil {
			b.fail(diag.MissingArgument, owns.NameRange, "owns goes with ownership = \"names\". Add that, or remove owns.")
		}
		return
	}
	text, ok := b.argText("ownership", b.eval(a.Expr), a.Expr.Range())
	c.ByNames = text == "names"
	switch {
	case !ok:
	case text != "names" && text != "marker":
		b.fail(diag.InvalidValue, a.Expr.Range(), "ownership must be \"marker\" or \"names\", not %q.", text)
	case c.ByNames && len(c.Owns) == 0 && !b.failed:
		b.fail(diag.MissingArgument, a.Expr.Range(), "ownership = \"names\" needs the patterns of the names that are yours:\n\n    owns = [\"shop-*\"]")
	}
}
