package gitmirror

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// gemData is the member of a gem that %setup unpacks. A gem is a plain tar of compressed files.
const gemData = "data.tar.gz"

// The bounds of what is taken for a gem.
const (
	maxGemMembers = 16
	maxGemHeaders = 64 << 10
)

// storeGem stores a gem as pieces: its members are files of their own, its tree is that of its data. The pieces are cut out of the
// file one behind the other, so that they make it.
func (im *Importer) storeGem(ctx context.Context, p *pristineTree, f *os.File, src *source, strip bool) (*stored, error) {
	rc := &recipe{SHA256: src.sha256, Size: src.size, Kind: "gem", Strip: strip, Top: strings.TrimSuffix(src.name, ".gem")}
	st := &stored{recipe: rc}
	members, err := cutGem(f, src)
	if err != nil {
		return nil, err
	}
	end := int64(0)
	for _, m := range members {
		if m.source == nil {
			m.source = &source{}
		} else if err := im.storeGemMember(ctx, p, f, m, st); err != nil {
			return nil, err
		}
		raw := make([]byte, m.from-end)
		if _, err := f.ReadAt(raw, end); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		rc.Pieces = append(rc.Pieces, piece{base64.StdEncoding.EncodeToString(raw), m.source.sha256})
		end = m.from + m.source.size
	}
	p.set(src.sha256, ".tree", modeTree, st.tree)
	return st, p.setRecipe(rc)
}

// gemMember is a file in a gem, or the end of the gem.
type gemMember struct {
	*source
	from int64
}

// cutGem finds the members of a gem.
func cutGem(f *os.File, src *source) ([]gemMember, error) {
	bad := func(what string) error { return fmt.Errorf("%w: gem: %s", tarmodel.ErrUnsupported, what) }
	in := &countReader{r: io.NewSectionReader(f, 0, src.size), left: src.size}
	archive := tar.NewReader(in)
	var members []gemMember
	data, end := false, int64(0)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bad(err.Error())
		}
		data = data || h.Name == gemData
		if h.Typeflag != tar.TypeReg || strings.ContainsAny(h.Name, "/\x00") || len(members) == maxGemMembers || in.n-end > maxGemHeaders {
			return nil, bad(fmt.Sprintf("member %q", h.Name))
		}
		members = append(members, gemMember{&source{name: h.Name, size: h.Size}, in.n})
		end = in.n + h.Size
	}
	if !data || src.size-end > maxGemHeaders || end > src.size {
		return nil, bad("no " + gemData)
	}
	return append(members, gemMember{nil, src.size}), nil
}

// storeGemMember stores a member as the file that it is.
func (im *Importer) storeGemMember(ctx context.Context, p *pristineTree, f *os.File, m gemMember, gem *stored) error {
	m.path = fmt.Sprintf("%s.%d", f.Name(), m.from)
	if err := m.spool(io.NewSectionReader(f, m.from, m.size)); err != nil {
		return err
	}
	st, err := im.storeSource(ctx, p, m.source, false)
	if err != nil || m.name != gemData {
		return err
	}
	if st.tree.IsZero() {
		return fmt.Errorf("%w: gem: %s is no tar", tarmodel.ErrUnsupported, m.name)
	}
	gem.tree, gem.model, gem.count = st.tree, st.model, st.count
	gem.recipe.MTime, gem.recipe.Notes, gem.recipe.Why = st.recipe.MTime, st.recipe.Notes, prefixed(gemData+": ", st.recipe.Why)
	return nil
}
