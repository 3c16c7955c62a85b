package repodata

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads one package element of a file of kind k into p, which keeps what it has besides.
func Parse(k Kind, element string, p *Package) error {
	t := tokens{src: element}
	if err := t.next(); err != nil {
		return err
	}
	if t.kind != tokStart || t.name != "package" {
		return fmt.Errorf("%w: no <package>", errSyntax)
	}
	if k != Primary && !t.empty {
		if err := t.eachAttr(func(name, value string) { p.setAttr(name, value) }); err != nil {
			return err
		}
	}
	return t.children("format", func() error { return p.parseChild(k, &t) })
}

func (p *Package) setAttr(name, value string) {
	switch name {
	case "pkgid":
		p.PkgID = value
	case "name":
		p.Name = value
	case "arch":
		p.Arch = value
	}
}

// parseChild reads one child of package or of format.
func (p *Package) parseChild(k Kind, t *tokens) error {
	switch t.name {
	case "version":
		return p.parseVersion(t)
	case "file":
		return p.parseFile(k, t)
	case "changelog":
		return p.parseChangelog(t)
	}
	if k == Primary {
		return p.parsePrimaryChild(t)
	}
	if k == FilelistsExt && t.name == "checksum" {
		if err := t.eachAttr(func(name, value string) {
			if name == "type" {
				p.FilesChecksumType = value
			}
		}); err != nil {
			return err
		}
	}
	_, err := t.content()
	return err
}

func (p *Package) parsePrimaryChild(t *tokens) error {
	if field := p.textField(t.name); field != nil {
		var err error
		if t.name == "checksum" {
			err = t.eachAttr(func(name, value string) {
				if name == "type" {
					p.ChecksumType = value
				}
			})
		}
		if err != nil {
			return err
		}
		*field, err = t.content()
		return err
	}
	switch t.name {
	case "time":
		return p.parseInts(t, map[string]*int64{"file": &p.TimeFile, "build": &p.TimeBuild})
	case "size":
		return p.parseInts(t, map[string]*int64{
			"package": &p.SizePackage, "installed": &p.SizeInstalled, "archive": &p.SizeArchive,
		})
	case "header-range":
		return p.parseInts(t, map[string]*int64{"start": &p.HeaderStart, "end": &p.HeaderEnd})
	case "location":
		if err := t.eachAttr(func(name, value string) {
			switch name {
			case "href":
				p.LocationHref = value
			case "xml:base":
				p.LocationBase = value
			}
		}); err != nil {
			return err
		}
	default:
		for kind, name := range depNames {
			if t.name == name {
				return p.parseDeps(DepKind(kind), t)
			}
		}
	}
	_, err := t.content()
	return err
}

// textField returns where the text of the primary element name goes.
func (p *Package) textField(name string) *string {
	switch name {
	case "name":
		return &p.Name
	case "arch":
		return &p.Arch
	case "checksum":
		return &p.PkgID
	case "summary":
		return &p.Summary
	case "description":
		return &p.Description
	case "packager":
		return &p.Packager
	case "url":
		return &p.URL
	case "license":
		return &p.License
	case "vendor":
		return &p.Vendor
	case "group":
		return &p.Group
	case "buildhost":
		return &p.BuildHost
	case "sourcerpm":
		return &p.SourceRPM
	}
	return nil
}

func (p *Package) parseVersion(t *tokens) error {
	err := t.eachAttr(func(name, value string) {
		switch name {
		case "epoch":
			p.Epoch = value
		case "ver":
			p.Version = value
		case "rel":
			p.Release = value
		}
	})
	if err != nil {
		return err
	}
	_, err = t.content()
	return err
}

func (p *Package) parseInts(t *tokens, fields map[string]*int64) error {
	var bad error
	err := t.eachAttr(func(name, value string) {
		if f := fields[name]; f != nil && value != "" {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				bad = t.errorf("%s %q of <%s> is not a number", name, value, t.name)
				return
			}
			*f = n
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	_, err = t.content()
	return err
}

func (p *Package) parseFile(k Kind, t *tokens) error {
	var f File
	err := t.eachAttr(func(name, value string) {
		switch {
		case name == "type" && value == "dir":
			f.Type = FileDir
		case name == "type" && value == "ghost":
			f.Type = FileGhost
		case name == "hash":
			f.Digest = value
		}
	})
	if err != nil {
		return err
	}
	path, err := t.content()
	if err != nil {
		return err
	}
	i := strings.LastIndexByte(path, '/') + 1
	f.Dir, f.Base = path[:i], path[i:]
	if k == Primary {
		p.PrimaryFiles = append(p.PrimaryFiles, f)
	} else {
		p.Files = append(p.Files, f)
	}
	return nil
}

func (p *Package) parseChangelog(t *tokens) error {
	var c Changelog
	var bad error
	err := t.eachAttr(func(name, value string) {
		switch name {
		case "author":
			c.Author = value
		case "date":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				bad = t.errorf("date %q of <changelog> is not a number", value)
			}
			c.Date = n
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	c.Text, err = t.content()
	if err == nil {
		p.Changelogs = append(p.Changelogs, c)
	}
	return err
}

func (p *Package) parseDeps(k DepKind, t *tokens) error {
	if t.empty {
		return nil
	}
	list := t.name
	for {
		if err := t.next(); err != nil {
			return err
		}
		switch t.kind {
		case tokEOF:
			return t.errorf("<%s> is not closed", list)
		case tokEnd:
			if t.name != list {
				return t.errorf("</%s> closes <%s>", t.name, list)
			}
			return nil
		case tokStart:
			if err := p.parseEntry(k, t); err != nil {
				return err
			}
		}
	}
}

func (p *Package) parseEntry(k DepKind, t *tokens) error {
	var d Dep
	err := t.eachAttr(func(name, value string) {
		switch name {
		case "name":
			d.Name = value
		case "flags":
			d.Flags = value
		case "epoch":
			d.Epoch = value
		case "ver":
			d.Version = value
		case "rel":
			d.Release = value
		case "pre":
			d.Pre = value != "" && value != "0"
		}
	})
	if err != nil {
		return err
	}
	entry := t.name == "entry"
	if _, err := t.content(); err != nil {
		return err
	}
	if entry && d.Name != "" {
		p.Deps[k] = append(p.Deps[k], d)
	}
	return nil
}

// ParseIdentity reads the attributes of one package element of filelists, filelists-ext or other into p.
func ParseIdentity(element []byte, p *Package) error {
	t := tokens{src: string(element[:min(len(element), 1024)])}
	err := t.next()
	if err != nil && len(element) > len(t.src) {
		t = tokens{src: string(element)}
		err = t.next()
	}
	if err != nil {
		return err
	}
	return t.eachAttr(func(name, value string) { p.setAttr(name, value) })
}

// ParseHead reads the first children of one package element of primary into p, up to its location.
func ParseHead(element []byte, p *Package) error {
	end := bytes.Index(element, []byte("<format"))
	if end < 0 {
		end = len(element)
	}
	// What follows the head is cut off, so the element is closed here.
	return Parse(Primary, string(append(element[:end:end], packageEnd...)), p)
}
