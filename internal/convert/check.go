package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

// check refuses a document whose spec says something else than the document: a
// value that would be more than one line, a text with the header of a section, a
// condition without end. text is that spec.
func check(x *index, text string) error {
	for _, s := range x.sections {
		if err := s.check(); err != nil {
			return err
		}
	}
	if headers, open := spec.Count(text); headers == len(x.sections)-1 && open <= 0 {
		return nil // as nearly all are
	}
	f := spec.ParseText(text)
	if len(f.Sections) != len(x.sections) { // each has the preamble
		if err := x.checkTexts(); err != nil {
			return err
		}
	}
	if err := unterminated(f); err != nil {
		return fmt.Errorf("the spec has at %w", err)
	}
	return nil
}

// unterminated gives the fault of a spec with an %if that is never closed. A
// stray %else or %endif is none: a macro may have begun the condition.
func unterminated(f *spec.File) error {
	var fault *spec.Fault
	if err := f.Balance(); errors.As(err, &fault) && strings.HasPrefix(fault.What, "unterminated") {
		return err
	}
	return nil
}

func (s *section) check() error {
	if s.entry != nil {
		if err := checkPath(s.entry, s.token); err != nil {
			return err
		}
		if s.pkg != nil && s.pkg.Name != "" && (strings.HasPrefix(s.pkg.Name, "-") || len(splitWords(s.pkg.Name)) != 1) {
			return fmt.Errorf("subpackage %s: the name of a package is one word", quoted(s.pkg.Name))
		}
		if head := s.header(); s.kind != "section" && strings.Contains(head, "\n") && !oneLine(head) {
			return fmt.Errorf("%s: its header is more than one line", s.token)
		}
	}
	for _, l := range s.lists {
		for _, e := range l.items {
			if _, ok := e.(*pkgtoml.Change); ok {
				break
			}
			if err := checkPath(e, entryKey(l.name, e)); err != nil {
				return err
			}
			if hasLines(e) && !oneLine(usualLine(e, "")) {
				return fmt.Errorf("%s: a value is one line of the spec; in %s nothing joins the lines", entryKey(l.name, e), quoted(usualLine(e, "{tag} {value}")))
			}
		}
	}
	return nil
}

// checkPath refuses conditions of more than one line.
func checkPath(e pkgtoml.Entry, name string) error {
	for _, term := range outerPath(e) {
		if strings.Contains(term, "\n") && !oneLine("%"+strings.TrimPrefix(term, "else ")) {
			return fmt.Errorf("%s: the condition %s is more than one line", name, quoted(term))
		}
	}
	return nil
}

// oneLine tells whether a text is one logical line of a spec.
func oneLine(text string) bool {
	return len(spec.ParseText(strings.TrimSuffix(text, "\n")+"\n").Lines) == 1
}

// hasLines tells whether what an entry says has line ends in it.
func hasLines(e pkgtoml.Entry) bool {
	has := func(list ...string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "\n") })
	}
	switch e := e.(type) {
	case *pkgtoml.Tag:
		return has(e.Value, e.Lang)
	case *pkgtoml.Dep:
		return has(e.Deps...) || has(e.Separator, e.Qualifiers)
	case *pkgtoml.Source:
		return has(e.File)
	case *pkgtoml.Macro:
		return has(e.Name, e.Value)
	case *pkgtoml.File:
		return has(e.Paths...) || has(e.Config, e.Mode, e.User, e.Group, e.DirMode, e.Verify, e.Lang, e.Caps, e.Defattr, e.Macro, e.Raw)
	}
	return false
}

// checkTexts finds the text that holds the header of a section.
func (x *index) checkTexts() error {
	for _, s := range x.sections {
		body := ""
		switch e := s.entry.(type) {
		case *pkgtoml.Script:
			body = e.Body
		case *pkgtoml.Changelog:
			for _, c := range e.Entries {
				body += c.Text + c.Raw + "\n"
			}
		}
		if !strings.Contains(body, "%") {
			continue
		}
		f := spec.ParseText("%build\n" + body)
		if len(f.Sections) > 2 {
			l := &f.Lines[f.Sections[2].Head]
			return fmt.Errorf("%s: line %d of its text, %s, begins a section", s.token, l.Num-1, quoted(strings.TrimSpace(l.Text)))
		}
	}
	return nil
}

// quoted shows the beginning of a text.
func quoted(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
