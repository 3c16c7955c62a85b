package pkgtoml

import "slices"

// TagNames maps the document's key of a tag to its canonical spelling in a
// spec. Order is that of a canonical spec.
var TagNames = []struct{ Key, Name string }{
	{"name", "Name"},
	{"epoch", "Epoch"},
	{"version", "Version"},
	{"release", "Release"},
	{"summary", "Summary"},
	{"license", "License"},
	{"source_license", "SourceLicense"},
	{"group", "Group"},
	{"url", "URL"},
	{"bug_url", "BugURL"},
	{"vcs", "VCS"},
	{"vendor", "Vendor"},
	{"packager", "Packager"},
	{"distribution", "Distribution"},
	{"dist_url", "DistURL"},
	{"dist_tag", "DistTag"},
	{"modularity_label", "ModularityLabel"},
	{"icon", "Icon"},
	{"translation_url", "TranslationURL"},
	{"upstream_releases", "UpstreamReleases"},
	{"build_arch", "BuildArch"},
	{"build_architectures", "BuildArchitectures"},
	{"exclusive_arch", "ExclusiveArch"},
	{"exclude_arch", "ExcludeArch"},
	{"exclusive_os", "ExclusiveOS"},
	{"exclude_os", "ExcludeOS"},
	{"no_source", "NoSource"},
	{"no_patch", "NoPatch"},
	{"build_root", "BuildRoot"},
	{"prefix", "Prefix"},
	{"prefixes", "Prefixes"},
	{"doc_dir", "DocDir"},
	{"auto_req", "AutoReq"},
	{"auto_prov", "AutoProv"},
	{"auto_req_prov", "AutoReqProv"},
	{"remove_path_postfixes", "RemovePathPostfixes"},
	{"build_system", "BuildSystem"},
}

// DepNames maps the document's key of a kind of dependency to its spelling.
var DepNames = []struct{ Key, Name, Token string }{
	{"build_requires", "BuildRequires", "br"},
	{"build_prereq", "BuildPreReq", "bpr"},
	{"build_conflicts", "BuildConflicts", "bc"},
	{"requires", "Requires", "req"},
	{"prereq", "PreReq", "prereq"},
	{"recommends", "Recommends", "rec"},
	{"suggests", "Suggests", "sug"},
	{"supplements", "Supplements", "sup"},
	{"enhances", "Enhances", "enh"},
	{"provides", "Provides", "prov"},
	{"conflicts", "Conflicts", "con"},
	{"obsoletes", "Obsoletes", "obs"},
	{"order_with_requires", "OrderWithRequires", "owr"},
	{"build_option", "BuildOption", "opt"},
}

// FileFlags are the directives of a file that are on or off, each spelled
// %NAME.
var FileFlags = []string{"ghost", "exclude", "artifact", "missingok", "pubkey", "license", "doc", "readme", "docdir", "dir"}

// FileDirectives are all directives of a file's line in canonical order.
var FileDirectives = []string{
	"exclude", "ghost", "artifact", "missingok", "pubkey", "config", "attr", "dir", "lang", "license", "doc", "readme", "docdir",
	"verify", "caps",
}

// BuildKinds are the sections of [build] in canonical order.
var BuildKinds = []string{"prep", "generate_buildrequires", "conf", "build", "install", "check", "clean"}

// ScriptKinds are the scriptlets of [scripts] in canonical order.
var ScriptKinds = []string{
	"pretrans", "pre", "post", "preun", "postun", "posttrans", "preuntrans", "postuntrans",
	"verifyscript", "sepolicy",
}

// TriggerKinds are the triggers.
var TriggerKinds = []string{
	"trigger", "triggerin", "triggerun", "triggerprein", "triggerpostun",
	"filetrigger", "filetriggerin", "filetriggerun", "filetriggerpostun",
	"transfiletrigger", "transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun",
}

// IsTrigger tells whether a section is a trigger of any kind.
func IsTrigger(kind string) bool { return slices.Contains(TriggerKinds, kind) }

// nameTag is the key of a Name: within a %package, where "name" is the
// package's own.
const nameTag = "name_tag"

func isTag(key string) bool {
	for _, n := range TagNames {
		if n.Key == key {
			return true
		}
	}
	return false
}
