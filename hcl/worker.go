package hcl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

// makeWorker evaluates the worker block.
func (l *loader) makeWorker() {
	if l.worker == nil {
		return
	}
	b := newBuild(l.scope(l.shared), workerBlock)
	b.add(workerBlock, l.worker.Body)
	b.providerClasses()
	b.finish()
	b.login()
	flat, origins := b.flatten()
	secure(flat, origins)
	if !b.failed {
		l.project.Worker = &config.Declared{Map: flat, Origins: origins, Place: l.place(l.worker.DefRange()), Label: "worker"}
	}
}

// secure copies the security settings of the worker to its clients, where they do not have their own: people expect it, and
// Kafka Connect's workers do not do it.
func secure(flat config.Map, origins map[string]config.Origin) {
	for _, key := range slices.Collect(maps.Keys(flat)) {
		if key != "security.protocol" && !strings.HasPrefix(key, "ssl.") && !strings.HasPrefix(key, "sasl.") || key == "ssl.client.auth" {
			continue
		}
		for _, client := range []string{"producer.", "consumer.", "admin."} {
			if _, ok := flat[client+key]; !ok {
				flat[client+key], origins[client+key] = flat[key], origins[key]
			}
		}
	}
}

// login turns username and password into the line that Kafka's clients read (RFC 4616, RFC 5802).
func (b *build) login() {
	i := slices.IndexFunc(b.parts, func(p *part) bool { return p.spec.name == "sasl" })
	if i < 0 {
		return
	}
	p := b.parts[i]
	user, password := p.own["username"], p.own["password"]
	switch {
	case user == nil && password == nil:
		return
	case user == nil || password == nil:
		missing := "username"
		if password == nil {
			missing = "password"
		}
		b.fail(diag.MissingArgument, p.block.DefRange(), "username and password stand together; one of them is missing.%s", p.instead(missing))
		return
	}
	module := b.loginModule(p)
	name := b.text("username", b.eval(user.Expr), user.Expr.Range())
	word := b.text("password", b.eval(password.Expr), password.Expr.Range())
	if module == "" || !name.known || !word.known || name.null || word.null {
		return
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	p.props = append(p.props, property{
		key: "sasl.jaas.config", typ: plugin.PasswordType,
		value: stored{
			text:      module + ` required username="` + quote.Replace(name.text) + `" password="` + quote.Replace(word.text) + `";`,
			sensitive: true, known: true,
		},
		origin: config.Origin{Place: b.place(password.Expr.Range()), Written: "password", Sensitive: word.sensitive || name.sensitive},
		span:   b.place(password.SrcRange),
	})
}

// instead names an argument that is probably a misspelt form of one that is missing. An open block takes any.
func (p *part) instead(missing string) string {
	var written []string
	for _, q := range p.props {
		written = append(written, q.origin.Written)
	}
	if near := diag.Nearest(missing, written); near != "" {
		return fmt.Sprintf(" Is %s meant by %s?", missing, near)
	}
	return ""
}

// loginModule is Kafka's class for the mechanism, or "" with a report.
func (b *build) loginModule(p *part) string {
	mechanism := property{}
	for _, q := range p.props {
		if q.key == "sasl.mechanism" {
			mechanism = q
		}
	}
	switch mechanism.value.text {
	case "PLAIN":
		return "org.apache.kafka.common.security.plain.PlainLoginModule"
	case "SCRAM-SHA-256", "SCRAM-SHA-512":
		return "org.apache.kafka.common.security.scram.ScramLoginModule"
	}
	switch {
	case mechanism.key == "":
		b.fail(diag.MissingArgument, p.block.DefRange(), "username and password need mechanism = \"PLAIN\", \"SCRAM-SHA-256\" or \"SCRAM-SHA-512\".%s", p.instead("mechanism"))
	case mechanism.value.known:
		b.report(diag.New(diag.InvalidValue, mechanism.origin.Place, "username and password are of mechanism \"PLAIN\", \"SCRAM-SHA-256\" or \"SCRAM-SHA-512\", not %q. For others write jaas_config.", mechanism.value.text))
	}
	return ""
}

var providerAliases = map[string]string{ //nolint:gochecknoglobals // a literal
	"file":      "org.apache.kafka.common.config.provider.FileConfigProvider",
	"directory": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
	"env":       "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
}

// providerClasses names the classes of config_provider blocks.
func (b *build) providerClasses() {
	for _, p := range b.parts[1:] {
		if p.spec.name != "config_provider" {
			continue
		}
		class, ok := providerAliases[p.label]
		known := slices.Sorted(maps.Values(providerAliases))
		if !ok {
			class = p.label
			ok = slices.Contains(known, class)
		}
		if !ok {
			names := slices.Sorted(maps.Keys(providerAliases))
			if isClass(p.label) {
				names = known
			}
			b.fail(diag.UnknownProvider, p.block.LabelRanges[0], "There is no built-in config provider %q.%s Built in are directory, env and file.",
				p.label, diag.DidYouMean(p.label, names))
			continue
		}
		b.generate(p, at(p.spec.class, p.name), class, plugin.ClassType, p.block.LabelRanges[0])
	}
}

// providers are the names that references may begin with; nil when the files do not say.
func (l *loader) providers() []string {
	if l.worker == nil || l.worker.Body.Attributes[configMap] != nil {
		return nil
	}
	var names []string
	for _, b := range l.worker.Body.Blocks {
		if b.Type == "config_provider" && len(b.Labels) == 2 {
			names = append(names, b.Labels[1])
		}
	}
	return names
}
