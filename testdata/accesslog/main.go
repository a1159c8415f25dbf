// Accesslog writes a web server's access log in the combined format, always the same for the same seed:
//
//	go run ./testdata/accesslog -lines 12000 -seed 1 > testdata/access.log
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	paths    = []string{"/", "/cart", "/checkout", "/health", "/img/logo.svg", "/search?q=kettle", "/search?q=caf%C3%A9", "/login", "/product/{id}", "/product/{id}/reviews"}
	agents   = []string{"Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", "curl/8.9.1", "Googlebot/2.1 (+http://www.google.com/bot.html)", "Teekännchen/1.0"}
	referers = []string{"-", "https://shop.example.com/", "https://www.google.com/", "https://shop.example.com/search?q=kettle"}
	methods  = []string{"GET", "GET", "GET", "GET", "POST", "HEAD"}
	statuses = []int{200, 200, 200, 200, 200, 301, 304, 404, 500}
)

func main() {
	lines := flag.Int("lines", 12000, "how many lines")
	seed := flag.Uint64("seed", 1, "seed of the generator")
	flag.Parse()
	r := rand.New(rand.NewPCG(*seed, 0))
	w := bufio.NewWriter(os.Stdout)
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for range *lines {
		at = at.Add(time.Duration(r.IntN(7000)) * time.Millisecond)
		path := pick(r, paths)
		path = strings.ReplaceAll(path, "{id}", strconv.Itoa(r.IntN(500)))
		fmt.Fprintf(w, "%d.%d.%d.%d - %s [%s] \"%s %s HTTP/1.1\" %d %d \"%s\" \"%s\"\n",
			10+r.IntN(190), r.IntN(256), r.IntN(256), 1+r.IntN(254), user(r), at.Format("02/Jan/2006:15:04:05 -0700"),
			pick(r, methods), path, pick(r, statuses), r.IntN(60000), pick(r, referers), pick(r, agents))
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func user(r *rand.Rand) string {
	if r.IntN(4) > 0 {
		return "-"
	}
	return fmt.Sprintf("user%03d", r.IntN(200))
}
