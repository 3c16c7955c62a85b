package convert

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// specs are what the benchmarks work on: those below WELD_SPECS, else one of the
// size that specs have.
func specs(b *testing.B) (list [][]byte, size int64) {
	list = [][]byte{big()}
	if os.Getenv("WELD_SPECS") != "" {
		list = nil
		for _, path := range corpus(b) {
			spec, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			list = append(list, spec)
		}
	}
	for _, spec := range list {
		size += int64(len(spec))
	}
	return list, size
}

// big is a spec of the size that specs have.
func big() []byte {
	var b bytes.Buffer
	b.WriteString(cases[0].spec)
	for i := range 20 {
		fmt.Fprintf(&b, "\n%%package part%d\nSummary:        Part %d\nRequires:       %%{name} = %%{version}-%%{release}\nRequires:       lib%d >= 1.%d\n\n", i, i, i, i)
		fmt.Fprintf(&b, "%%description part%d\nThe part %d of it.\n\n%%files part%d\n%%license COPYING\n%%{_bindir}/part%d\n%%config(noreplace) %%{_sysconfdir}/part%d.conf\n", i, i, i, i, i)
	}
	b.WriteString("\n%changelog\n")
	for i := range 40 {
		fmt.Fprintf(&b, "* Mon Nov 23 2026 A Packager <a@example.org> - 1.%d-1\n- Update to 1.%d, which mends what was broken before\n\n", 40-i, 40-i)
	}
	return b.Bytes()
}

// BenchmarkToDocument is parser, lift, layout and emitter, without a proof.
func BenchmarkToDocument(b *testing.B) {
	list, size := specs(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, spec := range list {
			l, err := document("a.spec", spec, 0)
			if err != nil {
				b.Fatal(err)
			}
			pkgtoml.Encode(l.doc)
		}
	}
}

// BenchmarkDecode is mostly the TOML library.
func BenchmarkDecode(b *testing.B) {
	list, size := specs(b)
	docs := make([][]byte, len(list))
	for i, spec := range list {
		docs[i] = pkgtoml.Encode(fromSpec(b, spec))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, doc := range docs {
			if _, err := pkgtoml.Decode("a.toml", doc); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkToSpec is the way back without the decoder.
func BenchmarkToSpec(b *testing.B) {
	list, size := specs(b)
	docs := make([]*pkgtoml.Document, len(list))
	for i, spec := range list {
		docs[i] = fromSpec(b, spec)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, doc := range docs {
			if _, err := ToSpec(doc, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func fromSpec(b *testing.B, spec []byte) *pkgtoml.Document {
	b.Helper()
	doc, err := FromSpec("a.spec", spec, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return doc
}
