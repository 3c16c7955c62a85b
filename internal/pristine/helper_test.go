package pristine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeHelper puts a shell script into dir that says it is zlib 99 and then does body.
func fakeHelper(t *testing.T, dir, name, version, body string) {
	t.Helper()
	script := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '" + version + "'; exit; fi\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(dir, helperPrefix+name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestBadHelpers is about helpers that do anything but what they should.
func TestBadHelpers(t *testing.T) {
	plain := sample(1<<20, 7)
	tests := []struct {
		name, body string
		want       string // in the error of Reproduce
	}{
		{"crashes at once", "echo out of luck >&2; exit 7", "out of luck"},
		{"crashes later", "head -c 100000; kill -9 $$", "killed"},
		{"writes too little", "head -c 1000 >/dev/null; echo short", "has read only"},
		{"writes nothing", "cat >/dev/null", "gives not the"},
		{"writes other bytes", "tr a b", "gives SHA-256"},
		{"writes without end", "cat; exec yes", "gives SHA-256"},
		{"knows no parameter", "echo \"$1: unknown parameter\" >&2; exit 2", "level=6: unknown parameter"},
		{"hangs", "exec sleep 60", "deadline"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			fakeHelper(t, dir, "zlib", "zlib 99 1", test.body)
			e := OpenEncoders(dir)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r := Recipe{
				Format: Deflate, Size: int64(len(plain)), SHA256: strings.Repeat("0", 64),
				Parts: []Part{{Encoder: "zlib", Version: "99", Params: "level=6", Plain: int64(len(plain))}},
			}
			var out bytes.Buffer
			start := time.Now()
			err := r.Reproduce(ctx, e, bytes.NewReader(plain), &out)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if out.Len() > len(plain) {
				t.Errorf("%d bytes written, the archive has %d", out.Len(), len(plain))
			}
			_, err = Find(ctx, e, bytes.NewReader(plain), int64(len(plain)), opener(plain), Hint{Compressor: "deflate"})
			if want := ErrNoEncoder; !errors.Is(err, want) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestDiscovery is about what counts as a helper.
func TestDiscovery(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	fakeHelper(t, one, "a", "libfoo 1.9 1", "")
	fakeHelper(t, one, "b", "libfoo 1.10 1", "")
	fakeHelper(t, two, "b", "libfoo 1.10 1", "")
	fakeHelper(t, two, "c", "libfoo 2.0 9", "")
	fakeHelper(t, two, "d", "hello", "")
	if err := os.WriteFile(filepath.Join(two, helperPrefix+"e"), []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range OpenEncoders(one, two, filepath.Join(one, "missing")).List() {
		if l.Library == "libfoo" {
			got = append(got, l.Version+" "+l.Program)
		}
	}
	want := []string{"1.10 " + filepath.Join(one, helperPrefix+"b"), "1.9 " + filepath.Join(one, helperPrefix+"a")}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMissingEncoder holds that the error names what to install.
func TestMissingEncoder(t *testing.T) {
	dir := t.TempDir()
	fakeHelper(t, dir, "liblzma", "liblzma 99 1", "cat")
	e := OpenEncoders(dir)
	tests := []struct {
		library, version, want string
	}{
		{"libzstd", "1.5.6", "encoder libzstd 1.5.6 is not installed (helper weld-encode-libzstd-1.5.6)"},
		{"libnone", "1", "encoder libnone 1 is not installed (helper weld-encode-libnone)"},
		{"liblzma", "5.4.1", "encoder liblzma 5.4.1 is not installed (helper weld-encode-liblzma) and version 99 gives other bytes"},
	}
	for _, test := range tests {
		r := Recipe{
			Format: Deflate, Size: 3, SHA256: strings.Repeat("0", 64),
			Parts: []Part{{Encoder: test.library, Version: test.version, Plain: 5}},
		}
		err := r.Reproduce(t.Context(), e, strings.NewReader("plain"), &bytes.Buffer{})
		var missing *MissingEncoderError
		if !errors.As(err, &missing) || err.Error() != test.want {
			t.Errorf("got %v, want %v", err, test.want)
		}
	}
}

// TestPlainFails holds that an error of the plain data is told as such.
func TestPlainFails(t *testing.T) {
	e := testEncoders(t)
	plain := sample(300<<10, 8)
	broken := errors.New("disk on fire")
	for _, c := range []struct{ library, version, params string }{{"go-flate", "", "level=6"}, {"libbz2", "", "level=9"}} {
		need(t, e, c.library, c.version)
		r := Recipe{
			Format: Deflate, Size: 1 << 20, SHA256: strings.Repeat("0", 64),
			Parts: []Part{{Encoder: c.library, Version: c.version, Params: c.params, Plain: int64(len(plain))}},
		}
		in := &failing{bytes.NewReader(plain[:200<<10]), broken}
		if err := r.Reproduce(t.Context(), e, in, &bytes.Buffer{}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", c.library, err)
		}
	}
}

// failing fails where its reader ends.
type failing struct {
	r   *bytes.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	if f.r.Len() == 0 {
		return 0, f.err
	}
	return f.r.Read(b)
}
