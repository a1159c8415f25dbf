package ssl

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // keys that are encrypted with it exist
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// errWrongPassword is a private key that a password does not open.
var errWrongPassword = errors.New("wrong password")

// mostRounds bounds the work that a file can ask for.
const mostRounds = 10_000_000

type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Parameters struct {
	Derivation pkix.AlgorithmIdentifier
	Cipher     pkix.AlgorithmIdentifier
}

type pbkdf2Parameters struct {
	Salt   []byte
	Rounds int
	Length int                      `asn1:"optional"`
	PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
}

// openPKCS8 decrypts a private key that is encrypted with PBES2 and PBKDF2, which is what OpenSSL and Java write
// (RFC 5958 §3, RFC 8018 §6.2).
func openPKCS8(der, password []byte) ([]byte, error) {
	var key encryptedKey
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return nil, fmt.Errorf("not a private key of PKCS #8: %w", err)
	}
	if id := key.Algorithm.Algorithm.String(); id != "1.2.840.113549.1.5.13" {
		return nil, fmt.Errorf("scheme %s is not PBES2", id)
	}
	var scheme pbes2Parameters
	if _, err := asn1.Unmarshal(key.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, fmt.Errorf("parameters of PBES2: %w", err)
	}
	size, block, err := cipherOf(scheme.Cipher.Algorithm.String())
	if err != nil {
		return nil, err
	}
	secret, err := derive(scheme.Derivation, password, size)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, fmt.Errorf("parameters of the cipher: %w", err)
	}
	c, err := block(secret)
	if err != nil {
		return nil, err
	}
	if len(iv) != c.BlockSize() || len(key.Data) == 0 || len(key.Data)%c.BlockSize() != 0 {
		return nil, errors.New("the encrypted part has a wrong length")
	}
	plain := make([]byte, len(key.Data))
	cipher.NewCBCDecrypter(c, iv).CryptBlocks(plain, key.Data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > c.BlockSize() || !isKey(plain[:len(plain)-pad]) {
		return nil, errWrongPassword
	}
	return plain[:len(plain)-pad], nil
}

// isKey reports whether the decrypted text is one ASN.1 value, which chance does not make.
func isKey(der []byte) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(der, &v)
	return err == nil && len(rest) == 0 && v.Tag == asn1.TagSequence
}

// cipherOf is the length of the key and the block cipher of an algorithm.
func cipherOf(id string) (int, func([]byte) (cipher.Block, error), error) {
	switch id {
	case "2.16.840.1.101.3.4.1.2":
		return 16, aes.NewCipher, nil
	case "2.16.840.1.101.3.4.1.22":
		return 24, aes.NewCipher, nil
	case "2.16.840.1.101.3.4.1.42":
		return 32, aes.NewCipher, nil
	case "1.2.840.113549.3.7":
		return 24, des.NewTripleDESCipher, nil
	}
	return 0, nil, fmt.Errorf("cipher %s is neither AES-CBC nor triple DES", id)
}

func derive(by pkix.AlgorithmIdentifier, password []byte, size int) ([]byte, error) {
	if id := by.Algorithm.String(); id != "1.2.840.113549.1.5.12" {
		return nil, fmt.Errorf("key derivation %s is not PBKDF2", id)
	}
	var p pbkdf2Parameters
	if _, err := asn1.Unmarshal(by.Parameters.FullBytes, &p); err != nil {
		return nil, fmt.Errorf("parameters of PBKDF2: %w", err)
	}
	if p.Rounds < 1 || p.Rounds > mostRounds {
		return nil, fmt.Errorf("%d rounds of PBKDF2", p.Rounds)
	}
	sum, ok := map[string]func() hash.Hash{
		"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New, "1.2.840.113549.2.11": sha512.New,
	}[p.PRF.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("hash %s of PBKDF2", p.PRF.Algorithm)
	}
	return pbkdf2.Key(sum, string(password), p.Salt, p.Rounds, size)
}
