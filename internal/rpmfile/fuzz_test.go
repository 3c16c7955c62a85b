package rpmfile_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// seedPackages gives our samples as far as their payload, signed ones too.
func seedPackages(f *testing.F) [][]byte {
	keys, err := rpmfile.GenerateKey("Seed", "seed@example.org", "ed25519", 0, signTime)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := keys.NewSigner("", nil, signTime)
	if err != nil {
		f.Fatal(err)
	}
	var seeds [][]byte
	for _, spec := range rpmtest.Samples() {
		data := rpmtest.Build(f, spec)
		p, err := rpmfile.Parse(data)
		if err != nil {
			f.Fatal(err)
		}
		start, end := p.HeaderRange()
		seeds = append(seeds, data[:end])
		if raw, err := p.Sign(signer, rpmfile.SignOptions{V6: true}); err == nil {
			seeds = append(seeds, bytes.Join([][]byte{p.LeadRaw(), raw, data[start:end]}, nil))
		}
	}
	return seeds
}

// FuzzRead reads packages: whatever is taken comes back as it was, and every getter works on it.
func FuzzRead(f *testing.F) {
	for _, seed := range seedPackages(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := rpmfile.Read(bytes.NewReader(data))
		q, err2 := rpmfile.Parse(data)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("Read says %v, Parse says %v", err, err2)
		}
		if err != nil {
			return
		}
		var head bytes.Buffer
		if _, err := p.WriteTo(&head); err != nil || !bytes.HasPrefix(data, head.Bytes()) {
			t.Fatal("WriteTo does not give back what was read")
		}
		useHeader(t, q.Signature)
		useHeader(t, q.Header)
		q.NEVRA()
		q.Payload()
		q.KojiKeyID()
		q.VerifyHeader(new(rpmfile.Keyring))
		if files, err := q.Files(); err == nil {
			sizes := rpmfile.PayloadSizes(files)
			for i := range files {
				sizes(uint32(i))
				files[i].FileMode()
			}
		}
		if _, err := q.VerifyArchive(bytes.NewReader(data)); err == io.EOF {
			t.Fatal("an end of input got through")
		}
		if raw, err := q.Unsigned(); err == nil {
			if _, err := q.WithSignature(raw); err != nil {
				t.Fatalf("without signatures: %v", err)
			}
		}
	})
}

// useHeader calls every getter for every tag, and writes the header anew.
func useHeader(t *testing.T, h *rpmfile.Header) {
	var w rpmfile.HeaderWriter
	seen := make(map[rpmfile.Tag]bool)
	for e := range h.Entries() {
		if !h.Has(e.Tag) {
			t.Fatalf("tag %d is not found", e.Tag)
		}
		h.String(e.Tag)
		h.Uint64s(e.Tag)
		h.Uint32s(e.Tag)
		h.Bytes(e.Tag)
		if list := h.Strings(e.Tag); list != nil && !seen[e.Tag] && len(list) != e.Count {
			t.Fatalf("tag %d: %d strings of %d", e.Tag, len(list), e.Count)
		}
		seen[e.Tag] = true
		if e.Tag >= rpmfile.TagHeaderI18NTable {
			w.Put(e.Tag, e.Type, e.Count, h.Data(e))
		}
	}
	raw, err := w.Bytes(0)
	if err != nil {
		return // more entries than a header may have
	}
	again, err := rpmfile.ParseHeader(raw)
	if err != nil {
		t.Fatal(err)
	}
	for e := range again.Entries() {
		if !h.Has(e.Tag) {
			t.Fatalf("tag %d was made up", e.Tag)
		}
	}
}

// FuzzSignature reads the packets of signatures.
func FuzzSignature(f *testing.F) {
	for _, seed := range seedPackages(f) {
		p, err := rpmfile.Parse(seed)
		if err != nil {
			f.Fatal(err)
		}
		list, err := p.Signatures()
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range list {
			f.Add(s.Packet)
		}
	}
	plain, err := rpmfile.Parse(rpmtest.Build(f, rpmtest.Spec{}))
	if err != nil {
		f.Fatal(err)
	}
	keys, err := rpmfile.GenerateKey("Seed", "seed@example.org", "ed25519", 0, signTime)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, tag := range []rpmfile.Tag{rpmfile.SigRSA, rpmfile.SigPGP} {
			var w rpmfile.HeaderWriter
			w.PutBytes(tag, packet)
			raw, err := w.Bytes(rpmfile.SigHeaderSignatures)
			if err != nil {
				return
			}
			p, err := plain.WithSignature(append(raw, make([]byte, -len(raw)&7)...))
			if err != nil {
				t.Fatal(err)
			}
			v := p.NewVerifier(keys)
			if v.Result().Signed() {
				t.Fatal("a made-up signature holds")
			}
		}
	})
}

// FuzzKeyring reads keys.
func FuzzKeyring(f *testing.F) {
	keys, err := rpmfile.GenerateKey("Seed", "seed@example.org", "ed25519", 0, signTime)
	if err != nil {
		f.Fatal(err)
	}
	var armored bytes.Buffer
	if err := keys.WritePublic(&armored); err != nil {
		f.Fatal(err)
	}
	f.Add(armored.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := rpmfile.ReadKeyring(bytes.NewReader(data))
		if err == nil && len(keys.IDs()) == 0 {
			t.Fatal("no keys and no error")
		}
	})
}
