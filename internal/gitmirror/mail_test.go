package gitmirror

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// twoMails is one file of two mails, the second of which builds on the first.
const twoMails = helloPatch + `
From 1123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Second Author <s@example.com>
Date: Wed, 3 Mar 2021 10:00:00 +0100
Subject: [PATCH 2/2] And louder still

---
diff --git a/src/hello.c b/src/hello.c
--- a/src/hello.c
+++ b/src/hello.c
@@ -3,4 +3,4 @@
 	puts("one");
-	puts("TWO");
+	puts("TWO!");
 	puts("three");
 	return 0;
`

func TestMails(t *testing.T) {
	for _, c := range []struct {
		name string
		work func(t *testing.T, dir string)
		want func(file string) bool // what louder.patch holds
		more int                    // other patches
	}{
		{"untouched", func(*testing.T, string) {}, func(f string) bool { return f == twoMails }, 0},
		{"second dropped", func(t *testing.T, dir string) {
			run(t, dir, "git", "reset", "--quiet", "--hard", "HEAD^")
		}, func(f string) bool { return f == helloPatch+"\n" }, 0},
		{"second changed", func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "src/hello.c"), "TWO!", "TWO!!")
			run(t, dir, "git", "commit", "--quiet", "-a", "--amend", "--no-edit")
		}, func(f string) bool {
			return strings.HasPrefix(f, helloPatch+"\nFrom 0000") && strings.Contains(f, "TWO!!") && strings.Contains(f, "Second Author")
		}, 0},
		{"one more behind", func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "src/hello.c"), "TWO!", "TWO!!")
			run(t, dir, "git", "commit", "--quiet", "-a", "-m", "New work")
		}, func(f string) bool { return f == twoMails }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			p.mustImport(helloSRPM(t, "1.0", "1", file{"louder.patch", twoMails}))
			if d := cmp.Diff("Second Author|And louder still\nJürgen Tester|Say it louder\n", p.git("hello", "log", "-2", "--format=%an|%s", "distro")); d != "" {
				t.Fatal(d)
			}
			p.work(func(dir string) { c.work(t, dir) })
			tree := p.git("hello", "rev-parse", "distro^{tree}")
			dir := t.TempDir()
			names, err := p.exporter().Sources(context.Background(), "hello", "", dir)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, "louder.patch"))
			if err != nil || !c.want(string(data)) {
				t.Errorf("%v\n%s", err, data)
			}
			if len(names) != 4+c.more {
				t.Errorf("files %q", names)
			}
			path, _ := p.srpm()
			q := newPlace(t)
			q.mustImport(path)
			if got := q.git("hello", "rev-parse", "distro^{tree}"); got != tree {
				t.Error("the new source RPM gives another tree")
			}
		})
	}
}
