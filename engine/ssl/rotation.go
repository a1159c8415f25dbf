package ssl

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Rotating is a TLS configuration whose stores may be replaced while a client lives: what stands in their files at the time
// of a connection counts for it (Kafka: SslFactory.reconfigure, which a Java client never does by itself). Connections that
// are there keep what they were made with. Files that cannot be used, perhaps because only one of two is there yet, change
// nothing. It is safe for concurrent use.
type Rotating struct {
	settings Settings
	log      *slog.Logger

	mu     sync.Mutex
	config *tls.Config
	of     map[string]storeStamp // by property: the files that config was made of
	told   bool                  // that they cannot be used
}

// storeStamp is a file as it was at a time.
type storeStamp struct {
	info fs.FileInfo // nil: it was not there
	at   time.Time
}

// coarse is how old a change must be for a file's time to tell it from the next one.
const coarse = 2 * time.Second

// same reports whether nothing shows that a file is another than it was.
func (s storeStamp) same(now storeStamp) bool {
	if s.info == nil || now.info == nil {
		return s.info == nil && now.info == nil
	}
	return os.SameFile(s.info, now.info) && s.info.Size() == now.info.Size() && s.info.ModTime().Equal(now.info.ModTime()) &&
		s.at.Sub(s.info.ModTime()) > coarse
}

// NewRotating opens the stores; errors are those of [Settings.Config]. What goes wrong later is logged once.
func NewRotating(s Settings, log *slog.Logger) (*Rotating, error) {
	r := &Rotating{settings: s, log: log}
	r.of = r.stamps() // before the files are read, so that a change in between is seen
	var err error
	if r.config, err = s.Config(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Rotating) stamps() map[string]storeStamp {
	of := map[string]storeStamp{}
	for _, key := range []string{keystoreLocation, trustLocation} {
		if path := r.settings.value(key); path != "" {
			info, _ := os.Stat(path) // nil when it is not there
			of[key] = storeStamp{info, time.Now()}
		}
	}
	return of
}

// Now is the configuration for a connection that is made now. It is shared: clone it before changing it.
func (r *Rotating) Now() *tls.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh, changed := r.stamps(), false
	for key, stamp := range fresh {
		changed = changed || !r.of[key].same(stamp)
	}
	if !changed {
		return r.config
	}
	config, err := r.settings.Config()
	if err != nil {
		if !r.told {
			r.log.Warn("the certificates on the disk cannot be used, those that were read before are", "error", err)
		}
		r.told = true
		return r.config
	}
	r.config, r.of, r.told = config, fresh, false
	return config
}
