package kafka

import (
	"context"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock/penstock/engine/plugin"
	"github.com/penstock/penstock/engine/ssl"
)

// dialer makes connections.
type dialer func(ctx context.Context, network, host string) (net.Conn, error)

// security is how a client's connections are protected (Kafka: CommonClientConfigs.SECURITY_PROTOCOL_CONFIG).
type security struct {
	protocol string // "" and PLAINTEXT are the same
	login    *login // of the SASL protocols, once agreed upon
}

func (s security) encrypted() bool { return s.protocol == "SSL" || s.protocol == "SASL_SSL" }
func (s security) withLogin() bool { return strings.HasPrefix(s.protocol, "SASL_") }

func protocol(s *settings, key, text string) error {
	s.security.protocol = strings.ToUpper(text)
	if text == "" {
		return nil
	}
	names := []string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}
	if !slices.Contains(names, s.security.protocol) {
		return oneOf(key, text, names...)
	}
	return nil
}

// kept is a property that several settings are made of together; its text is read from what was given.
func kept(*settings, string, string) error { return nil }

// value is the trimmed text of a property, "" when nobody gave it.
func (s *settings) value(key string) string { return strings.TrimSpace(s.given[key]) }

// tls are the settings of encryption.
func (s *settings) tls() ssl.Settings { return ssl.Settings{Given: s.given} }

// agreeSecurity checks what can be known of security settings without opening a file. Settings that the protocol does
// not use are left alone, as in Kafka: a worker may hold them for other clients.
func (s *settings) agreeSecurity(wrong func(key, reason string)) {
	if s.security.encrypted() {
		s.tls().Check(func(e *plugin.ConfigError) { wrong(e.Key, e.Reason) })
	}
	if s.security.withLogin() {
		s.security.login = s.readLogin(wrong)
	}
}

// secure gives the options that protect connections, and the dialer that encrypts them. It opens the files that the
// settings name; errors are *[plugin.ConfigError], which name no secret (invariant 6).
func (s *settings) secure(dial dialer) (dialer, []kgo.Opt, error) {
	if s.security.encrypted() {
		config, err := ssl.NewRotating(s.tls(), s.log)
		if err != nil {
			return nil, nil, err
		}
		dial = encrypted(dial, config)
	}
	if !s.security.withLogin() {
		return dial, nil, nil
	}
	mechanism, err := s.security.login.mechanism()
	if err != nil {
		return nil, nil, err
	}
	return dial, []kgo.Opt{kgo.SASL(mechanism)}, nil
}

// unusable is the error of a property whose value is right in itself but cannot be used.
func unusable(key, reason string) *plugin.ConfigError {
	return &plugin.ConfigError{Key: key, Reason: "Configuration " + key + " cannot be used: " + reason}
}
