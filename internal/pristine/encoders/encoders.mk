# The encoder helpers. Include this from the Makefile at the top of the checkout.
#
#   make encoders       build what can be built into $(LIBEXEC)
#
# The libraries liblzma and libbz2 come from the distribution's -dev
# packages; the libraries that are needed in certain versions come from the Go
# modules that modules.txt names. A helper that cannot be built fails the
# target, so that nobody misses it by accident; ENCODERS=... builds a selection.

ENCODERS_SRC := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
LIBEXEC ?= build/libexec/weld-bridge
ENCODERS_SYSTEM := liblzma libbz2
ENCODERS_MODULE := $(shell sed -n 's/^\([a-z][^ ]*\) .*/\1/p' $(ENCODERS_SRC)/modules.txt)
ENCODERS ?= $(ENCODERS_SYSTEM) $(ENCODERS_MODULE)

.PHONY: encoders
encoders: $(ENCODERS:%=$(LIBEXEC)/weld-encode-%)

$(ENCODERS_SYSTEM:%=$(LIBEXEC)/weld-encode-%): $(LIBEXEC)/weld-encode-%: $(ENCODERS_SRC)/%.c $(ENCODERS_SRC)/helper.h $(ENCODERS_SRC)/build.sh
	CC='$(CC)' CFLAGS='$(CFLAGS)' $(ENCODERS_SRC)/build.sh system $* $@

$(ENCODERS_MODULE:%=$(LIBEXEC)/weld-encode-%): $(LIBEXEC)/weld-encode-%: $(ENCODERS_SRC)/modules.txt $(ENCODERS_SRC)/libzstd.c $(ENCODERS_SRC)/liblzma.c $(ENCODERS_SRC)/zlib.c $(ENCODERS_SRC)/helper.h $(ENCODERS_SRC)/build.sh
	CC='$(CC)' CFLAGS='$(CFLAGS)' $(ENCODERS_SRC)/build.sh module $* $@
