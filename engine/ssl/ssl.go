// Package ssl reads Kafka's properties ssl.* (Kafka: SslConfigs, DefaultSslEngineFactory) and makes of them what crypto/tls
// takes: key and trust stores of the types JKS, PKCS12 and PEM, versions, cipher suites, the check of the server's name.
// Clients of Kafka have these properties, and so have those of a Schema Registry under a prefix; it stands apart so that
// neither has to know the other.
//
// Start at [Settings]: [Settings.Check] opens no file, [Settings.Config] does. [Rotating] is for clients that live longer
// than their certificates.
package ssl

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock/penstock/engine/plugin"
)

// The properties, without a prefix.
const (
	enabledProtocols = "ssl.enabled.protocols"
	sslProtocol      = "ssl.protocol"
	cipherSuites     = "ssl.cipher.suites"
	hostAlgorithm    = "ssl.endpoint.identification.algorithm"
	keystoreType     = "ssl.keystore.type"
	keystoreLocation = "ssl.keystore.location"
	keystorePassword = "ssl.keystore.password"
	keystoreKey      = "ssl.keystore.key"
	keystoreChain    = "ssl.keystore.certificate.chain"
	keyPassword      = "ssl.key.password"
	truststoreType   = "ssl.truststore.type"
	trustLocation    = "ssl.truststore.location"
	trustPassword    = "ssl.truststore.password"
	trustCerts       = "ssl.truststore.certificates"
)

// Settings are the properties as somebody wrote them. Errors are *[plugin.ConfigError] with the property's whole name; they
// hold no secret (invariant 6).
type Settings struct {
	Given  map[string]string // by whole name; others than ssl.* may be there too. One that is missing is not an empty one.
	Prefix string            // what stands before ssl. in the names, such as schema.registry.
}

// name is the whole name of a property.
func (s Settings) name(key string) string { return s.Prefix + key }

// value is the trimmed text of a property, "" when nobody gave it.
func (s Settings) value(key string) string { return strings.TrimSpace(s.Given[s.name(key)]) }

// list is a property's text, taken apart at its commas.
func (s Settings) list(key string) []string {
	if s.value(key) == "" {
		return nil
	}
	entries := strings.Split(s.value(key), ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return entries
}

// unusable is the error of a property whose value is right in itself but cannot be used.
func (s Settings) unusable(key, reason string) *plugin.ConfigError {
	return &plugin.ConfigError{Key: s.name(key), Reason: "Configuration " + s.name(key) + " cannot be used: " + reason}
}

// Check reports everything that can be seen without opening a file.
func (s Settings) Check(report func(*plugin.ConfigError)) {
	s.versions(report)
	s.ciphers(report)
	if a := s.value(hostAlgorithm); a != "" && !strings.EqualFold(a, "https") {
		report(s.unusable(hostAlgorithm, "it is https, which checks the server's name, or empty, which does not."))
	}
	for _, key := range []string{keystoreType, truststoreType} {
		if t := strings.ToUpper(s.value(key)); t != "" && !slices.Contains(storeTypes, t) {
			report(s.unusable(key, "stores are of type "+strings.Join(storeTypes, ", ")+"."))
		}
	}
	s.checkStores(report)
}

// versions gives the lowest and highest version of TLS; ssl.protocol bounds from above, ssl.enabled.protocols on both
// sides (Kafka: DefaultSslEngineFactory).
func (s Settings) versions(report func(*plugin.ConfigError)) (least, most uint16) {
	known := map[string]uint16{"TLSV1.2": tls.VersionTLS12, "TLSV1.3": tls.VersionTLS13}
	least, most = tls.VersionTLS12, tls.VersionTLS13
	var listed []uint16
	for _, name := range s.list(enabledProtocols) {
		v, ok := known[strings.ToUpper(name)]
		if !ok {
			report(s.unusable(enabledProtocols, fmt.Sprintf("%s is not spoken here, only TLSv1.2 and TLSv1.3.", name)))
			continue
		}
		listed = append(listed, v)
	}
	if len(listed) > 0 {
		least, most = slices.Min(listed), slices.Max(listed)
	}
	switch p := strings.ToUpper(s.value(sslProtocol)); {
	case p == "" || p == "TLS":
	case known[p] == 0:
		report(s.unusable(sslProtocol, "only TLSv1.2 and TLSv1.3 are spoken here."))
	case known[p] < least:
		report(s.unusable(sslProtocol, "none of "+s.name(enabledProtocols)+" is as old as it."))
	default:
		most = min(most, known[p])
	}
	return least, most
}

// ciphers gives the suites of TLS 1.2 to offer, nil for the usual ones, and the versions of TLS of which suites are named.
// Those of TLS 1.3 cannot be chosen among.
func (s Settings) ciphers(report func(*plugin.ConfigError)) (suites []uint16, versions []uint16) {
	for _, name := range s.list(cipherSuites) {
		i := slices.IndexFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return c.Name == strings.ToUpper(name) })
		if i < 0 {
			report(s.unusable(cipherSuites, fmt.Sprintf("%s is not among the suites of this program, which leaves out weak ones.", name)))
			continue
		}
		c := tls.CipherSuites()[i]
		versions = append(versions, c.SupportedVersions...)
		if !slices.Contains(c.SupportedVersions, tls.VersionTLS13) {
			suites = append(suites, c.ID)
		}
	}
	return suites, versions
}

// Config opens the stores and makes the configuration of a client. What Check reports is passed over here.
func (s Settings) Config() (*tls.Config, error) {
	ignore := func(*plugin.ConfigError) {}
	c := &tls.Config{}
	c.MinVersion, c.MaxVersion = s.versions(ignore)
	suites, versions := s.ciphers(ignore)
	c.CipherSuites = suites
	if len(versions) > 0 {
		c.MinVersion, c.MaxVersion = max(c.MinVersion, slices.Min(versions)), min(c.MaxVersion, slices.Max(versions))
		if c.MinVersion > c.MaxVersion {
			return nil, s.unusable(cipherSuites, "its suites belong to a version of TLS that is switched off.")
		}
	}
	var err error
	if c.RootCAs, err = s.trusted(); err != nil {
		return nil, err
	}
	own, err := s.ownCertificate()
	if err != nil {
		return nil, err
	}
	if own != nil {
		// Always the same one: a server that does not list its issuer then says what it does not like.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	if _, given := s.Given[s.name(hostAlgorithm)]; given && s.value(hostAlgorithm) == "" {
		anyHost(c)
	}
	return c, nil
}

// anyHost switches off the check of the host's name, and nothing else.
func anyHost(c *tls.Config) {
	c.InsecureSkipVerify = true // VerifyConnection does the rest of the check
	c.VerifyConnection = func(state tls.ConnectionState) error {
		chain := state.PeerCertificates
		between := x509.NewCertPool()
		for _, cert := range chain[1:] {
			between.AddCert(cert)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: c.RootCAs, Intermediates: between})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
		}
		return nil
	}
}
