package main

import (
	"os"
	"path/filepath"
	"strings"
)

// shown is a path as people want to read it: from the folder they are in when that is shorter.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}
