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
encoders: $(ENCODERS:%=$(LIBEXEC)/weld-encode-%) ## the programs that re-create payloads and archives

# $(call ENCODERS_RULE,kind,names,source): helpers around the libraries of a kind.
define ENCODERS_RULE
$(patsubst %,$(LIBEXEC)/weld-encode-%,$(2)): $(LIBEXEC)/weld-encode-%: $(ENCODERS_SRC)/$(3) $(ENCODERS_SRC)/helper.h $(ENCODERS_SRC)/build.sh
	CC='$$(CC)' CFLAGS='$$(CFLAGS)' $(ENCODERS_SRC)/build.sh $(1) $$* $$@
endef
$(eval $(call ENCODERS_RULE,system,liblzma,liblzma.c))
$(eval $(call ENCODERS_RULE,system,libbz2,libbz2.c))
$(eval $(call ENCODERS_RULE,module,$(filter zlib-%,$(ENCODERS_MODULE)),zlib.c))
$(eval $(call ENCODERS_RULE,module,$(filter libzstd-%,$(ENCODERS_MODULE)),libzstd.c))
$(eval $(call ENCODERS_RULE,module,$(filter lzma2-%,$(ENCODERS_MODULE)),liblzma.c))
