package repo

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weld-linux/weld-bridge/internal/content"
)

// PackagesDir is the directory of a published collection that holds the package files.
const PackagesDir = "Packages"

// member is a package of a collection and the place where clients find it.
type member struct {
	pkg  *content.Package
	href string // "Packages/h/hello-2.12-1.x86_64.rpm"
	file string // its end, the file name
}

// members lists the packages of a collection in the order of the metadata: by file name, then by directory. Packages of
// one file name are kept apart by a directory that is named for their content.
func members(c *content.Collection) ([]member, error) {
	packages, err := c.Packages()
	if err != nil {
		return nil, err
	}
	list := make([]member, len(packages))
	for i, p := range packages {
		list[i] = member{pkg: p, file: p.Filename()}
	}
	slices.SortFunc(list, func(a, b member) int {
		return cmp.Or(strings.Compare(a.file, b.file), strings.Compare(a.pkg.ShortID(), b.pkg.ShortID()))
	})
	for i := range list {
		m := &list[i]
		dir := PackagesDir + "/" + letter(m.file) + "/"
		if i > 0 && list[i-1].file == m.file || i+1 < len(list) && list[i+1].file == m.file {
			dir += m.pkg.ShortID() + "/"
		}
		m.href = dir + m.file
		m.file = m.href[len(dir):]
	}
	return list, nil
}

// letter returns the directory for packages whose file name is name: its first character in lower case.
func letter(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	if r == utf8.RuneError || size == 0 || r == '.' {
		return "_"
	}
	return string(unicode.ToLower(r))
}

// frameMean is the number of packages that share a frame on the average. Larger frames compress better, smaller ones
// have to be made again less often.
const frameMean = 512

// frame is a run of packages whose metadata is compressed on its own, so that it can be kept as long as none of them
// changes.
type frame struct {
	members []member
	key     frameKey
}

// frameKey names the content of a frame.
type frameKey [sha256.Size]byte

// frames cuts list where the names of packages say so, into runs of mean names on the average. An update of a package does not move the cuts, and a new
// package moves one at most.
func frames(list []member, settings string, mean int) []frame {
	var all []frame
	add := func(members []member) {
		if len(members) > 0 {
			f := frame{members: members}
			f.key = f.digest(settings)
			all = append(all, f)
		}
	}
	start, last := 0, ""
	for i := range list {
		name := list[i].pkg.Split().Name
		if name != last && cutBefore(name, mean) {
			add(list[start:i])
			start = i
		}
		last = name
	}
	add(list[start:])
	return all
}

func cutBefore(name string, mean int) bool {
	sum := sha256.Sum256([]byte(name))
	return (int(sum[0])<<8|int(sum[1]))%mean == 0
}

// digest covers everything that the metadata of the frame is made of.
func (f *frame) digest(settings string) frameKey {
	b := append([]byte(settings), '\n')
	for i := range f.members {
		m := &f.members[i]
		b = append(b, m.pkg.Tree[:]...)
		b = append(b, m.href...)
		b = append(b, '\n')
	}
	return sha256.Sum256(b)
}
