package rpmtest

import (
	"bytes"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// Samples gives packages that between them have everything a package can have, by name.
func Samples() map[string]Spec {
	samples := map[string]Spec{
		"empty":    {Name: "empty"},
		"format3":  {Name: "old", Format: 3, Files: plainFiles()},
		"format6":  {Name: "new", Format: 6, Files: plainFiles(), Compressor: "zstd", Flags: "19"},
		"full":     full(),
		"long":     {Name: "long", Long: true, Files: plainFiles(), Compressor: "xz", Flags: "2"},
		"reserve":  {Name: "reserve", Reserve: 4128, Files: plainFiles()},
		"reserve6": {Name: "reserve6", Format: 6, Reserve: 4128, Files: plainFiles()},
		"source":   Source(),
		"source6":  {Name: "new", Format: 6, Source: true, Files: Source().Files},
		"bare":     {Name: "bare", NoMD5: true, NoSHA1: true, Files: plainFiles()},
		"nodigest": {Name: "nodigest", NoSHA256: true, NoPayloadDigest: true, Files: plainFiles()},
		"odd": {Name: "odd", Files: []File{
			{Path: "/odd/ leading and trailing "},
			{Path: "/odd/back\\slash"},
			{Path: "/odd/bell\a"},
			{Path: "/odd/latin1-\xe9"},
			{Path: "/odd/new\nline"},
			{Path: "/odd/star*?[x]"},
			{Path: "/odd/utf8-é-日本"},
			{Path: "/odd/" + strings.Repeat("x", 255)},
		}},
	}
	for _, c := range []string{"gzip", "lzma", "none", "xz", "zstd"} {
		flags := "9"
		if c == "none" {
			flags = ""
		}
		samples["payload-"+c] = Spec{Name: "payload-" + c, Compressor: c, Flags: flags, Files: plainFiles()}
	}
	return samples
}

// Source gives a source package.
func Source() Spec {
	return Spec{
		Name: "hello", Source: true, Files: []File{
			{Path: "hello-1.0.tar.gz", Body: bytes.Repeat([]byte("not a real archive\n"), 100)},
			{Path: "hello.spec", Body: []byte("Name: hello\nVersion: 1.0\nRelease: 1\n"), Flags: rpmfile.FileSpec},
		},
		Requires:      []Dep{{Name: "gcc"}, {Name: "make", Flags: Greater | Equal, Version: "4.0"}},
		ExclusiveArch: []string{"x86_64", "aarch64"},
		Extra: func(w *rpmfile.HeaderWriter) {
			w.PutStrings(rpmfile.TagSource, "hello-1.0.tar.gz")
		},
	}
}

func plainFiles() []File {
	return []File{
		{Path: "/usr/bin/hello", Mode: 0o100755, Body: bytes.Repeat([]byte("#!/bin/sh\necho hello\n"), 50)},
		{Path: "/usr/share/doc/hello", Mode: 0o040755},
		{Path: "/usr/share/doc/hello/README", Body: []byte("Read me.\n"), Flags: rpmfile.FileDoc},
	}
}

// full has every kind of file and every kind of tag.
func full() Spec {
	return Spec{
		Name: "full", Version: "2.5~rc1", Release: "3^git", Epoch: 7,
		Summary: "Everything at once", Description: "First line.\n\nSecond paragraph & <more>.", Group: "System/Base",
		Translations: []Translation{{"de", "Alles auf einmal", "Erste Zeile.", "System/Basis"}, {"fr", "Tout à la fois", "", ""}},
		License:      "GPL-2.0-or-later AND MIT", URL: "https://example.org/", Vendor: "Weld", Packager: "A Packager <p@example.org>",
		Provides:    []Dep{{"full(x86-64)", Equal, "7:2.5~rc1-3^git"}, {"virtual", 0, ""}},
		Requires:    []Dep{{"/bin/sh", 1<<9 | 1<<10, ""}, {"libc.so.6(GLIBC_2.34)(64bit)", 0, ""}, {"(a or b)", 0, ""}, {"glibc", Greater | Equal, "2.34"}},
		Conflicts:   []Dep{{"half", Less, "1:2"}},
		Obsoletes:   []Dep{{"fuller", Less | Equal, "2.0-1"}},
		Recommends:  []Dep{{"r", 0, ""}},
		Suggests:    []Dep{{"s", Greater, "1"}},
		Supplements: []Dep{{"(p and q)", 0, ""}},
		Enhances:    []Dep{{"e", Equal, "3-4"}},
		Scripts: []Script{
			{Tag: rpmfile.TagPreIn, Body: "echo pre"},
			{Tag: rpmfile.TagPostIn, Prog: []string{"/sbin/ldconfig"}},
			{Tag: rpmfile.TagPreUn, Prog: []string{"/bin/sh", "-e"}, Body: "echo preun"},
			{Tag: rpmfile.TagPostTrans, Prog: []string{"<lua>"}, Body: "print('posttrans')"},
		},
		Triggers: []Trigger{{On: Dep{"bash", Greater, "5"}, Kind: 1 << 16, Body: "echo trigger"}},
		Changelog: []Change{
			{1700000000, "A Packager <p@example.org> - 7:2.5-3", "- newest\n- of all"},
			{1600000000, "Ä Päckager <p@example.org> - 2.4-1", "- older"},
		},
		Files: []File{
			{Path: "/dev/full-b", Mode: 0o060660, RDev: 8<<8 | 1, Group: "disk"},
			{Path: "/dev/full-c", Mode: 0o020666, RDev: 1<<8 | 7},
			{Path: "/etc/full", Mode: 0o040755},
			{Path: "/etc/full/full.conf", Body: []byte("a=1\n"), Flags: rpmfile.FileConfig | rpmfile.FileNoReplace},
			{Path: "/run/full.pipe", Mode: 0o010600},
			{Path: "/usr/bin/full", Mode: 0o104755, Body: []byte("binary\x00\xff"), Link: 1},
			{Path: "/usr/bin/full-link", Mode: 0o104755, Body: []byte("binary\x00\xff"), Link: 1},
			{Path: "/usr/bin/ping", Mode: 0o100755, Body: []byte("ping"), Caps: "cap_net_admin,cap_net_raw=p"},
			{Path: "/usr/bin/symlink", LinkTo: "../lib/full"},
			{Path: "/usr/lib/full", Mode: 0o042775, User: "daemon", Group: "daemon"},
			{Path: "/usr/lib/full/empty"},
			{Path: "/usr/lib/full/zfull-link", Mode: 0o104755, Body: []byte("binary\x00\xff"), Link: 1},
			{Path: "/usr/share/locale/de/full.mo", Body: []byte("mo"), Lang: "de", MTime: 1},
			{Path: "/var/lib/full/state", Flags: rpmfile.FileGhost},
		},
	}
}
