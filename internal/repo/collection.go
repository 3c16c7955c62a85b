package repo

import (
	"cmp"
	"crypto/sha256"
	"fmt"
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
}

// base returns the file name of m.
func (m *member) base() string { return m.href[strings.LastIndexByte(m.href, '/')+1:] }

// members lists the packages of a collection in the order of the metadata: by file name, then by directory. Packages of
// one file name are kept apart by a directory that is named for their content.
func members(c *content.Collection) ([]member, error) {
	packages, err := c.Packages()
	if err != nil {
		return nil, err
	}
	names := map[string]int{}
	for _, p := range packages {
		names[p.Filename()]++
	}
	list := make([]member, 0, len(packages))
	for _, p := range packages {
		name := p.Filename()
		dir := PackagesDir + "/" + letter(name)
		if names[name] > 1 {
			dir += "/" + p.ShortID()
		}
		list = append(list, member{pkg: p, href: dir + "/" + name})
	}
	slices.SortFunc(list, func(a, b member) int {
		return cmp.Or(strings.Compare(a.base(), b.base()), strings.Compare(a.href, b.href))
	})
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
	for start := 0; start < len(list); {
		end := start + 1
		for end < len(list) && !cutBefore(list[end-1].pkg.Split().Name, list[end].pkg.Split().Name, mean) {
			end++
		}
		f := frame{members: list[start:end]}
		f.key = f.digest(settings)
		all = append(all, f)
		start = end
	}
	return all
}

func cutBefore(last, name string, mean int) bool {
	if name == last {
		return false
	}
	sum := sha256.Sum256([]byte(name))
	return (int(sum[0])<<8|int(sum[1]))%mean == 0
}

// digest covers everything that the metadata of the frame is made of.
func (f *frame) digest(settings string) (key frameKey) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", settings)
	for i := range f.members {
		m := &f.members[i]
		fmt.Fprintf(h, "%s %s\n", m.pkg.Tree, m.href)
	}
	h.Sum(key[:0])
	return key
}
