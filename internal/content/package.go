package content

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// Names in the tree of a package; docs/store.md describes them.
const (
	nameHeader     = "header"
	nameLead       = "lead"
	nameRecipe     = "recipe"
	nameExports    = "exports"
	nameMeta       = "meta"
	namePayload    = "payload"
	nameSignatures = "signatures"
	nameFiles      = "files"
	nameExtra      = "extra"
)

const (
	maxHeader    = 300 << 20 // what rpm allows, and a little
	maxSignature = 80 << 20
	maxDocument  = 64 << 20 // recipe, exports, meta
)

var (
	plainFile = ostree.FileInfo{Mode: 0o100644}
	execFile  = ostree.FileInfo{Mode: 0o100755}
	dirMeta   = ostree.DirMeta{Mode: 0o040755}
)

// Package is a package in a collection. Reading it needs the store to be open.
type Package struct {
	Tree ostree.Checksum // of all that the store holds of it

	entry string // NEVRA@ID, its name in the shard
	store *Store
	from  objects
}

// NEVRA is name-[epoch:]version-release.arch.
func (p *Package) NEVRA() string {
	nevra, _, _ := strings.Cut(p.entry, "@")
	return nevra
}

// ShortID gives the first 12 digits of the SHA-256 over lead, header and payload: what tells packages of one NEVRA apart.
func (p *Package) ShortID() string {
	_, id, _ := strings.Cut(p.entry, "@")
	return id
}

// Filename is the name that the package's file has by convention: name-version-release.arch.rpm.
func (p *Package) Filename() string {
	n := p.nevra()
	return n.Filename()
}

// Split gives the parts of the NEVRA.
func (p *Package) Split() rpmfile.NEVRA { return p.nevra() }

func (p *Package) nevra() rpmfile.NEVRA {
	s := p.NEVRA()
	var n rpmfile.NEVRA
	cut := func(sep string) (last string) {
		if i := strings.LastIndex(s, sep); i >= 0 {
			s, last = s[:i], s[i+1:]
		}
		return last
	}
	n.Arch = cut(".")
	n.Release = cut("-")
	n.Version = cut("-")
	n.Name = s
	if epoch, version, ok := strings.Cut(n.Version, ":"); ok {
		n.Epoch, n.Version = epoch, version
	}
	return n
}

// spellings are the words that name the package.
func (p *Package) spellings() []string {
	n := p.nevra()
	return []string{
		p.NEVRA(), p.entry, n.Name, n.Name + "." + n.Arch, n.NVR() + "." + n.Arch, n.NVR(), n.Name + "-" + n.EVR(),
		n.Name + "-" + n.Version,
	}
}

// Header gives the raw header, as rpmfile.ParseHeader takes it.
func (p *Package) Header() ([]byte, error) { return p.file(nameHeader, maxHeader) }

// file reads one of the package's small files.
func (p *Package) file(name string, limit int64) ([]byte, error) {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	return p.fileOf(tree, name, limit)
}

func (p *Package) fileOf(tree ostree.DirTree, name string, limit int64) ([]byte, error) {
	sum, ok := tree.File(name)
	if !ok {
		return nil, fmt.Errorf("%s: no %s in its tree: %w", p.NEVRA(), name, ErrNotFound)
	}
	b, err := p.from.ReadFile(sum, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", p.NEVRA(), name, err)
	}
	return b, nil
}

// Export is a file that a package comes out as: one for each of its signature headers, and one without a signature.
type Export struct {
	Signature string   `json:"signature"`          // its signature header's name below signatures/
	Stripped  bool     `json:"stripped,omitempty"` // the signatures are left out of that header
	Keys      []string `json:"keys,omitempty"`     // IDs of the keys that signed, 16 hexadecimal digits each; none: unsigned
	SHA256    string   `json:"sha256"`             // of the file
	Size      int64    `json:"size"`               // of the file, in bytes
	Header    int64    `json:"header"`             // where the header begins in the file
	Payload   int64    `json:"payload"`            // where the payload begins in the file
	Imported  bool     `json:"imported,omitempty"` // a file of these bytes was imported, whole
}

// exports is the document of that name. The list is sorted: imported ones first, signed before unsigned, then by signature.
type exports struct {
	Version int      `json:"version"`
	Exports []Export `json:"exports"`
}

func (e *exports) sort() {
	rank := func(x Export) int {
		r := 0
		if !x.Imported {
			r += 2
		}
		if len(x.Keys) == 0 {
			r++
		}
		return r
	}
	sort.Slice(e.Exports, func(i, j int) bool {
		a, b := e.Exports[i], e.Exports[j]
		if rank(a) != rank(b) {
			return rank(a) < rank(b)
		}
		return a.Signature < b.Signature
	})
}

// Exports gives the files that the package can be exported as. The first is what Export gives by default: the file that was
// imported; of several, a signed one. No payload is read.
func (p *Package) Exports() ([]Export, error) {
	b, err := p.file(nameExports, maxDocument)
	if err != nil {
		return nil, err
	}
	var doc exports
	if err := decodeDocument(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: exports: %w", p.NEVRA(), err)
	}
	if doc.Version != 1 || len(doc.Exports) == 0 {
		return nil, fmt.Errorf("%s: exports: version %d with %d entries is not known", p.NEVRA(), doc.Version, len(doc.Exports))
	}
	for i := range doc.Exports {
		if err := doc.Exports[i].check(); err != nil {
			return nil, fmt.Errorf("%s: exports: %w", p.NEVRA(), err)
		}
	}
	return doc.Exports, nil
}

// check says what is wrong with an export that was read: file names are made of its digest, and places in a file of its offsets.
func (e *Export) check() error {
	if !isHex(e.SHA256, 64) {
		return fmt.Errorf("bad SHA-256 %.70q", e.SHA256)
	}
	for _, key := range e.Keys {
		if key != unknownKey && !isHex(key, 16) {
			return fmt.Errorf("bad key ID %.70q", key)
		}
	}
	if e.Header < rpmfile.LeadSize || e.Payload <= e.Header || e.Size < e.Payload {
		return fmt.Errorf("header at %d to %d of %d bytes", e.Header, e.Payload, e.Size)
	}
	return nil
}

// isHex tells whether s is n hexadecimal digits in lower case.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// Form says which of a package's exports is meant. The zero value is the file that was imported.
type Form struct {
	Key      string // the last digits of a key's ID, at least 8
	Unsigned bool
}

// Select finds an export; errors.Is(err, ErrNotFound) when the package has none of the form.
func (p *Package) Select(form Form) (Export, error) {
	list, err := p.Exports()
	if err != nil {
		return Export{}, err
	}
	for _, e := range list {
		if e.matches(form) {
			return e, nil
		}
	}
	if form.Unsigned {
		return Export{}, fmt.Errorf("%s: unsigned: %w", p.NEVRA(), ErrNotFound)
	}
	return Export{}, fmt.Errorf("%s: signature by key %s: %w", p.NEVRA(), form.Key, ErrNotFound)
}

func (e Export) matches(form Form) bool {
	switch {
	case form.Unsigned:
		return len(e.Keys) == 0
	case form.Key == "":
		return true
	}
	return e.signedBy(strings.ToLower(form.Key))
}

func (e Export) signedBy(key string) bool {
	for _, k := range e.Keys {
		if len(key) >= 8 && (strings.HasSuffix(k, key) || strings.HasSuffix(key, k)) {
			return true
		}
	}
	return false
}

// Meta gives the notes that came with the package: build environment, koji build and the like.
func (p *Package) Meta() (map[string]string, error) {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	meta := map[string]string{}
	if _, ok := tree.File(nameMeta); !ok {
		return meta, nil
	}
	b, err := p.fileOf(tree, nameMeta, maxDocument)
	if err != nil {
		return nil, err
	}
	if err := decodeDocument(b, &meta); err != nil {
		return nil, fmt.Errorf("%s: meta: %w", p.NEVRA(), err)
	}
	return meta, nil
}

// parts reads lead, signature header and header in one form, ready to be written before the payload.
func (p *Package) parts(e Export) (*rpmfile.Package, error) {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	header, err := p.fileOf(tree, nameHeader, maxHeader)
	if err != nil {
		return nil, err
	}
	lead, err := p.fileOf(tree, nameLead, rpmfile.LeadSize)
	if err != nil {
		return nil, err
	}
	signature, err := p.signature(tree, e.Signature)
	if err != nil {
		return nil, err
	}
	parts, err := rpmfile.FromParts(lead, signature, header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	if e.Stripped {
		if parts, err = stripSignature(parts); err != nil {
			return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
		}
	}
	return parts, nil
}

func (p *Package) signature(tree ostree.DirTree, name string) ([]byte, error) {
	dir, ok := tree.Dir(nameSignatures)
	if !ok {
		return nil, fmt.Errorf("%s: signatures: %w", p.NEVRA(), ErrNotFound)
	}
	sigs, err := p.from.ReadTree(dir.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	return p.fileOf(sigs, name, maxSignature)
}

// entryName gives the name of a package in its shard, or says why it cannot be kept under its NEVRA.
func entryName(nevra string, id [32]byte) (string, error) {
	if len(nevra) > 230 {
		return "", fmt.Errorf("NEVRA of %d bytes: more than the 230 that fit a file name", len(nevra))
	}
	if strings.ContainsFunc(nevra, func(r rune) bool { return r < ' ' || r == '/' || r == '@' || r == 0x7f }) || !ostree.ValidName(nevra) {
		return "", fmt.Errorf("NEVRA %q does not fit a file name", nevra)
	}
	if strings.Count(nevra, "-") < 2 || path.Base(nevra) != nevra {
		return "", fmt.Errorf("NEVRA %q has no name, version and release", nevra)
	}
	return nevra + "@" + hex.EncodeToString(id[:6]), nil
}

// encodeDocument gives the one form that a document has: sorted keys, two spaces, a final newline.
func encodeDocument(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decodeDocument is strict: what this version does not know it does not take.
func decodeDocument(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return nil
}

// KojiSignature gives the signature header of a form, as koji keeps it, and the key under which koji files it: 8 digits, none for an
// unsigned one.
func (p *Package) KojiSignature(e Export) (raw []byte, key string, err error) {
	parts, err := p.parts(e)
	if err != nil {
		return nil, "", err
	}
	if key, err = parts.KojiKeyID(); err != nil {
		return nil, "", fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	return parts.SignatureRaw(), key, nil
}
