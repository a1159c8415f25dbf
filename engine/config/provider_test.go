package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/engine/config"
	"github.com/penstock/penstock/engine/diag"
)

const kafkaProviders = "org.apache.kafka.common.config.provider."

// vault is a folder with secrets, as a properties file and as a file each, and a worker that may read them.
func vault(t *testing.T) (dir string, p *config.Providers) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"db.properties": "user=connect\npassword=hunter2\nempty=\nodd\\ key=a:b\n", "token": "tok\n", "broken.properties": `x=\u1`, "binary": "\xff",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := worker(t, registry(t), "config.providers=env,file,dir,open",
		"config.providers.env.class="+kafkaProviders+"EnvVarConfigProvider", "config.providers.env.param.allowlist.pattern=PENSTOCK_.*",
		"config.providers.file.class="+kafkaProviders+"FileConfigProvider", "config.providers.file.param.allowed.paths="+dir+"/,/etc/connect",
		"config.providers.dir.class="+kafkaProviders+"DirectoryConfigProvider",
		"config.providers.open.class=FileConfigProvider",
	)
	return dir, w.Providers()
}

func TestResolve(t *testing.T) {
	t.Setenv("PENSTOCK_TEST_SECRET", "from the environment")
	dir, p := vault(t)
	file := dir + "/db.properties"
	m := config.Map{
		"a": "${env:PENSTOCK_TEST_SECRET}", "b": "${file:" + file + ":password}", "c": "${dir:" + dir + ":token}", "d": "plain ${ x",
		"e": "jdbc:${file:" + file + ":user}/${file:" + file + ":password}?x", "f": "${file:" + file + ":empty}", "g": "${open:" + file + ":odd key}",
	}
	got, err := p.Resolve(m)
	want := config.Map{
		"a": "from the environment", "b": "hunter2", "c": "tok\n", "d": "plain ${ x", "e": "jdbc:connect/hunter2?x", "f": "", "g": "a:b",
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if text := p.Mask("cannot open jdbc:connect/hunter2?x"); text != "cannot open jdbc:[hidden]/[hidden]?x" {
		t.Errorf("masked: %q", text)
	}
	for value, says := range map[string]string{
		"${env:PENSTOCK_TEST_SECRETS}":            `Did you mean "PENSTOCK_TEST_SECRET"?`,
		"${env:HOME}":                             "allowlist.pattern",
		"${env:x:HOME}":                           "has no path",
		"${file:" + file + ":passwort}":           `Did you mean "password"?`,
		"${file:" + dir + "/no:password}":         "There is no file",
		"${file:/etc/passwd:root}":                "allowed.paths",
		"${file:" + dir + "/../x:root}":           "allowed.paths",
		"${file:" + dir + "x/db:root}":            "allowed.paths",
		"${file:" + dir + ":root}":                "is not a file",
		"${file::root}":                           "needs a path",
		"${open:" + dir + "/broken.properties:x}": "not a properties file",
		"${dir:" + dir + ":tokens}":               `Did you mean "token"?`,
		"${dir:" + dir + ":../x}":                 "not the name of a file",
		"${dir:" + dir + ":..}":                   "not the name of a file",
		"${dir:" + dir + ":binary}":               "UTF-8",
		"${fil:" + file + ":password}":            `Did you mean "file"?`,
	} {
		_, err := p.Resolve(config.Map{"key": value})
		s, ok := errors.AsType[*config.SecretError](err)
		if !ok || s.Key != "key" || !strings.Contains(s.Reason, says) || strings.Contains(s.Reason, "hunter2") {
			t.Errorf("%s: got %v, want %q", value, err, says)
		}
	}
	if _, err := (*config.Providers)(nil).Resolve(config.Map{"key": "${file:x:y}"}); err == nil || !strings.Contains(err.Error(), "declares no config provider") {
		t.Errorf("without providers: got %v", err)
	}
}

// TestDigest: it changes with what references give, also when a file is replaced as Kubernetes does, and with nothing else.
func TestDigest(t *testing.T) {
	t.Parallel()
	dir, p := vault(t)
	for name, text := range map[string]string{"v1/password": "one", "v2/password": "two"} {
		if err := errors.Join(os.Mkdir(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) {
		t.Helper()
		if err := errors.Join(os.Symlink(to, filepath.Join(dir, "new")), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "now"))); err != nil {
			t.Fatal(err)
		}
	}
	digest := func(value string) string {
		t.Helper()
		d, err := p.Digest(config.Map{"x": "y"}, config.Map{"key": value})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	secret := "${dir:" + dir + "/now:password}"
	link("v1")
	one := digest(secret)
	link("v2")
	two := digest(secret)
	if one == "" || one == two || two != digest(secret) || digest("plain") != "" {
		t.Errorf("got %q, %q", one, two)
	}
	// An edit of the same length within the coarse clock of a file system.
	if err := os.WriteFile(filepath.Join(dir, "v2", "password"), []byte("six"), 0o600); err != nil {
		t.Fatal(err)
	}
	if digest(secret) == two {
		t.Error("an edit was not seen")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "v2", "password"), old, old); err != nil {
		t.Fatal(err)
	}
	if six := digest(secret); six != digest(secret) {
		t.Error("the same file has two digests")
	}
	if _, err := p.Digest(config.Map{"key": "${dir:" + dir + ":gone}"}); err == nil {
		t.Error("a file that is not there has a digest")
	}
}

// TestUnresolve: what is stored of a task holds no secret and gives the task's settings back.
func TestUnresolve(t *testing.T) {
	t.Parallel()
	raw := config.Map{"password": "${f:p:a}", "url": "db/${f:p:user}:${f:p:a}@h", "short": "${f:p:s}", "plain": "x"}
	resolved := config.Map{"password": "hunter2", "url": "db/me:hunter2@h", "short": "no", "plain": "x"}
	got := config.Unresolve(config.Map{"password": "hunter2", "copy": "hunter2", "dsn": "me:hunter2", "url": resolved["url"], "short": "no", "note": "no", "n": "1"}, raw, resolved)
	want := config.Map{"password": "${f:p:a}", "copy": "${f:p:a}", "dsn": "me:${f:p:a}", "url": raw["url"], "short": "${f:p:s}", "note": "no", "n": "1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab$]{0,12}`)
		raw, resolved, task := config.Map{}, config.Map{}, config.Map{}
		back := []string{}
		for i, key := range []string{"k", "l", "m"} {
			raw[key], resolved[key] = "${p:f:"+string('0'+rune(i))+"}", text.Draw(t, "secret")
			back = append(back, raw[key], resolved[key])
		}
		for _, key := range []string{"k", "l", "x", "y"} {
			task[key] = text.Draw(t, "value") + rapid.SampledFrom([]string{"", resolved["k"], resolved["m"]}).Draw(t, "part")
		}
		for key, value := range config.Unresolve(task, raw, resolved) {
			if got := strings.NewReplacer(back...).Replace(value); got != task[key] {
				t.Fatalf("%s: %q became %q, which gives %q; secrets %v", key, task[key], value, got, resolved)
			}
			for _, secret := range resolved {
				if len(secret) >= 4 && strings.Contains(value, secret) && !strings.Contains(value, "${p:f:") {
					t.Fatalf("%s: %q holds the secret %q", key, value, secret)
				}
			}
		}
	})
}

func TestProviderMistakes(t *testing.T) {
	t.Parallel()
	r := registry(t)
	for _, test := range []struct {
		lines []string
		code  diag.Code
		says  string
	}{
		{[]string{"config.providers=v"}, diag.MissingProperty, "has no class"},
		{[]string{"config.providers=v", "config.providers.v.class=" + kafkaProviders + "FileConfigProvidr"}, diag.UnknownProvider, `Did you mean "FileConfigProvider"?`},
		{[]string{"config.providers=v", "config.providers.v.class=FileConfigProvider", "config.providers.v.param.allowed.paths=a"}, diag.InvalidValue, "absolute"},
		{[]string{"config.providers=v", "config.providers.v.class=EnvVarConfigProvider", "config.providers.v.param.allowlist.pattern=("}, diag.InvalidValue, "not a pattern"},
		{[]string{"config.providers=", "config.providers.v.class=FileConfigProvider"}, diag.NoEffect, `does not list "v"`},
	} {
		d, _ := flat(test.lines...)
		_, found := config.ReadWorker(d, r)
		if len(found) != 1 || found[0].Code != test.code || !strings.Contains(found[0].Detail, test.says) {
			t.Errorf("%v: got %v, want %s with %q", test.lines, found, test.code, test.says)
		}
	}
}

// TestCheckHere: a text that only this machine knows is checked like any other, and not shown.
func TestCheckHere(t *testing.T) {
	t.Parallel()
	dir, _ := vault(t)
	file := dir + "/db.properties"
	r := registry(t)
	w := worker(t, r, "config.providers=file", "config.providers.file.class=FileConfigProvider")
	d, _ := flat(with("tasks.max=${file:"+file+":password}", "batch.size=${file:"+file+":nothing}")...)
	if found := config.Check(d, w, r); len(found) > 0 {
		t.Errorf("before it is resolved: %v", found)
	}
	found := config.CheckHere(d, w, r)
	if len(found) != 1 || found[0].Code != diag.SecretMissing || found[0].Place.Line == 0 {
		t.Errorf("a key that is missing: got %v", found)
	}
	d, source := flat(with("tasks.max=${file:" + file + ":password}")...)
	found = config.CheckHere(d, w, r)
	if len(found) != 1 || found[0].Code != diag.InvalidValue || strings.Contains(renderWith(t, found, source), "hunter2") {
		t.Errorf("a number that is none: got %v", found)
	}
	here, found := config.ReadWorkerHere(&config.Declared{Map: properties("config.providers=file", "config.providers.file.class=FileConfigProvider",
		"bootstrap.servers=${file:"+file+":user}", "producer.sasl.jaas.config=${file:"+file+":password}")}, r)
	if len(found) > 0 || here.Bootstrap[0] != "connect" || !strings.HasPrefix(here.Producer["sasl.jaas.config"], "${") {
		t.Errorf("worker: got %v, %v, %v", found, here.Bootstrap, here.Producer)
	}
	resolved, err := here.Resolved()
	if err != nil || resolved.Producer["sasl.jaas.config"] != "hunter2" || resolved.Base["bootstrap.servers"] != "connect" || !here.Refers() {
		t.Errorf("worker resolved: got %v, %v, %v", err, resolved.Producer, resolved.Base)
	}
}
