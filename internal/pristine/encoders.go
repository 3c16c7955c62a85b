package pristine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// helperPrefix begins the file name of every helper program.
const helperPrefix = "weld-encode-"

// protocol is the version of the helpers' command line that we speak.
const protocol = "1"

// Encoders are the encoders that are installed. They are safe for concurrent use.
type Encoders struct {
	dirs    []string
	threads int
	once    sync.Once
	found   []encoder
}

// encoder turns plain data into one compressed stream. The container around it
// (a gzip header and trailer) is not its affair.
type encoder interface {
	library() string
	version() string
	// encode fails when a parameter is unknown, and when out fails.
	encode(ctx context.Context, params []param, threads int, in io.Reader, out io.Writer) error
}

// Encoder describes an encoder that is installed.
type Encoder struct {
	Library string
	Version string
	Program string // path of the program, "" when it runs in this process
}

// OpenEncoders looks for helper programs in dirs and, when there are none, in
// $WELD_LIBEXEC, beside the executable, and in libexec/weld-bridge beside and
// above it. That a directory or a helper is missing is no error: see [MissingEncoderError].
func OpenEncoders(dirs ...string) *Encoders {
	if len(dirs) == 0 {
		dirs = defaultDirs()
	}
	return &Encoders{dirs: dirs, threads: 1}
}

// WithThreads returns the same encoders, each of which may use n threads for
// one archive where that does not change the result.
func (e *Encoders) WithThreads(n int) *Encoders {
	return &Encoders{dirs: e.dirs, threads: max(n, 1)}
}

func defaultDirs() []string {
	var dirs []string
	if d := os.Getenv("WELD_LIBEXEC"); d != "" {
		dirs = append(dirs, d)
	}
	exe, err := os.Executable()
	if err != nil {
		return dirs
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	dir := filepath.Dir(exe)
	return append(dirs, dir, filepath.Join(dir, "libexec", "weld-bridge"), filepath.Join(dir, "..", "libexec", "weld-bridge"))
}

// List says what is installed, in the order of library and version, newest first.
func (e *Encoders) List() []Encoder {
	var l []Encoder
	for _, enc := range e.all(context.Background()) {
		d := Encoder{Library: enc.library(), Version: enc.version()}
		if p, ok := enc.(interface{ path() string }); ok {
			d.Program = p.path()
		}
		l = append(l, d)
	}
	return l
}

func (e *Encoders) all(ctx context.Context) []encoder {
	e.once.Do(func() {
		// Whoever asks first must not spoil it for the others by being cancelled.
		ctx := context.WithoutCancel(ctx)
		e.found = goEncoders()
		for _, dir := range e.dirs {
			names, _ := fs.Glob(os.DirFS(dir), helperPrefix+"*")
			for _, name := range names {
				h, err := openHelper(ctx, filepath.Join(dir, name))
				switch {
				case err != nil:
				case h.lib == "lzma2":
					e.found = append(e.found, &bareLZMA2{h})
				default:
					e.found = append(e.found, h)
				}
			}
		}
		e.found = append(e.found, systemEncoders(ctx)...)
		slices.SortStableFunc(e.found, func(a, b encoder) int {
			return cmp.Or(strings.Compare(a.library(), b.library()), compareVersions(b.version(), a.version()))
		})
		// The first directory wins.
		e.found = slices.CompactFunc(e.found, func(a, b encoder) bool {
			return a.library() == b.library() && a.version() == b.version()
		})
	})
	return e.found
}

// versionBound lists the libraries whose output differs between versions so
// often that another version is not worth trying.
var versionBound = map[string]bool{"libzstd": true, "lzma2": true}

// anyVersion lists the libraries whose releases of many years give the same bytes. A recipe does not name the one that is installed, so
// that it is the same on every machine; the digest decides.
var anyVersion = map[string]bool{"zlib": true, "gzip": true, "zgz": true, "node": true, "libbz2": true, "liblzma": true}

// recorded gives the version that a recipe names: none where every version does, as far as is known. An older one of several that are installed is named,
// because it was tried after the newest.
func (e *Encoders) recorded(ctx context.Context, library, version string) string {
	if all := e.versions(ctx, library); anyVersion[library] && all[0] == version {
		return ""
	}
	return version
}

// lookup returns the encoder of that library and version; for a library that
// is not version-bound, its newest version otherwise, and exact false.
func (e *Encoders) lookup(ctx context.Context, library, version string) (enc encoder, exact bool, err error) {
	var other encoder
	for _, enc := range e.all(ctx) {
		if enc.library() != library {
			continue
		}
		if enc.version() == version || version == "" {
			return enc, true, nil
		}
		if other == nil {
			other = enc
		}
	}
	if other == nil || versionBound[library] {
		return nil, false, &MissingEncoderError{Library: library, Version: version}
	}
	return other, false, nil
}

// versions returns the installed versions of a library, newest first.
func (e *Encoders) versions(ctx context.Context, library string) []string {
	var v []string
	for _, enc := range e.all(ctx) {
		if enc.library() == library {
			v = append(v, enc.version())
		}
	}
	return v
}

// compareVersions orders dotted version numbers.
func compareVersions(a, b string) int {
	as, bs := strings.FieldsFunc(a, notDigit), strings.FieldsFunc(b, notDigit)
	for i := range min(len(as), len(bs)) {
		x, y := strings.TrimLeft(as[i], "0"), strings.TrimLeft(bs[i], "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(as), len(bs)), strings.Compare(a, b))
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// helper is one of our own programs (encoders/*.c).
type helper struct {
	lib, ver, program string
}

func (h *helper) library() string { return h.lib }
func (h *helper) version() string { return h.ver }
func (h *helper) path() string    { return h.program }

// openHelper asks a program what it is.
func openHelper(ctx context.Context, program string) (*helper, error) {
	line, err := firstLine(ctx, program)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(line)
	if len(words) != 3 || words[2] != protocol {
		return nil, fmt.Errorf("%s: %q is not a helper of protocol %s", program, line, protocol)
	}
	return &helper{lib: words[0], ver: words[1], program: program}, nil
}

// firstLine is the first line that program --version prints.
func firstLine(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// zgz says it on standard error.
	out, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return string(line), nil
}

func (h *helper) encode(ctx context.Context, params []param, threads int, in io.Reader, out io.Writer) error {
	args := make([]string, 0, len(params)+1)
	for _, p := range params {
		if p.name == "workers" && p.value > 0 {
			p.value = int64(threads)
		}
		args = append(args, p.String())
	}
	if threads > 1 && slices.Contains(params, param{"mt", 1}) {
		args = append(args, param{"threads", int64(threads)}.String())
	}
	return run(ctx, h.program, args, in, out)
}

// systemEncoder is a program of the system.
type systemEncoder struct {
	helper
	systemProgram
}

// systemProgram is a program that may be installed and how it is called.
type systemProgram struct {
	name   string
	says   *regexp.Regexp // finds the version in what --version says
	args   []string
	level  string   // how a level is said
	rsync  []string // the options for rsync=1 and so on
	member bool     // it writes whole gzip members
}

// nodeDeflate is what node runs. Its zlib is a fork, the one that npm packs with.
const nodeDeflate = `process.stdin.pipe(require("zlib").createDeflateRaw({level: +process.argv[1]})).pipe(process.stdout)`

// systemPrograms are GNU gzip, whose deflate is not zlib's; pristine-tar's zgz, which has both forms of GNU gzip's --rsyncable; lzip; node.
var systemPrograms = []systemProgram{
	{"gzip", regexp.MustCompile(`^gzip (\d[0-9.]*)`), []string{"-n", "-c"}, "-%d", []string{"--rsyncable"}, true},
	{"zgz", regexp.MustCompile(`^zgz (\d+)`), []string{"-G", "-n"}, "-%d", []string{"-R", "-r"}, true},
	{"lzip", regexp.MustCompile(`^lzip (\d[0-9.]*)`), []string{"-c"}, "-%d", nil, false},
	{"node", regexp.MustCompile(`^v(\d[0-9.]*)`), []string{"-e", nodeDeflate}, "%d", nil, false},
}

// systemEncoders finds those that are installed.
func systemEncoders(ctx context.Context) []encoder {
	var found []encoder
	for _, p := range systemPrograms {
		program, err := exec.LookPath(p.name)
		if err != nil {
			continue
		}
		line, err := firstLine(ctx, program)
		if m := p.says.FindStringSubmatch(line); err == nil && m != nil {
			found = append(found, &systemEncoder{helper{p.name, m[1], program}, p})
		}
	}
	return found
}

func (s *systemEncoder) encode(ctx context.Context, params []param, _ int, in io.Reader, out io.Writer) error {
	args := slices.Clone(s.args)
	for _, p := range params {
		switch {
		case p.name == "level" && p.value >= 0 && p.value <= 9:
			args = append(args, fmt.Sprintf(s.level, p.value))
		case p.name == "rsync" && p.value >= 1 && int(p.value) <= len(s.rsync):
			args = append(args, s.rsync[p.value-1])
		default:
			return fmt.Errorf("%s: unknown parameter %s", s.lib, p)
		}
	}
	if !s.member {
		return run(ctx, s.program, args, in, out)
	}
	bare := &bareDeflate{w: out}
	if err := run(ctx, s.program, args, in, bare); err != nil {
		return err
	}
	return bare.end()
}

// bareDeflate takes the ten bytes of a gzip header and the eight of the trailer
// off, as header and trailer are made by the recipe.
type bareDeflate struct {
	w    io.Writer
	skip int
	held []byte // the last eight bytes seen
}

func (d *bareDeflate) Write(b []byte) (int, error) {
	n := len(b)
	if d.skip < 10 {
		cut := min(10-d.skip, len(b))
		d.skip, b = d.skip+cut, b[cut:]
	}
	if len(b) >= 8 {
		if _, err := d.w.Write(d.held); err != nil {
			return 0, err
		}
		if _, err := d.w.Write(b[:len(b)-8]); err != nil {
			return 0, err
		}
		d.held = append(d.held[:0], b[len(b)-8:]...)
		return n, nil
	}
	d.held = append(d.held, b...)
	if over := len(d.held) - 8; over > 0 {
		if _, err := d.w.Write(d.held[:over]); err != nil {
			return 0, err
		}
		d.held = append(d.held[:0], d.held[over:]...)
	}
	return n, nil
}

func (d *bareDeflate) end() error {
	if d.skip != 10 || len(d.held) != 8 {
		return fmt.Errorf("gzip wrote only %d bytes", d.skip+len(d.held))
	}
	return nil
}

// where tells how to get an encoder, for messages.
func where(library, version string) string {
	switch library {
	case "gzip":
		return "the program gzip"
	case "zgz":
		return "the program zgz of pristine-tar"
	case "libzstd", "lzma2":
		return "helper " + helperPrefix + library + "-" + version
	}
	if slices.ContainsFunc(goEncoders(), func(g encoder) bool { return g.library() == library }) {
		return "built in, in another version"
	}
	return "helper " + helperPrefix + library
}
