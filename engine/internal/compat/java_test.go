package compat_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/engine/internal/kafka/kafkatest"
)

// installation is what a distributed Kafka Connect has on disk: the properties of its workers. Both kinds of worker are
// started on the very same file.
type installation struct {
	t    *testing.T
	file string // connect-distributed.properties
	genuine
}

// install writes the properties of a cluster of a test: a group and three topics that nobody else has.
func install(t *testing.T, c *kafkatest.Cluster) installation {
	t.Helper()
	for _, name := range []string{jarsEnvironment, binaryEnvironment, kafkatest.Environment} {
		if os.Getenv(name) == "" {
			t.Skip("needs a genuine Kafka and Kafka Connect; make compat starts them")
		}
	}
	i := installation{t: t, file: filepath.Join(t.TempDir(), "connect-distributed.properties")}
	address := i.listenElsewhere(fmt.Sprintf(`bootstrap.servers=%s
group.id=%s
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
plugin.discovery=service_load
offset.flush.interval.ms=1000
config.storage.topic=%s
config.storage.replication.factor=1
offset.storage.topic=%s
offset.storage.replication.factor=1
offset.storage.partitions=5
status.storage.topic=%s
status.storage.replication.factor=1
status.storage.partitions=3
`, c.Servers(), c.Name("workers"), c.Name("configs"), c.Name("offsets"), c.Name("status")))
	i.genuine = genuine{"http://" + address}
	return i
}

// listenElsewhere writes the properties with a free port.
func (i installation) listenElsewhere(text string) (address string) {
	i.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // free at once
	if err != nil {
		i.t.Fatal(err)
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		i.t.Fatal(err)
	}
	write(i.t, i.file, text+"listeners=http://"+address+"\n")
	return address
}

// another is a second worker of the same cluster, on a port of its own.
func (i installation) another() installation {
	i.t.Helper()
	text, _, _ := strings.Cut(read(i.file), "listeners=")
	i.file = filepath.Join(i.t.TempDir(), "another.properties")
	i.genuine = genuine{"http://" + i.listenElsewhere(text)}
	return i
}

// process is a worker of either kind.
type process struct {
	t     *testing.T
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended
}

// java starts a genuine worker.
func (i installation) java() *process {
	return i.launch("java", "-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.apache.logging.log4j.level=WARN",
		"-cp", filepath.Join(os.Getenv(jarsEnvironment), "*"), "org.apache.kafka.connect.cli.ConnectDistributed", i.file)
}

// engine starts one of ours.
func (i installation) engine() *process {
	return i.launch(os.Getenv(binaryEnvironment), "worker", i.file)
}

func (i installation) launch(program string, args ...string) *process {
	i.t.Helper()
	p := &process{t: i.t, name: filepath.Base(program), log: filepath.Join(i.t.TempDir(), "log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		i.t.Fatal(err)
	}
	defer out.Close()                      //nolint:errcheck // the process has its own
	p.cmd = exec.Command(program, args...) //nolint:noctx,gosec // ended below, not by a context
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	i.t.Cleanup(sync.OnceFunc(func() {
		_ = p.cmd.Process.Kill() // one that has ended, as it should, cannot be killed
		<-p.ended
		if i.t.Failed() {
			said := read(p.log)
			i.t.Logf("%s said last:\n%s", p.name, said[max(0, len(said)-4000):])
		}
	}))
	return p
}

// healthy waits until the worker is ready for requests.
func (p *process) healthy(at genuine) {
	p.t.Helper()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	await(p.t, p.name+" to be ready", func() bool {
		select {
		case <-p.ended:
			p.t.Fatalf("%s ended: %v", p.name, p.err)
		default:
		}
		response, err := client.Get(at.url + "/health")
		if err != nil {
			return false
		}
		_ = response.Body.Close() // not read
		return response.StatusCode == http.StatusOK
	})
}

// stop ends the worker in good order. A Java process says by 143 that it was told to.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended says why by its result
	p.exit(0, 128+int(syscall.SIGTERM))
}

// exit waits for the end and holds the exit code against those that are right.
func (p *process) exit(codes ...int) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end", p.name)
	}
	for _, code := range codes {
		if p.cmd.ProcessState.ExitCode() == code {
			return
		}
	}
	p.t.Fatalf("%s ended by %v, want one of %v", p.name, p.cmd.ProcessState, codes)
}
