package kafka

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// listenTLS accepts connections with the certificate and the authorities that are held at the moment, and tells whose
// certificate each client showed, "" where the handshake failed.
type listenTLS struct {
	address string
	saw     chan string

	mu     sync.Mutex
	config *tls.Config
}

func startTLS(t *testing.T) *listenTLS {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listenTLS{address: plain.Addr().String(), saw: make(chan string, 16)}
	front := tls.NewListener(plain, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.config, nil
	}})
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			who := ""
			if err := conn.(*tls.Conn).HandshakeContext(t.Context()); err == nil {
				who = conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
			}
			l.saw <- who
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = plain.Close(); serving.Wait() })
	return l
}

// serve makes the listener show a certificate of an authority and ask for one of it.
func (l *listenTLS) serve(ca *authority) {
	cert, key := ca.issue("127.0.0.1", time.Now().Add(time.Hour))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.config = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(),
		MinVersion: tls.VersionTLS12,
	}
}

// replace puts a file in the place of another, as rotation does.
func replace(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// TestRotatedCertificates: a client takes the certificates that stand in its files when it makes a connection, and goes on
// with those that it has while they cannot be used.
func TestRotatedCertificates(t *testing.T) {
	t.Parallel()
	for _, anyName := range []bool{false, true} {
		old, fresh := newAuthority(t), newAuthority(t)
		dir := t.TempDir()
		trust, own := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "own.pem")
		pair := func(ca *authority, name string) string {
			cert, key := ca.issue(name, time.Now().Add(time.Hour))
			return pemOf(cert) + pemKeyOf(t, key)
		}
		replace(t, trust, pemOf(old.cert))
		replace(t, own, pair(old, "one"))
		given := map[string]string{
			"bootstrap.servers": "127.0.0.1:1", "security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.location": trust,
			"ssl.keystore.type": "PEM", "ssl.keystore.location": own,
		}
		if anyName {
			given["ssl.endpoint.identification.algorithm"] = ""
		}
		dial := securedDialer(t, given)
		l := startTLS(t)
		connect := func(what, want string) {
			t.Helper()
			conn, err := dial(t.Context(), "tcp", l.address)
			if err == nil {
				// With TLS 1.3 the client is done before the server has looked at its certificate.
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}
			if got := <-l.saw; got != want || (err == nil) != (want != "") {
				t.Errorf("any name %v, %s: got %q, %v, want %q", anyName, what, got, err, want)
			}
		}
		l.serve(old)
		connect("at first", "of one")
		replace(t, own, pair(old, "two"))
		connect("with another certificate of its own", "of two")
		l.serve(fresh)
		connect("an authority that it does not know", "")
		replace(t, trust, pemOf(old.cert, fresh.cert))
		replace(t, own, "half a file")
		l.serve(old)
		connect("with a file that cannot be used", "of two")
		replace(t, own, pair(fresh, "three"))
		l.serve(fresh)
		connect("all of the new authority", "of three")
	}
}

// settingsOf are those of an admin client.
func settingsOf(t *testing.T, given map[string]string) *settings {
	t.Helper()
	s, err := (&Clients{Base: given}).settings(Admin, nil, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// securedDialer is that of one client.
func securedDialer(t *testing.T, given map[string]string) dialer {
	t.Helper()
	dial, _, err := settingsOf(t, given).secure((&net.Dialer{}).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	return dial
}

// TestTokensBehindRotatedCertificates: the place where tokens come from is trusted by what stands in the file when it is
// asked.
func TestTokensBehindRotatedCertificates(t *testing.T) {
	t.Parallel()
	old, fresh := newAuthority(t), newAuthority(t)
	shown := &listenTLS{}
	endpoint := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":"token","expires_in":0,"token_type":"Bearer"}`)) // a test's answer
	}))
	endpoint.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		shown.mu.Lock()
		defer shown.mu.Unlock()
		c := shown.config.Clone()
		c.ClientAuth = tls.NoClientCert
		return c, nil
	}}
	endpoint.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	shown.serve(old)
	endpoint.StartTLS()
	t.Cleanup(endpoint.Close)
	trust := filepath.Join(t.TempDir(), "ca.pem")
	replace(t, trust, pemOf(old.cert))
	s := settingsOf(t, map[string]string{
		"bootstrap.servers": "127.0.0.1:1", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url": endpoint.URL,
		"sasl.jaas.config": loginModules["OAUTHBEARER"] + ` required clientId="me" clientSecret="x" ssl.truststore.type="PEM" ssl.truststore.location="` + trust + `";`,
	})
	if _, err := s.security.login.mechanism(); err != nil {
		t.Fatal(err)
	}
	asks := func(what string, want bool) {
		t.Helper()
		if _, _, err := s.security.login.tokens.ask(t.Context()); (err == nil) != want {
			t.Errorf("%s: got %v", what, err)
		}
	}
	asks("at first", true)
	shown.serve(fresh)
	asks("an authority that it does not know", false)
	replace(t, trust, pemOf(fresh.cert))
	asks("the authority that was put there", true)
}
