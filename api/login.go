package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/engine/config"
)

// logins are the users that may call the API (Kafka Connect: BasicAuthSecurityRestExtension with PropertyFileLoginModule):
// a properties file with a line user=password for each. A file that is replaced counts at once; while it cannot be read,
// nobody gets in. It is safe for concurrent use.
type logins struct {
	path string

	mu    sync.Mutex
	size  int64
	at    time.Time // of the file
	read  time.Time
	users config.Map
}

// newLogins reads a file of users.
func newLogins(path string) (*logins, error) {
	l := &logins{path: path}
	users, err := l.now()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", config.BasicAuthFile, err)
	case len(users) == 0:
		return nil, fmt.Errorf("%s: %s names no user; write a line user=password for each", config.BasicAuthFile, path)
	}
	return l, nil
}

// coarse is how old a change must be for a file's time to tell it from the next one.
const coarse = 2 * time.Second

// now are the users in the file.
func (l *logins) now() (config.Map, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(l.path)
	if err != nil {
		return nil, fmt.Errorf("look at the file of users: %w", err)
	}
	if l.users != nil && info.Size() == l.size && info.ModTime().Equal(l.at) && l.read.Sub(l.at) > coarse {
		return l.users, nil
	}
	read := time.Now()
	text, err := os.ReadFile(l.path)
	if err != nil {
		return nil, fmt.Errorf("read the file of users: %w", err)
	}
	d, found := config.ReadProperties(l.path, text)
	if found.HasErrors() {
		return nil, fmt.Errorf("%s is not a properties file: %s", l.path, found[0].Detail)
	}
	l.size, l.at, l.read, l.users = info.Size(), info.ModTime(), read, d.Map
	return l.users, nil
}

// check is nil for a caller who may. What it answers otherwise is Kafka Connect's: a text labelled as JSON, without
// WWW-Authenticate.
func (l *logins) check(r *http.Request) (*answer, error) {
	scheme, code, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return denied(r), nil
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(code))
	if err != nil {
		return nil, failure(http.StatusInternalServerError, "%s", illegalBase64(code))
	}
	user, password, colon := strings.Cut(string(text), ":")
	users, err := l.now()
	if err != nil {
		return nil, failure(http.StatusInternalServerError, "The file of users cannot be read; the worker's log may say more")
	}
	wanted, known := users[user]
	if !colon || !same(password, wanted) || !known {
		return denied(r), nil
	}
	return nil, nil //nolint:nilnil // nothing to answer: the caller may
}

// same compares secrets in a time that does not tell how much of them is equal.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// illegalBase64 is Java's text about a code that is none.
func illegalBase64(code string) string {
	for _, c := range []byte(code) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '='
		if !plain {
			return "Illegal base64 character " + strconv.FormatInt(int64(c), 16)
		}
	}
	return "Input byte array has incorrect ending byte"
}

func denied(r *http.Request) *answer {
	const text = "User cannot access the resource."
	return &answer{write: func(w http.ResponseWriter) {
		kind := "application/json"
		if r.Method == http.MethodOptions {
			kind = "text/plain"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(text)) // as in send
	}}
}
