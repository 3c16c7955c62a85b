package rpmver

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

type compareCase struct {
	a, b string
	want int
}

var cases = []compareCase{
	{"1.0", "1.0", 0},
	{"1.0", "2.0", -1},
	{"2.0.1", "2.0", 1},
	{"2.0.1a", "2.0.1", 1},
	{"5.5p1", "5.5p2", -1},
	{"5.5p10", "5.5p1", 1},
	{"10xyz", "10.1xyz", -1},
	{"xyz10", "xyz10.1", -1},
	{"xyz.4", "8", -1},
	{"1.0.", "1.0", 0},
	{"1.0", "1_0", 0},
	{"1.05", "1.5", 0},
	{"20101121", "20101122", -1},
	{"1.0~rc1", "1.0", -1},
	{"1.0~rc1", "1.0~rc2", -1},
	{"1.0~rc1~git123", "1.0~rc1", -1},
	{"1.0^", "1.0", 1},
	{"1.0^git1", "1.0", 1},
	{"1.0^git1", "1.0.1", -1},
	{"1.0^git1", "1.0^git2", -1},
	{"1.0~rc1^git1", "1.0~rc1", 1},
	{"1.0^git1~pre", "1.0^git1", -1},
	{"", "1", -1},
	{"", "", 0},
	{"a", "1", -1},
	{"000", "0", 0},
}

func TestCompare(t *testing.T) {
	for _, c := range cases {
		if got := Compare(c.a, c.b); got != c.want {
			t.Errorf("Compare(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Compare(c.b, c.a); got != -c.want {
			t.Errorf("Compare(%q, %q) = %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}

// TestCompareConfirm asks rpm itself about every row of the table that it takes: rpm refuses an empty version.
func TestCompareConfirm(t *testing.T) {
	judges.Need(t, "rpm")
	var script strings.Builder
	asked := slices.DeleteFunc(slices.Clone(cases), func(c compareCase) bool { return c.a == "" || c.b == "" })
	for _, c := range asked {
		fmt.Fprintf(&script, "%%{lua: print(rpm.vercmp(%q, %q))} ", c.a, c.b)
	}
	out, err := exec.Command("rpm", "--eval", script.String()).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	for i, c := range asked {
		if lines[i] != fmt.Sprint(c.want) {
			t.Errorf("rpm says %s for %q and %q, the table %d", lines[i], c.a, c.b, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want EVR
	}{
		{"1.0", EVR{"", "1.0", ""}},
		{"1.0-2.fc45", EVR{"", "1.0", "2.fc45"}},
		{"3:1.0-2", EVR{"3", "1.0", "2"}},
		{"a:1.0", EVR{"", "a:1.0", ""}},
	} {
		if got := Parse(c.in); got != c.want {
			t.Errorf("Parse(%q) = %#v, want %#v", c.in, got, c.want)
		}
		if c.want.String() != c.in {
			t.Errorf("%#v prints %q, want %q", c.want, c.want.String(), c.in)
		}
	}
	if (EVR{"1", "1", "1"}).Compare(EVR{"", "9", "9"}) != 1 || (EVR{"0", "1", ""}).Compare(EVR{"", "1", ""}) != 0 {
		t.Error("epochs are not compared first, or a missing one is not 0")
	}
}

func FuzzCompare(f *testing.F) {
	for _, c := range cases {
		f.Add(c.a, c.b)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if Compare(a, b) != -Compare(b, a) {
			t.Errorf("Compare(%q, %q) is not antisymmetric", a, b)
		}
		if Compare(a, a) != 0 {
			t.Errorf("%q differs from itself", a)
		}
	})
}
