package broker

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// victim names the variable that makes the test binary a broker on a folder, to be killed.
const victim = "PENSTOCK_TEST_BROKER_DIR"

// serve is the child: it prints its address and waits for its end.
func serve() {
	b, err := Start(Settings{Dir: os.Getenv(victim), Topics: []Topic{{Name: "orders", Partitions: 3}}})
	if err != nil {
		panic(err) // the parent sees that there is no address
	}
	os.Stdout.WriteString(b.Addr() + "\n") //nolint:errcheck // as above
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt)
	<-end
	if err := b.Close(); err != nil {
		panic(err)
	}
}

func spawn(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker gave no address: %v", errors.Join(err, cmd.Wait()))
	}
	return cmd, strings.TrimSpace(line)
}

// TestKillLosesNothingAcknowledged: invariant 7. The broker is killed while records come in, several times; the producer
// goes on with the next one at the same address, and what was acknowledged is there, in order, at its offset.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	rounds, perRound := 4, int64(300)
	if testing.Short() {
		rounds, perRound = 2, 100
	}
	dir := t.TempDir()
	type place struct {
		partition int32
		offset    int64
	}
	acknowledged := map[place]string{}
	var acks atomic.Int64
	results := make(chan *kgo.Record, 1<<20)
	var client *kgo.Client
	var sent int
	for range rounds {
		cmd, addr := spawn(t, dir)
		if client == nil {
			client = dial(t, addr)
		}
		target := acks.Load() + perRound
		for acks.Load() < target {
			for range 20 {
				sent++
				r := &kgo.Record{Topic: "orders", Partition: int32(sent % 3), Value: []byte(strconv.Itoa(sent))}
				client.Produce(within(t), r, func(r *kgo.Record, err error) {
					if err != nil {
						t.Errorf("record %s: %v", r.Value, err)
						return
					}
					acks.Add(1)
					results <- r
				})
			}
			if err := waitFor(func() bool { return int64(sent)-acks.Load() < 200 }); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // it was killed
	}
	cmd, addr := spawn(t, dir)
	if err := client.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	close(results)
	for r := range results {
		acknowledged[place{r.Partition, r.Offset}] = string(r.Value)
	}
	if len(acknowledged) != sent {
		t.Errorf("%d places for %d acknowledged records", len(acknowledged), sent)
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(within(t), "orders")
	if err != nil {
		t.Fatal(err)
	}
	all := 0 // a batch that was stored but not answered before the kill may be there twice
	ends.Each(func(o kadm.ListedOffset) { all += int(o.Offset) })
	found := map[place]string{}
	for _, r := range consume(t, addr, "orders", all) {
		found[place{r.Partition, r.Offset}] = string(r.Value)
	}
	for at, want := range acknowledged {
		if got := found[at]; got != want {
			t.Errorf("partition %d, offset %d: got %q, want %q", at.partition, at.offset, got, want)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("a broker that was asked to end: %v", err)
	}
}

// waitFor looks every millisecond, for half a minute.
func waitFor(condition func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			return errors.New("waited for half a minute")
		}
	}
	return nil
}
