package ssl

import (
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/plugin"
)

// The passwords of the stores and of the keys in testdata.
const storeWord, keyWord = "storeword", "wordofkey"

// keytool is the key pair of testdata as a store of each type.
func keytool(prefix, kind string) Settings {
	given := map[string]string{}
	for key, value := range map[string]string{
		keystoreLocation: "testdata/keytool." + kind, keystorePassword: storeWord, trustLocation: "testdata/trust." + kind, trustPassword: storeWord,
	} {
		given[prefix+key] = value
	}
	if kind == "jks" {
		given[prefix+keyPassword] = keyWord
	}
	return Settings{Given: given, Prefix: prefix}
}

// TestKeytool reads stores as keytool writes them, under Kafka's names and under a registry's.
func TestKeytool(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "schema.registry."} {
		for _, kind := range []string{"jks", "p12"} {
			s := keytool(prefix, kind)
			own, err := s.ownCertificate()
			if err != nil || own == nil || own.Leaf.Subject.CommonName != "keytool" {
				t.Errorf("%s%s: got %v, %v", prefix, kind, own, err)
			}
			c, err := s.Config()
			if err != nil || c.RootCAs == nil || c.GetClientCertificate == nil || c.InsecureSkipVerify {
				t.Errorf("%s%s: got %+v, %v", prefix, kind, c, err)
			}
		}
	}
}

// TestNothingGiven trusts whom the system trusts and shows no certificate.
func TestNothingGiven(t *testing.T) {
	t.Parallel()
	// What has no prefix is another client's.
	s := Settings{Given: map[string]string{"ssl.truststore.location": "/does/not/exist", hostAlgorithm: ""}, Prefix: "schema.registry."}
	c, err := s.Config()
	if err != nil || c.RootCAs != nil || c.GetClientCertificate != nil || c.InsecureSkipVerify {
		t.Errorf("got %+v, %v", c, err)
	}
}

// TestNamesHaveTheirPrefix: a mistake is told under the name that was written, and so are the settings that it points to.
func TestNamesHaveTheirPrefix(t *testing.T) {
	t.Parallel()
	const p = "schema.registry."
	for _, tt := range []struct {
		given     map[string]string
		key, says string
	}{
		{map[string]string{p + keystoreKey: "hunter2"}, p + keystoreKey, p + keystoreType + "=PEM"},
		{map[string]string{p + truststoreType: "PEM", p + trustPassword: "hunter2"}, p + trustPassword, "no password"},
		{map[string]string{p + sslProtocol: "TLSv1.2", p + enabledProtocols: "TLSv1.3"}, p + sslProtocol, p + enabledProtocols},
		{map[string]string{p + cipherSuites: "NULL"}, p + cipherSuites, "weak"},
		{map[string]string{p + keystoreType: "BCFKS"}, p + keystoreType, "JKS, PKCS12, PEM"},
	} {
		var all []*plugin.ConfigError
		Settings{Given: tt.given, Prefix: p}.Check(func(e *plugin.ConfigError) { all = append(all, e) })
		if len(all) == 0 || all[0].Key != tt.key || !strings.Contains(all[0].Reason, tt.says) || strings.Contains(all[0].Reason, "hunter2") {
			t.Errorf("%v: got %v, want %s: … %s", tt.given, all, tt.key, tt.says)
		}
	}
	s := keytool(p, "jks")
	s.Given[p+keyPassword] = "hunter2"
	_, err := s.Config()
	if e, ok := errors.AsType[*plugin.ConfigError](err); !ok || e.Key != p+keyPassword || strings.Contains(e.Reason, "hunter2") {
		t.Errorf("got %v, want one of %s", err, p+keyPassword)
	}
}

// TestOpenPKCS8 opens keys as OpenSSL encrypts them.
func TestOpenPKCS8(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := pem.Decode(plain)
	for _, name := range []string{"aes128", "aes256", "des3", "sha512"} {
		text, err := os.ReadFile("testdata/key-" + name + ".pem")
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		got, err := openPKCS8(block.Bytes, []byte(keyWord))
		if err != nil || string(got) != string(want.Bytes) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
		if _, err := openPKCS8(block.Bytes, []byte("wrong")); !errors.Is(err, errWrongPassword) {
			t.Errorf("%s with a wrong password: got %v", name, err)
		}
	}
}

func FuzzOpenPKCS8(f *testing.F) {
	for _, name := range []string{"aes128", "des3"} {
		text, err := os.ReadFile("testdata/key-" + name + ".pem")
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(text)
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if plain, err := openPKCS8(der, []byte("x")); err == nil && !isKey(plain) {
			t.Error("what is no key came out")
		}
	})
}

// replace puts a store of testdata in the place of a file, as rotation does.
func replace(t *testing.T, path, from string) {
	t.Helper()
	store, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	next := path + ".new"
	if err := os.WriteFile(next, store, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// TestUnchangedStoresAreNotReadAgain: a connection costs a look at the files' times.
func TestUnchangedStoresAreNotReadAgain(t *testing.T) {
	t.Parallel()
	trust := filepath.Join(t.TempDir(), "trust")
	replace(t, trust, "testdata/trust.jks")
	if err := os.Chtimes(trust, time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r, err := NewRotating(Settings{Given: map[string]string{trustLocation: trust, trustPassword: storeWord}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	first := r.Now()
	if r.Now() != first {
		t.Error("the store was read again")
	}
	replace(t, trust, "testdata/trust.p12")
	second := r.Now()
	if second == first {
		t.Error("the store was replaced and not read again")
	}
	replace(t, trust, "testdata/key.pem") // which has no certificate
	if r.Now() != second {
		t.Error("a file that cannot be used was taken")
	}
}
