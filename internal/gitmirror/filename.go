package gitmirror

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isFileName reports whether a name is that of a file in a directory and nothing else.
func isFileName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// nameText writes a file name for a trailer or a lock: as it is, or as a quoted Go string where it would not be one line of plain text.
func nameText(name string) string {
	plain := utf8.ValidString(name) && oneLine(name) == name && !strings.HasPrefix(name, `"`) && !strings.ContainsFunc(name, unicode.IsControl)
	if plain {
		return name
	}
	return strconv.QuoteToASCII(name)
}

// textName reads what nameText has written.
func textName(text string) string {
	if !strings.HasPrefix(text, `"`) {
		return text
	}
	if name, err := strconv.Unquote(text); err == nil {
		return name
	}
	return text
}
