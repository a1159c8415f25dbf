package file

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/penstock/penstock/store"
)

func TestAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, Name), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	changeHead(t, db, func(h *head) { h.Format = format + 1 })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v, want ErrVersion", err)
	}
}

func TestALostEntryIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries := []store.Offset{{Partition: []byte("1"), Value: []byte("1")}, {Partition: []byte("2"), Value: []byte("1")}}
	if err := errors.Join(s.Offsets().Commit(t.Context(), "a", entries), s.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, Name), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { // as when a page is an older one
		return tx.Bucket(offsetsBucket).Delete(offsetKey(store.InstanceOffset{Instance: "a", Offset: entries[0]}))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

func TestAFailedCommitThatIsInTheFileStopsTheStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), Name)
	if err := create(path); err != nil {
		t.Fatal(err)
	}
	j, k, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	s := store.NewLocal(k.snapshot, k.offsets, j)
	defer s.Close() //nolint:errcheck // the test is about what comes before
	entry := []store.Offset{{Partition: []byte("{}"), Value: []byte("1")}}
	if err := s.Offsets().Commit(t.Context(), "a", entry); err != nil {
		t.Fatal(err)
	}
	changeHead(t, j.db, func(h *head) { h.Writes++ }) // as a transaction does whose last sync is reported as failed
	for range 2 {
		if err := s.Offsets().Commit(t.Context(), "a", entry); !errors.Is(err, store.ErrNotStored) {
			t.Errorf("got %v, want ErrNotStored", err)
		}
	}
}

func TestChecksumsCoverBucketKeyAndPayload(t *testing.T) {
	t.Parallel()
	sealed := seal([]byte("bucket"), []byte("key"), []byte("payload"))
	for what, parts := range map[string][3]string{
		"bucket":   {"Bucket", "key", "payload"},
		"key":      {"bucket", "kez", "payload"},
		"payload":  {"bucket", "key", "payloae"},
		"boundary": {"bucke", "tkey", "payload"},
	} {
		if _, err := unseal([]byte(parts[0]), []byte(parts[1]), append(sealed[:4:4], parts[2]...)); err == nil {
			t.Errorf("another %s has the same checksum", what)
		}
	}
	if got, err := unseal([]byte("bucket"), []byte("key"), sealed); err != nil || string(got) != "payload" {
		t.Errorf("got %q, %v, want the payload", got, err)
	}
	if _, err := unseal([]byte("bucket"), []byte("key"), sealed[:3]); err == nil {
		t.Error("three bytes are an entry")
	}
}

func changeHead(t *testing.T, db *bbolt.DB, change func(*head)) {
	t.Helper()
	err := db.Update(func(tx *bbolt.Tx) error {
		var h head
		if err := readHead(tx, &h); err != nil {
			return err
		}
		change(&h)
		payload, err := json.Marshal(h)
		if err != nil {
			return err
		}
		return tx.Bucket(headBucket).Put(headKey, seal(headBucket, headKey, payload))
	})
	if err != nil {
		t.Fatal(err)
	}
}
