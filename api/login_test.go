package api_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock/penstock/api"
	"github.com/penstock/penstock/engine/config"
)

// users is a file of users, and the change of settings that asks for them.
func users(t *testing.T, text string) (file string, change func(*api.Settings, *config.Worker)) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "users.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, func(_ *api.Settings, w *config.Worker) { w.BasicAuthFile = file }
}

func basic(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

// What Kafka Connect answers to callers who do not log in is among the recorded cases; here is what goes beyond them.

func TestEveryRouteAsksForALogin(t *testing.T) {
	t.Parallel()
	_, change := users(t, "ann=a:b\n")
	s := newServer(t, &fake{}, change)
	for _, route := range s.Routes() {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{n}", "c", "{i}", "0", "{p}", "x", "{l}", "root").Replace(path)
		headers := []string{"Content-Type", "application/json"}
		got := do(s, method, path, "", headers...)
		exempt := route == "POST /connectors/{n}/tasks" || route == "PUT /connectors/{n}/fence"
		if (got.Code == 401) == exempt {
			t.Errorf("%s: got %d %s", route, got.Code, got.Body)
		}
	}
	for name, c := range map[string]struct {
		login []string
		code  int
	}{
		"right": {basic("ann", "a:b"), 200}, "wrong": {basic("ann", "a"), 401}, "nobody": {basic("", ""), 401}, "empty": {basic("bob", ""), 401},
	} {
		if got := do(s, "GET", "/connectors", "", c.login...); got.Code != c.code {
			t.Errorf("%s: got %d, want %d", name, got.Code, c.code)
		}
	}
}

func TestGetActsForWhoHasLoggedIn(t *testing.T) {
	t.Parallel()
	_, login := users(t, "ann=secret\n")
	f := &fake{}
	s := newServer(t, f, func(s *api.Settings, w *config.Worker) {
		login(s, w)
		s.Loopback = false
	})
	for _, c := range []struct {
		headers []string
		code    int
	}{
		{basic("ann", "wrong"), 401}, {append(basic("ann", "secret"), "Sec-Fetch-Site", "cross-site"), 403}, {append(basic("ann", "secret"), "Host", "connect.example"), 202},
	} {
		if got := do(s, "GET", "/connectors/c/pause", "", c.headers...); got.Code != c.code || (f.log() != "") != (c.code == 202) {
			t.Errorf("%v: got %d and %q, want %d", c.headers, got.Code, f.log(), c.code)
		}
	}
}

// TestUsersChange: a file that is replaced counts at once, and one that is gone lets nobody in.
func TestUsersChange(t *testing.T) {
	t.Parallel()
	file, change := users(t, "ann=one\n")
	s := newServer(t, &fake{}, change)
	asks := func(password string, want int) {
		t.Helper()
		if got := do(s, "GET", "/connectors", "", basic("ann", password)...); got.Code != want || strings.Contains(got.Body.String(), file) {
			t.Errorf("%s: got %d %s, want %d", password, got.Code, got.Body, want)
		}
	}
	asks("one", 200)
	if err := os.WriteFile(file, []byte("ann=two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asks("one", 401)
	asks("two", 200)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	asks("two", 500)
}

func TestFilesOfUsersThatCannotServe(t *testing.T) {
	t.Parallel()
	empty, _ := users(t, "# nobody\n")
	broken, _ := users(t, "ann=\\uXYZ\n")
	for file, want := range map[string]string{empty: "names no user", broken: "not a properties file", "/does/not/exist": "no such file"} {
		w := config.WorkerDefaults()
		w.BasicAuthFile = file
		if _, err := api.New(api.Settings{Worker: &w}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "rest.basic.auth.file") {
			t.Errorf("%s: got %v, want %q", file, err, want)
		}
	}
}
