package ssl

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/penstock/penstock/engine/plugin"
)

// storeTypes are the types of key and trust stores. JKS and PKCS12 say the same of a file: Java writes and reads either
// under both names, so the bytes decide.
var storeTypes = []string{"JKS", "PKCS12", "PEM"} //nolint:gochecknoglobals // a literal

// largestStore bounds what is read of a file that is named as a store.
const largestStore = 16 << 20

// checkStores refuses settings that contradict each other (Kafka: DefaultSslEngineFactory.createKeystore and
// createTruststore).
func (s Settings) checkStores(report func(*plugin.ConfigError)) {
	pemOnly := func(kind, given string) {
		if s.value(given) != "" && strings.ToUpper(s.value(kind)) != "PEM" {
			report(s.unusable(given, "it is for stores of type PEM; write "+s.name(kind)+"=PEM."))
		}
	}
	pemOnly(keystoreType, keystoreKey)
	pemOnly(keystoreType, keystoreChain)
	pemOnly(truststoreType, trustCerts)
	either := func(inline, location string) {
		if s.value(inline) != "" && s.value(location) != "" {
			report(s.unusable(inline, "it stands beside "+s.name(location)+"; keep one of them."))
		}
	}
	either(keystoreKey, keystoreLocation)
	either(trustCerts, trustLocation)
	if (s.value(keystoreKey) == "") != (s.value(keystoreChain) == "") {
		report(s.unusable(keystoreKey, "a private key and its certificates stand together: "+s.name(keystoreKey)+" and "+s.name(keystoreChain)+"."))
	}
	if strings.ToUpper(s.value(keystoreType)) == "PEM" && s.value(keystorePassword) != "" {
		report(s.unusable(keystorePassword, "a PEM file has no password of its own; that of its private key is "+s.name(keyPassword)+"."))
	}
	if strings.ToUpper(s.value(truststoreType)) == "PEM" && s.value(trustPassword) != "" {
		report(s.unusable(trustPassword, "certificates in PEM have no password."))
	}
}

// trusted is the authorities to trust, nil for those of the system.
func (s Settings) trusted() (*x509.CertPool, error) {
	var certs []*x509.Certificate
	var err error
	switch {
	case s.value(trustCerts) != "":
		certs, err = s.pemCertificates(trustCerts, []byte(s.value(trustCerts)))
	case s.value(trustLocation) != "":
		certs, err = s.trustStore()
	default:
		return nil, nil //nolint:nilnil // nil is the system's
	}
	if err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, s.unusable(trustLocation, "the trust store holds no certificate of an authority.")
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

func (s Settings) trustStore() ([]*x509.Certificate, error) {
	data, err := s.open(trustLocation)
	if err != nil {
		return nil, err
	}
	kind := s.kind(truststoreType, data)
	password := s.value(trustPassword)
	switch kind {
	case "PEM":
		return s.pemCertificates(trustLocation, data)
	case "JKS":
		store, err := s.jks(trustLocation, data, trustPassword)
		if err != nil {
			return nil, err
		}
		return s.jksTrusted(trustLocation, store)
	default:
		certs, err := pkcs12.DecodeTrustStore(data, password)
		if err != nil {
			return nil, s.storeTrouble(trustLocation, trustPassword, err)
		}
		return certs, nil
	}
}

// ownCertificate is the certificate that the client shows, nil for none.
func (s Settings) ownCertificate() (*tls.Certificate, error) {
	if s.value(keystoreKey) != "" {
		return s.pemPair(keystoreKey, []byte(s.value(keystoreKey)), []byte(s.value(keystoreChain)))
	}
	if s.value(keystoreLocation) == "" {
		return nil, nil //nolint:nilnil // nil is none
	}
	data, err := s.open(keystoreLocation)
	if err != nil {
		return nil, err
	}
	switch s.kind(keystoreType, data) {
	case "PEM":
		return s.pemPair(keystoreLocation, data, data)
	case "JKS":
		return s.jksPair(data)
	}
	key, leaf, more, err := pkcs12.DecodeChain(data, s.value(keystorePassword))
	if err != nil {
		return nil, s.storeTrouble(keystoreLocation, keystorePassword, err)
	}
	return s.pair(keystoreLocation, key, append([]*x509.Certificate{leaf}, more...))
}

// open reads the file that a property names.
func (s Settings) open(key string) ([]byte, error) {
	path := s.value(key)
	f, err := os.Open(path)
	if err != nil {
		return nil, s.fileTrouble(key, path, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, largestStore+1))
	switch {
	case err != nil:
		return nil, s.fileTrouble(key, path, err)
	case len(data) > largestStore:
		return nil, s.unusable(key, fmt.Sprintf("%s is larger than %d MB, so it is no store of certificates.", path, largestStore>>20))
	}
	return data, nil
}

func (s Settings) fileTrouble(key, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.unusable(key, fmt.Sprintf("there is no file %s on this machine.", path))
	case errors.Is(err, fs.ErrPermission):
		return s.unusable(key, fmt.Sprintf("this user may not read %s.", path))
	}
	return s.unusable(key, fmt.Sprintf("%s cannot be read: %v.", path, errors.Unwrap(err)))
}

// kind is what a file holds: what its type says, or, of JKS and PKCS12, what its first bytes say. Kafka's default is JKS.
func (s Settings) kind(typ string, data []byte) string {
	switch {
	case strings.ToUpper(s.value(typ)) == "PEM":
		return "PEM"
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return "JKS"
	case bytes.Contains(data[:min(len(data), 1<<10)], []byte("-----BEGIN ")):
		return "PEM" // said nowhere, and yet certain
	}
	return "PKCS12"
}

// storeTrouble says what is wrong with a store, and never its password.
func (s Settings) storeTrouble(location, password string, err error) error {
	path := s.value(location)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		if s.value(password) == "" {
			return s.unusable(password, path+" is protected by a password and none is given.")
		}
		return s.unusable(password, "it does not open "+path+".")
	}
	return s.unusable(location, fmt.Sprintf("%s is not a store that can be read: %v.", path, err))
}

func (s Settings) jks(location string, data []byte, password string) (keystore.KeyStore, error) {
	store := keystore.New(keystore.WithCaseExactAliases(), keystore.WithOrderedAliases())
	given := s.value(password)
	err := store.Load(bytes.NewReader(data), []byte(given))
	switch {
	case err == nil, given == "" && len(store.Aliases()) > 0:
		// Without a password Java does not check the integrity of a store either.
		return store, nil
	case given == "":
		return store, s.unusable(location, s.value(location)+" is damaged, or its password is missing.")
	}
	return store, s.unusable(password, "it does not open "+s.value(location)+", or the file is damaged.")
}

func (s Settings) jksTrusted(location string, store keystore.KeyStore) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, alias := range store.Aliases() {
		if !store.IsTrustedCertificateEntry(alias) {
			continue
		}
		e, err := store.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, s.unusable(location, fmt.Sprintf("the entry %q cannot be read: %v.", alias, err))
		}
		c, err := x509.ParseCertificate(e.Certificate.Content)
		if err != nil {
			return nil, s.unusable(location, fmt.Sprintf("the certificate %q cannot be read: %v.", alias, err))
		}
		certs = append(certs, c)
	}
	return certs, nil
}

func (s Settings) jksPair(data []byte) (*tls.Certificate, error) {
	store, err := s.jks(keystoreLocation, data, keystorePassword)
	if err != nil {
		return nil, err
	}
	password, from := s.value(keystorePassword), keystorePassword
	if s.value(keyPassword) != "" {
		password, from = s.value(keyPassword), keyPassword
	}
	i := slices.IndexFunc(store.Aliases(), store.IsPrivateKeyEntry)
	if i < 0 {
		return nil, s.unusable(keystoreLocation, s.value(keystoreLocation)+" holds no private key.")
	}
	alias := store.Aliases()[i]
	e, err := store.GetPrivateKeyEntry(alias, []byte(password))
	if err != nil {
		return nil, s.unusable(from, fmt.Sprintf("it does not open the private key %q in %s.", alias, s.value(keystoreLocation)))
	}
	key, err := x509.ParsePKCS8PrivateKey(e.PrivateKey)
	if err != nil {
		return nil, s.unusable(keystoreLocation, fmt.Sprintf("the private key %q cannot be read: %v.", alias, err))
	}
	var chain []*x509.Certificate
	for _, raw := range e.CertificateChain {
		c, err := x509.ParseCertificate(raw.Content)
		if err != nil {
			return nil, s.unusable(keystoreLocation, fmt.Sprintf("a certificate of %q cannot be read: %v.", alias, err))
		}
		chain = append(chain, c)
	}
	return s.pair(keystoreLocation, key, chain)
}

// pemPair reads a private key and the certificates that belong to it, the client's own first.
func (s Settings) pemPair(from string, keyText, chainText []byte) (*tls.Certificate, error) {
	chain, err := s.pemCertificates(from, chainText)
	if err != nil {
		return nil, err
	}
	for rest := keyText; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, s.unusable(from, "it has no private key in PEM, from -----BEGIN PRIVATE KEY----- to its end.")
		}
		if block.Type == "CERTIFICATE" || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		key, err := s.pemKey(from, block)
		if err != nil {
			return nil, err
		}
		return s.pair(from, key, chain)
	}
}

func (s Settings) pemKey(from string, block *pem.Block) (any, error) {
	der := block.Bytes
	var key any
	var err error
	switch block.Type {
	case "ENCRYPTED PRIVATE KEY":
		if s.value(keyPassword) == "" {
			return nil, s.unusable(from, "its private key is encrypted; "+s.name(keyPassword)+" is missing.")
		}
		if der, err = openPKCS8(der, []byte(s.value(keyPassword))); err != nil {
			if errors.Is(err, errWrongPassword) {
				return nil, s.unusable(keyPassword, "it does not open the private key.")
			}
			return nil, s.unusable(from, fmt.Sprintf("its private key is encrypted in a way that is not read here: %v. Encrypt it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc.", err))
		}
		key, err = x509.ParsePKCS8PrivateKey(der)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	default:
		key, err = x509.ParsePKCS8PrivateKey(der)
	}
	if err != nil {
		return nil, s.unusable(from, fmt.Sprintf("its private key cannot be read: %v.", err))
	}
	return key, nil
}

// pemCertificates are the certificates of a text in order; there must be one.
func (s Settings) pemCertificates(from string, text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, s.unusable(from, fmt.Sprintf("a certificate in it cannot be read: %v.", err))
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, s.unusable(from, "it has no certificate in PEM, from -----BEGIN CERTIFICATE----- to its end.")
	}
	return certs, nil
}

// pair puts a private key and its certificates together, after a look whether they belong together.
func (s Settings) pair(from string, key any, chain []*x509.Certificate) (*tls.Certificate, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, s.unusable(from, "its private key is of a kind that cannot sign.")
	}
	if len(chain) == 0 {
		return nil, s.unusable(from, "it has a private key but no certificate.")
	}
	if same, ok := chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(signer.Public()) {
		return nil, s.unusable(from, "its first certificate is not that of its private key.")
	}
	c := &tls.Certificate{PrivateKey: signer, Leaf: chain[0]}
	for _, cert := range chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c, nil
}
