// Package spec reads an RPM spec file into lossless lines and sections.
//
// Parse(b).Bytes() equals b for every input: each byte belongs to exactly one
// Line, white space and line ends included, and what is not understood is a
// Text line, never an error. The discipline is rpm's own (build/parseSpec.cc):
// physical lines are joined while %{, %( or %[ is open, conditionals are
// looked for at the start of each line after blanks, and a section header
// stands in column 0 in any case of letters.
//
// The package knows shapes, not meanings: nothing is expanded.
package spec

import (
	"fmt"
	"strings"
)

// Kind says what a line is.
type Kind uint8

// The kinds of lines.
const (
	Text    Kind = iota // anything else: a tag, a macro, a path, a line of a script
	Blank               // nothing but blanks
	Comment             // the first character that is not blank is #
	If                  // %if, %ifarch, %ifnarch, %ifos, %ifnos
	Elif                // %elif, %elifarch, %elifos
	Else                // %else
	Endif               // %endif
	Header              // the header of a section
)

// Line is one logical line with its line end.
type Line struct {
	Kind Kind
	Num  int    // number of the first physical line, from 1
	Pos  int    // offset of the first byte
	Text string // every byte, with the line end where there is one
	// Word is the conditional's keyword or the section's name, in lower
	// case and without the percent sign.
	Word string
	// Rest is what follows the word, without the line end and without
	// blanks at either side.
	Rest string
}

// Section is a header and the lines up to the next one.
type Section struct {
	Name string // as in Line.Word; "" is the preamble, which has no header
	Head int    // index of the header in File.Lines, -1 for the preamble
	Body int    // index of the first line of the body
	End  int    // index one past the last line of the body
}

// File is a spec taken apart.
type File struct {
	Text     string // the whole spec
	Lines    []Line
	Sections []Section // the first is the preamble; all lines belong to one
}

// Bytes gives back what was parsed.
func (f *File) Bytes() []byte {
	n := 0
	for i := range f.Lines {
		n += len(f.Lines[i].Text)
	}
	b := make([]byte, 0, n)
	for i := range f.Lines {
		b = append(b, f.Lines[i].Text...)
	}
	return b
}

// Fault is a place where the conditionals of a spec do not pair.
type Fault struct {
	Line, Column int // from 1
	What         string
}

// Error gives "LINE:COLUMN: what"; who knows the file's name puts it before.
func (f *Fault) Error() string { return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.What) }

// Balance tells whether each %if has its %endif, as rpm requires.
// The error is a *Fault that names the first line that has no partner.
func (f *File) Balance() error {
	var open []int
	seen := map[int]bool{} // opened blocks that are past their %else
	for i := range f.Lines {
		l := &f.Lines[i]
		switch l.Kind {
		case If:
			open = append(open, i)
		case Elif, Else:
			if len(open) == 0 || seen[open[len(open)-1]] {
				return l.fault("stray %" + l.Word)
			}
			if l.Kind == Else {
				seen[open[len(open)-1]] = true
			}
		case Endif:
			if len(open) == 0 {
				return l.fault("stray %endif")
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		l := &f.Lines[open[len(open)-1]]
		return l.fault("unterminated %" + l.Word)
	}
	return nil
}

func (l *Line) fault(what string) error {
	return &Fault{Line: l.Num, Column: len(l.Text) - len(strings.TrimLeft(l.Text, " \t")) + 1, What: what}
}
