package kafka

import (
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Properties of SaslConfigs.
const (
	saslMechanism = "sasl.mechanism"
	jaasConfig    = "sasl.jaas.config"
	loginHandler  = "sasl.login.callback.handler.class"
)

// login is how a client proves who it is.
type login struct {
	name    string // of the mechanism, in capitals
	options map[string]string
	tokens  *tokens // of OAUTHBEARER
}

// loginModules are the classes that Kafka has for the mechanisms.
var loginModules = map[string]string{ //nolint:gochecknoglobals // a literal
	"PLAIN":         "org.apache.kafka.common.security.plain.PlainLoginModule",
	"SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
	"SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
	"OAUTHBEARER":   "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
}

const mechanisms = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"

// readLogin reads mechanism and credentials; nil when something is wrong with them.
func (s *settings) readLogin(wrong func(key, reason string)) *login {
	l := &login{name: strings.ToUpper(s.value(saslMechanism))}
	module, ok := loginModules[l.name]
	switch {
	case l.name == "":
		wrong(saslMechanism, "security.protocol "+s.security.protocol+" needs "+saslMechanism+": "+mechanisms+".")
		return nil
	case l.name == "GSSAPI":
		wrong(saslMechanism, unusable(saslMechanism, "Kerberos is not spoken here; it is "+mechanisms+".").Reason)
		return nil
	case !ok:
		wrong(saslMechanism, unusable(saslMechanism, "it is "+mechanisms+".").Reason)
		return nil
	}
	if s.value(jaasConfig) != "" {
		j, err := parseJAAS(s.value(jaasConfig))
		switch {
		case err != nil:
			wrong(jaasConfig, unusable(jaasConfig, err.Error()+". It is written "+module+` required username="…" password="…";`).Reason)
			return nil
		case j.module != module && j.module != module[strings.LastIndexByte(module, '.')+1:]:
			wrong(jaasConfig, unusable(jaasConfig, "the login module of "+l.name+" is "+module+".").Reason)
			return nil
		}
		l.options = j.options
	}
	if l.name == "OAUTHBEARER" {
		l.tokens = s.readTokens(l.options, wrong)
		if l.tokens == nil {
			return nil
		}
		return l
	}
	if l.options["username"] == "" || l.options["password"] == "" {
		wrong(jaasConfig, "Mechanism "+l.name+" needs "+jaasConfig+" with a user's name and password: "+module+` required username="…" password="…";`)
		return nil
	}
	if s.value(loginHandler) != "" {
		wrong(loginHandler, unusable(loginHandler, noClasses+".").Reason)
		return nil
	}
	return l
}

// mechanism makes the library's side of a login.
func (l *login) mechanism() (sasl.Mechanism, error) {
	user, password := l.options["username"], l.options["password"]
	switch l.name {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password, IsToken: l.options["tokenauth"] == "true"}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password, IsToken: l.options["tokenauth"] == "true"}.AsSha512Mechanism(), nil
	}
	if err := l.tokens.open(); err != nil {
		return nil, err
	}
	return oauth.Oauth(l.tokens.auth), nil
}
