package hcl

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// disk answers a load's questions about files, each once. So one load sees one state of the disk, and the answers tell
// later whether another load would see the same. It is safe for concurrent use.
type disk struct {
	known map[question]answer // of a look before this load; only read
	mu    sync.Mutex
	given map[question]answer // what this load asked

	asker  string                // the file whose pipelines are being evaluated, "" when it is for all
	askers map[question][]string // who asked
}

// question is one thing that a load wants to know.
type question struct {
	kind    questionKind
	path    string // as it is opened
	pattern string // of a file set
}

type questionKind uint8

const (
	askProject questionKind = iota // which *.hcl files a project has, path being a folder or a single file
	askSource                      // what is in a file of the language
	askText                        // what is in any other file
	askExists                      // whether a file is there
	askFileset                     // which files below a folder match a pattern
)

// answer is what the disk said. Two answers are the same when their sums are.
type answer struct {
	sum     [sha256.Size]byte
	size    int      // bytes of a file
	text    []byte   // of a file; gone once the load has ended
	names   []string // of files, sorted
	folders []string // that were walked for a file set
	exists  bool
	err     error
}

func newDisk(known map[question]answer) *disk {
	return &disk{known: known, given: map[question]answer{}, askers: map[question][]string{}}
}

func (d *disk) ask(q question) answer {
	d.mu.Lock()
	a, ok := d.given[q]
	if !slices.Contains(d.askers[q], d.asker) {
		d.askers[q] = append(d.askers[q], d.asker)
	}
	d.mu.Unlock()
	if ok {
		return a
	}
	if a, ok = d.known[q]; !ok {
		a = look(q)
	}
	d.mu.Lock()
	d.given[q] = a
	d.mu.Unlock()
	return a
}

// source is what is in a file of the language. It is shared: nobody changes it.
func (d *disk) source(path string) ([]byte, error) {
	a := d.ask(question{kind: askSource, path: path})
	return a.text, a.err
}

// text is what is in a file that an expression reads. It is shared, too.
func (d *disk) text(path string) ([]byte, error) {
	a := d.ask(question{kind: askText, path: path})
	return a.text, a.err
}

// project lists the *.hcl files of a folder, sorted, but for those of values that only a flag loads; of a single file, itself.
func (d *disk) project(path string) ([]string, error) {
	a := d.ask(question{kind: askProject, path: path})
	return a.names, a.err
}

func (d *disk) exists(path string) bool { return d.ask(question{kind: askExists, path: path}).exists }

// fileset lists the files below a folder whose path, with slashes, matches a pattern; ** stands for any number of folders.
func (d *disk) fileset(folder, pattern string) ([]string, error) {
	a := d.ask(question{kind: askFileset, path: folder, pattern: pattern})
	return a.names, a.err
}

// forget drops texts, which nobody asks for when the load has ended.
func (d *disk) forget() {
	d.known = nil
	for q, a := range d.given {
		a.text = nil
		d.given[q] = a
	}
}

// look asks the disk itself.
func look(q question) answer {
	var a answer
	switch q.kind {
	case askProject:
		a.names, a.err = listProject(q.path)
	case askSource, askText:
		a.text, a.err = os.ReadFile(q.path)
		a.size = len(a.text)
	case askExists:
		info, err := os.Stat(q.path)
		a.exists = err == nil && info.Mode().IsRegular()
	case askFileset:
		a.names, a.folders, a.err = walkFileset(q.path, q.pattern)
	}
	a.sum = a.digest()
	return a
}

func (a answer) digest() [sha256.Size]byte {
	if a.text != nil {
		return sha256.Sum256(a.text)
	}
	var b bytes.Buffer
	for _, n := range a.names {
		b.WriteString(n)
		b.WriteByte(0)
	}
	if a.exists {
		b.WriteString("exists")
	}
	if a.err != nil {
		b.WriteByte(0)
		b.WriteString(a.err.Error())
	}
	return sha256.Sum256(b.Bytes())
}

func listProject(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{filepath.Clean(path)}, nil
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		declares := strings.HasSuffix(name, ".hcl") && (!strings.HasSuffix(name, ".vars.hcl") || strings.HasSuffix(name, ".auto.vars.hcl"))
		if declares && !e.IsDir() && !strings.HasPrefix(name, ".") {
			names = append(names, filepath.Join(path, name))
		}
	}
	return names, nil
}

func walkFileset(folder, pattern string) (names, folders []string, err error) {
	want := strings.Split(pattern, "/")
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		switch {
		case d.IsDir() && rel != "." && len(parts) >= len(want) && !slices.Contains(want, "**"):
			return fs.SkipDir // too deep for the pattern
		case d.IsDir():
			folders = append(folders, name)
		case matches(want, parts):
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	return names, folders, err
}

// again asks everything that a load asked, and what the project's files are now, straight from the disk. still is false
// when names, sizes or times moved meanwhile, so that the answers may belong to different moments.
func (d *disk) again() (fresh *disk, seen stamps, still bool) {
	seen = d.stamps()
	fresh = newDisk(nil)
	for q := range d.given {
		a := fresh.ask(q)
		if q.kind == askProject {
			for _, name := range a.names {
				_, _ = fresh.source(name) // an error is an answer
			}
		}
	}
	return fresh, seen, maps.Equal(seen, d.stamps())
}

// stamps are names, sizes and times of all that a load rests on, by path.
type stamps map[string]stamp

type stamp struct {
	size int64
	time time.Time
	mode fs.FileMode
}

func (d *disk) stamps() stamps {
	s := stamps{}
	for q := range d.given {
		switch q.kind {
		case askProject:
			names, err := listProject(q.path)
			if err != nil {
				s.note(q.path)
			}
			for _, n := range names {
				s.note(n)
			}
		case askSource, askText, askExists:
			s.note(q.path)
		case askFileset:
			names, _, _ := walkFileset(q.path, q.pattern) // what cannot be listed has no names
			for _, n := range names {
				s["name "+filepath.Join(q.path, n)] = stamp{} // what is in it does not matter
			}
		}
	}
	return s
}

// note takes the stamp of a file, none when it is not there.
func (s stamps) note(path string) {
	if _, noted := s[path]; noted {
		return
	}
	if info, err := os.Stat(path); err == nil {
		s[path] = stamp{info.Size(), info.ModTime().Round(0), info.Mode()}
	}
}

// difference is what a fresh look found to be different.
type difference struct {
	changed []string // files and folders with other contents, and files that are new
	gone    []string // files that had contents and are empty or not there, unless they moved
}

func (d difference) none() bool { return len(d.changed) == 0 && len(d.gone) == 0 }

func (d *disk) difference(fresh *disk) difference {
	var diff difference
	arrived := map[[sha256.Size]byte]bool{}
	for q, a := range fresh.given {
		if _, had := d.given[q]; !had {
			diff.changed = append(diff.changed, q.path)
			arrived[a.sum] = true
		}
	}
	for q, had := range d.given {
		has := fresh.given[q]
		switch {
		case has.sum == had.sum, q.kind == askProject && has.err == nil: // its files speak for themselves
		case (q.kind == askSource || q.kind == askText) && had.size > 0 && (has.err == nil && has.size == 0 || errors.Is(has.err, fs.ErrNotExist) && !arrived[had.sum]):
			diff.gone = append(diff.gone, q.path)
		default:
			diff.changed = append(diff.changed, q.path)
		}
	}
	slices.Sort(diff.changed)
	slices.Sort(diff.gone)
	diff.changed = slices.Compact(diff.changed)
	return diff
}

// folders are those whose events may mean another answer.
func (d *disk) folders() []string {
	all := map[string]bool{}
	for q, a := range d.given {
		switch q.kind {
		case askProject:
			if info, err := os.Stat(q.path); err == nil && !info.IsDir() {
				all[filepath.Dir(q.path)] = true
			} else {
				all[filepath.Clean(q.path)] = true
			}
		case askSource, askText, askExists:
			all[filepath.Dir(q.path)] = true
		case askFileset:
			for _, f := range a.folders {
				all[filepath.Clean(f)] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(all), cmp.Compare[string])
}
