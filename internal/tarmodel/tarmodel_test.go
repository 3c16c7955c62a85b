package tarmodel

import (
	"archive/tar"
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// memory is a sink and the contents it took.
type memory map[Hash][]byte

func (m memory) Blob(size int64, r io.Reader) (Hash, error) {
	b, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil {
		return Hash{}, err
	}
	h := Hash(sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...)))
	m[h] = b
	return h, nil
}

func (m memory) Open(h Hash) (int64, io.ReadCloser, error) {
	b, ok := m[h]
	if !ok {
		return 0, nil, fmt.Errorf("no blob %x", h)
	}
	return int64(len(b)), io.NopCloser(bytes.NewReader(b)), nil
}

// roundTrip takes data apart and puts it together, with and without the top directory, and returns what a git blob of the
// recipe would cost.
func roundTrip(t *testing.T, data []byte) (*Archive, *Tree, int) {
	t.Helper()
	var a *Archive
	var tree *Tree
	packed := 0
	for _, strip := range []bool{false, true} {
		m := memory{}
		var err error
		if a, err = Split(bytes.NewReader(data), m, Limits{}); err != nil {
			t.Fatal(err)
		}
		if tree, err = a.Tree(strip); err != nil {
			t.Fatal(err)
		}
		recipe := a.Recipe(tree)
		var out bytes.Buffer
		if err := Join(recipe, tree.Files, m, &out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), data) {
			t.Fatalf("strip %v: %d bytes came back as %d others", strip, len(data), out.Len())
		}
		var z bytes.Buffer
		zw := zlib.NewWriter(&z)
		zw.Write(recipe)
		zw.Close()
		packed = z.Len()
	}
	return a, tree, packed
}

// sampleTree makes a directory with what archives hold.
func sampleTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	top := filepath.Join(dir, "sample-1.0")
	rnd := rand.New(rand.NewSource(1))
	for i := range 300 {
		sub := filepath.Join(top, fmt.Sprintf("dir%d", i%7), strings.Repeat("deep", i%5))
		if i%50 == 0 {
			sub = filepath.Join(sub, strings.Repeat("long-directory-name/", 9))
		}
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, rnd.Intn(2000))
		rnd.Read(data)
		name := filepath.Join(sub, fmt.Sprintf("file%d.c", i))
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if i%9 == 0 {
			if err := os.Chmod(name, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		when := time.Unix(1500000000+int64(rnd.Intn(1000000)), int64(rnd.Intn(1e9)))
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink("dir1/file1.c", filepath.Join(top, "link")),
		os.Symlink(strings.Repeat("x/", 80)+"y", filepath.Join(top, "longlink")),
		os.Link(filepath.Join(top, "dir1", "deep", "file1.c"), filepath.Join(top, "hard.c")),
		os.Mkdir(filepath.Join(top, "empty"), 0o755),
		os.WriteFile(filepath.Join(top, strings.Repeat("n", 200)), []byte("x"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRealTar(t *testing.T) {
	judges.Need(t, "tar")
	dir := sampleTree(t)
	for _, c := range []struct {
		name string
		args []string
		max  int // bytes of recipe
	}{
		{"gnu", []string{"--format=gnu"}, 6000},
		{"oldgnu", []string{"--format=oldgnu"}, 6000},
		{"pax", []string{"--format=pax"}, 16000},
		{"pax sorted", []string{"--format=pax", "--sort=name", "--mtime=@1600000000", "--pax-option=delete=atime,delete=ctime"}, 1500},
		{"gnu sorted", []string{"--format=gnu", "--sort=name", "--mtime=@1600000000", "--owner=0", "--group=0"}, 1000},
		{"numeric", []string{"--numeric-owner", "--format=gnu"}, 6000},
		{"record", []string{"-b1"}, 6000},
		{"dot", []string{"-C", "sample-1.0", "."}, 6000},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-C", dir, "-c"}, c.args...)
			if c.args[len(c.args)-1] != "." {
				args = append(args, "sample-1.0")
			}
			data, err := exec.Command("tar", args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			a, tree, size := roundTrip(t, data)
			t.Logf("%d entries, %d files, recipe %d bytes packed, %.1f an entry", len(a.Entries), len(tree.Files), size, float64(size)/float64(len(a.Entries)))
			if size > c.max {
				t.Errorf("recipe of %d bytes, want at most %d", size, c.max)
			}
		})
	}
}

// member is one header for goTar.
type member struct {
	tar.Header
	body string
}

func goTar(t *testing.T, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.Header
		h.Size = int64(len(m.body))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, body string) member {
	return member{tar.Header{Typeflag: tar.TypeReg, Name: name}, body}
}

func TestTreeOfOddArchives(t *testing.T) {
	link := func(typ byte, name, to string) member {
		return member{tar.Header{Typeflag: typ, Name: name, Linkname: to}, ""}
	}
	for _, c := range []struct {
		name    string
		members []member
		files   []string // "path mode content"
		notes   int
		err     string
	}{
		{"plain", []member{file("p/a", "1"), file("p/b", "2")}, []string{"a 0 1", "b 0 2"}, 0, ""},
		{"no top", []member{file("a", "1"), file("p/b", "2")}, []string{"a 0 1", "p/b 0 2"}, 0, ""},
		{"hard link", []member{file("p/a", "1"), link('1', "p/b", "p/a")}, []string{"a 0 1", "b 0 1"}, 0, ""},
		{"symlink", []member{file("p/a", "1"), link('2', "p/b", "a")}, []string{"a 0 1", "b 2 a"}, 0, ""},
		{"link out", []member{file("p/a", "1"), link('2', "p/b", "../../etc/passwd")}, []string{"a 0 1", "b 2 ../../etc/passwd"}, 1, ""},
		{"through a link", []member{link('2', "p/b", "/etc"), file("p/b/passwd", "x")}, []string{"b 2 /etc"}, 2, ""},
		{"twice", []member{file("p/a", "1"), file("p/a", "2")}, []string{"a 0 2"}, 1, ""},
		{"same twice", []member{file("p/a", "1"), file("p/a", "1")}, []string{"a 0 1"}, 1, ""},
		{"git", []member{file("p/.git/config", "x"), file("p/.GIT", "x"), file("p/GIT~1", "y"), file("p/.g\u200cit", "z"), file("p/a", "1"), file("p/.gitignore", "i")}, []string{".gitignore 0 i", "a 0 1"}, 4, ""},
		{"device", []member{file("p/a", "1"), {tar.Header{Typeflag: tar.TypeChar, Name: "p/null", Devmajor: 1, Devminor: 3}, ""}}, []string{"a 0 1"}, 1, ""},
		{"absolute", []member{file("/p/a", "1")}, []string{"a 0 1"}, 1, ""},
		{"dotdot", []member{file("p/../../a", "1")}, nil, 0, `"p/../../a": name leads out of the archive`},
		{"hard link out", []member{link('1', "p/b", "../x")}, nil, 0, `"p/b": link: name leads out of the archive`},
		{"hard link to nothing", []member{file("p/a", "1"), link('1', "p/b", "p/c")}, []string{"a 0 1"}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := goTar(t, c.members...)
			m := memory{}
			a, err := Split(bytes.NewReader(data), m, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			tree, err := a.Tree(true)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Fatalf("error %v, want %v", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range tree.Files {
				got = append(got, fmt.Sprintf("%s %d %s", f.Path, f.Mode, m[f.Hash]))
			}
			if d := cmp.Diff(c.files, got); d != "" {
				t.Error(d)
			}
			if len(tree.Notes) != c.notes {
				t.Errorf("notes %q, want %d", tree.Notes, c.notes)
			}
			roundTrip(t, data)
		})
	}
}

func TestDamaged(t *testing.T) {
	data := goTar(t, file("p/a", strings.Repeat("x", 3000)), file("p/b", "2"))
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"cut in content", data[:2000]},
		{"cut in header", data[:300]},
		{"bad checksum", append([]byte("x"), data[1:]...)},
		{"bad second header", append(append([]byte{}, data[:3584]...), bytes.Repeat([]byte("y"), 512)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Split(bytes.NewReader(c.data), memory{}, Limits{}); err == nil {
				t.Fatal("accepted")
			}
		})
	}
	if _, err := Split(bytes.NewReader(data), memory{}, Limits{Bytes: 2000}); err == nil || errors.Is(err, ErrUnsupported) {
		t.Fatalf("limit of bytes: %v", err)
	}
	if _, err := Split(bytes.NewReader(data), memory{}, Limits{Entries: 1}); err == nil {
		t.Fatal("limit of entries not kept")
	}
}

func FuzzSplit(f *testing.F) {
	var t testing.T
	f.Add(goTar(&t, file("p/a", "1"), file("p/"+strings.Repeat("b", 200), "2")))
	f.Add(goTar(&t, member{tar.Header{Typeflag: '2', Name: "l", Linkname: strings.Repeat("t/", 90)}, ""}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := memory{}
		a, err := Split(bytes.NewReader(data), m, Limits{Bytes: 1 << 20})
		if err != nil {
			return
		}
		tree, err := a.Tree(true)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Join(a.Recipe(tree), tree.Files, m, &out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), data) {
			t.Fatal("other bytes came back")
		}
	})
}

func FuzzJoin(f *testing.F) {
	m := memory{}
	var t testing.T
	a, err := Split(bytes.NewReader(goTar(&t, file("p/a", "1"), file("p/b", "2"))), m, Limits{})
	if err != nil {
		f.Fatal(err)
	}
	tree, err := a.Tree(true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Recipe(tree))
	f.Fuzz(func(_ *testing.T, recipe []byte) {
		_ = Join(recipe, tree.Files, m, &limited{n: 1 << 20})
	})
}

// limited refuses to take more than n bytes.
type limited struct{ n int }

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// TestShortPrefix is about writers that put all directories into the prefix, as Perl's Archive::Tar does: one template serves them all.
func TestShortPrefix(t *testing.T) {
	var data []byte
	for i := range 60 {
		dir, base, body := "p-1", fmt.Sprintf("file%d", i), []byte("text")
		if i%3 == 0 {
			dir = "p-1/lib"
		}
		block := make([]byte, blockSize)
		copy(block[offName:], base)
		copy(block[offMode:], "000644\x00\x00")
		putNumber(block[offSize:offSize+lenSize], int64(len(body)), 11)
		putNumber(block[offMTime:offMTime+lenMTime], 1e9, 11)
		block[offType] = '0'
		copy(block[offMagic:], "ustar\x0000")
		copy(block[offPrefix:], dir)
		sum, _ := checksum(block)
		putNumber(block[offChksum:offChksum+lenChksum], sum, 6)
		data = append(append(data, block...), append(body, make([]byte, blockSize-len(body))...)...)
	}
	data = append(data, make([]byte, 2*blockSize)...)
	a, tree, packed := roundTrip(t, data)
	if len(a.templates) != 1 || packed > 200 {
		t.Errorf("%d templates, %d bytes packed", len(a.templates), packed)
	}
	if tree.Files[0].Path != "file1" {
		t.Errorf("%+v", tree.Files[0])
	}
}
