package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/bulktest"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestCreateBad: of a directory with bad packages the same ones get into the metadata as with createrepo_c, and the others are named.
func TestCreateBad(t *testing.T) {
	judge := judges.Need(t, "/usr/bin/createrepo_c")
	rpms := bulktest.Dir(t)
	for i := range bulktest.Good(t) {
		rpmtest.Write(t, rpms, rpmtest.Spec{Name: fmt.Sprint("good", i)})
	}
	bulktest.Strange(t, rpms, ".rpm")
	bulktest.Damaged(t, rpms, ".rpm", rpmtest.Build(t, rpmtest.Spec{Name: "damaged"}))
	ours, err := exec.LookPath("repogen")
	if err != nil {
		t.Fatal(err)
	}
	create := func(program string, args ...string) (status int, listed []string, said string) {
		out := bulktest.Dir(t)
		cmd := exec.Command(program, append(args, "--general-compress-type=gz", "--outputdir", out, rpms)...)
		bulktest.Unprivileged(t, cmd)
		b, _ := cmd.CombinedOutput()
		primary, err := filepath.Glob(filepath.Join(out, "repodata", "*primary.xml.gz"))
		if err != nil || len(primary) != 1 {
			t.Fatalf("%s: no metadata: %s", program, b)
		}
		xml, err := exec.Command("gzip", "-dc", primary[0]).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`<location href="([^"]*)"`).FindAllStringSubmatch(string(xml), -1) {
			listed = append(listed, m[1])
		}
		return cmd.ProcessState.ExitCode(), listed, string(b)
	}
	status, got, said := create(ours, "create")
	judged, want, _ := create(judge)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if status != 3 {
		t.Errorf("status %d, want 3 (createrepo_c: %d)", status, judged)
	}
	for _, name := range []string{"empty", "half", "other", "unreadable", "zeros"} {
		if !strings.Contains(said, "bad-"+name+".rpm") {
			t.Errorf("bad-%s.rpm is not named:\n%s", name, said)
		}
	}
	t.Logf("%d packages listed\n%s", len(got), said)
}
