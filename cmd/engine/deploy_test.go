package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/penstock/penstock/engine/config"
)

// deployed is the folder of what runs workers on Kubernetes.
var deployed = filepath.Join("..", "..", "deploy", "kubernetes")

// parsed are YAML files, of one document each, as JSON. The language has a function that reads YAML.
func parsed(t *testing.T, files map[string]string) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	var project strings.Builder
	project.WriteString("pipeline \"files\" {\n  source \"datagen\" {\n    topic = \"t\"\n  }\n  config = {\n")
	for name, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(text))
		fmt.Fprintf(&project, "    %q = jsonencode(yamldecode(file(%q)))\n", name, name)
	}
	project.WriteString("  }\n}\n")
	write(t, dir, "project.hcl", project.String())
	pr, err := process{out: t.Output(), err: t.Output(), env: func(string) (string, bool) { return "", false }}.load([]string{dir}, variables{})
	if err != nil {
		t.Fatal(err)
	}
	documents := map[string][]byte{}
	for name := range files {
		documents[name] = []byte(pr.Pipelines[0].Map[name])
	}
	return documents
}

// manifests are the files that kustomization.yaml names, by name, as JSON.
func manifests(t *testing.T) map[string][]byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(deployed, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, file := range found {
		files[filepath.Base(file)] = file
	}
	documents := parsed(t, files)
	var k kustomization
	decode(t, documents["kustomization.yaml"], &k)
	delete(documents, "kustomization.yaml")
	if got := slices.Sorted(maps.Keys(documents)); !slices.Equal(got, slices.Sorted(slices.Values(k.Resources))) {
		t.Errorf("kustomization.yaml names %v, and there are %v", k.Resources, got)
	}
	return documents
}

type kustomization struct {
	Resources          []string
	ConfigMapGenerator []struct {
		Name  string
		Files []string
	}
}

func decode(t *testing.T, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
}

// schemas are Kubernetes' own, of the kinds in testdata/kubernetes.
func schemas(t *testing.T) func(version, kind string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kubernetes", "definitions.json"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("kubernetes.json", document); err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{"v1": "core.v1", "apps/v1": "apps.v1", "policy/v1": "policy.v1"}
	return func(version, kind string) *jsonschema.Schema {
		s, err := c.Compile("kubernetes.json#/$defs/io.k8s.api." + packages[version] + "." + kind)
		if err != nil {
			t.Fatalf("%s %s: %v", version, kind, err)
		}
		return s
	}
}

func TestKubernetesManifestsAreValid(t *testing.T) {
	t.Parallel()
	schema := schemas(t)
	checked := func(text []byte) error {
		var is struct{ APIVersion, Kind string }
		decode(t, text, &is)
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema(is.APIVersion, is.Kind).Validate(document)
	}
	all := manifests(t)
	for name, text := range all {
		if err := checked(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is wrong is seen.
	for was, is := range map[string]string{`"replicas":3`: `"replicas":"3"`, `"serviceName"`: `"servicename"`, `"httpGet"`: `"httpget"`} {
		wrong := bytes.ReplaceAll(all["statefulset.yaml"], []byte(was), []byte(is))
		if bytes.Equal(wrong, all["statefulset.yaml"]) {
			t.Errorf("statefulset.yaml has no %s", was)
		}
		if checked(wrong) == nil {
			t.Errorf("%s instead of %s is taken", is, was)
		}
	}
}

// statefulSet is what this test looks at.
type statefulSet struct {
	Spec struct {
		ServiceName string
		Selector    struct{ MatchLabels map[string]string }
		Template    struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				TerminationGracePeriodSeconds int
				SecurityContext               struct {
					RunAsNonRoot bool
					RunAsUser    int
				}
				Containers []container
				Volumes    []struct {
					Name      string
					ConfigMap *struct{ Name string }
					Secret    *struct{ SecretName string }
				}
			}
		}
	}
}

type container struct {
	Args  []string
	Ports []struct {
		Name          string
		ContainerPort int
	}
	Env []struct {
		Name, Value string
		ValueFrom   *struct {
			SecretKeyRef *struct{ Name, Key string }
		}
	}
	ReadinessProbe, LivenessProbe struct{ HTTPGet struct{ Path, Port string } }
	SecurityContext               struct{ ReadOnlyRootFilesystem, AllowPrivilegeEscalation bool }
	VolumeMounts                  []struct{ Name, MountPath, SubPath string }
	Resources                     struct{ Requests, Limits map[string]string }
}

type service struct {
	Metadata struct{ Name string }
	Spec     struct {
		ClusterIP string
		Selector  map[string]string
		Ports     []struct {
			Port       int
			TargetPort string
		}
	}
}

// TestKubernetesManifestsAgree holds what Kubernetes cannot check: that names, ports and paths of the files are those of each
// other and of the binary.
func TestKubernetesManifestsAgree(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	var set statefulSet
	var front, workers service
	var secret struct {
		Metadata   struct{ Name string }
		StringData map[string]string
	}
	var budget struct {
		Spec struct {
			Selector struct{ MatchLabels map[string]string }
		}
	}
	decode(t, all["statefulset.yaml"], &set)
	decode(t, all["service.yaml"], &front)
	decode(t, all["service-workers.yaml"], &workers)
	decode(t, all["secret.yaml"], &secret)
	decode(t, all["poddisruptionbudget.yaml"], &budget)
	pod := set.Spec.Template.Spec
	c := pod.Containers[0]
	settings := deployedWorker(t, c, secret.StringData["ca.pem"] != "")

	if set.Spec.ServiceName != workers.Metadata.Name || workers.Spec.ClusterIP != "None" {
		t.Errorf("the names of the pods are those of %q, which must be the headless service %q", set.Spec.ServiceName, workers.Metadata.Name)
	}
	if want := "penstock-0." + workers.Metadata.Name; settings.AdvertisedHost != want {
		t.Errorf("the first pod advertises %q, and its name is %q", settings.AdvertisedHost, want)
	}
	for _, labels := range []map[string]string{set.Spec.Selector.MatchLabels, front.Spec.Selector, workers.Spec.Selector, budget.Spec.Selector.MatchLabels} {
		if !maps.Equal(labels, set.Spec.Template.Metadata.Labels) {
			t.Errorf("%v selects other pods than those of %v", labels, set.Spec.Template.Metadata.Labels)
		}
	}
	port := c.Ports[0]
	for _, s := range []service{front, workers} {
		if s.Spec.Ports[0].TargetPort != port.Name || s.Spec.Ports[0].Port != port.ContainerPort {
			t.Errorf("service %s has the ports %+v, and the container %+v", s.Metadata.Name, s.Spec.Ports, port)
		}
	}
	if want := fmt.Sprintf("http://0.0.0.0:%d", port.ContainerPort); !slices.Equal(settings.Listeners, []string{want}) || settings.AdvertisedPort == nil || *settings.AdvertisedPort != port.ContainerPort {
		t.Errorf("the worker listens on %v and advertises %v, want %s", settings.Listeners, settings.AdvertisedPort, want)
	}
	if got := c.ReadinessProbe.HTTPGet; got.Path != "/health" || got.Port != port.Name || got != c.LivenessProbe.HTTPGet {
		t.Errorf("the probes ask %+v and %+v, want /health of %s", got, c.LivenessProbe.HTTPGet, port.Name)
	}
	// Calls, tasks, connectors, the group: each has its time at the end.
	if least := 3*time.Second + 2*settings.StopTimeout + 3*time.Second; time.Duration(pod.TerminationGracePeriodSeconds)*time.Second < least {
		t.Errorf("the pod is given %d seconds to end, and may take %s", pod.TerminationGracePeriodSeconds, least)
	}
	if !pod.SecurityContext.RunAsNonRoot || !c.SecurityContext.ReadOnlyRootFilesystem || c.SecurityContext.AllowPrivilegeEscalation {
		t.Errorf("the worker may do more than it needs: %+v %+v", pod.SecurityContext, c.SecurityContext)
	}
	if text := readFile(t, filepath.Join("..", "..", "Dockerfile")); !strings.Contains(text, fmt.Sprintf("\nUSER %d:", pod.SecurityContext.RunAsUser)) {
		t.Errorf("the image has another user than %d", pod.SecurityContext.RunAsUser)
	}
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			if ref := e.ValueFrom.SecretKeyRef; ref.Name != secret.Metadata.Name || secret.StringData[ref.Key] == "" {
				t.Errorf("%s comes from %+v, and the Secret %s has %v", e.Name, *ref, secret.Metadata.Name, slices.Sorted(maps.Keys(secret.StringData)))
			}
		}
	}
	if c.Resources.Requests["memory"] == "" || c.Resources.Requests["cpu"] == "" || c.Resources.Limits["memory"] == "" {
		t.Errorf("the worker asks for %+v", c.Resources)
	}
}

// deployedWorker reads worker.hcl as the worker of a pod does that has what the manifests give it.
func deployedWorker(t *testing.T, c container, authority bool) *config.Worker {
	t.Helper()
	var k kustomization
	decode(t, parsed(t, map[string]string{"k": filepath.Join(deployed, "kustomization.yaml")})["k"], &k)
	generated := k.ConfigMapGenerator[0]
	mount := slices.IndexFunc(c.VolumeMounts, func(m struct{ Name, MountPath, SubPath string }) bool {
		return slices.Contains(generated.Files, m.SubPath)
	})
	if mount < 0 {
		t.Fatalf("no file of %+v is mounted: %+v", generated, c.VolumeMounts)
	}
	file := c.VolumeMounts[mount]
	if !slices.Equal(c.Args, []string{"worker", file.MountPath}) || path.Base(file.MountPath) != file.SubPath {
		t.Errorf("the container runs %q, and its file is %+v", c.Args, file)
	}
	// What the Secret holds is at another place here.
	dir := t.TempDir()
	text := readFile(t, filepath.Join(deployed, file.SubPath))
	for _, m := range c.VolumeMounts {
		if m.Name == "secret" {
			text = strings.ReplaceAll(text, m.MountPath, dir)
		}
	}
	if strings.Contains(text, "/etc/penstock/secret") || !authority {
		t.Errorf("%s names files that the Secret does not hold or that are not mounted", file.SubPath)
	}
	_, pem, _ := securedUntil(t, "", time.Now().Add(time.Hour))
	write(t, dir, "ca.pem", pem)
	write(t, dir, file.SubPath, text)
	var told bytes.Buffer
	w := &clustered{process: process{out: &told, err: &told, env: func(name string) (string, bool) {
		for _, e := range c.Env {
			if e.Name == name && name == "POD_NAME" {
				return "penstock-0", true
			}
			if e.Name == name {
				return "x", true
			}
		}
		return "", false
	}}}
	if err := w.load([]string{filepath.Join(dir, file.SubPath)}); err != nil || told.Len() > 0 {
		t.Fatalf("%s: %v\n%s", file.SubPath, err, told.String())
	}
	return w.settings
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// instructions are the lines of the Dockerfile, continued ones as one.
func instructions(t *testing.T) (all [][]string) {
	t.Helper()
	text := strings.ReplaceAll(readFile(t, filepath.Join("..", "..", "Dockerfile")), "\\\n", " ")
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			all = append(all, words)
		}
	}
	return all
}

// context copies what a build of the image is given: what git knows, without what .dockerignore leaves out.
func buildContext(t *testing.T) string {
	t.Helper()
	root := filepath.Join("..", "..")
	list := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Skipf("this is no clone: %v", err)
	}
	var ignored []*regexp.Regexp
	for line := range strings.Lines(readFile(t, filepath.Join(root, ".dockerignore"))) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			pattern := strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(line))
			ignored = append(ignored, regexp.MustCompile("^"+pattern+"(/.*)?$"))
		}
	}
	dir := t.TempDir()
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if slices.ContainsFunc(ignored, func(r *regexp.Regexp) bool { return r.MatchString(name) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // deleted, and git has not been told
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(text))
	}
	return dir
}

// TestDockerfile walks through the file as a build would: what it copies is there, its commands run on what a build is given,
// and what comes out is a static binary that can be the first process of an image without anything else.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir := buildContext(t)
	stages, last := map[string]bool{}, ""
	made := map[string]string{"/etc/ssl/certs/ca-certificates.crt": ""} // the file that stands for it here
	run := map[string][]string{}
	for _, words := range instructions(t) {
		run[words[0]] = words[1:]
		switch words[0] {
		case "FROM":
			if last = words[1]; len(words) == 4 && words[2] == "AS" {
				stages[words[3]] = true
			}
		case "COPY":
			sources := words[1 : len(words)-1]
			if from, ok := strings.CutPrefix(sources[0], "--from="); ok {
				if !stages[from] {
					t.Errorf("%v copies from %q, which no stage is", words, from)
				}
				if _, ok := made[sources[1]]; !ok {
					if _, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(sources[1], "/src/"))); err != nil {
						t.Errorf("%v copies what was not made: %v", words, err)
					}
				}
				continue
			}
			for _, source := range sources {
				if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
					t.Errorf("%v: %v", words, err)
				}
			}
		case "RUN":
			if slices.Contains(words, "download") {
				continue // the modules are here
			}
			command := exec.CommandContext(t.Context(), "sh", "-c", strings.Join(words[1:], " "))
			command.Dir, command.Env = dir, append(os.Environ(), "VERSION=of-the-image", "GOFLAGS=-p=1")
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", words, err, out)
			}
		}
	}
	if last != "scratch" {
		t.Errorf("the image is made on %s, want scratch", last)
	}
	if got := run["ENTRYPOINT"]; !slices.Equal(got, []string{`["/engine"]`}) {
		t.Errorf("the entry point is %v", got)
	}
	if user := run["USER"][0]; strings.HasPrefix(user, "0") || strings.Trim(user, "0123456789:") != "" {
		t.Errorf("the user is %s, and must be the number of somebody else than root", user)
	}
	binary := filepath.Join(dir, "bin", "engine")
	command := exec.CommandContext(t.Context(), binary, "version")
	command.Env = []string{}
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "of-the-image") {
		t.Errorf("engine version: %v\n%s", err, out)
	}
	static(t, binary)
}

// static demands that a program needs no loader and no library: there is none in the image.
func static(t *testing.T, name string) {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Skipf("not a system with ELF: %v", err)
	}
	defer f.Close() //nolint:errcheck // only read
	libraries, err := f.ImportedLibraries()
	if err != nil || len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("%s needs %v and a loader: %v", name, libraries, err)
	}
}
