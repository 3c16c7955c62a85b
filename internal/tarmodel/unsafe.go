package tarmodel

import "strings"

// Unsafe says why a clean relative path may not stand in a git tree, "" if it may. The rules are those of git's own
// verify_path with core.protectHFS and core.protectNTFS on.
func Unsafe(path string) string {
	if strings.ContainsRune(path, 0) {
		return "name with a NUL"
	}
	if len(path) > 4000 {
		return "name longer than 4000 bytes"
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return "not a relative path"
		case len(part) > 255:
			return "part of a name longer than 255 bytes"
		case isDotGit(part):
			return "name that means .git somewhere"
		}
	}
	return ""
}

// isDotGit reports whether some file system takes the name for ".git".
func isDotGit(name string) bool {
	plain := plainName(name)
	return plain == ".git" || plain == "git~1"
}

// maxTarget is the longest target of a symbolic link that Linux takes, in bytes.
const maxTarget = 4095

// UnsafeLink says why a path that Unsafe lets pass may not be a symbolic link to target, "" if it may. Where the link leads does not matter.
func UnsafeLink(path, target string) string {
	switch {
	case Means(path, ".gitmodules"):
		return "symbolic link that means .gitmodules somewhere"
	case target == "" || len(target) > maxTarget || strings.ContainsRune(target, 0):
		return "symbolic link that no file system can hold"
	}
	return ""
}

// ntfsHashes begin the short names that NTFS makes of names that git reads when their first six letters are taken.
var ntfsHashes = map[string]string{".gitmodules": "gi7eba", ".gitattributes": "gi7d29"}

// IsGitFile reports whether git reads a file of a tree for itself and fsck therefore looks into it: .gitmodules, .gitattributes, and what
// some file system takes for one of them.
func IsGitFile(path string) bool { return Means(path, ".gitmodules") || Means(path, ".gitattributes") }

// Means reports whether some file system takes the last part of a path for name, one of those of IsGitFile.
func Means(path, name string) bool {
	plain := plainName(path[strings.LastIndexByte(path, '/')+1:])
	return plain == name || isShort(plain, name[1:7]) || isShort(plain, ntfsHashes[name])
}

// isShort reports whether a name is a short name of NTFS, such as "gitmod~1", which begins with letters of prefix.
func isShort(name, prefix string) bool {
	letters, digits, ok := strings.Cut(name, "~")
	return ok && len(name) <= 8 && digits != "" && strings.Trim(digits, "0123456789") == "" && letters != "" && strings.HasPrefix(prefix, letters)
}

// plainName is what file systems that hold more names for one make of a name.
func plainName(name string) string {
	plain := strings.ToLower(stripIgnorable(name))
	if i := strings.IndexAny(plain, `:\`); i >= 0 { // NTFS streams and separators
		plain = plain[:i]
	}
	return strings.TrimRight(plain, ". ")
}

// stripIgnorable drops the code points that HFS+ ignores when it compares names.
func stripIgnorable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, name)
}
