package gitmirror

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/cpio"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// buildHost stands in every header that SRPM writes: no name of a machine gets into a result.
const buildHost = "srpm2git"

// packed is one file of a new source RPM.
type packed struct {
	name   string
	path   string
	size   int64
	mode   uint32
	mtime  int64
	sha256 string
	flags  uint32
}

// SRPM writes a new source RPM of a package as its branch (or ref) and its metadata stand to dir and returns its path. epoch
// is SOURCE_DATE_EPOCH; 0 stands for the date of the newest changelog entry. Spec and package.toml in the metadata's
// work tree get the Patch entries that new or dropped commits need.
func (ex *Exporter) SRPM(ctx context.Context, name, ref, dir string, epoch int64) (string, error) {
	st, err := ex.state(ctx, name, ref)
	if err != nil {
		return "", err
	}
	defer st.r.Close()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, ".srpm2git-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	path, err := st.build(ctx, tmp, dir, epoch)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return path, st.saveMetadata()
}

// build writes sources, payload and header.
func (st *state) build(ctx context.Context, tmp, dir string, epoch int64) (string, error) {
	if st.spec == nil {
		return "", errors.New("the source RPM had no spec, and the metadata have none")
	}
	h, err := st.freshHeader(ctx)
	if err != nil {
		return "", err
	}
	n := h.nevra()
	h.text()
	h.arches()
	newest := h.changes()
	if epoch == 0 {
		epoch = newest
	}
	if err := h.dependencies(n); err != nil {
		return "", err
	}
	if len(h.errs) > 0 {
		return "", fmt.Errorf("%s: %s", st.specName(), strings.Join(h.errs, "; "))
	}
	files, err := st.pack(ctx, filepath.Join(tmp, "sources"), epoch)
	if err != nil {
		return "", err
	}
	if err := h.sourceTags(st); err != nil {
		return "", err
	}
	payload := filepath.Join(tmp, "payload")
	sums, err := writePayload(payload, files)
	if err != nil {
		return "", err
	}
	h.identity(n, epoch)
	h.fileTags(files)
	h.payloadTags(sums)
	header, err := h.w.Bytes(rpmfile.TagHeaderImmutable)
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, n.NVR()+".src.rpm")
	return out, atomicfile.WriteFrom(out, 0o666, func(w io.Writer) error { return writePackage(w, n, header, payload, sums) })
}

// freshHeader reads the header and the spec of the import, and the spec as it stands.
func (st *state) freshHeader(ctx context.Context) (*freshHeader, error) {
	head, err := st.p.need(st.lock.SHA256, ".head")
	if err != nil {
		return nil, err
	}
	data, err := st.r.read(head, gitpack.Blob)
	if err != nil {
		return nil, err
	}
	pkg, err := rpmfile.Parse(data)
	if err != nil {
		return nil, err
	}
	old, err := st.importedSpec(ctx)
	if err != nil {
		return nil, err
	}
	n := pkg.NEVRA()
	n.Arch = pkg.Header.String(rpmfile.TagArch)
	h := &freshHeader{was: pkg.Header, old: readSpec(old, n)}
	now := newSpecInfo(n)
	now.m["dist"] = h.old.m["dist"]
	now.read(st.spec, rpmfile.NEVRA{})
	h.now, h.unchanged = now, bytes.Equal(old, st.spec)
	// The release without a distribution's macros is not what the header says; compare like with like.
	plain := newSpecInfo(n)
	plain.m["dist"] = h.old.m["dist"]
	plain.read(old, rpmfile.NEVRA{})
	h.old = plain
	return h, nil
}

// importedSpec is the spec of the last import.
func (st *state) importedSpec(ctx context.Context) ([]byte, error) {
	sum := st.lock.specSum()
	if sum == "" {
		return nil, nil
	}
	var b bytes.Buffer
	err := st.p.write(ctx, st.ex.encoders(), sum, &b)
	return b.Bytes(), err
}

// pack writes the files and describes them in the order of the payload.
func (st *state) pack(ctx context.Context, dir string, epoch int64) ([]packed, error) {
	names, err := st.write(ctx, dir)
	if err != nil {
		return nil, err
	}
	locked := map[string]LockSource{}
	for _, s := range st.lock.Sources {
		locked[s.Name] = s
	}
	mtimes := map[string]int64{}
	for _, p := range st.patches {
		mtimes[p.name] = p.mtime
	}
	slices.Sort(names)
	var files []packed
	for _, name := range slices.Compact(names) {
		f := packed{name: name, path: filepath.Join(dir, name), mode: 0o100644, mtime: epoch}
		if f.sha256, f.size, err = sumFile(f.path); err != nil {
			return nil, err
		}
		if l, ok := locked[name]; ok {
			mode, _ := strconv.ParseUint(l.Mode, 8, 32)
			f.mode = uint32(mode)
			if l.SHA256 == f.sha256 {
				f.mtime = l.MTime
			}
		} else if t, ok := mtimes[name]; ok {
			f.mtime = t
		}
		if name == st.specName() {
			f.flags = uint32(rpmfile.FileSpec)
		}
		if f.size >= math.MaxUint32 {
			return nil, fmt.Errorf("%s: files of 4 GiB and more are not supported in a new source RPM", name)
		}
		files = append(files, f)
	}
	return files, nil
}

func sumFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// sourceTags puts the names of sources and patches in the order of the spec.
func (h *freshHeader) sourceTags(st *state) error {
	have := map[string]bool{}
	for _, s := range st.lock.Sources {
		have[s.Name] = s.Kind != "patch"
	}
	for _, p := range st.patches {
		have[p.name] = true
	}
	var sources, patches []string
	for _, n := range h.now.order {
		sources = append(sources, h.now.sources[n])
	}
	for _, p := range h.now.patches {
		if p.active {
			patches = append(patches, p.file)
		}
	}
	for _, name := range append(slices.Clone(sources), patches...) {
		if !have[name] {
			return fmt.Errorf("%s names %q, which neither the last import nor the branch has", st.specName(), clip(name))
		}
	}
	h.w.PutStrings(rpmfile.TagSource, h.inOrder(sources, rpmfile.TagSource)...)
	h.w.PutStrings(rpmfile.TagPatch, h.inOrder(patches, rpmfile.TagPatch)...)
	return nil
}

// inOrder puts names in the order in which the rpm at hand lists them: that of the spec, or from the last to the first.
func (h *freshHeader) inOrder(names []string, tag rpmfile.Tag) []string {
	var was []string
	for _, n := range h.old.order {
		was = append(was, h.old.sources[n])
	}
	if tag == rpmfile.TagPatch {
		was = nil
		for _, p := range h.old.patches {
			if p.active {
				was = append(was, p.file)
			}
		}
	}
	if !slices.Equal(was, h.was.Strings(tag)) || len(was) < 2 && !h.forward() {
		slices.Reverse(names)
	}
	return names
}

// forward reports whether the other list of the imported header, of more than one name, follows the spec.
func (h *freshHeader) forward() bool {
	var sources []string
	for _, n := range h.old.order {
		sources = append(sources, h.old.sources[n])
	}
	return len(sources) > 1 && slices.Equal(sources, h.was.Strings(rpmfile.TagSource))
}

// identity puts who and when.
func (h *freshHeader) identity(n rpmfile.NEVRA, epoch int64) {
	h.w.PutString(rpmfile.TagName, n.Name)
	h.w.PutString(rpmfile.TagVersion, n.Version)
	h.w.PutString(rpmfile.TagRelease, n.Release)
	if e, err := strconv.ParseUint(n.Epoch, 10, 32); err == nil {
		h.w.PutUint32(rpmfile.TagEpoch, uint32(e))
	}
	h.w.PutUint32(rpmfile.TagBuildTime, uint32(clipDate(epoch)))
	h.w.PutString(rpmfile.TagBuildHost, buildHost)
	h.w.PutString(rpmfile.TagCookie, fmt.Sprintf("%s %d", buildHost, clipDate(epoch)))
	h.w.PutString(rpmfile.TagRPMVersion, orElse(h.was.String(rpmfile.TagRPMVersion), "4.18.0"))
	h.w.PutUint32(rpmfile.TagSourcePackage, 1)
	h.w.PutString(rpmfile.TagEncoding, "utf-8")
	if h.unchanged && h.was.Has(rpmfile.TagSpec) { // with all macros expanded; only rpmbuild can make it anew
		h.w.PutString(rpmfile.TagSpec, h.was.String(rpmfile.TagSpec))
	}
}

// fileTags puts the list of files.
func (h *freshHeader) fileTags(files []packed) {
	var sizes, mtimes, flags, verify, devices, inodes, dirs []uint32
	var modes, rdevs []uint16
	var digests, links, users, langs, names []string
	total := int64(0)
	for i, f := range files {
		sizes, mtimes, flags = append(sizes, uint32(f.size)), append(mtimes, uint32(clipDate(f.mtime))), append(flags, f.flags)
		verify, devices, inodes, dirs = append(verify, ^uint32(0)), append(devices, 1), append(inodes, uint32(i+1)), append(dirs, 0)
		modes, rdevs = append(modes, uint16(f.mode)), append(rdevs, 0)
		digests, links, users = append(digests, f.sha256), append(links, ""), append(users, "root")
		langs, names = append(langs, ""), append(names, f.name)
		total += f.size
	}
	if total < math.MaxUint32 {
		h.w.PutUint32(rpmfile.TagSize, uint32(total))
	} else {
		h.w.PutUint64(rpmfile.TagLongSize, uint64(total))
	}
	h.w.PutUint32(rpmfile.TagFileSizes, sizes...)
	h.w.PutUint16(rpmfile.TagFileModes, modes...)
	h.w.PutUint16(rpmfile.TagFileRDevs, rdevs...)
	h.w.PutUint32(rpmfile.TagFileMTimes, mtimes...)
	h.w.PutStrings(rpmfile.TagFileDigests, digests...)
	h.w.PutStrings(rpmfile.TagFileLinkTos, links...)
	h.w.PutUint32(rpmfile.TagFileFlags, flags...)
	h.w.PutStrings(rpmfile.TagFileUserName, users...)
	h.w.PutStrings(rpmfile.TagFileGroupName, users...)
	h.w.PutUint32(rpmfile.TagFileVerifyFlags, verify...)
	h.w.PutUint32(rpmfile.TagFileDevices, devices...)
	h.w.PutUint32(rpmfile.TagFileInodes, inodes...)
	h.w.PutStrings(rpmfile.TagFileLangs, langs...)
	h.w.PutUint32(rpmfile.TagDirIndexes, dirs...)
	h.w.PutStrings(rpmfile.TagBaseNames, names...)
	h.w.PutStrings(rpmfile.TagDirNames, "")
	h.w.PutUint32(rpmfile.TagFileDigestAlgo, 8)
}

// payloadSums are the digests of a payload.
type payloadSums struct {
	compressed, plain string // SHA-256
	size, plainSize   int64
}

func (h *freshHeader) payloadTags(s payloadSums) {
	h.w.PutString(rpmfile.TagPayloadFormat, "cpio")
	h.w.PutString(rpmfile.TagPayloadCompressor, "gzip")
	h.w.PutString(rpmfile.TagPayloadFlags, "9")
	h.w.PutStrings(rpmfile.TagPayloadSHA256, s.compressed)
	h.w.PutUint32(rpmfile.TagPayloadSHA256Algo, 8)
	h.w.PutStrings(rpmfile.TagPayloadSHA256Alt, s.plain)
}

// writePayload writes the files as a gzip-compressed newc archive.
func writePayload(path string, files []packed) (s payloadSums, err error) {
	f, err := os.Create(path)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	compressed, plain := sha256.New(), sha256.New()
	var size, plainSize counter
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, compressed, &size), gzip.BestCompression)
	if err != nil {
		return s, err
	}
	archive := cpio.NewWriter(io.MultiWriter(z, plain, &plainSize))
	for i, p := range files {
		e := &cpio.Entry{Name: p.name, Inode: uint32(i + 1), Mode: p.mode, NLink: 1, MTime: uint32(clipDate(p.mtime)), Size: p.size}
		if err := archive.WriteHeader(e); err != nil {
			return s, err
		}
		if err := copyFile(archive, p.path); err != nil {
			return s, err
		}
	}
	if err := archive.Close(); err != nil {
		return s, err
	}
	if err := z.Close(); err != nil {
		return s, err
	}
	return payloadSums{hex.EncodeToString(compressed.Sum(nil)), hex.EncodeToString(plain.Sum(nil)), int64(size), int64(plainSize)}, nil
}

func copyFile(w io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

// reserved is the room that rpm leaves in the signature header for signatures, in bytes.
const reserved = 4128

// writePackage writes lead, signature header, header and payload.
func writePackage(w io.Writer, n rpmfile.NEVRA, header []byte, payload string, s payloadSums) error {
	sha1Sum, sha256Sum, md5Sum := sha1.Sum(header), sha256.Sum256(header), md5.New()
	md5Sum.Write(header)
	if err := copyFile(md5Sum, payload); err != nil {
		return err
	}
	var sig rpmfile.HeaderWriter
	sig.PutString(rpmfile.SigSHA1, hex.EncodeToString(sha1Sum[:]))
	sig.PutString(rpmfile.SigSHA256, hex.EncodeToString(sha256Sum[:]))
	if total := int64(len(header)) + s.size; total < math.MaxUint32 && s.plainSize < math.MaxUint32 {
		sig.PutUint32(rpmfile.SigSize, uint32(total))
		sig.PutUint32(rpmfile.SigPayloadSize, uint32(s.plainSize))
	} else {
		sig.PutUint64(rpmfile.SigLongSize, uint64(total))
		sig.PutUint64(rpmfile.SigLongArchiveSize, uint64(s.plainSize))
	}
	sig.PutBytes(rpmfile.SigMD5, md5Sum.Sum(nil))
	sig.PutBytes(rpmfile.SigReservedSpace, make([]byte, reserved))
	raw, err := sig.Bytes(rpmfile.SigHeaderSignatures)
	if err != nil {
		return err
	}
	raw = append(raw, make([]byte, -len(raw)&7)...)
	for _, b := range [][]byte{lead(n), raw, header} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return copyFile(w, payload)
}

// lead is the 96 bytes that begin a source RPM.
func lead(n rpmfile.NEVRA) []byte {
	b := make([]byte, rpmfile.LeadSize)
	copy(b, "\xed\xab\xee\xdb\x03\x00\x00\x01\x00\x01")
	copy(b[10:75], n.NVR())
	binary.BigEndian.PutUint16(b[76:], 1) // Linux
	binary.BigEndian.PutUint16(b[78:], 5) // a signature header follows
	return b
}
