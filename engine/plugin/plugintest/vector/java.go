package vector

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Java answers requests with the genuine classes of Kafka Connect: a process of testdata/java/connect/Answer.java.
type Java struct {
	in      io.WriteCloser
	out     *bufio.Reader
	release string // of the runtime, such as 17
	cases   int
	seed    uint64
}

// StartJava starts the process, which ends with the test. ENGINE_TEST_JARS names the folder of Kafka's jars, without which
// the test is skipped; ENGINE_TEST_JAVA a runtime other than java. ENGINE_TEST_CASES says how many cases [Java.Beside] runs
// (100000), and ENGINE_TEST_SEED repeats a run. classes are further entries of the class path.
func StartJava(t *testing.T, classes ...string) *Java {
	t.Helper()
	jars := os.Getenv("ENGINE_TEST_JARS")
	if jars == "" {
		t.Skip("ENGINE_TEST_JARS does not name the folder of Kafka's classes")
	}
	process := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("ENGINE_TEST_JAVA"), "java"), "-XX:+UseSerialGC", "-Xss64m", "-Duser.timezone=UTC",
		"-Duser.language=en", "-Duser.country=US", "-Dorg.apache.logging.log4j.level=OFF", "-cp", strings.Join(append([]string{filepath.Join(jars, "*")}, classes...), string(filepath.ListSeparator)),
		filepath.Join(root(t), "testdata", "java", "connect", "Answer.java"))
	in, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), process.Wait()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	j := &Java{in: in, out: bufio.NewReaderSize(out, 1<<16)}
	j.release = strings.TrimSpace(j.line(t))
	j.cases, j.seed = 100_000, uint64(time.Now().UnixNano())
	if text := os.Getenv("ENGINE_TEST_CASES"); text != "" {
		if j.cases, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("ENGINE_TEST_SEED"); text != "" {
		if j.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func (j *Java) line(t *testing.T) string {
	t.Helper()
	line, err := j.out.ReadString('\n')
	if err != nil {
		t.Fatalf("java does not answer: %v", err)
	}
	return line
}

// asked is a request with what try makes of the answer.
type asked struct {
	id      string
	request string
}

// Beside draws requests, has each answered by Java, and gives it with the answer to try, which says what differs, as in
// [Run]. The first requests are small, so that what differs is shown small. It prints the seed, and each of the shortest
// differences as a line for a file of testdata/vectors.
func (j *Java) Beside(t *testing.T, draw func(*Random) string, try func(*Case) error) {
	t.Helper()
	start, said := time.Now(), verdicts{}
	j.ask(t, draw, func(a asked, answer string) {
		if answer == `{"unsaid":true}` {
			said.unsaid++
			return
		}
		line := fmt.Sprintf(`{"id":%q,"source":"executed","recorded_on":"Kafka Connect 4.3.1, Java %s","request":%s,"expect":%s}`,
			a.id, j.release, a.request, answer)
		said.add(line, tryLine(line, try))
	})
	t.Logf("seed %d: %d cases in %s, %d differ, %d skipped, %d without an answer in the notation",
		j.seed, said.tried, time.Since(start).Round(time.Second), len(said.differences), said.skipped, said.unsaid)
	shortest := slices.SortedFunc(maps.Keys(said.differences), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	for _, line := range shortest[:min(len(shortest), 20)] {
		t.Errorf("%v\n%s", said.differences[line], line)
	}
	if said.skipped*100 > said.tried {
		t.Errorf("skipped %d of %d cases", said.skipped, said.tried)
	}
}

// verdicts counts what became of the cases.
type verdicts struct {
	tried, skipped, unsaid int
	differences            map[string]error // by the line of the case
}

func (v *verdicts) add(line string, err error) {
	v.tried++
	if _, ok := errors.AsType[*Unrepresentable](err); ok {
		v.skipped++
	} else if err != nil {
		if v.differences == nil {
			v.differences = map[string]error{}
		}
		v.differences[line] = err
	}
}

// ask gives each request that is drawn with its answer to answered, in order. However that ends, by return, panic or
// Goexit, the writer has ended when ask does.
func (j *Java) ask(t *testing.T, draw func(*Random) string, answered func(a asked, answer string)) {
	t.Helper()
	batches, done := make(chan []asked, 4), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { j.write(t, draw, batches, done) })
	answering := true
	defer func() {
		close(done)
		if answering {
			// The writer may wait for a pipe that nobody reads from any more. Nothing can be asked after this.
			err := j.in.Close()
			t.Logf("the rest is not asked: %v", err)
		}
		writing.Wait()
	}()
	for batch := range batches {
		for _, a := range batch {
			answered(a, strings.TrimSpace(j.line(t)))
		}
	}
	answering = false
}

func (j *Java) write(t *testing.T, draw func(*Random) string, batches chan<- []asked, done <-chan struct{}) {
	defer close(batches)
	const batch = 200
	w := bufio.NewWriter(j.in)
	for from := 0; from < j.cases; from += batch {
		var all []asked
		for i := from; i < min(from+batch, j.cases); i++ {
			r := &Random{Rand: rand.New(rand.NewPCG(j.seed, uint64(i))), size: 1 + 6*i/j.cases}
			a := asked{fmt.Sprintf("R%x-%d", j.seed, i), draw(r)}
			all = append(all, a)
		}
		select { // first, so that answers are read meanwhile: a pipe holds few of either
		case batches <- all:
		case <-done:
			return
		}
		for _, a := range all {
			w.WriteString(a.request + "\n") //nolint:errcheck // Flush says it
		}
		if err := w.Flush(); err != nil {
			select {
			case <-done: // closed on purpose
			default:
				t.Errorf("java does not listen: %v", err)
			}
			return
		}
	}
}

func tryLine(line string, try func(*Case) error) error {
	var c Case
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		return err
	}
	if e := c.Expect.Error; e != nil && e.Stage == "input" {
		return fmt.Errorf("the request cannot be made: %s", e.text())
	}
	return try(&c)
}
