# pipelock: build, install, test. `make run` and `make test` do everything on a fresh Debian 12.
#
#   make            build/pipelock and build/egress
#   make deps       install what is missing from Debian's packages (with sudo when not root)
#   make run        deps, build, start with the embedded defaults (ARGS= is handed to `pipelock run`)
#   make test       deps, build, all tests; ASan and UBSan are on in the programs that are tested
#   make unit | e2e | fuzz | bench      a part of them; FUZZ_SECONDS= and ONLY= narrow it
#   make install    PREFIX=/usr/local, DESTDIR=
#   make format | lint | clean
#
#   DEVELOPER=1     warnings are errors          SANITIZE=address,undefined   sanitizers
#   BUILD=dir       where everything goes        CC=clang                     another compiler
#   V=1             whole commands are shown

BUILD     ?= build
PREFIX    ?= /usr/local
PYTHON    ?= /usr/bin/python3
VERSION   := $(shell cat VERSION)
JOBS      ?= $(shell nproc)

BUILD_PACKAGES := gcc make pkg-config libevent-dev libssl-dev libpcre2-dev libyaml-dev zlib1g-dev \
	libbrotli-dev libzstd-dev python3
TEST_PACKAGES  := libcmocka-dev clang libclang-rt-14-dev python3 python3-h11 python3-requests curl git nodejs \
	iproute2 procps openssl mandoc ca-certificates

MODULES_PIPELOCK := libcrypto libssl libevent_core libevent_pthreads libpcre2-8 yaml-0.1 zlib libbrotlidec libzstd
MODULES_EGRESS   := libcrypto libssl libevent_core libevent_extra libevent_pthreads
MODULES_ALL      := $(sort $(MODULES_PIPELOCK) $(MODULES_EGRESS))

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla -Wformat=2 \
	-Wpointer-arith -Wundef $(if $(DEVELOPER),-Werror)
HARDENED := -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) -fno-strict-aliasing
SANITIZED := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CPPFLAGS += -I. -D_GNU_SOURCE -DPIPELOCK_VERSION='"$(VERSION)"'
ALL_CFLAGS  = -std=c11 $(CFLAGS) $(WARNINGS) $(HARDENED) $(SANITIZED) -pthread -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(SANITIZED) -pthread

# Recursive on purpose: `make deps` has to work before pkg-config is there.
PKG_CFLAGS    = $(shell pkg-config --cflags $(MODULES_ALL))
LIBS_PIPELOCK = $(shell pkg-config --libs $(MODULES_PIPELOCK))
LIBS_EGRESS   = $(shell pkg-config --libs $(MODULES_EGRESS))

COMMON_SRC   := $(wildcard common/*.c)
CORE_SRC     := $(filter-out pipelock/main.c,$(wildcard pipelock/*.c pipelock/*/*.c))
EGRESS_SRC   := $(filter-out egress/main.c,$(wildcard egress/*.c))
UNIT_SRC     := $(wildcard tests/unit/test_*.c)
FUZZ_SRC     := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC    := $(wildcard tests/bench/*.c)
RULE_FILES   := $(sort $(wildcard rules/*.yaml))

# What is done to which file, instead of the whole command.
say = $(if $(V),@:,@echo '  $(1)	$(@:$(BUILD)/%=%)')
Q   = $(if $(V),,@)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all deps test-deps run test check unit e2e fuzz fuzz-replay bench install clean format lint
.DELETE_ON_ERROR:
all: $(BUILD)/pipelock $(BUILD)/egress

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libcommon.a: $(call objects,$(COMMON_SRC))
$(BUILD)/libpipelock.a: $(call objects,$(CORE_SRC)) $(BUILD)/obj/builtin_rules.o $(BUILD)/obj/unicode_table.o
$(BUILD)/libegress.a: $(call objects,$(EGRESS_SRC))
$(BUILD)/%.a:
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

# The shipped rules are part of the program, so that it can run with no file at all.
$(BUILD)/builtin_rules.c: rules/embed.sh $(RULE_FILES)
	@mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)sh rules/embed.sh $(RULE_FILES) > $@
$(BUILD)/obj/builtin_rules.o: $(BUILD)/builtin_rules.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# What looks like ASCII (see pipelock/scan/unicode/table.h), from the Unicode data of Python's library.
UNICODE_FILES := pipelock/scan/unicode/make_table.py pipelock/scan/unicode/confusables.txt
$(BUILD)/unicode_table.c: $(UNICODE_FILES)
	@mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)$(PYTHON) $(UNICODE_FILES) > $@
$(BUILD)/obj/unicode_table.o: $(BUILD)/unicode_table.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/pipelock: $(call objects,pipelock/main.c) $(BUILD)/libpipelock.a $(BUILD)/libcommon.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_PIPELOCK)
$(BUILD)/egress: $(call objects,egress/main.c) $(BUILD)/libegress.a $(BUILD)/libcommon.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_EGRESS)

# ---- what is installed
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
define install_missing
@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
if [ -n "$$missing" ]; then echo "installing: "$$missing; \
	$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
endef
deps:
	$(call install_missing,$(BUILD_PACKAGES))
test-deps:
	$(call install_missing,$(BUILD_PACKAGES) $(TEST_PACKAGES))

run: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	$(BUILD)/pipelock run $(ARGS)

# ---- tests
test: test-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/san SANITIZE=address,undefined DEVELOPER=1 all unit-programs
	@$(PYTHON) tests/run.py --build $(BUILD) $(ONLY)

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
.PHONY: unit-programs
unit-programs: $(UNIT)
$(BUILD)/unit/test_egress_%: $(BUILD)/obj/tests/unit/test_egress_%.o $(BUILD)/libegress.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_EGRESS) $(shell pkg-config --libs cmocka)
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libpipelock.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_PIPELOCK) $(shell pkg-config --libs cmocka)
unit:
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/san SANITIZE=address,undefined DEVELOPER=1 unit-programs
	@$(PYTHON) tests/run.py --build $(BUILD) --only unit
e2e:
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/san SANITIZE=address,undefined DEVELOPER=1 all
	@$(PYTHON) tests/run.py --build $(BUILD) --only e2e

# ---- fuzzing: clang's libFuzzer, one target a parser, the corpus is kept in tests/fuzz/corpus/TARGET
FUZZ_SECONDS ?= 60
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
.PHONY: fuzz-programs
fuzz-programs: $(FUZZ)
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libpipelock.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_PIPELOCK)
FUZZ_MAKE = $(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/fuzzing CC=clang CFLAGS='-O1 -g' \
	SANITIZE=address,undefined,fuzzer-no-link fuzz-programs
fuzz: test-deps
	@$(FUZZ_MAKE)
	@$(PYTHON) tests/fuzz/run.py --programs $(BUILD)/fuzzing/fuzz --seconds $(FUZZ_SECONDS) $(ONLY)
fuzz-replay: test-deps
	@$(FUZZ_MAKE)
	@$(PYTHON) tests/fuzz/run.py --programs $(BUILD)/fuzzing/fuzz --replay

# ---- measuring
BENCH := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/libpipelock.a $(BUILD)/libcommon.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_PIPELOCK)
bench: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BENCH)
	@$(PYTHON) tests/bench/run.py --build $(BUILD) $(ARGS)

# ---- installing
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/pipelock \
		$(DESTDIR)$(PREFIX)/share/pipelock/rules $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 755 $(BUILD)/pipelock $(DESTDIR)$(PREFIX)/bin/pipelock
	install -m 755 $(BUILD)/egress $(DESTDIR)$(PREFIX)/libexec/pipelock/egress
	install -m 644 $(RULE_FILES) $(DESTDIR)$(PREFIX)/share/pipelock/rules/
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/

format:
	clang-format -i $$(git ls-files '*.c' '*.h')
# Where it is wrong: a macro of the system's it does not know, and what is filled in through a pointer.
CPPCHECK_WRONG := '-DSTAILQ_HEAD(a,b)=struct a {int x;}' --suppress=uninitvar:egress/body.c \
	--suppress=memleak:pipelock/scan/known_build.c --suppress=ctuuninitvar:pipelock/state_file.c
lint:
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	cppcheck -q --enable=warning,portability --error-exitcode=1 $(CPPCHECK_WRONG) -I. common pipelock egress
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
