package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// password is one that must not be seen anywhere.
const password = "hunter2-hunter2"

// secured is a Kafka that wants TLS and a log-in, with the topic lines; its authority's certificate is in PEM. Log-ins that
// hold refuse are told to be wrong, as Kafka does and the fake by itself does not.
func secured(t *testing.T, refuse string) (address, authority string) {
	t.Helper()
	address, authority, _ = securedUntil(t, refuse, time.Now().Add(time.Hour))
	return address, authority
}

// securedUntil is one whose certificate ends at a time.
func securedUntil(t *testing.T, refuse string, until time.Time) (address, authority string, c *kfake.Cluster) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err = kfake.NewCluster(
		kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "connect", password), kfake.SeedTopics(1, "lines"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if refuse != "" {
		c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if !strings.Contains(string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes), refuse) {
				return nil, nil, false
			}
			refusal := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			refusal.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return refusal, nil, true
		})
	}
	return c.ListenAddrs()[0], string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), c
}

// securedProject is a project that copies a file through the topic lines of a secured Kafka. more goes into the source.
func securedProject(t *testing.T, address, authority, more string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "ca.pem", authority)
	write(t, dir, "in.txt", "one\ntwo\nthree\n")
	write(t, dir, "p.hcl", fmt.Sprintf(`
worker {
  bootstrap_servers = [%q]
  security_protocol = "SASL_SSL"
  ssl {
    truststore_type     = "PEM"
    truststore_location = %q
  }
  sasl {
    mechanism = "SCRAM-SHA-512"
    username  = "connect"
    password  = env("KAFKA_PASSWORD")
  }
}
pipeline "in" {
  source "file" {
    file  = "in.txt"
    topic = "lines"
  }
  value_converter "string" {}
  %s
}
pipeline "out" {
  sink "file" {
    file   = "out.txt"
    topics = ["lines"]
  }
  value_converter "string" {}
}
`, address, filepath.Join(dir, "ca.pem"), more))
	return dir
}

// runSecured runs a project and returns what it said.
func runSecured(t *testing.T, dir string) (string, error) {
	t.Helper()
	c := command(t, dir, "run", "-until-idle", ".")
	c.Env = append(c.Env, "KAFKA_PASSWORD="+password)
	said, err := c.CombinedOutput()
	if strings.Contains(string(said), password) {
		t.Errorf("the password was printed:\n%s", said)
	}
	return string(said), err
}

// TestSecuredKafka: what a worker block says of security reaches producers, consumers and admin clients.
func TestSecuredKafka(t *testing.T) {
	t.Parallel()
	address, authority := secured(t, "")
	dir := securedProject(t, address, authority, "")
	if said, err := runSecured(t, dir); err != nil {
		t.Fatalf("%v:\n%s", err, said)
	}
	got, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if err != nil || string(got) != "one\ntwo\nthree\n" {
		t.Errorf("out.txt: got %q, %v", got, err)
	}
}

// TestKafkaSaysNo: a run that a cluster refuses ends with a message that says what to do.
func TestKafkaSaysNo(t *testing.T) {
	t.Parallel()
	good, authority := secured(t, "n=other")
	refusing, its := secured(t, "n=connect")
	expired, past, _ := securedUntil(t, "", time.Now().Add(-time.Minute))
	guarded, theirs, broker := securedUntil(t, "", time.Now().Add(time.Hour))
	broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "lines", Err: kerr.TopicAuthorizationFailed, Count: -1})
	gone := securedProject(t, good, authority, "")
	if err := os.Remove(filepath.Join(gone, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	override := `producer {
    sasl_jaas_config = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"other\" password=\"y\";"
  }`
	for _, test := range []struct {
		name, dir string
		says      []string
	}{
		{"wrong password", securedProject(t, refusing, its, ""), []string{"Kafka refused the log-in [E016]\n  on p.hcl:12:17, in worker", "sasl.jaas.config"}},
		{"wrong authority", securedProject(t, good, its, ""), []string{"No secure connection to Kafka [E017]\n  on p.hcl:3:23, in worker", "ssl.truststore.location"}},
		{"nobody there", securedProject(t, "127.0.0.1:1", its, ""), []string{"Kafka cannot be reached [E008]\n  on p.hcl:3:23, in worker", "Nothing listens at 127.0.0.1:1"}},
		{"expired certificate", securedProject(t, expired, past, ""), []string{"No secure connection to Kafka [E017]\n  on p.hcl:3:23, in worker", "expired on"}},
		{"no trust store", gone, []string{"Invalid value [E705]\n  on p.hcl:7:27, in worker", "there is no file", "ca.pem"}},
		{"topic without permission", securedProject(t, guarded, theirs, ""), []string{"Refused by the broker [E013]", `in pipeline "in"`, "topic `lines`", "Grant its user the right"}},
		{"a connector's own password", securedProject(t, good, authority, override), []string{"Kafka refused the log-in [E016]", `on p.hcl:15:1, in pipeline "in"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			said, err := runSecured(t, test.dir)
			if err == nil {
				t.Errorf("the run went well:\n%s", said)
			}
			for _, part := range test.says {
				if !strings.Contains(said, part) {
					t.Errorf("got no %q in:\n%s", part, said)
				}
			}
		})
	}
}
