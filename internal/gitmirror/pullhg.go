package gitmirror

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// hgServer talks to a Mercurial command server (hg serve --cmdserver pipe).
type hgServer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startHg(ctx context.Context, dir string) (*hgServer, error) {
	cmd := exec.CommandContext(ctx, "hg", "--cwd", dir, "--config", "ui.interactive=False", "serve", "--cmdserver", "pipe")
	cmd.Env = hgEnv()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &hgServer{cmd, in, bufio.NewReaderSize(out, 1<<16)}
	if _, _, err := s.message(); err != nil { // greeting
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// hgEnv keeps the user's configuration out.
func hgEnv() []string {
	return append(os.Environ(), "HGPLAIN=1", "HGRCPATH=", "HGENCODING=UTF-8", "LC_ALL=C.UTF-8")
}

func (s *hgServer) close() error {
	s.in.Close()
	return s.cmd.Wait()
}

// maxHgMessage bounds one message in bytes.
const maxHgMessage = 1 << 30

func (s *hgServer) message() (channel byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(s.out, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] == 'I' || head[0] == 'L' {
		return head[0], nil, errors.New("hg asks for input")
	}
	if n > maxHgMessage {
		return 0, nil, fmt.Errorf("hg sends a message of %d bytes", n)
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, s.out, int64(n))
	return head[0], b.Bytes(), err
}

// run runs one command and returns its output.
func (s *hgServer) run(args ...string) ([]byte, error) {
	text := strings.Join(args, "\x00")
	msg := append([]byte("runcommand\n"), binary.BigEndian.AppendUint32(nil, uint32(len(text)))...)
	if _, err := s.in.Write(append(msg, text...)); err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	for {
		channel, data, err := s.message()
		if err != nil {
			return nil, fmt.Errorf("hg %s: %w", args[0], err)
		}
		switch channel {
		case 'o':
			out.Write(data)
		case 'e':
			errs.Write(data)
		case 'r':
			if len(data) == 4 && binary.BigEndian.Uint32(data) != 0 {
				return nil, fmt.Errorf("hg %s: %s", args[0], oneLine(errs.String()))
			}
			return out.Bytes(), nil
		}
	}
}

// hgChange is one changeset.
type hgChange struct {
	node, author, text string
	parents            []string
	date               int64
}

const hgTemplate = `{node}\0{p1node}\0{p2node}\0{author}\0{date|hgdate}\0{desc}\0\0\n`

var noNode = strings.Repeat("0", 40)

// hg converts the changesets of a branch that the mirror does not have yet.
func (p *pull) hg(ctx context.Context) error {
	dir := filepath.Join(p.spool, "hg")
	cmd := exec.CommandContext(ctx, "hg", "clone", "--noupdate", "--quiet", "--", p.u.URL, dir)
	cmd.Env = hgEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("hg clone: %s: %w", oneLine(string(out)), err)
	}
	s, err := startHg(ctx, dir)
	if err != nil {
		return err
	}
	defer s.close()
	branch := orElse(p.u.Branch, "default")
	if strings.ContainsAny(branch, `'\`) {
		return fmt.Errorf("branch %q: quotes and backslashes are not supported", branch)
	}
	out, err := s.run("log", "-r", "sort(ancestors(branch('"+branch+"')), rev)", "-T", hgTemplate)
	if err != nil {
		return err
	}
	done, err := p.hgKnown()
	if err != nil {
		return err
	}
	blobs := map[string]Hash{}
	var tip Hash
	for record := range strings.SplitSeq(string(out), "\x00\x00\n") {
		if record == "" {
			continue
		}
		c, err := parseHgChange(record)
		if err != nil {
			return err
		}
		h, ok := done[c.node]
		if !ok {
			if h, err = p.hgCommit(s, c, done, blobs); err != nil {
				return fmt.Errorf("changeset %s: %w", c.node, err)
			}
			done[c.node] = h
		}
		tip = h
	}
	if tip.IsZero() {
		return fmt.Errorf("branch %s has no changesets", branch)
	}
	if err := p.hgTags(s, done); err != nil {
		return err
	}
	return p.advance(tip)
}

// hgKnown maps changesets to the commits that earlier pulls made of them.
func (p *pull) hgKnown() (map[string]Hash, error) {
	done := map[string]Hash{}
	tip, err := p.r.ref(p.branchRef())
	if err != nil || tip.IsZero() {
		return done, err
	}
	all, err := p.r.reach(tip)
	if err != nil {
		return nil, err
	}
	for h := range all {
		c, err := p.r.readCommit(h)
		if err != nil {
			return nil, err
		}
		if node := trailers(c.message)["Hg-node"]; node != "" {
			done[node] = h
		}
	}
	return done, nil
}

func parseHgChange(record string) (hgChange, error) {
	f := strings.SplitN(record, "\x00", 6)
	if len(f) != 6 {
		return hgChange{}, fmt.Errorf("hg log gives %q", record)
	}
	c := hgChange{node: f[0], author: f[3], text: f[5]}
	for _, p := range f[1:3] {
		if p != noNode && p != "" {
			c.parents = append(c.parents, p)
		}
	}
	sec, _, _ := strings.Cut(f[4], " ")
	var err error
	c.date, err = strconv.ParseInt(sec, 10, 64)
	return c, err
}

// hgCommit converts one changeset.
func (p *pull) hgCommit(s *hgServer, c hgChange, done map[string]Hash, blobs map[string]Hash) (Hash, error) {
	tree, err := p.hgTree(s, c.node, blobs)
	if err != nil {
		return Hash{}, err
	}
	out := commit{tree: tree, author: c.author, date: c.date}
	if !strings.Contains(c.author, "<") {
		out.author = c.author + " <" + strings.Join(strings.Fields(c.author), ".") + "@hg.invalid>"
	}
	out.message = orElse(strings.TrimSpace(c.text), "(no message)") + "\n\nHg-node: " + c.node + "\n"
	for _, node := range c.parents {
		h, ok := done[node]
		if !ok {
			return Hash{}, fmt.Errorf("parent %s was not converted", node)
		}
		out.parents = append(out.parents, h)
	}
	return p.r.addCommit(out)
}

// hgTree makes the tree of a changeset; blobs remembers which revisions of files are stored.
func (p *pull) hgTree(s *hgServer, node string, blobs map[string]Hash) (Hash, error) {
	out, err := s.run("manifest", "--debug", "-r", node)
	if err != nil {
		return Hash{}, err
	}
	var files []entry
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		// "<40 digits> 644 * path": the mark is a blank, * for executable, @ for a link
		if len(line) < 48 || line[40] != ' ' {
			return Hash{}, fmt.Errorf("hg manifest gives %q", line)
		}
		fileNode, mark, name := line[:40], line[45], line[47:]
		if why := tarmodel.Unsafe(name); why != "" {
			return Hash{}, fmt.Errorf("%q: %s", name, why)
		}
		e := entry{name: name, mode: map[byte]uint32{'*': modeExec, '@': modeLink}[mark]}
		if e.mode == 0 {
			e.mode = modeRegular
		}
		key := fileNode + "\x00" + name
		h, ok := blobs[key]
		if !ok {
			data, err := s.run("cat", "-r", node, "--", "path:"+name)
			if err != nil {
				return Hash{}, err
			}
			if h, err = p.r.add(gitpack.Blob, data); err != nil {
				return Hash{}, err
			}
			blobs[key] = h
		}
		e.hash = h
		files = append(files, e)
	}
	slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return p.r.buildTree(files)
}

func (p *pull) hgTags(s *hgServer, done map[string]Hash) error {
	out, err := s.run("tags", "-T", `{tag}\0{node}\n`)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		name, node, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\x00")
		h, converted := done[node]
		if !ok || !converted || name == "tip" {
			continue
		}
		if version, ok := p.u.versionOf(name); ok {
			if err := p.tag(version, h); err != nil {
				return err
			}
		}
	}
	return nil
}
