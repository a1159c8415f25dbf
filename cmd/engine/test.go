package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine"
	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/hcl"
)

// tester is a test command.
type tester struct {
	process
	variables variables
	run       string
	junit     string
	json      bool
	verbose   bool
	update    bool
}

func newTest(p process) *cobra.Command {
	t := &tester{process: p}
	c := &cobra.Command{
		Use:   "test [FOLDER]",
		Short: "Run a project's tests: records in, records out",
		Long: `test takes the records of test blocks through the transforms of the pipelines that
they name, and compares what comes out with what they expect. It connects to
nothing. Test blocks usually stand in files called *.test.hcl, which hold nothing
else. With -update the expectations of tests that fail are rewritten to what came
out; look at the difference before you keep it.`,
		Example: `  engine test
  engine test -run 'cards' -v           one of them, with each step
  engine test -update                   expect what comes out now
  engine test -junit results.xml        for a build server`,
		Args: takes("a folder", 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return t.all(cmd.Context(), folder(args)) },
	}
	t.variables.flags(c.Flags())
	c.Flags().StringVar(&t.run, "run", "", "only tests whose name matches the `REGEX`")
	c.Flags().StringVar(&t.junit, "junit", "", "write the results to `FILE`, in the form of JUnit")
	c.Flags().BoolVar(&t.json, "json", false, "print JSON, for programs")
	c.Flags().BoolVar(&t.update, "update", false, "rewrite the expectations of tests that fail")
	c.Flags().BoolVarP(&t.verbose, "v", "v", false, "print the record after each step")
	return c
}

// verdict is the outcome of one test.
type verdict struct {
	test  hcl.Test
	place string
	took  time.Duration
	wrong []string // what is not as expected, a line each
	steps []string // what happened to the records, a line each

	rewrite *hcl.Rewrite // what makes a test that fails pass; nil: nothing does
	updated bool         // it was done
}

func (t *tester) all(ctx context.Context, dir string) error {
	only, err := regexp.Compile(t.run)
	if err != nil {
		return refusal(diag.New(diag.Usage, diag.Place{}, "-run cannot be read as a regular expression: %s.", err))
	}
	pr, err := t.load([]string{dir}, t.variables)
	if err != nil {
		return err
	}
	variants, found := pr.variants()
	if len(found) > 0 {
		t.tell(found, pr.Source)
	}
	if found.HasErrors() {
		return errTold
	}
	var verdicts []verdict
	for _, one := range pr.Tests {
		if only.MatchString(one.Name) {
			of := pr
			if one.Project != nil {
				of = variants[one.Name]
			}
			verdicts = append(verdicts, t.one(ctx, of, one))
		}
	}
	if len(verdicts) == 0 {
		what := "There is no test block in these files."
		if len(pr.Tests) > 0 {
			what = fmt.Sprintf("No test has a name that matches %q.", t.run)
		}
		return refusal(diag.New(diag.Usage, diag.Place{}, "%s", what))
	}
	if t.update {
		if err := rewriteTests(verdicts); err != nil {
			return err
		}
	}
	return t.outcome(verdicts)
}

// variants are the projects of the tests that have variables, compiled.
func (pr *project) variants() (map[string]*project, diag.List) {
	list := map[string]*project{}
	var found diag.List
	for _, one := range pr.Tests {
		if one.Project == nil {
			continue
		}
		v := &project{Project: one.Project, registry: pr.registry}
		for _, d := range v.compile(readWorker) {
			if d.Severity == diag.Error {
				d.Detail += fmt.Sprintf("\n\nIt is so with the variables of the test %q at %s.", one.Name, one.Place)
				found = append(found, d)
			}
		}
		list[one.Name] = v
	}
	return list, found
}

// rewriteTests puts into the files what makes tests pass that fail.
func rewriteTests(verdicts []verdict) error {
	var files []string
	of := map[string][]hcl.Rewrite{}
	for _, v := range verdicts {
		if v.rewrite != nil {
			file := v.test.Place.File
			if of[file] == nil {
				files = append(files, file)
			}
			of[file] = append(of[file], *v.rewrite)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			text, err = hcl.RewriteTests(file, text, of[file])
		}
		if err == nil {
			err = replaceFile(file, text)
		}
		if err != nil {
			return refusal(diag.New(diag.Unreadable, diag.Place{}, "The tests in %s cannot be rewritten: %s. The file was left as it was.", shown(file), err))
		}
	}
	for i := range verdicts {
		if verdicts[i].rewrite != nil {
			verdicts[i].updated = true
		}
	}
	return nil
}

// one runs one test.
func (t *tester) one(ctx context.Context, pr *project, test hcl.Test) verdict {
	v := verdict{test: test, place: test.Place.String()}
	begun := time.Now()
	defer func() { v.took = time.Since(begun) }()
	instance := pr.graph.Instance(test.Connector)
	trial, err := engine.NewTrial(instance)
	if err != nil {
		v.wrong = append(v.wrong, err.Error())
		return v
	}
	c := &comparing{trial: trial, instance: instance, verbose: t.verbose}
	if c.plain, c.enveloped, err = jsonConverters(pr.registry); err != nil {
		v.wrong = append(v.wrong, err.Error())
		return v
	}
	v.wrong = c.compare(ctx, test)
	if len(v.wrong) > 0 {
		v.rewrite = c.rewrite(test)
	}
	v.steps = c.steps
	return v
}

func (t *tester) outcome(verdicts []verdict) error {
	failed := 0
	for i := range verdicts {
		v := &verdicts[i]
		if v.updated {
			v.wrong = nil
		}
		if len(v.wrong) > 0 {
			failed++
		}
	}
	if t.junit != "" {
		if err := os.WriteFile(t.junit, junit(verdicts, failed), 0o600); err != nil {
			return refusal(diag.New(diag.Unreadable, diag.Place{}, "%s.", err))
		}
	}
	var err error
	if t.json {
		err = t.printTests(verdicts, failed)
	} else {
		_, err = io.WriteString(t.out, t.report(verdicts, failed))
	}
	if err == nil && failed > 0 {
		err = errTold
	}
	return err
}

// report is for people: a line for each test, and below one that failed what was wrong and what happened.
func (t *tester) report(verdicts []verdict, failed int) string {
	var b strings.Builder
	file := ""
	for _, v := range verdicts {
		if v.test.Place.File != file {
			file = v.test.Place.File
			b.WriteString(shown(file) + "\n")
		}
		word := "ok  "
		if v.updated {
			word = "new "
		}
		if len(v.wrong) > 0 {
			word = "FAIL"
			if t.color(t.out) {
				word = "\x1b[31;1m" + word + "\x1b[0m"
			}
		}
		took := fmt.Sprintf("%d ms", v.took.Milliseconds())
		fmt.Fprintf(&b, "  %s  %s%*s\n", word, v.test.Name, max(2+len(took), 66-utf8.RuneCountInString(v.test.Name)), took)
		for _, line := range v.wrong {
			b.WriteString("        " + line + "\n")
		}
		if len(v.wrong) > 0 || t.verbose {
			for _, line := range v.steps {
				b.WriteString("          " + line + "\n")
			}
		}
	}
	updated := 0
	for _, v := range verdicts {
		if v.updated {
			updated++
		}
	}
	if updated > 0 {
		fmt.Fprintf(&b, "%d rewritten, ", updated)
	}
	fmt.Fprintf(&b, "%d passed, %d failed.\n", len(verdicts)-failed-updated, failed)
	return b.String()
}

func (t *tester) printTests(verdicts []verdict, failed int) error {
	type testJSON struct {
		Name    string   `json:"name"`
		Place   string   `json:"place"`
		Passed  bool     `json:"passed"`
		Updated bool     `json:"updated,omitempty"`
		Wrong   []string `json:"wrong,omitempty"`
		Steps   []string `json:"steps,omitempty"`
		Seconds float64  `json:"seconds"`
	}
	list := []testJSON{}
	for _, v := range verdicts {
		list = append(list, testJSON{v.test.Name, v.place, len(v.wrong) == 0, v.updated, v.wrong, v.steps, v.took.Seconds()})
	}
	return printJSON(t.out, map[string]any{"tests": list, "passed": len(verdicts) - failed, "failed": failed})
}

// junit is the results in the form that build servers read (the Ant JUnit schema).
func junit(verdicts []verdict, failed int) []byte {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Seconds string   `xml:"time,attr"`
		Failure *failure `xml:"failure,omitempty"`
	}
	suite := struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testcase `xml:"testcase"`
	}{Name: "engine test", Tests: len(verdicts), Failures: failed}
	for _, v := range verdicts {
		c := testcase{Name: v.test.Name, Class: filepath.Base(v.test.Place.File), Seconds: fmt.Sprintf("%.3f", v.took.Seconds())}
		if len(v.wrong) > 0 {
			c.Failure = &failure{v.wrong[0], strings.Join(append(v.wrong, v.steps...), "\n")}
		}
		suite.Cases = append(suite.Cases, c)
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		panic("a test suite as XML: " + err.Error()) // of texts and numbers
	}
	return append([]byte(xml.Header), append(text, '\n')...)
}
