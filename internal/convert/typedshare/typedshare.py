#!/usr/bin/python3
"""typedshare.py DIR|FILE...: how much of the package documents is typed.

Reads nothing but the documents that spec2toml wrote, with Python's own TOML
parser, and so knows nothing of how they were made. What it counts:

  tag line      one entry of a list or value that stands for a line "Tag: value" (package, sources, patches,
                dependencies, build.system, build.options, and the same of each subpackage).
                Untyped: a line of a "raw" or "macro" entry in which a tag of rpm's stands before a colon.
  conditional   one %if with its %endif outside of scripts: each "when" of an entry, of a group, of a section or of
                a subpackage, where the entry before does not stand under the same.
                Untyped: a line that begins with %if in a "raw" or "macro" entry, in the body of a section that the format
                has no place for, or in a description, and each line "!%if" of layout.order.
  preamble and  every entry of macro, of the lists above and of the file lists.
  file lines    Raw: those of the form { raw = … }, by lines.
  layout        the bytes from the line [layout] to the end, of all bytes of the document.

Exit status: 0, or 1 when a document is no TOML.
"""
import concurrent.futures as cf, os, re, statistics, sys, tomllib

TAGS = """name version release epoch summary license sourcelicense group url bugurl vcs vendor packager distribution
disturl disttag modularitylabel icon translationurl upstreamreleases buildarch buildarchitectures exclusivearch
excludearch exclusiveos excludeos nosource nopatch buildroot prefix prefixes docdir autoreq autoprov autoreqprov
removepathpostfixes buildsystem buildoption buildrequires buildprereq buildconflicts requires prereq recommends suggests
supplements enhances provides conflicts obsoletes orderwithrequires source patch""".split()
TAG_LINE = re.compile(r'^\s*(?:%\{!?\?\w+:\s*)?(\w+?)\d*\s*(?:\([^)]*\))?\s*:(?!:)', re.M)
IF_LINE = re.compile(r'^\s*%if', re.M)
DEPENDENCIES = {'build_requires', 'build_prereq', 'build_conflicts', 'requires', 'prereq', 'recommends', 'suggests', 'supplements',
                'enhances', 'provides', 'conflicts', 'obsoletes', 'order_with_requires', 'options'}
SECTIONS = {'files', 'scripts', 'trigger', 'description'}
OWN = {'name', 'full_name', 'declared', 'when', 'comment', 'macro'} | SECTIONS | DEPENDENCIES


class Count:
    def __init__(self):
        self.tags = self.bad_tags = self.conds = self.bad_conds = self.lines = self.raw = self.macro = 0
        self.reasons = []

    def text(self, text, raw):
        """a line that is not taken apart"""
        n = text.count('\n') + 1
        if raw:
            self.raw += n
            self.reasons.append(text.strip().split('\n')[0][:100])
        else:
            self.macro += 1
        self.lines += n if raw else 1
        for m in TAG_LINE.finditer(text):
            self.bad_tags += m.group(1).lower() in TAGS
        self.bad_conds += len(IF_LINE.findall(text))

    def entries(self, value, tag, outer=()):
        """the entries of a list or of a value, with their paths"""
        items = value if isinstance(value, list) else [value]
        last = tuple(outer)
        for e in items:
            path = tuple(outer)
            if isinstance(e, dict):
                when = e.get('when', [])
                path += tuple([when] if isinstance(when, str) else when)
                opened = [w for i, w in enumerate(path) if last[:i + 1] != path[:i + 1]]
                self.conds += sum(not w.startswith(('else ', 'elif ', '?', '!?')) for w in opened)
                if 'all' in e or 'else' in e:
                    self.entries(e.get('all', []), tag, path)
                    self.entries(e.get('else', []), tag, path[:-1] + ('else ' + path[-1],))
                    last = ()
                    continue
            last = path
            if isinstance(e, dict) and 'raw' in e:
                self.text(e['raw'], True)
            elif isinstance(e, dict) and 'macro' in e:
                self.text(e['macro'], False)
            else:
                self.lines += 1
                self.tags += tag

    def section(self, value, outer):
        """one or more sections that may have a condition of their own"""
        for s in value if isinstance(value, list) else [value]:
            if isinstance(s, dict) and 'when' in s:
                self.conds += 1
            if isinstance(s, dict) and 'list' in s:
                self.entries(s['list'], 0, outer)

    def package(self, p):
        for key, value in p.items():
            if key in DEPENDENCIES or key not in OWN:
                self.entries(value, 1)
        self.entries(p.get('macro', []), 0)
        self.conds += 'when' in p
        for d in p.get('description', []) if isinstance(p.get('description'), list) else [p.get('description', '')]:
            text = d.get('text', '') if isinstance(d, dict) else d
            self.bad_conds += len(IF_LINE.findall(text))
            self.section(d, ())
        for key in ('files', 'trigger'):
            self.section(p.get(key, []), ())
        for s in p.get('scripts', {}).values():
            self.section(s, ())


def count(path):
    with open(path, 'rb') as f:
        data = f.read()
    try:
        doc = tomllib.loads(data.decode())
    except Exception as e:
        return path, str(e), None, 0
    c = Count()
    c.entries(doc.get('macro', []), 0)
    for key in ('sources', 'patches'):
        c.entries(doc.get(key, {}).get('list', []), 1)
    for key in ('sourcelist', 'patchlist'):
        c.section(doc.get(key, []), ())
    for value in doc.get('dependencies', {}).values():
        c.entries(value, 1)
    for key, value in doc.get('build', {}).items():
        if key in ('system', 'options'):
            c.entries(value, 1)
        else:
            c.section(value, ())
    c.package(doc.get('package', {}))
    c.package({k: doc[k] for k in ('files', 'trigger', 'scripts') if k in doc})
    for p in doc.get('subpackage', []):
        c.package(p)
    for s in doc.get('section', []):
        c.text(s['header'] + '\n' + s.get('body', ''), True)
    order = doc.get('layout', {}).get('order', '')
    c.bad_conds += len(re.findall(r'^!\s*%if', order, re.M))
    at = data.rfind(b'\n[layout]\n')
    return path, '', c, (len(data) - at) / len(data) if at >= 0 else 0.0


def documents(args):
    for a in args:
        if os.path.isdir(a):
            for d, _, files in sorted(os.walk(a)):
                yield from (os.path.join(d, f) for f in sorted(files) if f.endswith('.toml'))
        else:
            yield a


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    total, shares, broken, with_raw, worst, reasons = Count(), [], 0, 0, [], {}
    with cf.ProcessPoolExecutor() as pool:
        for path, error, c, share in pool.map(count, documents(sys.argv[1:]), chunksize=64):
            if error:
                broken += 1
                print('%s: %s' % (path, error))
                continue
            for key in ('tags', 'bad_tags', 'conds', 'bad_conds', 'lines', 'raw', 'macro'):
                setattr(total, key, getattr(total, key) + getattr(c, key))
            shares.append(share)
            with_raw += c.raw > 0
            for r in c.reasons:
                reasons[r] = reasons.get(r, 0) + 1
            if c.raw or c.bad_conds or c.bad_tags:
                worst.append((c.raw + c.bad_conds + c.bad_tags, path))
    part = lambda good, bad: 100 * good / max(1, good + bad)
    shares.sort()
    print('%d documents, %d are no TOML' % (len(shares) + broken, broken))
    print('tag lines    %9d typed, %6d not: %.3f %%' % (total.tags, total.bad_tags, part(total.tags, total.bad_tags)))
    print('conditionals %9d typed, %6d not: %.3f %%' % (total.conds, total.bad_conds, part(total.conds, total.bad_conds)))
    print('preamble and file lines %d: %d raw (%.3f %%) in %d documents (%.2f %%), %d macros (%.2f %%)' % (
        total.lines, total.raw, 100 * total.raw / max(1, total.lines), with_raw, 100 * with_raw / max(1, len(shares)),
        total.macro, 100 * total.macro / max(1, total.lines)))
    if shares:
        print('layout: median %.2f %% of the bytes, 90 of 100 documents below %.2f %%, most %.2f %%' % (
            100 * statistics.median(shares), 100 * shares[int(len(shares) * 0.9)], 100 * shares[-1]))
    for n, path in sorted(worst, reverse=True)[:10]:
        print('  %6d untyped in %s' % (n, path))
    for r in sorted(reasons, key=reasons.get, reverse=True)[:15]:
        print('  %6d raw: %s' % (reasons[r], r))
    sys.exit(1 if broken else 0)


if __name__ == '__main__':
    main()
