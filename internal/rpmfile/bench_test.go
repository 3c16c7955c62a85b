package rpmfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// benchPackage has a header of the usual size: so many files, a fifth as many dependencies, ten changes.
func benchPackage(b *testing.B, files int) []byte {
	spec := rpmtest.Spec{Name: "bench", URL: "https://example.org/bench", Vendor: "Weld", Packager: "A Packager"}
	for i := range files {
		spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/bench/%02d/file-%d.txt", i/8, i)})
	}
	for i := range files / 5 {
		spec.Requires = append(spec.Requires, rpmtest.Dep{Name: fmt.Sprintf("libbench%d.so.1()(64bit)", i)})
		spec.Provides = append(spec.Provides, rpmtest.Dep{Name: fmt.Sprintf("bench(feature%d)", i), Flags: rpmtest.Equal, Version: "1"})
	}
	for i := range 10 {
		spec.Changelog = append(spec.Changelog, rpmtest.Change{
			Time: uint32(1700000000 - i), Author: "A Packager <p@example.org> - 1.0-1", Text: "- Rebuilt for the mass rebuild of this release",
		})
	}
	return rpmtest.Build(b, spec)
}

// A repodataReader reads every tag that repodata needs.
type repodataReader struct {
	strings []string
	numbers []uint32
	sum     int
}

var (
	repodataStrings = []rpmfile.Tag{
		rpmfile.TagName, rpmfile.TagVersion, rpmfile.TagRelease, rpmfile.TagArch, rpmfile.TagSummary, rpmfile.TagDescription,
		rpmfile.TagPackager, rpmfile.TagURL, rpmfile.TagLicense, rpmfile.TagVendor, rpmfile.TagGroup, rpmfile.TagBuildHost,
		rpmfile.TagSourceRPM,
	}
	repodataLists = []rpmfile.Tag{
		rpmfile.TagProvideName, rpmfile.TagProvideVersion, rpmfile.TagRequireName, rpmfile.TagRequireVersion,
		rpmfile.TagConflictName, rpmfile.TagConflictVersion, rpmfile.TagObsoleteName, rpmfile.TagObsoleteVersion,
		rpmfile.TagRecommendName, rpmfile.TagRecommendVersion, rpmfile.TagSuggestName, rpmfile.TagSuggestVersion,
		rpmfile.TagSupplementName, rpmfile.TagSupplementVersion, rpmfile.TagEnhanceName, rpmfile.TagEnhanceVersion,
		rpmfile.TagBaseNames, rpmfile.TagDirNames, rpmfile.TagFileDigests, rpmfile.TagChangelogName, rpmfile.TagChangelogText,
	}
	repodataNumbers = []rpmfile.Tag{
		rpmfile.TagEpoch, rpmfile.TagBuildTime, rpmfile.TagSize, rpmfile.TagProvideFlags, rpmfile.TagRequireFlags,
		rpmfile.TagConflictFlags, rpmfile.TagObsoleteFlags, rpmfile.TagRecommendFlags, rpmfile.TagSuggestFlags,
		rpmfile.TagSupplementFlags, rpmfile.TagEnhanceFlags, rpmfile.TagDirIndexes, rpmfile.TagFileFlags, rpmfile.TagFileModes,
		rpmfile.TagChangelogTime,
	}
)

func (r *repodataReader) read(p *rpmfile.Package) {
	for _, tag := range repodataStrings {
		r.sum += len(p.Header.String(tag))
	}
	for _, tag := range repodataLists {
		r.strings = p.Header.AppendStrings(r.strings[:0], tag)
		r.sum += len(r.strings)
	}
	for _, tag := range repodataNumbers {
		r.numbers = p.Header.AppendUint32s(r.numbers[:0], tag)
		r.sum += len(r.numbers)
	}
	size, _, _ := p.ArchiveSize()
	start, end := p.HeaderRange()
	r.sum += int(size) + int(end-start)
}

func BenchmarkHeader(b *testing.B) {
	for _, files := range []int{10, 40, 100, 1000} {
		data := benchPackage(b, files)
		p, err := rpmfile.Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		_, end := p.HeaderRange()
		name := fmt.Sprintf("%dKB", end>>10)
		var r repodataReader
		b.Run("Parse/"+name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(end)
			for b.Loop() {
				p, err := rpmfile.Parse(data)
				if err != nil {
					b.Fatal(err)
				}
				r.read(p)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "RPM/s")
		})
		b.Run("Read/"+name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(end)
			var in bytes.Reader
			for b.Loop() {
				in.Reset(data)
				p, err := rpmfile.Read(&in)
				if err != nil {
					b.Fatal(err)
				}
				r.read(p)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "RPM/s")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	data := rpmtest.Build(b, rpmtest.Spec{Compressor: "none", Files: []rpmtest.File{{Path: "/big", Body: make([]byte, 16<<20)}}})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, result, err := rpmfile.Verify(bytes.NewReader(data), nil); err != nil || result.Err() != nil {
			b.Fatal(err, result)
		}
	}
}

// BenchmarkCorpus reads the headers of the files below WELD_RPMS as repogen does: the first 64 KiB by one read, parsed in
// place, with every tag that repodata needs.
func BenchmarkCorpus(b *testing.B) {
	var heads [][]byte
	for _, dir := range filepath.SplitList(os.Getenv("WELD_RPMS")) {
		for _, path := range rpmFiles(b, dir) {
			data, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			heads = append(heads, data[:min(len(data), 64<<10)])
		}
	}
	if heads == nil {
		b.Skip("WELD_RPMS names no directories of RPMs")
	}
	var r repodataReader
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p, err := rpmfile.Parse(heads[n%len(heads)])
		if err != nil {
			b.Fatal(err)
		}
		r.read(p)
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "RPM/s")
}
