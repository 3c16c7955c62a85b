package gitmirror

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
	"github.com/weld-linux/weld-bridge/internal/varint"
)

// The model of a zip: zipMagic, the encoders, the members in the order of the file, the extra blobs, and the skeleton:
// every byte of the file that is not data of a member. Numbers are unsigned varints, strings a length and bytes.
const zipMagic = "weld-zip 1\n"

// The bounds of a model.
const (
	maxSkeleton = 64 << 20
	maxMisses   = 32 // members whose encoder is looked for in vain before the others are not looked at any more
)

// errNoZipModel says that a zip is to be kept as it is.
var errNoZipModel = errors.New("no model gives these bytes")

// zipMember is a member in a model.
type zipMember struct {
	gap  uint64 // bytes of the skeleton before the data
	from uint64 // 0: no data; 1+2n: file n of the tree; 2+2n: extra n
	enc  uint64 // 0: the blob is the data; n: encoder n-1 makes the data of it
}

// zipSearch makes the model of a zip.
type zipSearch struct {
	im       *Importer
	p        *pristineTree
	f        *os.File
	size     int64
	contents map[*zip.File]Hash // of the members that are files
	extra    []tarmodel.Hash

	parts  []pristine.Part
	misses int
	kept   int64 // compressed bytes kept as they are
}

// model finds where the data of the members lie and what made them.
func (z *zipSearch) model(ctx context.Context, zr *zip.Reader, tree []entry) ([]byte, error) {
	type placed struct {
		m   *zip.File
		off int64
	}
	var list []placed
	for _, m := range zr.File {
		off, err := m.DataOffset()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoZipModel, err)
		}
		list = append(list, placed{m, off})
	}
	slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.off, b.off) })
	inTree := map[Hash]uint64{}
	for i := range slices.Backward(tree) {
		inTree[tree[i].hash] = uint64(1 + 2*i)
	}
	var members []zipMember
	var skeleton []byte
	end := int64(0)
	for _, l := range list {
		n := int64(l.m.CompressedSize64)
		if l.off < end || n < 0 || n > z.size-l.off {
			return nil, fmt.Errorf("%w: its members overlap", errNoZipModel)
		}
		var err error
		if skeleton, err = z.between(skeleton, end, l.off); err != nil {
			return nil, err
		}
		h, enc, err := z.member(ctx, l.m, l.off)
		if err != nil {
			return nil, err
		}
		zm := zipMember{gap: uint64(l.off - end), enc: enc}
		if n > 0 {
			zm.from = z.ref(inTree, h)
		}
		members = append(members, zm)
		end = l.off + n
	}
	skeleton, err := z.between(skeleton, end, z.size)
	if err != nil {
		return nil, err
	}
	if z.kept > z.size/2 {
		return nil, fmt.Errorf("%w: no encoder makes most of its members", errNoZipModel)
	}
	return z.encode(members, skeleton), nil
}

// between appends what stands between two members.
func (z *zipSearch) between(skeleton []byte, from, to int64) ([]byte, error) {
	if int64(len(skeleton))+to-from > maxSkeleton {
		return nil, fmt.Errorf("%w: more than %d bytes stand between its members", errNoZipModel, maxSkeleton)
	}
	n := len(skeleton)
	skeleton = append(skeleton, make([]byte, to-from)...)
	_, err := z.f.ReadAt(skeleton[n:], from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return skeleton, err
}

// ref names a blob: in the tree, or as an extra.
func (z *zipSearch) ref(inTree map[Hash]uint64, h Hash) uint64 {
	if n, ok := inTree[h]; ok {
		return n
	}
	z.extra = append(z.extra, tarmodel.Hash(h))
	inTree[h] = uint64(2 * len(z.extra))
	return inTree[h]
}

// member finds the blob that the data of a member come from, and the encoder between the two.
func (z *zipSearch) member(ctx context.Context, m *zip.File, off int64) (Hash, uint64, error) {
	data := io.NewSectionReader(z.f, off, int64(m.CompressedSize64))
	h, isFile := z.contents[m]
	if isFile && m.Method == zip.Store {
		return h, 0, nil
	}
	if isFile && m.Method == zip.Deflate {
		n, err := z.encoder(ctx, data, int64(m.UncompressedSize64))
		if err != nil || n > 0 {
			return h, n, err
		}
	}
	if data.Size() == 0 {
		return Hash{}, 0, nil
	}
	z.kept += data.Size()
	w, err := z.p.r.writer()
	if err != nil {
		return h, 0, err
	}
	h, err = w.AddStream(data.Size(), data)
	return h, 0, err
}

// encoder finds what deflated data: one that made another member, or else any that is known; 0 if there is none.
func (z *zipSearch) encoder(ctx context.Context, data *io.SectionReader, size int64) (uint64, error) {
	plain := func() (io.ReadCloser, error) {
		return flate.NewReader(io.NewSectionReader(data, 0, data.Size())), nil
	}
	for i := range slices.Backward(z.parts) {
		in, _ := plain()
		same := &sameWriter{want: io.NewSectionReader(data, 0, data.Size()), left: data.Size()}
		if err := z.im.Encoders.Encode(ctx, z.parts[i], in, same); err == nil && same.left == 0 {
			return uint64(i + 1), nil
		}
	}
	if err := ctx.Err(); err != nil || z.misses >= maxMisses {
		return 0, err
	}
	found, err := pristine.Find(ctx, z.im.Encoders, data, data.Size(), plain,
		pristine.Hint{Compressor: string(pristine.Deflate), PlainSize: size, MaxPlain: z.im.MaxSearch})
	if errors.Is(err, pristine.ErrNoEncoder) || err == nil && (len(found.Parts) != 1 || len(found.Parts[0].Raw) > 0 || found.Parts[0].Repeat > 0) {
		z.misses++
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p := found.Parts[0]
	z.parts = append(z.parts, pristine.Part{Encoder: p.Encoder, Version: p.Version, Params: p.Params})
	return uint64(len(z.parts)), nil
}

// sameWriter fails at the first byte that differs from what is wanted.
type sameWriter struct {
	want io.Reader
	left int64
	buf  []byte
}

var errOther = errors.New("other bytes")

func (s *sameWriter) Write(b []byte) (int, error) {
	if int64(len(b)) > s.left {
		return 0, errOther
	}
	s.buf = append(s.buf[:0], b...)
	if _, err := io.ReadFull(s.want, s.buf); err != nil {
		return 0, err
	}
	if !bytes.Equal(s.buf, b) {
		return 0, errOther
	}
	s.left -= int64(len(b))
	return len(b), nil
}

func (z *zipSearch) encode(members []zipMember, skeleton []byte) []byte {
	b := []byte(zipMagic)
	put := func(n uint64) { b = binary.AppendUvarint(b, n) }
	put(uint64(len(z.parts)))
	for _, p := range z.parts {
		for _, s := range []string{p.Encoder, p.Version, p.Params} {
			b = varint.AppendBlock(b, s)
		}
	}
	put(uint64(len(members)))
	for _, m := range members {
		put(m.gap)
		put(m.from)
		put(m.enc)
	}
	put(uint64(len(z.extra)))
	for _, h := range z.extra {
		b = append(b, h[:]...)
	}
	return varint.AppendBlock(b, skeleton)
}

// prove makes the zip from the model and compares digests.
func (z *zipSearch) prove(ctx context.Context, model []byte, tree Hash, want string) error {
	h := sha256.New()
	if err := z.p.joinZip(ctx, z.im.Encoders, model, tree, h); err != nil {
		return fmt.Errorf("proof of the zip: %w", err)
	}
	if hex.EncodeToString(h.Sum(nil)) != want {
		return errNoZipModel
	}
	return nil
}

// writeZip writes the zip of a digest.
func (p *pristineTree) writeZip(ctx context.Context, enc *pristine.Encoders, sha string, w io.Writer) error {
	h, err := p.need(sha, ".zip")
	if err != nil {
		return err
	}
	tree, err := p.need(sha, ".tree")
	if err != nil {
		return err
	}
	model, err := p.r.read(h, gitpack.Blob)
	if err != nil {
		return err
	}
	return p.joinZip(ctx, enc, model, tree, w)
}

// joinZip makes a zip of its model and its tree.
func (p *pristineTree) joinZip(ctx context.Context, enc *pristine.Encoders, model []byte, root Hash, w io.Writer) error {
	tree, err := p.r.listTree(root)
	if err != nil {
		return err
	}
	m, err := decodeZip(model)
	if err != nil {
		return err
	}
	for i, member := range m.members {
		if _, err := w.Write(m.skeleton[:member.gap]); err != nil {
			return err
		}
		m.skeleton = m.skeleton[member.gap:]
		if member.from == 0 {
			continue
		}
		n := (member.from - 1) / 2
		var h Hash
		switch {
		case member.from%2 == 1 && n < uint64(len(tree)):
			h = tree[n].hash
		case member.from%2 == 0 && n < uint64(len(m.extra)):
			h = m.extra[n]
		default:
			return fmt.Errorf("model of a zip: member %d: no such blob", i)
		}
		if err := p.writeMember(ctx, enc, m.parts, member.enc, h, w); err != nil {
			return fmt.Errorf("member %d of the zip: %w", i, err)
		}
	}
	_, err = w.Write(m.skeleton)
	return err
}

func (p *pristineTree) writeMember(ctx context.Context, enc *pristine.Encoders, parts []pristine.Part, n uint64, h Hash, w io.Writer) error {
	if n == 0 {
		return p.copyBlob(h, w)
	}
	_, in, err := p.r.open(h, gitpack.Blob)
	if err != nil {
		return err
	}
	defer in.Close()
	return enc.Encode(ctx, parts[n-1], in, w)
}

// zipModel is a decoded model.
type zipModel struct {
	parts    []pristine.Part
	members  []zipMember
	extra    []Hash
	skeleton []byte
}

// decodeZip reads a model. What it allocates is bounded by the model's length.
func decodeZip(b []byte) (*zipModel, error) {
	bad := errors.New("model of a zip: damaged")
	rest, ok := bytes.CutPrefix(b, []byte(zipMagic))
	if !ok {
		return nil, bad
	}
	d := varint.NewReader(rest)
	m := &zipModel{}
	for range d.Count(3) {
		m.parts = append(m.parts, pristine.Part{Encoder: d.Text(), Version: d.Text(), Params: d.Text()})
	}
	gaps := uint64(0)
	for range d.Count(3) {
		zm := zipMember{d.Uint(), d.Uint(), d.Uint()}
		if gaps += zm.gap; gaps > uint64(len(b)) || zm.gap > uint64(len(b)) || zm.enc > uint64(len(m.parts)) {
			return nil, bad
		}
		m.members = append(m.members, zm)
	}
	m.extra = make([]Hash, d.Count(len(Hash{})))
	for i := range m.extra {
		copy(m.extra[i][:], d.Bytes(len(Hash{})))
	}
	m.skeleton = d.Block()
	if d.Bad() || len(d.Rest()) > 0 || gaps > uint64(len(m.skeleton)) {
		return nil, bad
	}
	return m, nil
}
