package gitmirror

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/gnupatch"
	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// treeFiles reads the files of a git tree for the patch program.
type treeFiles struct {
	r    *repo
	root Hash
}

func (t treeFiles) Read(path string) (data []byte, exec, ok bool, err error) {
	e, ok, err := t.r.lookup(t.root, path)
	if err != nil || !ok || e.mode != modeRegular && e.mode != modeExec {
		return nil, false, false, err
	}
	data, err = t.r.read(e.hash, gitpack.Blob)
	return data, e.mode == modeExec, err == nil, err
}

// applyPatch returns the tree that a patch makes of root.
func (r *repo) applyPatch(root Hash, patch []byte, u use) (Hash, error) {
	res, err := gnupatch.Apply(treeFiles{r, root}, patch, gnupatch.Options{
		Strip: u.strip, Fuzz: u.fuzz, RemoveEmpty: u.empty, Reverse: u.revert, Dir: u.dir,
	})
	if err != nil {
		return root, err
	}
	edits := map[string]entry{}
	for _, c := range res.Changes {
		why := tarmodel.Unsafe(c.Path)
		switch {
		case why != "" || c.Removed:
		case c.Link:
			why = tarmodel.UnsafeLink(c.Path, string(c.Data))
		default:
			why = refusedFile(c.Path, c.Data)
		}
		if why != "" {
			return root, fmt.Errorf("%q: %s", c.Path, why)
		}
		if c.Removed {
			edits[c.Path] = entry{}
			continue
		}
		h, err := r.add(gitpack.Blob, c.Data)
		if err != nil {
			return root, err
		}
		mode := uint32(modeRegular)
		if c.Exec {
			mode = modeExec
		}
		if c.Link {
			mode = modeLink
		}
		edits[c.Path] = entry{mode: mode, hash: h}
	}
	next, err := r.editTree(root, edits)
	if err == nil && next.IsZero() {
		next, err = r.addTree(nil)
	}
	return next, err
}

// PatchUse says what became of one patch of an import.
type PatchUse struct {
	Name    string `json:"name"`
	Number  int    `json:"number"`
	Applied string `json:"applied"` // auto, macro, hand: applied that way; cond, no, deferred: not applied
	Why     string `json:"why,omitempty"`
}

// patchText is what a patch's file holds.
type patchText struct {
	plain      []byte // decompressed
	unreadable error  // why there is none
	blob       string // git's name of the file; "" for one that is too large to be a patch
}

func readPatch(src *source) (patchText, error) {
	if src.size > maxPlainPatch {
		return patchText{unreadable: fmt.Errorf("%d bytes are too many for a patch", src.size)}, nil
	}
	raw, err := os.ReadFile(src.path)
	if err != nil {
		return patchText{}, err
	}
	t := patchText{blob: gitpack.Sum(gitpack.Blob, raw).String()}
	t.plain, t.unreadable = plainPatch(raw)
	return t, nil
}

// commitPatch adds one patch to the distro branch: a commit with its changes, or an empty one that says why not.
func (r *repo) commitPatch(parent Hash, root Hash, src *source, u use, date int64) (tip, tree Hash, done PatchUse, err error) {
	patch, err := readPatch(src)
	if err != nil {
		return tip, root, done, err
	}
	done = PatchUse{Name: u.file, Number: u.number, Applied: u.how, Why: u.why}
	trees := []Hash{root}
	mails := [][]byte{patch.plain}
	switch {
	case u.apply && patch.unreadable != nil:
		done.Applied, done.Why = "deferred", oneLine(patch.unreadable.Error())
	case u.apply:
		next, err := r.applyPatch(root, patch.plain, u)
		if err != nil {
			done.Applied, done.Why = "deferred", oneLine(err.Error())
			break
		}
		trees[0] = next
		if all := splitMails(patch.plain); len(all) > 1 {
			if steps := r.applyMails(root, all, u); steps != nil && steps[len(steps)-1] == next {
				trees, mails = steps, all
			}
		}
	case strings.HasPrefix(u.why, "cond: "):
		done.Applied = "cond"
	default:
		done.Applied = "no"
	}
	tip = parent
	for i, mail := range mails {
		l := readLetter(mail)
		c := commit{tree: trees[i], parents: []Hash{tip}, author: l.author, date: date, message: patchMessage(l, src, u, done, patch.blob, i, len(mails))}
		if l.date != 0 {
			c.date = l.date
		}
		if tip, err = r.addCommit(c); err != nil {
			return tip, root, done, err
		}
	}
	return tip, trees[len(trees)-1], done, nil
}

// applyMails returns the tree behind each mail, nil if one does not apply by itself.
func (r *repo) applyMails(root Hash, mails [][]byte, u use) []Hash {
	var trees []Hash
	for _, mail := range mails {
		next, err := r.applyMail(root, mail, u)
		if err != nil {
			return nil
		}
		trees = append(trees, next)
		root = next
	}
	return trees
}

// applyMail is applyPatch for what may be a mail without a change, such as a cover letter.
func (r *repo) applyMail(root Hash, mail []byte, u use) (Hash, error) {
	if !hunkLine.Match(mail) {
		return root, nil
	}
	return r.applyPatch(root, mail, u)
}

// trailerName is the trailer with the name of a patch's file.
const trailerName = "Patch-name"

// patchMessage is the message of a patch's commit: what the patch says of itself, then trailers.
func patchMessage(l letter, src *source, u use, done PatchUse, blob string, part, parts int) string {
	var b strings.Builder
	b.WriteString(orElse(oneLine(l.subject), u.file))
	b.WriteString("\n\n")
	if l.body != "" {
		b.WriteString(l.body + "\n\n")
	}
	put := func(key, value string) { fmt.Fprintf(&b, "%s: %s\n", key, oneLine(value)) }
	fmt.Fprintf(&b, "%s: %s\n", trailerName, nameText(u.file))
	put("Patch-number", strconv.Itoa(u.number))
	put("Patch-applied", done.Applied)
	if done.Why != "" {
		put("Patch-why", done.Why)
	}
	put("Patch-strip", strconv.Itoa(u.strip))
	put("Patch-fuzz", strconv.Itoa(u.fuzz))
	if u.dir != "" {
		put("Patch-dir", u.dir)
	}
	if u.empty {
		put("Patch-empty", "yes")
	}
	if u.revert {
		put("Patch-reverse", "yes")
	}
	if parts > 1 {
		put("Patch-part", fmt.Sprintf("%d/%d", part+1, parts))
	} else if l.count > 1 {
		put("Patch-mails", strconv.Itoa(l.count))
	}
	if blob != "" {
		put("Patch-blob", blob)
	}
	put("Patch-sha256", src.sha256)
	return b.String()
}

// maxPlainPatch bounds a patch, and what a compressed one unpacks to, in bytes.
const maxPlainPatch = 256 << 20

// plainPatch decompresses a patch as %patch does.
func plainPatch(raw []byte) ([]byte, error) {
	format := pristine.Detect(raw[:min(len(raw), 64)])
	if format == pristine.None || format == pristine.LZMA {
		return raw, nil
	}
	in, err := pristine.Decompress(bytes.NewReader(raw), format)
	if err != nil {
		return raw, nil //nolint:nilerr // then it is no compressed patch
	}
	defer in.Close()
	out, err := io.ReadAll(io.LimitReader(in, maxPlainPatch+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format, err)
	}
	if len(out) > maxPlainPatch {
		return nil, fmt.Errorf("unpacks to more than %d bytes", maxPlainPatch)
	}
	return out, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
