package pkgtoml

import (
	"bytes"
	"encoding/json"
)

// object is a piece of JSON Schema.
type object map[string]any

// Schema gives the JSON Schema (draft 2020-12) of the package document, for
// editors to check and complete by. It is the same on every call.
func Schema() []byte {
	root := tableOf("A package document: an RPM spec file as typed TOML.", object{
		"macro":        ref("macros"),
		"package":      mainSchema(),
		"sources":      listTable("The sources: Source0, Source1, ….", "sources"),
		"patches":      listTable("The patches: Patch0, Patch1, ….", "sources"),
		"sourcelist":   sections("A %sourcelist section.", ref("sources")),
		"patchlist":    sections("A %patchlist section.", ref("sources")),
		"dependencies": tableOf("What the main package and the build need and provide.", dependencyKeys(false)),
		"build":        buildSchema(),
		"scripts":      scriptsSchema(),
		"trigger":      triggersSchema(),
		"files":        oneOrMore(ref("files")),
		"subpackage":   object{"type": "array", "items": subpackageSchema(), "description": "The subpackages, in the order of the spec."},
		"changelog":    changelogSchema(),
		"section":      otherSections(),
		"layout":       layoutSchema(),
	})
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Weld Bridge package document"
	root["$defs"] = definitions()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil // cannot be: the schema is strings and tables of strings
	}
	return b.Bytes()
}

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

func text(description string) object { return object{"type": "string", "description": description} }

func flag(description string) object { return object{"type": "boolean", "description": description} }

func tableOf(description string, properties object, required ...string) object {
	o := object{"type": "object", "description": description, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func oneOrMore(item object) object {
	return object{"anyOf": []any{item, object{"type": "array", "items": item}}}
}

func listTable(description, list string) object {
	return tableOf(description, object{"list": ref(list)}, "list")
}

// entryTable is a table that may carry a condition and a comment.
func entryTable(description string, properties object, required ...string) object {
	properties["when"] = ref("when")
	properties["comment"] = ref("comment")
	return tableOf(description, properties, required...)
}

// listOf is a list of entries and of groups of entries under one condition.
func listOf(name, description string, entries ...any) object {
	group := tableOf("Entries under one condition.", object{
		"when": ref("when"),
		"all":  object{"$ref": "#/$defs/" + name, "description": "The entries when the condition holds."},
		"else": object{"$ref": "#/$defs/" + name, "description": "The entries when it does not."},
	}, "when")
	group["anyOf"] = []any{object{"required": []string{"all"}}, object{"required": []string{"else"}}}
	return object{"type": "array", "description": description, "items": object{"anyOf": append(entries, group)}}
}

func textOrLines(description string) object {
	return object{
		"anyOf":       []any{object{"type": "string"}, object{"type": "array", "items": object{"type": "string"}}},
		"description": description,
	}
}

func definitions() object {
	spelling := text("The letters of the tag where they are not the usual ones, such as Url.")
	d := object{
		"when": textOrLines(`The path of conditions from the outside in: "if EXPR", "ifarch LIST", "ifnarch LIST", "ifos LIST", "ifnos LIST", ` +
			`each perhaps after "else "; "elif EXPR" below an "else …"; and innermost "?NAME" or "!?NAME" for %{?NAME:…}.`),
		"comment": textOrLines("The comment directly above, a string a line."),
		"value":   object{"type": []string{"string", "integer"}},
	}
	d["when"].(object)["$comment"] = "see docs/package-toml.md"
	d["tagValues"] = listOf("tagValues", "Values under conditions or in several languages.", ref("value"), ref("tagValue"))
	d["tagValue"] = entryTable("A value that has a condition, a comment or a language.", object{
		"value": ref("value"), "lang": text("The language of a summary or group: Summary(de)."), "spelling": spelling,
	}, "value")
	d["tag"] = object{"anyOf": []any{ref("value"), ref("tagValue"), ref("tagValues")}}
	d["macros"] = listOf("macros", "Definitions and other lines of macros, in the order of the spec.", macroSchema())
	number := object{"type": []string{"integer", "string"}, "description": "The number, as a string when it has leading zeros. Without one rpm counts."}
	d["sources"] = listOf("sources", "One entry a source or patch.", object{"type": "string"}, entryTable("A source or patch.", object{
		"number": number, "file": text("A URL or the name of a file."), "spelling": spelling,
	}, "file"))
	line := object{"type": "array", "items": object{"type": "string"}, "minItems": 1, "description": "Dependencies that share a line."}
	dep := entryTable("A dependency that has more to it.", object{
		"dep": text("The dependency: NAME, NAME >= VERSION, or (a rich one)."), "deps": line,
		"separator":  text("What stands between the dependencies of one line; default: one blank."),
		"qualifiers": text("What it is needed for: pre, post, preun, …, as in Requires(pre)."), "spelling": spelling,
	})
	dep["oneOf"] = []any{object{"required": []string{"dep"}}, object{"required": []string{"deps"}}}
	d["dependencies"] = listOf("dependencies", "One entry a line.", object{"type": "string"}, line, dep)
	d["options"] = listOf("options", "Options of the build system.", object{"type": "string"}, entryTable("An option.", object{
		"option": text("The option."), "section": text("The step that it is for: conf, build, install, …."), "spelling": spelling,
	}, "option"))
	d["file"] = fileSchema()
	d["fileList"] = listOf("fileList", "The entries, one a line of the spec.", object{"type": "string", "description": "A path."}, ref("file"))
	d["files"] = entryTable("A %files section.", object{
		"list": ref("fileList"), "from": textOrLines("Files with more entries: %files -f."), "args": text("The rest of the header, when it could not be taken apart."),
	}, "list")
	d["script"] = scriptSchema(false)
	d["scriptValue"] = object{"anyOf": []any{object{"type": "string"}, ref("script"), object{"type": "array", "items": ref("script")}}}
	return d
}

func macroSchema() object {
	m := entryTable("One definition, or one line of macros. Exactly one of global, define, undefine, bcond, include, load, macro and raw.", object{
		"global":   text("%global NAME, with its parameter list where it has one."),
		"define":   text("%define NAME, with its parameter list where it has one."),
		"value":    text("The body of a global or define."),
		"undefine": text("%undefine NAME."),
		"bcond":    text("A build condition: %bcond_with, %bcond_without or %bcond."),
		"default":  object{"type": []string{"boolean", "string"}, "description": "The default of a bcond: true, false or an expression."},
		"include":  text("%include FILE."),
		"load":     text("%{load:FILE}."),
		"macro":    text("A line that is a macro, verbatim."),
		"raw":      text("A line that could not be taken apart, verbatim."),
		"at": text(`What the line stands behind: the key of a tag, "sources", "patches", "preamble" (all of it), or a section such as "description" or ` +
			`"files:devel". Without it: before everything.`),
	})
	var one []any
	for _, form := range []string{Global, Define, Undefine, Bcond, Include, Load, Call, Raw} {
		one = append(one, object{"required": []string{form}})
	}
	m["oneOf"] = one
	return m
}

func fileSchema() object {
	properties := object{
		"path":      text("The path."),
		"paths":     object{"type": "array", "items": object{"type": "string"}, "description": "Paths that share a line."},
		"config":    object{"type": []string{"boolean", "string"}, "description": "A configuration file: true, or noreplace, missingok, …."},
		"mode":      text("The mode of %attr."),
		"user":      text("The owner of %attr."),
		"group":     text("The group of %attr."),
		"dirmode":   text("The mode of directories of %attr."),
		"separator": text("What stands between the fields of %attr; default: a comma."),
		"verify":    text("What rpm -V looks at: the text of %verify(…)."),
		"lang":      text("The language: %lang(…)."),
		"caps":      text("Capabilities: %caps(…)."),
		"defattr":   text("A line %defattr(…)."),
		"macro":     text("A line that is a macro, verbatim."),
		"raw":       text("A line that could not be taken apart, verbatim."),
	}
	for _, name := range FileFlags {
		properties[name] = flag("%" + name)
	}
	f := entryTable("A file with attributes. The order of the keys is that of the directives on the line.", properties)
	var one []any
	for _, key := range []string{"path", "paths", "defattr", "macro", "raw"} {
		one = append(one, object{"required": []string{key}})
	}
	f["oneOf"] = one
	return f
}

func scriptSchema(trigger bool) object {
	properties := object{
		"text":        text("The body, verbatim."),
		"interpreter": text("-p: the interpreter, such as <lua> or /sbin/ldconfig."),
		"mode":        object{"enum": []string{"append", "prepend"}, "description": "Added to the build system's own step: -a or -p."},
		"lang":        text("The language of a description: -l."),
		"file":        text("-f: a file with the body."),
		"flags":       text("-e or -q."),
		"priority":    text("-P: the priority of a file trigger."),
		"on":          text("What a trigger watches: what stands behind --."),
		"head":        text("Text on the line of a description's header."),
		"args":        text("The rest of the header, when it could not be taken apart."),
	}
	if trigger {
		properties["kind"] = object{"enum": TriggerKinds, "description": "What sets it off."}
		return entryTable("A trigger.", properties, "kind", "text")
	}
	return entryTable("A script that is more than its text.", properties, "text")
}

func triggersSchema() object {
	return object{"type": "array", "items": scriptSchema(true), "description": "The triggers."}
}

func scriptsSchema() object {
	properties := object{}
	for _, k := range ScriptKinds {
		properties[k] = object{"$ref": "#/$defs/scriptValue", "description": "The %" + k + " scriptlet."}
	}
	return tableOf("The scriptlets.", properties)
}

func buildSchema() object {
	properties := object{"system": ref("tag"), "options": ref("options")}
	for _, k := range BuildKinds {
		properties[k] = object{"$ref": "#/$defs/scriptValue", "description": "The %" + k + " section."}
	}
	return tableOf("How it is built. The order of the keys is that of the spec.", properties)
}

func dependencyKeys(options bool) object {
	properties := object{}
	for _, n := range DepNames {
		if n.Key != "build_option" {
			properties[n.Key] = object{"$ref": "#/$defs/dependencies", "description": n.Name + ":"}
		}
	}
	if options {
		properties["options"] = ref("options")
	}
	return properties
}

func tagKeys(properties object) object {
	for _, n := range TagNames {
		if n.Key != "build_system" {
			properties[n.Key] = object{"$ref": "#/$defs/tag", "description": n.Name + ":"}
		}
	}
	return properties
}

func mainSchema() object {
	return tableOf("The tags of the main package. The order of the keys is that of the spec.",
		tagKeys(object{"description": ref("scriptValue")}))
}

func subpackageSchema() object {
	properties := tagKeys(dependencyKeys(true))
	properties["name"] = text("The name behind that of the main package and a dash: %package NAME.")
	properties["full_name"] = text("The whole name: %package -n NAME.")
	properties["declared"] = flag("false: its sections are there, but a macro makes the package.")
	properties[nameTag] = object{"$ref": "#/$defs/tag", "description": "A Name: within the %package section."}
	properties["build_system"] = object{"$ref": "#/$defs/tag", "description": "BuildSystem:"}
	properties["description"] = ref("scriptValue")
	properties["macro"] = ref("macros")
	properties["scripts"] = scriptsSchema()
	properties["trigger"] = triggersSchema()
	properties["files"] = oneOrMore(ref("files"))
	s := entryTable("A subpackage. Its condition holds for all of its sections that do not have their own.", properties)
	s["oneOf"] = []any{object{"required": []string{"name"}}, object{"required": []string{"full_name"}}}
	return s
}

func changelogSchema() object {
	entry := tableOf("One entry, the newest first.", object{
		"date":      object{"type": "string", "description": "A date, or a string where the spec writes it in another way."},
		"author":    text("The author with address."),
		"separator": text("What stands between author and version, where it is not the usual."),
		"evr":       text("The version and release."),
		"text":      text("The lines below the head."),
		"raw":       text("An entry that could not be taken apart, whole."),
	})
	return entryTable("The changelog.", object{
		"auto":      flag("%autochangelog."),
		"separator": text(`What stands between author and version; default: " - ".`),
		"entry":     object{"type": "array", "items": entry, "description": "The entries."},
	})
}

func sections(description string, list object) object {
	return object{"type": "array", "items": entryTable(description, object{"list": list}, "list")}
}

func otherSections() object {
	return object{
		"type":  "array",
		"items": entryTable("A section that the format has no place for, verbatim.", object{"header": text("The header line."), "body": text("The body.")}, "header"),
	}
}

func layoutSchema() object {
	return tableOf("How the spec is written. Deleting it loses order, blank lines and spelling, but no value.", object{
		"order":     text("The outline of the spec: names of entries and sections, blank lines, floating comments."),
		"tag":       text("The template of a tag's line; default: {tag:16}{value}."),
		"styles":    object{"type": "array", "items": object{"type": "string"}, "description": "The templates of lines that differ: ~1, ~2, … in order."},
		"gaps":      text("Blank lines between the entries of the changelog, where it is not one."),
		"unpatched": text("Numbers that %prep applies and that no patch has."),
		"newline":   object{"const": "crlf", "description": "Lines end in CR LF."},
		"encoding":  object{"const": "latin-1", "description": "The spec is not UTF-8."},
		"eof":       object{"const": "bare", "description": "The last line has no end."},
		"bom":       flag("A byte order mark stands first."),
	})
}
