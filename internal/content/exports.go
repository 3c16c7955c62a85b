package content

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// exporter hashes a payload for all that it is part of.
type exporter struct {
	pkg      *rpmfile.Package
	size     int64
	file     [32]byte
	stripped *rpmfile.Package
	unsigned hash.Hash
	body     hash.Hash // of lead, header and payload
	whole    hash.Hash
	payload  hash.Hash // nil where no encoder is searched for
	kept     hash.Hash // of the object that keeps the payload
}

func (i *importer) newExports() *exporter {
	x := &exporter{pkg: i.pkg, size: i.size, file: i.digest, body: sha256.New(), whole: sha256.New(), kept: sha256.New()}
	if !i.o.Defer {
		x.payload = sha256.New()
	}
	x.kept.Write(plainFile.Prefix())
	i.pkg.WriteTo(x.whole)
	x.body.Write(i.pkg.LeadRaw())
	x.body.Write(i.pkg.Header.Raw())
	if len(signingKeys(i.pkg)) > 0 {
		if p, err := stripSignature(i.pkg); err == nil {
			x.stripped, x.unsigned = p, sha256.New()
			p.WriteTo(x.unsigned)
		}
	}
	return x
}

func (x *exporter) Write(b []byte) (int, error) {
	x.body.Write(b)
	x.whole.Write(b)
	if x.payload != nil {
		x.payload.Write(b)
	}
	x.kept.Write(b)
	if x.unsigned != nil {
		x.unsigned.Write(b)
	}
	return len(b), nil
}

func (x *exporter) id() string { return hex.EncodeToString(x.body.Sum(nil)) }

// exports gives the forms of the package: as it came, and unsigned.
func (x *exporter) exports() exports {
	keys := signingKeys(x.pkg)
	start, payload := x.pkg.HeaderRange()
	e := Export{
		Signature: signatureName(keys, x.pkg.SignatureRaw()), Keys: keys, SHA256: hex.EncodeToString(x.file[:]), Size: x.size,
		Header: start, Payload: payload, Imported: true,
	}
	list := exports{Version: 1, Exports: []Export{e}}
	if x.stripped != nil {
		u := e
		u.Keys, u.Stripped, u.Imported = nil, true, false
		u.Header, u.Payload = x.stripped.HeaderRange()
		u.Size = e.Size - e.Payload + u.Payload
		u.SHA256 = hex.EncodeToString(x.unsigned.Sum(nil))
		list.Exports = append(list.Exports, u)
	}
	return list
}

// mergeExports gives all forms of both lists, each once. An unsigned form that was made of a signed one is left out where there is one
// that came unsigned, and of several the one whose signature has the first name is kept.
func mergeExports(a, b []Export) exports {
	type id struct {
		signature string
		stripped  bool
	}
	all := map[id]Export{}
	unsigned := false
	for _, e := range slices.Concat(a, b) {
		key := id{e.Signature, e.Stripped}
		e.Imported = e.Imported || all[key].Imported
		all[key] = e
		unsigned = unsigned || len(e.Keys) == 0 && !e.Stripped
	}
	doc := exports{Version: 1}
	var made *Export
	for _, e := range all {
		switch {
		case !e.Stripped:
			doc.Exports = append(doc.Exports, e)
		case made == nil || e.Signature < made.Signature:
			made = &e
		}
	}
	if made != nil && !unsigned {
		doc.Exports = append(doc.Exports, *made)
	}
	doc.sort()
	return doc
}
