package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/plugin"
)

const storeWord, keyWord = "storeword", "wordofkey"

// authority issues certificates for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

func (a *authority) make(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// issue makes a certificate for a name or an address that ends at a time.
func (a *authority) issue(name string, until time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "of " + name}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	return a.make(template)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func pemOf(certs ...*x509.Certificate) string {
	var b strings.Builder
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.String()
}

func keyDER(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemKeyOf(t *testing.T, key any) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER(t, key)}))
}

func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func broker(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// reach asks a cluster for its metadata with a client of each role.
func reach(t *testing.T, given map[string]string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, role := range []Role{Producer, Consumer, Admin} {
		client, err := open1(&Clients{Base: given}, role, nil)
		if err != nil {
			return err
		}
		err = client.Ping(ctx)
		client.CloseAllowingRebalance()
		if err != nil {
			return err
		}
	}
	return nil
}

func with(base map[string]string, more ...string) map[string]string {
	m := map[string]string{}
	maps.Copy(m, base)
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func jksFile(t *testing.T, fill func(keystore.KeyStore) error) string {
	t.Helper()
	store := keystore.New()
	if err := fill(store); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.jks")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Store(f, []byte(storeWord)), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStores reaches a broker that asks for a certificate with every kind of key and trust store.
func TestStores(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server, serverKey := ca.issue("127.0.0.1", time.Now().Add(time.Hour))
	own, ownKey := ca.issue("client", time.Now().Add(time.Hour))
	address := broker(t, kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(),
	}))
	base := map[string]string{"bootstrap.servers": address, "security.protocol": "ssl"}

	trustP12, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{ca.cert}, storeWord)
	if err != nil {
		t.Fatal(err)
	}
	keyP12, err := pkcs12.Modern.Encode(ownKey, own, []*x509.Certificate{ca.cert}, storeWord)
	if err != nil {
		t.Fatal(err)
	}
	trustJKS := jksFile(t, func(s keystore.KeyStore) error {
		return s.SetTrustedCertificateEntry("ca", keystore.TrustedCertificateEntry{CreationTime: time.Now(), Certificate: keystore.Certificate{Type: "X.509", Content: ca.cert.Raw}})
	})
	keyJKS := jksFile(t, func(s keystore.KeyStore) error {
		return s.SetPrivateKeyEntry("own", keystore.PrivateKeyEntry{
			CreationTime: time.Now(), PrivateKey: keyDER(t, ownKey),
			CertificateChain: []keystore.Certificate{{Type: "X.509", Content: own.Raw}},
		}, []byte(keyWord))
	})
	trusts := map[string][]string{
		"PEM inline":         {"ssl.truststore.type", "PEM", "ssl.truststore.certificates", pemOf(ca.cert)},
		"PEM file":           {"ssl.truststore.type", "pem", "ssl.truststore.location", file(t, "ca.pem", []byte(pemOf(ca.cert)))},
		"PKCS12":             {"ssl.truststore.type", "PKCS12", "ssl.truststore.location", file(t, "t.p12", trustP12), "ssl.truststore.password", storeWord},
		"PKCS12 called JKS":  {"ssl.truststore.location", file(t, "t.jks", trustP12), "ssl.truststore.password", storeWord},
		"JKS":                {"ssl.truststore.location", trustJKS, "ssl.truststore.password", storeWord},
		"JKS, no password":   {"ssl.truststore.location", trustJKS},
		"JKS called PKCS12":  {"ssl.truststore.type", "PKCS12", "ssl.truststore.location", trustJKS, "ssl.truststore.password", storeWord},
		"PEM, not called so": {"ssl.truststore.location", file(t, "ca.crt", []byte(pemOf(ca.cert)))},
	}
	keys := map[string][]string{
		"PEM inline": {"ssl.keystore.type", "PEM", "ssl.keystore.key", pemKeyOf(t, ownKey), "ssl.keystore.certificate.chain", pemOf(own)},
		"PEM file":   {"ssl.keystore.type", "PEM", "ssl.keystore.location", file(t, "own.pem", []byte(pemOf(own)+pemKeyOf(t, ownKey)))},
		"PKCS12":     {"ssl.keystore.type", "PKCS12", "ssl.keystore.location", file(t, "k.p12", keyP12), "ssl.keystore.password", storeWord},
		"JKS":        {"ssl.keystore.location", keyJKS, "ssl.keystore.password", storeWord, "ssl.key.password", keyWord},
	}
	for name, trust := range trusts {
		if err := reach(t, with(base, append(trust, keys["PEM inline"]...)...)); err != nil {
			t.Errorf("trust store %s: %v", name, err)
		}
	}
	for name, key := range keys {
		if err := reach(t, with(base, append(key, trusts["PEM inline"]...)...)); err != nil {
			t.Errorf("key store %s: %v", name, err)
		}
	}
	// Without a certificate the broker hangs up, which is explained.
	err = reach(t, with(base, trusts["PEM inline"]...))
	if d := Explain(err); d == nil || d.Code != diag.NotTrusted || !strings.Contains(d.Detail, "ssl.keystore.location") {
		t.Errorf("no certificate: got %v of %v", d, err)
	}
	for _, version := range []string{"TLSv1.2", "TLSv1.3"} {
		if err := reach(t, with(base, append(append(trusts["PEM inline"], keys["PEM inline"]...), "ssl.enabled.protocols", version)...)); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	if err := reach(t, with(base, append(append(trusts["PEM inline"], keys["PEM inline"]...), "ssl.cipher.suites", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")...)); err != nil {
		t.Errorf("one cipher suite: %v", err)
	}
}

// TestLogins reaches a broker with every mechanism that it offers, and not with a wrong password.
func TestLogins(t *testing.T) {
	t.Parallel()
	const user, secret = "alice", `pass"wo\rd;=`
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret)
	var opts []kfake.Opt
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		opts = append(opts, kfake.Superuser(m, user, secret))
	}
	address := broker(t, append(opts, kfake.EnableSASL())...)
	ca := newAuthority(t)
	server, serverKey := ca.issue("127.0.0.1", time.Now().Add(time.Hour))
	secured := broker(t, append(opts, kfake.EnableSASL(), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}}}))...)
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		config := loginModules[m] + ` required username="` + user + `" password="` + quoted + `";`
		given := map[string]string{"bootstrap.servers": address, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": m, "sasl.jaas.config": config}
		if err := reach(t, given); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if err := reach(t, with(given, "bootstrap.servers", secured, "security.protocol", "SASL_SSL", "ssl.truststore.type", "PEM", "ssl.truststore.certificates", pemOf(ca.cert))); err != nil {
			t.Errorf("%s with TLS: %v", m, err)
		}
		wrong := with(given, "sasl.jaas.config", strings.Replace(config, `="pass`, `="hunter2`, 1))
		// The fake hangs up; Kafka says what is wrong.
		for address, code := range map[string]diag.Code{address: diag.KafkaDown, refusing(t, opts): diag.LoginRefused} {
			err := reach(t, with(wrong, "bootstrap.servers", address))
			d := Explain(err)
			if d == nil || d.Code != code || !strings.Contains(d.Detail, "sasl.jaas.config") || strings.Contains(d.Error()+err.Error(), "hunter2") {
				t.Errorf("%s with a wrong password: got %v of %v, want %s", m, d, err, code)
			}
		}
	}
	err := reach(t, map[string]string{
		"bootstrap.servers": address, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
		"sasl.oauthbearer.token.endpoint.url": "file:" + file(t, "token", []byte("a.b.c")),
	})
	if d := Explain(err); d == nil || d.Code != diag.LoginRefused || !strings.Contains(d.Detail, "sasl.mechanism") {
		t.Errorf("a mechanism that is not offered: got %v of %v", d, err)
	}
	err = reach(t, map[string]string{"bootstrap.servers": address})
	if d := Explain(err); d == nil || d.Code != diag.LoginRefused || !strings.Contains(d.Detail, "security.protocol") {
		t.Errorf("without a log-in: got %v of %v", d, err)
	}
}

// refusing is a broker that refuses every log-in as Kafka does.
func refusing(t *testing.T, opts []kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.EnableSASL(), kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		refusal := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		refusal.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return refusal, nil, true
	})
	return c.ListenAddrs()[0]
}

// answering is a listener that says something else than TLS to whoever comes.
func answering(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) // the client is gone by then, or not
			_ = c.Close()                                              // as above
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		served.Wait()
	})
	return l.Addr().String()
}

// TestUnreachable: what goes wrong between here and a broker is explained, with something to do.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	served := func(name string, until time.Time) string {
		cert, key := ca.issue(name, until)
		return broker(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}))
	}
	later := time.Now().Add(time.Hour)
	good, plain := served("127.0.0.1", later), broker(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	elsewhere := served("kafka.example", later)
	trust := func(a *authority) []string {
		return []string{"security.protocol", "SSL", "ssl.truststore.type", "PEM", "ssl.truststore.certificates", pemOf(a.cert)}
	}
	for _, test := range []struct {
		name, address string
		settings      []string
		code          diag.Code
		says          string
	}{
		{"another authority", good, trust(other), diag.NotTrusted, "ssl.truststore.location"},
		{"expired", served("127.0.0.1", time.Now().Add(-time.Minute)), trust(ca), diag.NotTrusted, "expired on"},
		{"another name", elsewhere, trust(ca), diag.NotTrusted, "kafka.example"},
		{"TLS to a listener that waits for more", plain, append(trust(ca), "socket.connection.setup.timeout.ms", "200"), diag.KafkaDown, "listener with TLS"},
		{"TLS to a listener that answers", answering(t), trust(ca), diag.NotTrusted, "does not speak TLS"},
		{"plain to a listener with TLS", good, nil, diag.LoginRefused, "security.protocol"},
		{"nobody there", nobody, nil, diag.KafkaDown, "Nothing listens at " + nobody},
		{"no such name", "no-such-host.invalid:9092", nil, diag.KafkaDown, "no-such-host.invalid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := reach(t, with(map[string]string{"bootstrap.servers": test.address}, test.settings...))
			d := Explain(err)
			if d == nil || d.Code != test.code || !strings.Contains(d.Detail, test.says) {
				t.Errorf("got %v of %v, want %s with %q", d, err, test.code, test.says)
			}
		})
	}
	t.Run("any name", func(t *testing.T) {
		t.Parallel()
		if err := reach(t, with(map[string]string{"bootstrap.servers": elsewhere, "ssl.endpoint.identification.algorithm": ""}, trust(ca)...)); err != nil {
			t.Errorf("without a check of names: %v", err)
		}
		err := reach(t, with(map[string]string{"bootstrap.servers": elsewhere, "ssl.endpoint.identification.algorithm": ""}, trust(other)...))
		if d := Explain(err); d == nil || d.Code != diag.NotTrusted {
			t.Errorf("without a check of names, but of an unknown authority: got %v", err)
		}
	})
	if d := Explain(errors.New("anything else")); d != nil {
		t.Errorf("got %v, want nil", d)
	}
}

// TestSecurityMistakes: each mistake in security settings names its property and no secret (invariants 6 and 9).
func TestSecurityMistakes(t *testing.T) {
	t.Parallel()
	ssl, sasl := []string{"security.protocol", "SSL"}, []string{"security.protocol", "SASL_PLAINTEXT"}
	with := func(base []string, more ...string) []string { return append(append([]string{}, base...), more...) }
	plainLogin := with(sasl, "sasl.mechanism", "PLAIN", "sasl.jaas.config")
	module := loginModules["PLAIN"]
	garbage := file(t, "garbage.p12", []byte("this is not a store"))
	for _, test := range []struct {
		settings  []string
		key, says string
	}{
		{[]string{"security.protocol", "TLS"}, "security.protocol", "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"},
		{with(ssl, "ssl.truststore.location", "/does/not/exist"), "ssl.truststore.location", "there is no file /does/not/exist"},
		{with(ssl, "ssl.truststore.location", t.TempDir()), "ssl.truststore.location", "cannot be read"},
		{with(ssl, "ssl.truststore.location", garbage, "ssl.truststore.password", "hunter2"), "ssl.truststore.location", "not a store"},
		{with(ssl, "ssl.truststore.location", "../../ssl/testdata/trust.jks", "ssl.truststore.password", "hunter2"), "ssl.truststore.password", "does not open"},
		{with(ssl, "ssl.truststore.location", "../../ssl/testdata/trust.p12", "ssl.truststore.password", "hunter2"), "ssl.truststore.password", "does not open"},
		{with(ssl, "ssl.truststore.location", "../../ssl/testdata/trust.p12"), "ssl.truststore.password", "none is given"},
		{with(ssl, "ssl.truststore.location", "../../ssl/testdata/keytool.jks"), "ssl.truststore.location", "no certificate of an authority"},
		{with(ssl, "ssl.truststore.type", "BCFKS"), "ssl.truststore.type", "JKS, PKCS12, PEM"},
		{with(ssl, "ssl.truststore.certificates", "x"), "ssl.truststore.certificates", "ssl.truststore.type=PEM"},
		{with(ssl, "ssl.truststore.type", "PEM", "ssl.truststore.certificates", "hunter2"), "ssl.truststore.certificates", "BEGIN CERTIFICATE"},
		{with(ssl, "ssl.keystore.location", "../../ssl/testdata/trust.jks"), "ssl.keystore.location", "no private key"},
		{with(ssl, "ssl.keystore.location", "../../ssl/testdata/keytool.jks", "ssl.keystore.password", storeWord, "ssl.key.password", "hunter2"), "ssl.key.password", "does not open the private key"},
		{with(ssl, "ssl.keystore.location", "../../ssl/testdata/keytool.p12", "ssl.keystore.password", "hunter2"), "ssl.keystore.password", "does not open"},
		{with(ssl, "ssl.keystore.type", "PEM", "ssl.keystore.location", "../../ssl/testdata/key.pem"), "ssl.keystore.location", "no certificate"},
		{with(ssl, "ssl.keystore.type", "PEM", "ssl.keystore.key", "hunter2"), "ssl.keystore.key", "stand together"},
		{with(ssl, "ssl.enabled.protocols", "TLSv1.1,TLSv1.2"), "ssl.enabled.protocols", "TLSv1.1"},
		{with(ssl, "ssl.protocol", "SSLv3"), "ssl.protocol", "TLSv1.2 and TLSv1.3"},
		{with(ssl, "ssl.protocol", "TLSv1.2", "ssl.enabled.protocols", "TLSv1.3"), "ssl.protocol", "none of"},
		{with(ssl, "ssl.cipher.suites", "TLS_RSA_WITH_RC4_128_SHA"), "ssl.cipher.suites", "weak"},
		{with(ssl, "ssl.cipher.suites", "TLS_AES_128_GCM_SHA256", "ssl.enabled.protocols", "TLSv1.2"), "ssl.cipher.suites", "switched off"},
		{with(ssl, "ssl.endpoint.identification.algorithm", "ldaps"), "ssl.endpoint.identification.algorithm", "https"},
		{with(ssl, "ssl.engine.factory.class", "com.acme.Factory"), "ssl.engine.factory.class", "Java class"},
		{with(ssl, "ssl.trustore.location", "/x"), "ssl.trustore.location", `Did you mean "ssl.truststore.location"?`},
		{sasl, "sasl.mechanism", "SCRAM-SHA-512"},
		{with(sasl, "sasl.mechanism", "GSSAPI"), "sasl.mechanism", "Kerberos"},
		{with(sasl, "sasl.mechanism", "CRAM-MD5"), "sasl.mechanism", "OAUTHBEARER"},
		{with(sasl, "sasl.mechanism", "PLAIN"), "sasl.jaas.config", `password="…"`},
		{with(plainLogin, module+` required username="u" password="hunter2"`), "sasl.jaas.config", "semicolon"},
		{with(plainLogin, module+` required username="u" password="hunter2;`), "sasl.jaas.config", "not closed"},
		{with(plainLogin, module+` username="u" password="hunter2";`), "sasl.jaas.config", "required"},
		{with(plainLogin, module+` required username="u" hunter2 ;`), "sasl.jaas.config", "no value"},
		{with(plainLogin, module+` required username="u";`), "sasl.jaas.config", "password"},
		{with(plainLogin, `com.acme.Login required password="hunter2";`), "sasl.jaas.config", module},
		{with(plainLogin, `;`), "sasl.jaas.config", "class of a login module"},
		{with(sasl, "sasl.mechanism", "OAUTHBEARER"), "sasl.oauthbearer.token.endpoint.url", "where tokens"},
		{with(sasl, "sasl.mechanism", "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", "ftp://x"), "sasl.oauthbearer.token.endpoint.url", "https, http or file"},
		{with(sasl, "sasl.mechanism", "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", "https://x/token"), "sasl.jaas.config", "clientSecret"},
		{with(sasl, "sasl.mechanism", "OAUTHBEARER", "sasl.login.callback.handler.class", "com.acme.Handler"), "sasl.login.callback.handler.class", "Java class"},
	} {
		given := map[string]string{}
		for i := 0; i < len(test.settings); i += 2 {
			given[test.settings[i]] = test.settings[i+1]
		}
		client, err := at(given).AdminClient(nil, "")
		if err == nil {
			client.Close()
			t.Errorf("%v: got no error", test.settings)
			continue
		}
		e, ok := errors.AsType[*plugin.ConfigError](err)
		if !ok || e.Key != test.key || !strings.Contains(e.Reason, test.says) {
			t.Errorf("%v: got %v, want %s: … %s", test.settings, err, test.key, test.says)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: the message holds a secret: %v", test.settings, err)
		}
	}
	// What a protocol does not use is left alone.
	if errs := (&Clients{}).Check(Producer, map[string]string{"sasl.jaas.config": "not one", "ssl.protocol": "SSLv3"}); len(errs) != 0 {
		t.Errorf("PLAINTEXT: got %v, want none", errs)
	}
}

func TestJAAS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		`m required a="1" b='2' c=three;`:                    {"a": "1", "b": "2", "c": "three"},
		"m required /* x */ a=\"\\\"\\\\\\101\\t\" // y\n ;": {"a": "\"\\A\t"},
		`m REQUIRED a="x=y;z" ;`:                             {"a": "x=y;z"},
		`m required;`:                                        {},
		`m required a="ünï";`:                                {"a": "ünï"},
	} {
		got, err := parseJAAS(text)
		if err != nil || got.module != "m" || len(got.options) != len(want) {
			t.Errorf("%s: got %v, %v", text, got, err)
			continue
		}
		for k, v := range want {
			if got.options[k] != v {
				t.Errorf("%s: got %q for %s, want %q", text, got.options[k], k, v)
			}
		}
	}
	for _, text := range []string{`m required a="1"; m required;`, `m required a=;`, `m required =1;`, `m required a="\`, "m required a=\"x\ny\";", ``} {
		if got, err := parseJAAS(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func FuzzJAAS(f *testing.F) {
	f.Add(`org.apache.kafka.common.security.plain.PlainLoginModule required username="a\101" password='b' c=d; // e`)
	f.Fuzz(func(t *testing.T, text string) {
		if j, err := parseJAAS(text); err == nil && j.module == "" && !strings.Contains(text, `""`) && !strings.Contains(text, `''`) {
			t.Errorf("%q has no module and was taken", text)
		}
	})
}

// TestTokens asks an endpoint as RFC 6749 says, uses a token for most of its life and tells no secret.
func TestTokens(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if r.Method != http.MethodPost || id != "me" || secret != "hunter2" || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"hunter2 is wrong"}`)) // a test's answer
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"token of ` + r.FormValue("scope") + `","expires_in":3600,"token_type":"Bearer"}`)) // as above
	}))
	t.Cleanup(endpoint.Close)
	base := []string{
		"security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", endpoint.URL,
		"sasl.login.callback.handler.class", "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
	}
	of := func(more ...string) *tokens {
		t.Helper()
		s := newSettings(with(map[string]string{"bootstrap.servers": "localhost:1"}, append(append([]string{}, base...), more...)...), (&Clients{}).logger())
		if err := s.read(Admin); err != nil {
			t.Fatal(err)
		}
		if _, err := s.security.login.mechanism(); err != nil {
			t.Fatal(err)
		}
		return s.security.login.tokens
	}
	old := of("sasl.jaas.config", loginModules["OAUTHBEARER"]+` required clientId="me" clientSecret="hunter2" scope="old" extension_logicalCluster="lkc-1";`)
	for range 2 {
		got, err := old.auth(t.Context())
		if err != nil || got.Token != "token of old" || got.Extensions["logicalCluster"] != "lkc-1" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the endpoint was asked %d times for one token", n)
	}
	recent := of("sasl.oauthbearer.client.credentials.client.id", "me", "sasl.oauthbearer.client.credentials.client.secret", "hunter2", "sasl.oauthbearer.scope", "new")
	if got, err := recent.auth(t.Context()); err != nil || got.Token != "token of new" {
		t.Errorf("got %+v, %v", got, err)
	}
	wrong := of("sasl.oauthbearer.client.credentials.client.id", "you", "sasl.oauthbearer.client.credentials.client.secret", "hunter2")
	_, err := wrong.auth(t.Context())
	d := Explain(err)
	if d == nil || d.Code != diag.LoginRefused || !strings.Contains(d.Detail, "401 invalid_client") || strings.Contains(d.Error()+err.Error(), "hunter2") {
		t.Errorf("refused: got %v of %v", d, err)
	}
	from := of("sasl.oauthbearer.token.endpoint.url", "file://"+file(t, "token", []byte("from a file\n")))
	if got, err := from.auth(t.Context()); err != nil || got.Token != "from a file" {
		t.Errorf("got %+v, %v", got, err)
	}
}
