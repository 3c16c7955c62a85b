package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// example gives an indented block of docs/at-scale.md, from a line on that begins it to one that ends it.
func example(t *testing.T, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", "at-scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), from)
	block, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("docs/at-scale.md has nothing from %q to %q", from, to)
	}
	return block
}

// TestAtScaleExamples runs what docs/at-scale.md gives to Kubernetes and to Slurm, eight times at once as they do, with places of
// ours, and twice as they do with what has failed.
func TestAtScaleExamples(t *testing.T) {
	const shards = 8
	rpms := t.TempDir()
	for i := range 60 {
		rpmtest.Write(t, rpms, rpmtest.Spec{Name: fmt.Sprint("p", i)})
	}
	write(t, filepath.Join(rpms, "bad.rpm"), []byte("no package")) // which is no reason to stop
	one := newStoreDir(t)
	if out, err := program(t, "import", "--store", one, "--into", "rawhide", rpms).CombinedOutput(); err == nil {
		t.Fatalf("a bad package is taken: %s", out)
	}
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	bucket := "s3://" + s3.Bucket + "/store"

	// place gives each shard its /scratch.
	run := func(t *testing.T, script string, place func(i int) string, env func(i int) []string) {
		t.Helper()
		for range 2 {
			var cmds []*exec.Cmd
			for i := range shards {
				text := strings.NewReplacer("/scratch", place(i), "/rpms", rpms, "s3://rawhide/store", bucket).Replace(script)
				cmd := exec.Command("/bin/sh", "-ec", text)
				cmd.Env = append(os.Environ(), env(i)...)
				cmd.Stderr = os.Stderr
				cmds = append(cmds, cmd)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
			}
			for i, cmd := range cmds {
				if err := cmd.Wait(); err != nil {
					t.Errorf("shard %d: %v", i, err)
				}
			}
		}
	}

	t.Run("kubernetes", func(t *testing.T) {
		run(t, example(t, "            - |\n", "            envFrom:"),
			func(int) string { return t.TempDir() }, // of its pod, also when it is started again
			func(i int) []string { return []string{fmt.Sprint("JOB_COMPLETION_INDEX=", i)} })
		pulled := newStoreDir(t)
		mustRun(t, "pull", "--store", pulled, bucket)
		sameRefs(t, "by way of the bucket", one, pulled)
	})
	t.Run("slurm", func(t *testing.T) {
		scratch := t.TempDir()
		if err := os.Mkdir(filepath.Join(scratch, "me"), 0o777); err != nil {
			t.Fatal(err)
		}
		run(t, example(t, "    #SBATCH --cpus-per-task=4\n", "and behind it"),
			func(int) string { return scratch },
			func(i int) []string { return []string{"USER=me", fmt.Sprint("SLURM_ARRAY_TASK_ID=", i+1)} })
		stores, err := filepath.Glob(filepath.Join(scratch, "me", "shard-?"))
		if err != nil || len(stores) != shards {
			t.Fatalf("%v, %v", stores, err)
		}
		merged := newStoreDir(t)
		mustRun(t, append([]string{"merge", "--store", merged}, stores...)...)
		sameRefs(t, "merged", one, merged)
	})
}
