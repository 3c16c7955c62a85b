package tarmodel

import (
	"bytes"
	"strings"
)

// The ways in which a name goes into the name and prefix fields of a header block. 0: not modelled.
const (
	nameLiteral  = iota
	namePlain    // padded with NUL, at most 100 bytes
	nameCut      // the first 100 bytes
	nameCut99    // the first 99 bytes
	nameLong     // prefix as long as it may be
	nameShort    // name field as long as it may be
	namePaxDir   // dir/X/base with the X that the template holds, cut at 100
	namePaxDirS  // the same without a directory: ./X/base
	nameCutSlash // the first 100 bytes without a final slash
	nameBase     // the last component, all before it in the prefix, however short (Perl's Archive::Tar)
	nameStyles
)

// putName fills the name fields of block and reports whether the style applies to the name. middle is the X of namePaxDir.
func putName(block []byte, name string, style byte, middle string) bool {
	field, prefix := block[offName:offName+lenName], block[offPrefix:offPrefix+lenPrefix]
	clear(field)
	switch style {
	case namePlain:
		return copy(field, name) == len(name)
	case nameCut:
		return copy(field, name) == lenName
	case nameCut99:
		return copy(field[:99], name) == 99
	case nameCutSlash:
		name = strings.TrimSuffix(name, "/")
		copy(field, name)
		return true
	case nameLong, nameShort, nameBase:
		i := splitName(name, style)
		if i <= 0 {
			return false
		}
		clear(prefix)
		copy(prefix, name[:i])
		copy(field, name[i+1:])
		return true
	case namePaxDir, namePaxDirS:
		dir, base := paxParts(name)
		if (dir == "") != (style == namePaxDirS) {
			return false
		}
		if dir == "" {
			dir = "."
		}
		copy(field, dir+"/"+middle+"/"+base)
		return true
	}
	return false
}

// splitName finds the slash at which the name is cut in two, 0 if none fits.
func splitName(name string, style byte) int {
	if style == nameBase {
		if i := strings.LastIndexByte(name, '/'); i <= lenPrefix && len(name)-i-1 <= lenName {
			return i
		}
		return 0
	}
	if len(name) <= lenName || len(name) > lenName+1+lenPrefix {
		return 0
	}
	if style == nameLong {
		i := strings.LastIndexByte(name[:min(len(name)-1, lenPrefix+1)], '/')
		if i > 0 && len(name)-i-1 <= lenName && len(name)-i-1 > 0 {
			return i
		}
		return 0
	}
	for i := len(name) - lenName - 1; i < len(name)-1 && i <= lenPrefix; i++ {
		if name[i] == '/' {
			return i
		}
	}
	return 0
}

// paxParts splits a name into its directory and its last component, without final slashes.
func paxParts(name string) (dir, base string) {
	name = strings.TrimRight(name, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// nameStyle finds how block spells name; middle is what a template has to keep for it.
func nameStyle(block []byte, name string, extended bool) (style byte, middle string) {
	var try [blockSize]byte
	fits := func(style byte, middle string) bool {
		copy(try[offPrefix:], block[offPrefix:offPrefix+lenPrefix])
		return putName(try[:], name, style, middle) &&
			bytes.Equal(try[offName:offName+lenName], block[offName:offName+lenName]) &&
			bytes.Equal(try[offPrefix:offPrefix+lenPrefix], block[offPrefix:offPrefix+lenPrefix])
	}
	if extended {
		if middle, style = paxMiddle(block, name); style != nameLiteral && fits(style, middle) {
			return style, middle
		}
		return nameLiteral, ""
	}
	for style = namePlain; style < nameStyles; style++ {
		switch style {
		case namePaxDir, namePaxDirS:
			continue
		case nameLong, nameShort, nameBase:
			if !isPOSIX(block) {
				continue
			}
		}
		if fits(style, "") {
			return style, ""
		}
	}
	return nameLiteral, ""
}

// paxMiddle guesses the directory that a pax writer put between the directory and the last component of a name.
func paxMiddle(block []byte, name string) (string, byte) {
	s := parseString(block[offName : offName+lenName])
	dir, base := paxParts(name)
	style := byte(namePaxDir)
	if dir == "" {
		dir, style = ".", namePaxDirS
	}
	rest, ok := strings.CutPrefix(s, dir+"/")
	if !ok || base == "" {
		return "", nameLiteral
	}
	if i := strings.IndexByte(rest, '/'); i > 0 && strings.Contains(rest[:i], "Pax") {
		return rest[:i], style
	}
	return "", nameLiteral
}
