package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a program under measurement, seen from outside.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{} // closed once it has ended
	failed  error         // why, after ended
	log     string        // file of what it printed
}

// launch starts a program; what it prints goes to a file.
func launch(ctx context.Context, log, name string, args ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }() // the child has its own
	p := &process{cmd: exec.CommandContext(ctx, name, args...), ended: make(chan struct{}), log: log}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 20 * time.Second
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // joined by whoever waits for ended
		p.failed = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// usage is what a process has used so far.
type usage struct {
	CPU  float64 // seconds, user and system
	Peak float64 // MB resident, the highest
	RSS  float64 // MB resident, now
}

// hasEnded reports whether the process has ended.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// used reads a process's usage, whether it runs or has ended.
func (p *process) used() usage {
	if p.hasEnded() {
		// Its memory is not told any more: the highest that the system knows of is that of whoever forked it.
		return usage{CPU: p.cmd.ProcessState.UserTime().Seconds() + p.cmd.ProcessState.SystemTime().Seconds()}
	}
	return usageOf(p.cmd.Process.Pid)
}

// usageOf reads /proc.
func usageOf(pid int) (u usage) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u
	}
	const ticks = 100 // a second, on every Linux
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.ParseFloat(f, 64)
		u.CPU += n / ticks
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		switch name {
		case "VmHWM":
			u.Peak = kb / 1024
		case "VmRSS":
			u.RSS = kb / 1024
		}
	}
	return u
}

// patience is how long a run may take.
const patience = 5 * time.Minute

// until waits for a condition, looking every few milliseconds; a process that fails before ends the wait.
func (p *process) until(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not done: %w\n%s", p.name(), ctx.Err(), p.tail())
		case <-p.ended:
			if p.failed != nil {
				return fmt.Errorf("%s: %w\n%s", p.name(), p.failed, p.tail())
			}
			if ok, err := done(); !ok || err != nil {
				return errors.Join(fmt.Errorf("%s ended early\n%s", p.name(), p.tail()), err)
			}
			return nil
		}
	}
}

// stop asks the process to end, as Ctrl-C does, and waits for that.
func (p *process) stop() error {
	if !p.hasEnded() {
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			return errors.Join(fmt.Errorf("%s did not stop", p.name()), p.cmd.Process.Kill())
		}
	}
	if p.failed != nil {
		return fmt.Errorf("%s: %w\n%s", p.name(), p.failed, p.tail())
	}
	return nil
}

func (p *process) name() string { return filepath.Base(p.cmd.Path) }

// tail is the end of what the process printed.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}

// broker is a running bench/broker.
type broker struct {
	*process
	addr, control string
}

func (s settings) broker(ctx context.Context, args ...string) (*broker, error) {
	log := filepath.Join(s.dir, "broker.log")
	p, err := launch(ctx, log, s.program("broker"), args...)
	if err != nil {
		return nil, err
	}
	b := &broker{process: p}
	err = p.until(ctx, 5*time.Millisecond, func() (bool, error) {
		f, err := os.Open(log)
		if err != nil {
			return false, err
		}
		defer func() { _ = f.Close() }() // only read
		line, err := bufio.NewReader(f).ReadString('\n')
		if err != nil {
			return false, nil //nolint:nilerr // not ready yet
		}
		_, err = fmt.Sscan(line, &b.addr, &b.control)
		return true, err
	})
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return b, nil
}
