// Package tomlguard refuses TOML that would cost its decoder more than its size explains: the decoder calls itself for
// each array in an array, which a document of some megabytes can carry beyond the end of the stack.
package tomlguard

import "fmt"

// MaxDepth is how deep arrays and inline tables may stand in each other, and how many parts a key may have.
const MaxDepth = 100

// An Error is a place that is too deep.
type Error struct {
	Line, Column int // from 1
	Message      string
}

// Error gives "LINE:COLUMN: message".
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// Check gives an *Error for a text in which something stands too deep. It says nothing about other faults.
func Check(text string) error {
	depth, parts := 0, 0
	line, start := 1, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line, start, parts = line+1, i+1, 0
		case '=', ',':
			parts = 0
		case '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case '"', '\'':
			end := stringEnd(text, i)
			for j := i; j < end; j++ {
				if text[j] == '\n' {
					line, start = line+1, j+1
				}
			}
			i = end - 1
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '.':
			parts++
		}
		if depth > MaxDepth || parts >= MaxDepth {
			return &Error{line, i - start + 1, fmt.Sprintf("nested deeper than %d", MaxDepth)}
		}
	}
	return nil
}

// stringEnd gives the end of the string that begins at i. One that is not closed ends with its line, or with the text.
func stringEnd(text string, i int) int {
	quote := text[i]
	long := i+2 < len(text) && text[i+1] == quote && text[i+2] == quote
	if long {
		i += 2
	}
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quote == '"':
			i++
		case c == '\n' && !long:
			return i
		case c != quote:
		case !long:
			return i + 1
		case i+2 < len(text) && text[i+1] == quote && text[i+2] == quote:
			return i + 3
		}
	}
	return len(text)
}
