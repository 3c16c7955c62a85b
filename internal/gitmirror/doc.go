// Package gitmirror turns source RPMs into git and git into source RPMs.
//
// A package is one bare repository, NAME.git: branch upstream holds the unpacked archives, one commit a version; branch
// distro adds the patches, one commit each; tags upstream/<version> and srpm/<nevr> name what was imported. Everything
// that the exact bytes need beyond that lives under refs/srpm2git/pristine, which a plain clone does not fetch. Spec,
// package document, small sources and sources.lock live in one metadata repository, packages/NAME/.
//
// The contract: Export gives the very file that Import took, and Import regenerates what it stored and compares digests
// before a reference moves. The same source RPMs give the same references, whoever imports them, where and when. %prep
// is read, never run. docs/git-mirror.md and docs/archive-recipe.md describe the formats.
package gitmirror
