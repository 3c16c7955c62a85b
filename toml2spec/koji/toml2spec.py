# koji builder plugin: packages whose repository has a package document and no spec.
#
# Between the checkout and kojid's search for a spec it runs "toml2spec checkout" in the checkout, which writes the
# spec and brings the sources that sources.lock names. It runs as the user that mock runs as: the checkout may come
# from anybody. A failure fails the task, with toml2spec's own words.
#
# Install as /usr/lib/koji-builder-plugins/toml2spec.py, and name it in kojid.conf: plugin = toml2spec

from __future__ import absolute_import

import glob
import logging
import os
import pwd
import subprocess

import koji
from koji.plugin import callback

CONFIG_FILE = '/etc/kojid/plugins/toml2spec.conf'
KOJID_CONFIG = '/etc/kojid/kojid.conf'
STUB_MARK = b'# toml2spec stub'
NOT_DOCUMENTS = ('upstream.toml', 'comps.toml', 'checkout.toml')

logger = logging.getLogger('koji.plugin.toml2spec')


def read_config():
    cp = koji.read_config_files([KOJID_CONFIG, CONFIG_FILE])

    def get(section, option, default):
        return cp.get(section, option) if cp.has_option(section, option) else default
    return {
        'command': get('toml2spec', 'command', '/usr/bin/toml2spec').split(),
        'user': get('toml2spec', 'user', get('kojid', 'mockuser', 'kojibuilder')),
    }


def is_stub(path):
    """Whether a spec stands for the one that toml2spec writes. Nothing but a regular file is opened."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, 'rb') as f:
        return f.read(len(STUB_MARK)) == STUB_MARK


def has_document(srcdir):
    """Whether toml2spec finds a package document there. Beside a spec that is no stub, another TOML is a file of the
    package: many have one, such as rust2rpm.toml or pyproject.toml."""
    if os.path.lexists(os.path.join(srcdir, 'package.toml')):
        return True
    if any(not is_stub(p) for d in ('', 'SPECS') for p in glob.glob(os.path.join(glob.escape(srcdir), d, '*.spec'))):
        return False
    found = [p for p in glob.glob(os.path.join(glob.escape(srcdir), '*.toml'))
             if os.path.basename(p) not in NOT_DOCUMENTS]
    return len(found) == 1


def own(top, uid, gid):
    """Give a tree to a user; links themselves, never what they point to."""
    os.lchown(top, uid, gid)
    for path, dirs, files in os.walk(top):
        for name in dirs + files:
            os.lchown(os.path.join(path, name), uid, gid)


def checkout_top(srcdir):
    """The root of the clone that srcdir is in: sources from a git mirror need the whole metadata repository."""
    path = srcdir
    while path != '/':
        if os.path.isdir(os.path.join(path, '.git')):
            return path
        path = os.path.dirname(path)
    return srcdir


@callback('postSCMCheckout')
def make_spec(cbtype, *args, **kwargs):
    srcdir = kwargs['srcdir']
    if not has_document(srcdir):
        return
    config = read_config()
    user = pwd.getpwnam(config['user'])
    own(checkout_top(srcdir), user.pw_uid, user.pw_gid)

    def become_user():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)

    logger.info('running %s in %s', ' '.join(config['command']), srcdir)
    proc = subprocess.Popen(config['command'] + ['checkout'], cwd=srcdir, preexec_fn=become_user,
                            env={'PATH': '/usr/bin:/bin', 'HOME': '/nonexistent', 'LC_ALL': 'C'},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = proc.communicate()[0].decode('utf-8', 'replace').strip()
    if proc.returncode:
        raise koji.BuildError('toml2spec: %s' % (said or 'status %s' % proc.returncode))
