package main

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// record writes down that a program was seen to work, for docs/compatibility.md; WELD_RESULTS names the file.
func record(t *testing.T, feature, program, version, how string) {
	t.Helper()
	path := os.Getenv("WELD_RESULTS")
	if path == "" || t.Failed() {
		return
	}
	line, err := json.Marshal(result{Feature: feature, Program: program, Version: version, OK: new(true), How: how})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)

// judgeVersion gives the version that a program says that it has.
func judgeVersion(t *testing.T, name string) string {
	t.Helper()
	_, said := (program{}).status(t, name, "--version")
	return versionNumber.FindString(said)
}
