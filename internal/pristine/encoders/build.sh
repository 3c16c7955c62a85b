#!/bin/sh
# Builds one encoder helper: build.sh system|module NAME OUTPUT, from the top of the checkout.
# Links statically where the distribution has the static libraries, else dynamically.
set -eu

kind=$1 name=$2 output=$3
src=$(dirname "$0")
cc=${CC:-cc}
cflags=${CFLAGS:-}
[ -n "$cflags" ] || cflags=-O2

mkdir -p "$(dirname "$output")"
work=$(mktemp -d "$(cd "$(dirname "$output")" && pwd)/.$name.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# link OBJECTS-AND-LIBRARIES...: into place only when complete, as make may run us again at any time.
link() {
	$cc -static -pthread -o "$work/out" "$@" 2>"$work/static.log" ||
		$cc -pthread -o "$work/out" "$@" || {
		cat "$work/static.log" >&2
		exit 1
	}
	"$work/out" --version >/dev/null
	mv "$work/out" "$output"
}

compile() {
	$cc -std=gnu11 -Wall -Wextra $cflags "$@"
}

# module_dir prints the directory of the module's sources, whose checksum must be the one we know.
module_dir() {
	line=$(grep "^$name " "$src/modules.txt") || { echo "$name: not in modules.txt" >&2; exit 1; }
	set -- $line
	# Outside of any module, so that no go.mod or go.sum is touched.
	json=$(cd / && GOWORK=off go mod download -json "$2")
	case $json in
	*"\"Sum\": \"$3\""*) ;;
	*) echo "$name: $2 has another checksum than modules.txt says" >&2; exit 1 ;;
	esac
	printf '%s\n' "$json" | sed -n 's/^.*"Dir": "\(.*\)",*$/\1/p'
}

# objects DIR FLAGS...: compiles the .c files of DIR named on standard input, as many at a time as there are processors.
objects() {
	dir=$1
	shift
	(cd "$work" && xargs -P "$(nproc 2>/dev/null || echo 2)" -I '{}' $cc -w $cflags "$@" -c "$dir/{}")
}

# zstd DIR...: the library from all sources in the directories that compressing needs.
zstd() {
	# Upstream builds with -O3, and the speed is in it.
	cflags="$cflags -O3"
	for d in "$@"; do
		(cd "$d" && ls *.c) | grep -vE '^(zstd_v0|zdict|cover|fastcover|divsufsort|zbuff|zstd_decompress|zstd_ddict|huf_decompress)' |
			objects "$d" -DZSTD_MULTITHREAD=1 -DZSTD_LEGACY_SUPPORT=0 -DZSTD_DISABLE_ASM=1 -pthread
	done
	link "$work"/*.o
}

# rsync_hooks FILE: has deflate.c call zlib_rsync.h, for the levels from 4 on.
rsync_hooks() {
	sed -i -e '/^#include "deflate.h"/a #include "zlib_rsync.h"' \
		-e 's/^   flush_pending(s->strm); \\$/   rsync_flushed(s); &/' \
		-e 's/^ *s->block_start -= (long) wsize;/& rsync_slide(wsize);/' \
		-e '/^local block_state deflate_slow(s/,/^}/ {
			s/s->prev_length -= 2;/& rsync_roll(s, s->strstart, s->prev_length + 1);/
			s/if (bflush)/if (rsync_due(s) || bflush)/
			s/^ *s->match_available = 1;/if (rsync_due(s)) FLUSH_BLOCK(s, 0); &/
			/^ *s->strstart++;/ { N; s/^ *s->strstart++;\n *s->lookahead--;/rsync_roll(s, s->strstart, 1); &/; }
		}' "$1"
	[ "$(grep -c 'rsync_' "$1")" = 8 ] || { echo "$1: is not the deflate.c that is known" >&2; exit 1; }
}

case $kind-$name in
system-liblzma) compile -o "$work/main.o" -c "$src/liblzma.c" && link "$work/main.o" -llzma ;;
system-libbz2) compile -o "$work/main.o" -c "$src/libbz2.c" && link "$work/main.o" -lbz2 ;;
module-libzstd-1.5.4)
	# This module holds the whole source tree of zstd.
	dir=$(module_dir)/zstd/lib
	compile -I"$dir" -o "$work/main.o" -c "$src/libzstd.c"
	zstd "$dir/common" "$dir/compress"
	;;
module-libzstd-*)
	dir=$(module_dir)
	compile -I"$dir" -o "$work/main.o" -c "$src/libzstd.c"
	zstd "$dir"
	;;
module-zlib-*)
	# This module holds the release of zlib that its Go code was made from.
	tar -xzf "$(module_dir)/$name.tar.gz" -C "$work"
	compile -I"$work/$name" -o "$work/main.o" -c "$src/zlib.c"
	rsync_hooks "$work/$name/deflate.c"
	printf '%s\n' adler32.c crc32.c deflate.c trees.c zutil.c | objects "$work/$name" -O3 -I"$(cd "$src" && pwd)"
	link "$work"/*.o
	;;
module-lzma2-5.2.0)
	# The module has the LZMA2 part of 5.2.5. In 5.2.0 the fast mode compared one byte too few after a match
	# of two; that is the one difference in what the two versions write.
	cp -r "$(module_dir)/lzma/src" "$work/src"
	chmod -R u+w "$work/src"
	fast=$work/src/liblzma/lzma/lzma_encoder_optimum_fast.c
	grep -q 'my_max(2, len_main - 1)' "$fast"
	sed -i 's/my_max(2, len_main - 1)/len_main - 1/' "$fast"
	flags='-DHAVE_ENCODERS -DHAVE_ENCODER_LZMA2 -DHAVE_DECODER_LZMA2 -DHAVE_CHECK_CRC32 -DHAVE_CHECK_CRC64 -DHAVE_MF_HC3 -DHAVE_MF_HC4
		-DHAVE_MF_BT4 -DHAVE_STDBOOL_H -DHAVE_STDINT_H -DHAVE_INTTYPES_H -DHAVE_STRING_H -DHAVE_LIMITS_H -DSIZEOF_SIZE_T=8'
	for d in src/common src/liblzma src/liblzma/api src/liblzma/common src/liblzma/check src/liblzma/delta src/liblzma/lz src/liblzma/lzma \
		src/liblzma/rangecoder src/liblzma/simple; do
		flags="$flags -I$work/$d"
	done
	(cd "$work" && find src -name '*.c') | objects "$work" $flags
	compile -I"$work/src/liblzma/api" -DWELD_BARE='"5.2.0"' -o "$work/main.o" -c "$src/liblzma.c"
	link "$work"/*.o
	;;
*) echo "build.sh: no rule for $kind $name" >&2; exit 2 ;;
esac
