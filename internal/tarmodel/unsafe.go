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

// unsafeLink says why a path that Unsafe lets pass may not be a symbolic link, "" if it may.
func unsafeLink(path string) string {
	plain := plainName(path[strings.LastIndexByte(path, '/')+1:])
	if plain == ".gitmodules" || strings.HasPrefix(plain, "gitmod~") || strings.HasPrefix(plain, "gi7eba~") {
		return "symbolic link that means .gitmodules somewhere"
	}
	return ""
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
