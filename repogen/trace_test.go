package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestNoPayloadRead watches which files of a store publish opens: none that holds the content of packages.
func TestNoPayloadRead(t *testing.T) {
	judges.Need(t, "strace")
	dir := filepath.Join(t.TempDir(), "store")
	if err := content.Init(dir); err != nil {
		t.Fatal(err)
	}
	s, err := content.Open(dir, content.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	session, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("all of this is payload\n"), 1000)
	for _, deferred := range []bool{false, true} {
		spec := rpmtest.Spec{Name: map[bool]string{false: "regenerated", true: "kept"}[deferred]}
		spec.Files = []rpmtest.File{{Path: "/usr/share/a/b", Body: append(body, spec.Name...)}}
		rpm := rpmtest.Build(t, spec)
		if _, err := session.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), content.ImportOptions{Defer: deferred}); err != nil {
			t.Fatal(err)
		}
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	held := payloadObjects(t, s, dir)
	if len(held) < 3 { // two files, and a payload that is kept
		t.Fatalf("the store has %d objects of payload", len(held))
	}
	program, err := exec.LookPath("repogen")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	for _, without := range []string{"", "index.sqlite"} {
		if without != "" {
			if err := os.Remove(filepath.Join(dir, without)); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("strace", "-f", "-y", "-e", "trace=open,openat,openat2", "-o", log,
			program, "publish", "--store", dir, "--collection", "c", "-o", t.TempDir(), "--packages", "none", "--cache", t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "PTRACE") && !judges.CI() {
				t.Skipf("strace may not trace here: %s", out)
			}
			t.Fatalf("%v\n%s", err, out)
		}
		opened, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(opened, []byte("/objects/")) {
			t.Error("the trace shows no object at all")
		}
		for _, name := range held {
			if bytes.Contains(opened, []byte(name)) {
				t.Errorf("without %q: publish opened %s", without, name)
			}
		}
	}
}

// payloadObjects gives the names of the objects that hold content of packages or kept payloads.
func payloadObjects(t *testing.T, s *content.Store, dir string) (names []string) {
	t.Helper()
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	seen := ostree.NewSet()
	for _, p := range list {
		tree, err := s.Repo().ReadTree(p.Tree)
		if err != nil {
			t.Fatal(err)
		}
		if sum, ok := tree.File("payload"); ok {
			seen.Add(ostree.Object{Type: ostree.TypeFile, Checksum: sum})
		}
		if files, ok := tree.Dir("files"); ok {
			if err := s.Repo().WalkTree(t.Context(), files.Tree, seen); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = seen.Each(func(o ostree.Object) error {
		if o.Type != ostree.TypeFile {
			return nil
		}
		hex := o.Checksum.String()
		path := filepath.Join(hex[:2], hex[2:]+".filez")
		names = append(names, path)
		_, err := os.Stat(filepath.Join(dir, "objects", path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
