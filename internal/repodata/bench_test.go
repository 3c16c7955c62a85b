package repodata

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// benchSpec is a package of the size that is usual in a distribution: some 12 KB of metadata.
func benchSpec() rpmtest.Spec {
	s := rpmtest.Spec{Name: "bench", Description: "Long enough to be a description of something.\n"}
	for i := range 100 {
		s.Files = append(s.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/bench/dir%d/file-%d.dat", i%7, i)})
	}
	for i := range 20 {
		s.Requires = append(s.Requires, rpmtest.Dep{Name: fmt.Sprintf("libbench%d.so.1()(64bit)", i)})
		s.Provides = append(s.Provides, rpmtest.Dep{Name: fmt.Sprintf("bench(%d)", i), Flags: rpmtest.Equal, Version: "1.0-1"})
		s.Changelog = append(s.Changelog, rpmtest.Change{Time: uint32(2000000 - i), Author: "Some Body <s@example.com>", Text: "- rebuilt"})
	}
	return s
}

// BenchmarkBuild reads a header and all of its tags that the metadata needs.
func BenchmarkBuild(b *testing.B) {
	file := rpmtest.Build(b, benchSpec())
	builder := Builder{ChangelogLimit: 10}
	var p Package
	b.ReportAllocs()
	for b.Loop() {
		rpm, err := rpmfile.Parse(file)
		if err != nil {
			b.Fatal(err)
		}
		builder.Build(&p, rpm)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "RPM/s")
}

func benchPackage(b *testing.B) *Package {
	rpm, err := rpmfile.Parse(rpmtest.Build(b, benchSpec()))
	if err != nil {
		b.Fatal(err)
	}
	builder := Builder{ChangelogLimit: 10}
	p := new(Package)
	builder.Build(p, rpm)
	return p
}

func BenchmarkAppend(b *testing.B) {
	p := benchPackage(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for k := range NumKinds {
			buf = Append(buf, k, p)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkScan(b *testing.B) {
	p := benchPackage(b)
	file := AppendHeader(nil, Primary, 100)
	for range 100 {
		file = AppendPrimary(file, p)
	}
	file = append(file, Footer(Primary)...)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner(bytes.NewReader(file), Primary)
		var q Package
		err := s.Next(&q)
		for ; err == nil; err = s.Next(&q) {
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
