package diff

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/penstock/penstock/engine/config"
)

// MarkProperty carries the mark where the cluster has no other place for it. Kafka Connect accepts properties that nobody
// reads.
const MarkProperty = "engine.owner"

// markVersion begins every mark.
const markVersion = "v1"

// Owner is what a mark says: who applied a connector, from where, and digests of what was sent.
type Owner struct {
	Project string
	Source  string // file:line, "" when the mark has no room for it
	Plain   string // digest of the properties that are no secrets
	Secret  string // salted digest of those that are; "" when there are none
}

// String is the mark as [MarkProperty] holds it.
func (o *Owner) String() string {
	return strings.TrimSpace(strings.Join([]string{markVersion, encodeName(o.Project), o.Plain, o.Secret}, " "))
}

// Digest is the mark's digests in one word, for carriers that have a place for the rest.
func (o *Owner) Digest() string { return strings.TrimSpace(o.Plain + " " + o.Secret) }

// ParseOwner reads what String wrote; ok is false for anything else.
func ParseOwner(mark string) (o *Owner, ok bool) {
	words := strings.Fields(mark)
	if len(words) < 3 || len(words) > 4 || words[0] != markVersion {
		return nil, false
	}
	name, ok := decodeName(words[1])
	if !ok {
		return nil, false
	}
	o = &Owner{Project: name, Plain: words[2]}
	if len(words) == 4 {
		o.Secret = words[3]
	}
	return o, true
}

// Names of projects may have blanks, marks are split at them.
func encodeName(name string) string { return strings.ReplaceAll(fmt.Sprintf("%q", name), " ", `\x20`) }

func decodeName(word string) (string, bool) {
	var name string
	if _, err := fmt.Sscanf(word, "%q", &name); err != nil {
		return "", false
	}
	return name, true
}

// Unmark takes the mark out of a configuration as a cluster has it. It returns the map itself when there is none.
func Unmark(m config.Map) (config.Map, *Owner) {
	mark, ok := m[MarkProperty]
	if !ok {
		return m, nil
	}
	rest := make(config.Map, len(m))
	for k, v := range m {
		if k != MarkProperty {
			rest[k] = v
		}
	}
	o, ok := ParseOwner(mark)
	if !ok {
		return rest, nil
	}
	return rest, o
}

// NewOwner makes the mark of a configuration that is about to be sent. hidden says which properties are secrets.
func NewOwner(project, source string, m config.Map, hidden func(string) bool) *Owner {
	o := &Owner{Project: project, Source: source, Plain: plainDigest(m, hidden)}
	if secrets := written(m, hidden, true); len(secrets) > 0 {
		o.Secret = saltedDigest(secrets)
	}
	return o
}

// ChangedPlain reports whether the properties that are no secrets differ from those that were sent.
func (o *Owner) ChangedPlain(m config.Map, hidden func(string) bool) bool {
	return o.Plain != plainDigest(m, hidden)
}

// SameSecrets reports whether the secrets are those that were sent. It is slow on purpose: an Argon2id digest of a weak
// password should not be guessed in passing.
func (o *Owner) SameSecrets(m config.Map, hidden func(string) bool) bool {
	secrets := written(m, hidden, true)
	if o.Secret == "" {
		return len(secrets) == 0
	}
	return digests(o.Secret, secrets)
}

func plainDigest(m config.Map, hidden func(string) bool) string {
	sum := sha256.Sum256(written(m, hidden, false))
	return hex.EncodeToString(sum[:12])
}

// The parameters of RFC 9106, section 4, second choice, with less memory, since a mark is made for each connector.
const (
	saltSize     = 12
	argonPasses  = 1
	argonMemory  = 8 << 10 // KiB
	argonThreads = 1
	digestSize   = 16
)

// saltedDigest is a digest with a salt of its own in front.
func saltedDigest(text []byte) string {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return secretDigest(salt, text)
}

// digests reports whether a salted digest is one of a text.
func digests(digest string, text []byte) bool {
	salt, _, ok := strings.Cut(digest, "$")
	raw, err := base64.RawURLEncoding.DecodeString(salt)
	return ok && err == nil && subtle.ConstantTimeCompare([]byte(secretDigest(raw, text)), []byte(digest)) == 1
}

func secretDigest(salt, secrets []byte) string {
	sum := argon2.IDKey(secrets, salt, argonPasses, argonMemory, argonThreads, digestSize)
	return base64.RawURLEncoding.EncodeToString(salt) + "$" + base64.RawURLEncoding.EncodeToString(sum)
}

// written is the properties that are secrets, or those that are not, in a form of which no two maps have the same.
func written(m config.Map, hidden func(string) bool, secrets bool) []byte {
	var b []byte
	for _, k := range m.Keys() {
		if k != MarkProperty && hidden(k) == secrets {
			b = fmt.Appendf(b, "%q=%q\n", k, m[k])
		}
	}
	return b
}
