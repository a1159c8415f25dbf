package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/penstock/penstock/store"
)

// lockWait is how long a store waits for a process that is about to end.
const lockWait = 500 * time.Millisecond

// open locks, checks and reads a file that exists.
func open(path string) (j *journal, k kept, err error) {
	var file *os.File
	options := &bbolt.Options{
		Timeout:      lockWait,
		NoStatistics: true,
		FreelistType: bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag&^os.O_CREATE, mode) // one that vanished is not made here
			return file, err
		},
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		// A file is complete before it has its name, so it cannot be a new one, for which bbolt would take it.
		return nil, k, fmt.Errorf("%w: it is empty", store.ErrDamaged)
	}
	var db *bbolt.DB
	panicked := true
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		panicked = false
		if err != nil {
			return fromBolt(err) // bbolt has closed the file
		}
		k, err = verify(db)
		return err
	})
	if err == nil {
		return &journal{db: db, file: file, head: k.head}, k, nil
	}
	if db != nil {
		err = errors.Join(err, db.Close())
	} else if file != nil && panicked {
		err = errors.Join(err, unlock(file), file.Close())
	}
	return nil, kept{}, err
}

// guarded calls f and makes an error of a panic: bbolt maps the file into memory and trusts it, so that a damaged one
// makes it panic, or touch memory that is not there.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", store.ErrDamaged, p)
		}
	}()
	return f()
}

func fromBolt(err error) error {
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return store.ErrInUse
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return err // permissions and the like
	}
	return fmt.Errorf("%w: %w", store.ErrDamaged, err)
}

// verify reads everything, and then has bbolt check which pages are used and which are free. The second runs on a
// goroutine of bbolt's, where nothing catches a fault, so only a file comes there of which every entry was good and every
// page refers to what is in it.
func verify(db *bbolt.DB) (kept, error) {
	var k kept
	err := db.View(func(tx *bbolt.Tx) error {
		var err error
		if k, err = read(tx); err != nil {
			return err
		}
		if err := walkPages(tx); err != nil {
			return err
		}
		for problem := range tx.Check() { // to its end, which is when its goroutine ends
			err = errors.Join(err, problem)
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrVersion) {
		err = fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return k, err
}

// create makes the file unless there is one. It gets its name when it is complete, so that neither a kill nor a full disk
// leaves half a file, and never takes the place of another.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, Name+".new-") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it has another name as well by then, or is of no use
	if err := errors.Join(temp.Close(), initialise(temp.Name())); err != nil {
		return err
	}
	if err := name(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

// name gives a complete file its name unless another has it. Where there are no hard links, nothing guards against two
// processes that make the file at the same moment.
func name(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return os.Rename(temp, path)
}

func initialise(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, NoStatistics: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{headBucket, connectorsBucket, planBucket, offsetsBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		w := &writer{tx: tx, head: &head{Format: format}}
		return w.putHead()
	})
	return errors.Join(err, db.Close())
}

// syncFolder makes the file's name as durable as the file.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
