package hcl_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/engine/diag"
)

// TestEveryCodeOfTheFilesIsShown: the annotated files of testdata have each code about files (E1xx to E7xx), except those
// that only the settings of plugins and workers lead to, which engine/config finds.
func TestEveryCodeOfTheFilesIsShown(t *testing.T) {
	t.Parallel()
	elsewhere := []diag.Code{
		diag.NoTopics, diag.TopicsTwice, diag.QueueIsInput, diag.SecretMissing, diag.UnknownCondition, diag.RecordExpression,
		diag.MissingProperty, diag.OverrideRefused,
	}
	var all strings.Builder
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range diag.Codes() {
		if e.Code[0] != 'E' || e.Code[1] < '1' || e.Code[1] > '7' {
			continue
		}
		if shown := strings.Contains(all.String(), string(e.Code)); shown == slices.Contains(elsewhere, e.Code) {
			t.Errorf("%s (%s): shown by a file of testdata is %v", e.Code, e.Summary, shown)
		}
	}
}
