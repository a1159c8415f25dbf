package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/engine/diag"
)

// format is the version of what this package adds to kfake's data: the files of a folder and the backup of a compaction.
const format = 1

// folder is the place of one broker:
//
//	lock              locked by the process that owns the folder, holds its id
//	broker.json       version of the data, and the port that clients know
//	data/             kfake's
//	compacting/       partitions as they were before a compaction that has not ended
//	data.<version>…/  data of another version, moved aside
type folder struct {
	dir, data string
	lock      *os.File
	memory    memory
}

// memory is broker.json.
type memory struct {
	Format int    `json:"format"`
	Kfake  string `json:"kfake"`
	Port   int    `json:"port,omitempty"` // 0 before the first start on a free port
}

func openFolder(dir string, log *slog.Logger) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unreadable(dir, err)
	}
	f := &folder{dir: dir, data: filepath.Join(dir, "data")}
	if err := f.take(); err != nil {
		return nil, err
	}
	if err := f.prepare(log); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func unreadable(path string, err error) error {
	d := diag.New(diag.Unreadable, diag.Place{}, "The development broker cannot use %s: %s.", path, err)
	return &d
}

// take locks the folder or says who has it.
func (f *folder) take() error {
	path := filepath.Join(f.dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return unreadable(path, err)
	}
	free, err := tryLock(file)
	if err != nil {
		return errors.Join(unreadable(path, err), file.Close())
	}
	if !free {
		owner, err := os.ReadFile(path)
		who := strings.TrimSpace(string(owner))
		if _, perr := strconv.Atoi(who); err != nil || perr != nil {
			who = "unknown"
		}
		d := diag.New(diag.DataInUse, diag.Place{}, "The development broker's folder %s is in use by process %s.\n\n"+
			"End that process, or choose another folder.", f.dir, who)
		return errors.Join(&d, file.Close())
	}
	f.lock = file
	if err := errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return errors.Join(unreadable(path, err), f.close())
	}
	return nil
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// close gives the folder up. The lock's file stays: removing it would let two processes lock two files of one name.
func (f *folder) close() error {
	if f.lock == nil {
		return nil
	}
	lock := f.lock
	f.lock = nil
	return lock.Close()
}

// prepare makes the data fit for this version: what another one wrote is moved aside, an interrupted compaction undone.
func (f *folder) prepare(log *slog.Logger) error {
	path := filepath.Join(f.dir, "broker.json")
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(f.data); err == nil { // data without a version is as good as of another one
			f.memory.Kfake = "unknown"
			if err := f.moveAside(log); err != nil {
				return err
			}
		}
	case err != nil:
		return unreadable(path, err)
	default:
		if err := json.Unmarshal(text, &f.memory); err != nil {
			f.memory.Kfake = "unknown"
		}
		if f.memory.Format != format || f.memory.Kfake != kfakeVersion {
			if err := f.moveAside(log); err != nil {
				return err
			}
		}
	}
	if err := f.restore(log); err != nil {
		return unreadable(f.dir, err)
	}
	// kfake prefers the broker's settings that it has stored to those of this version, on which the guards rest.
	stored := filepath.Join(f.data, "broker_configs.json")
	if err := os.Remove(stored); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreadable(stored, err)
	}
	return f.remember(f.memory.Port)
}

// moveAside keeps data that this version does not read, beside where it was.
func (f *folder) moveAside(log *slog.Logger) error {
	written := f.memory.Kfake
	aside := fmt.Sprintf("%s.%s.%s", f.data, filepath.Base(written), time.Now().UTC().Format("20060102T150405.000"))
	err := os.Rename(f.data, aside)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(f.data, err)
	}
	if err := os.RemoveAll(f.compacting()); err != nil {
		return unreadable(f.compacting(), err)
	}
	log.Warn("development broker: the data was written by another version and is not read; it was moved aside, and the broker starts empty",
		"written", written, "reads", kfakeVersion, "moved_to", aside)
	return nil
}

// remember writes broker.json for good.
func (f *folder) remember(port int) error {
	f.memory = memory{format, kfakeVersion, port}
	text, err := json.Marshal(f.memory)
	if err != nil {
		return fmt.Errorf("write broker.json: %w", err)
	}
	path := filepath.Join(f.dir, "broker.json")
	if err := replace(path, append(text, '\n')); err != nil {
		return unreadable(path, err)
	}
	return nil
}

// replace writes a file so that either the old or the new content is there after a crash.
func replace(path string, text []byte) error {
	temporary := path + ".tmp"
	file, err := os.Create(temporary)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
