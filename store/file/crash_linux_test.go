//go:build linux

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/store"
	"github.com/penstock/penstock/store/file"
	"github.com/penstock/penstock/store/storetest"
)

// roleVariable makes a process of this test binary a child that works on the store of the folder in its last argument.
const roleVariable = "STORE_FILE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := os.LookupEnv(roleVariable); ok {
		os.Exit(child(role, os.Args[len(os.Args)-1])) //nolint:forbidigo // a main of its own
	}
	goleak.VerifyTestMain(m)
}

func child(role, dir string) int {
	err := map[string]func(dir string) error{
		"write":   writeUntilKilled,
		"open":    openOnly,
		"full":    fullDisk,
		"limited": limitedFile,
	}[role](dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // the parent reads it
		return 1
	}
	return 0
}

func command(t *testing.T, role, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$", dir)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	defer closeStore(t, s)
	cmd, stderr := command(t, "open", dir)
	if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), store.ErrInUse.Error()) {
		t.Errorf("got %v, %q, want it to be refused as in use", err, stderr)
	}
}

func openOnly(dir string) error {
	s, err := file.Open(dir)
	if err != nil {
		return err
	}
	return s.Close()
}

func TestAKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	written := 0
	for round := range rounds {
		acks := killed(t, dir, 3+7*round)
		s := open(t, dir)
		written += storetest.Acknowledged(t, s, bytes.NewReader(acks))
		closeStore(t, s)
	}
	if written < 3*rounds {
		t.Errorf("only %d commits in %d rounds", written, rounds)
	}
}

// killed has a child write until it has acknowledged a few commits, kills it in the middle of the next, and returns the
// acknowledgements.
func killed(t *testing.T, dir string, lines int) []byte {
	t.Helper()
	cmd, stderr := command(t, "write", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acks bytes.Buffer
	for b := make([]byte, 1); bytes.Count(acks.Bytes(), []byte("\n")) < lines; {
		if _, err := io.ReadFull(out, b); err != nil {
			t.Fatalf("the child ended: %v\n%s", err, stderr)
		}
		acks.WriteByte(b[0])
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&acks, out); err != nil { // what was acknowledged between the last line read and the kill
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	whole := acks.Bytes()
	return whole[:bytes.LastIndexByte(whole, '\n')+1]
}

func writeUntilKilled(dir string) error {
	s, err := file.Open(dir)
	if err != nil {
		return err
	}
	return storetest.Write(context.Background(), s, os.Stdout)
}

// TestAFullDisk fills a real file system, which the child mounts in a name space of its own.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	cmd, stderr := command(t, "full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err := cmd.Run()
	switch {
	case errors.Is(err, syscall.EPERM), strings.Contains(stderr.String(), errCannotMount.Error()):
		t.Skipf("no file system can be mounted here: %v %s", err, stderr)
	case err != nil:
		t.Errorf("%v\n%s", err, stderr)
	}
}

var errCannotMount = errors.New("cannot mount")

func fullDisk(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		return fmt.Errorf("%w: %w", errCannotMount, err)
	}
	if err := fullFromTheStart(dir); err != nil {
		return err
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 100<<10), 0o600); err != nil {
		return err
	}
	return withoutSpace(filepath.Join(dir, "data"), syscall.ENOSPC, func() error { return os.Remove(ballast) })
}

// fullFromTheStart tests that a store that cannot be made leaves nothing that looks like one.
func fullFromTheStart(dir string) error {
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	data := filepath.Join(dir, "first")
	if _, err := file.Open(data); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("open on a full disk: got %w, want ENOSPC", err)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) != 0 {
		return fmt.Errorf("left behind: %v, %w", entries, err)
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	s, err := file.Open(data)
	if err != nil {
		return fmt.Errorf("open with space: %w", err)
	}
	return errors.Join(s.Close(), os.RemoveAll(data))
}

// TestAFileThatMayNotGrow needs no rights: the system refuses to let the file grow, at bbolt's own attempt to do so.
func TestAFileThatMayNotGrow(t *testing.T) {
	t.Parallel()
	cmd, stderr := command(t, "limited", t.TempDir())
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
}

func limitedFile(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	narrow := limit
	narrow.Cur = 150 << 10
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &narrow); err != nil {
		return err
	}
	return withoutSpace(dir, syscall.EFBIG, func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit) })
}

// withoutSpace commits until there is no space, then tests that nothing half is there, in memory or on the disk, and that
// commits work again when there is.
func withoutSpace(dir string, want error, makeSpace func() error) error {
	runtime.LockOSThread()
	ctx := context.Background()
	s, err := file.Open(dir)
	if err != nil {
		return err
	}
	f, err := s.Claim(ctx)
	if err != nil {
		return err
	}
	add := func(i int) error {
		name := fmt.Sprintf("connector-%04d", i)
		c := store.Connector{Name: name, Config: config.Map{"text": strings.Repeat("x", 10_000)}, Target: config.Started}
		_, err := s.Commit(ctx, f, store.Commit{Connectors: map[string]*store.Connector{name: &c}})
		return err
	}
	n := 0
	for err = add(n); err == nil; err = add(n) {
		n++
	}
	if !errors.Is(err, want) || !errors.Is(err, store.ErrNotStored) {
		return fmt.Errorf("commit %d: got %w, want %w", n, err, want)
	}
	large := []store.Offset{{Partition: []byte("{}"), Value: make([]byte, 600<<10)}}
	if err := s.Offsets().Commit(ctx, "a", large); !errors.Is(err, want) {
		return fmt.Errorf("offsets: got %w, want %w", err, want)
	}
	full, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	if list, err := s.Offsets().List(ctx, "a"); err != nil || len(full.Connectors) != n || len(list) != 0 {
		return fmt.Errorf("got %d connectors and %d offsets in memory, %w, want %d and none", len(full.Connectors), len(list), err, n)
	}
	if err := makeSpace(); err != nil {
		return err
	}
	if err := add(n); err != nil {
		return fmt.Errorf("with space: %w", err)
	}
	after, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = file.Open(dir); err != nil {
		return fmt.Errorf("open again: %w", err)
	}
	again, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(after, again); diff != "" || len(again.Connectors) != n+1 {
		return fmt.Errorf("got %d connectors on the disk, want %d: %s", len(again.Connectors), n+1, diff)
	}
	return s.Close()
}
