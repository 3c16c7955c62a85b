package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func replaceFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// largestPack gives a pack of a store and its bytes.
func largestPack(t *testing.T, store string) (path string, content []byte) {
	t.Helper()
	for _, p := range packsOf(t, store) {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > len(content) {
			path, content = p, b
		}
	}
	return path, content
}

// TestPackTravelDamaged: a damaged pack there is named, what can be read of it comes, and a pull of the mended one completes.
func TestPackTravelDamaged(t *testing.T) {
	one, _ := packedStore(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	web := httptest.NewServer(http.FileServer(http.Dir(there)))
	defer web.Close()
	path, whole := largestPack(t, there)
	flipped := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	for what, bad := range map[string][]byte{
		"frame": flipped(len(whole) / 3), "index": flipped(len(whole) - 20), "cut": whole[:len(whole)/2], "longer": append(bytes.Clone(whole), 0),
		"empty": {}, "no pack": bytes.Repeat([]byte("damaged\n"), 1000), "gone": nil,
	} {
		for way, from := range map[string][]string{"directory": {"pull", there}, "web": {"pull", web.URL, "c"}, "place": {"merge", "file://" + there}} {
			t.Run(what+" "+way, func(t *testing.T) {
				if replaceFile(t, path, bad); bad == nil {
					os.Remove(path)
				}
				defer replaceFile(t, path, whole)
				here := newStoreDir(t)
				args := append([]string{from[0], "--store", here}, from[1:]...)
				cmd := program(t, args...)
				out, _ := cmd.CombinedOutput()
				named := "pack " + filepath.Base(path)
				if way == "directory" && what == "gone" {
					named = "not found" // no list says that it was there
				}
				if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte(named)) {
					t.Errorf("status %d, want 3 and %q:\n%s", cmd.ProcessState.ExitCode(), named, out)
				}
				for _, p := range packsOf(t, here) {
					if filepath.Base(p) == filepath.Base(path) {
						t.Error("the damaged pack is here")
					}
				}
				checkPacked(t, here, "damaged")
				replaceFile(t, path, whole)
				mustRun(t, args...)
				if diff := cmp.Diff(exports(t, one), exports(t, here)); diff != "" {
					t.Errorf("mended: %s", diff)
				}
				checkPacked(t, here, "mended")
			})
		}
	}
}

// TestPackTravelLies: a pack whose name is right and whose objects are not what its index says is named, and does not become one of the store's.
func TestPackTravelLies(t *testing.T) {
	one, _ := packedStore(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	path, b := largestPack(t, there)
	b[len(b)/3] ^= 1
	sum := sha256.Sum256(b)
	name := hex.EncodeToString(sum[:]) + ".pack"
	replaceFile(t, filepath.Join(filepath.Dir(path), name), b)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ref := filepath.Join(there, "packs", "refs", "collections%2Fc")
	list, err := os.ReadFile(ref)
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, ref, bytes.ReplaceAll(list, []byte(filepath.Base(path)), []byte(name)))
	here := newStoreDir(t)
	cmd := program(t, "pull", "--store", here, "file://"+there)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("pack "+name)) {
		t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	if _, err := os.Stat(filepath.Join(here, "packs", name)); err == nil {
		t.Error("the pack is here")
	}
	checkPacked(t, here, "lies")
}

// TestPackTravelBadReference: a reference there that is none, or leads elsewhere, is named, and nothing comes of it.
func TestPackTravelBadReference(t *testing.T) {
	one, _ := packedStore(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	ref := filepath.Join(there, "packs", "refs", "collections%2Fc")
	whole, err := os.ReadFile(ref)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]string{
		"empty": "", "no commit": "x\n", "path": string(whole) + "../../config\n", "unended": strings.TrimSuffix(string(whole), "\n"),
		"short": string(whole[:64]) + "\n" + strings.Repeat("0", 63) + ".pack\n", "large": strings.Repeat(string(whole), 1<<14),
	} {
		for _, from := range []string{"file://" + there, there} {
			t.Run(what+" "+from[:4], func(t *testing.T) {
				replaceFile(t, ref, []byte(bad))
				here := newStoreDir(t)
				cmd := program(t, "pull", "--store", here, from, "c")
				out, _ := cmd.CombinedOutput()
				if cmd.ProcessState.ExitCode() != 1 || !bytes.Contains(out, []byte("collections%2Fc: ")) {
					t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
				}
				if refs := packedRefs(t, here); len(refs) > 0 || len(packsOf(t, here)) > 0 {
					t.Errorf("%v, %v", refs, packsOf(t, here))
				}
			})
		}
	}
}

// TestPackTravelCut: a download that ends early, or whose bytes change on the way, is made again.
func TestPackTravelCut(t *testing.T) {
	one, _ := packedStore(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	for what, spoil := range map[string]func(w http.ResponseWriter, b []byte){
		"cut": func(w http.ResponseWriter, b []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			w.Write(b[:len(b)/2])
		},
		"changed": func(w http.ResponseWriter, b []byte) {
			b[len(b)/2] ^= 1
			w.Write(b)
		},
	} {
		t.Run(what, func(t *testing.T) {
			var packs atomic.Int64
			files := http.FileServer(http.Dir(there))
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, ".pack") || packs.Add(1)%2 == 0 {
					files.ServeHTTP(w, r)
					return
				}
				b, err := os.ReadFile(filepath.Join(there, filepath.FromSlash(r.URL.Path)))
				if err != nil {
					t.Error(err)
				}
				spoil(w, b)
			}))
			defer web.Close()
			here := newStoreDir(t)
			mustRun(t, "pull", "--store", here, web.URL, "c")
			arrived(t, what, one, here)
		})
	}
}

// TestPackTravelEndless: a pull from a server whose packs do not end can be interrupted, leaves nothing, and takes little memory.
func TestPackTravelEndless(t *testing.T) {
	one, _ := packedStore(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	files := http.FileServer(http.Dir(there))
	begun := make(chan bool, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".pack") {
			files.ServeHTTP(w, r)
			return
		}
		block := make([]byte, 1<<20)
		for i := 0; r.Context().Err() == nil; i++ {
			if i == 64 {
				begun <- true
				<-r.Context().Done()
			}
			w.Write(block)
		}
	}))
	defer web.Close()
	here := newStoreDir(t)
	cmd := program(t, "pull", "--store", here, web.URL, "c")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	cmd.Process.Signal(os.Interrupt)
	out, _ := io.ReadAll(stderr)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code == 0 || bytes.Contains(out, []byte("goroutine ")) {
		t.Errorf("status %d:\n%s", code, out)
	}
	if n := filesBelow(t, filepath.Join(here, "packs")); n > 0 {
		t.Errorf("%d files left", n)
	}
}

// TestPackPushDamagedHere: a damaged pack here is named, and all that can be read of it travels.
func TestPackPushDamagedHere(t *testing.T) {
	for what, at := range map[string]func(size int) int{
		"frame": func(size int) int { return size / 3 }, "index": func(size int) int { return size - 20 },
	} {
		t.Run(what, func(t *testing.T) {
			one, _ := packedStore(t)
			before := exports(t, one)
			path, b := largestPack(t, one)
			b[at(len(b))] ^= 1
			replaceFile(t, path, b)
			there := filepath.Join(t.TempDir(), "there")
			cmd := program(t, "push", "--store", one, there)
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("pack "+filepath.Base(path)+": damaged")) {
				t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
			}
			checkPacked(t, there, "pushed")
			got := exports(t, there)
			if len(got) == 0 || what == "index" && len(got) != len(before) {
				t.Errorf("%d packages of %d", len(got), len(before))
			}
			for nevra, file := range got {
				if file != before[nevra] {
					t.Errorf("%s differs", nevra)
				}
			}
			here := newStoreDir(t)
			mustRun(t, "pull", "--store", here, "file://"+there)
			if diff := cmp.Diff(got, exports(t, here)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
