# vlrm: builds the programs and runs their tests. config.mk is the only file to edit.
#
#   make            the programs, into bin/
#   make test       installs what is missing, builds, runs the tests of the release build, of the mathematics and the rules: minutes
#   make check      all of that and the rest: every variant, gcc and clang, sanitizers, fuzzers, faults injected; a quarter of an hour
#   make demo       the paper on the bundled miniature, in minutes
#   make reproduce  its tables and ablations, within an hour; writes doc/reproduction.md
#   make install    programs, recipes, word lists, formats and manual pages, under PREFIX (and DESTDIR)
#   make bench      speeds, as ratios against a peer measured in the same run
#   make fuzz       the fuzzers, FUZZ_SECONDS=60 each; says how many lines of our code each reached
#   make faults     every system call and every allocation of every program failed once (tests/faults); an hour or two
#   make man        the manual pages, from the programs' option tables
#   make format     clang-format on every C file
#   make help       this list
#   make compile-commands  compile_commands.json, for clangd and other tools
#   make CUDA=1     the programs with CUDA kernels, under build/cuda/; fails where there is no nvcc
#
# A variant is a way to compile: release, asan (address and undefined behaviour), double (real = double, for gradient
# checks), cuda. Its objects and programs lie under build/<variant>/.

include config.mk

# make V=1 prints whole commands.
ifndef V
.SILENT:
endif

VERSION  = 0.1.0
VARIANT ?= release
ifeq ($(CUDA),1)
VARIANT := cuda
endif
B       := build/$(VARIANT)

WARNINGS = -Wall -Wextra -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla $(WERROR)
PACKAGES = libavformat libavcodec libavutil libswscale libturbojpeg libjpeg libpng libwebp libwebpdemux libzstd msgpack jansson libpcre2-8 libutf8proc libarchive libxxhash libprotobuf-c libseccomp
# OpenBLAS is loaded by lib/tensor/cpu/blas.c, not linked: only benches, which measure it, name it to the linker.
CPPFLAGS = -Ilib -Isrc -I. -I$(B)/src -I$(B)/lib -D_GNU_SOURCE -DVLRM_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PACKAGES) openblas 2>/dev/null)
LIBS     = -Wl,--as-needed $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -lpthread -ldl
DEPFLAGS = -MMD -MP

ALL_CFLAGS = -std=c17 $(CFLAGS) $(WARNINGS) $(VARIANT_FLAGS)
ifeq ($(VARIANT),asan)
VARIANT_FLAGS = -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifeq ($(VARIANT),fuzz)
VARIANT_FLAGS = -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fprofile-instr-generate -fcoverage-mapping
endif
ifeq ($(VARIANT),double)
VARIANT_FLAGS = -DVLRM_DOUBLE
endif

# A file named *_avx2.c, *_avx512.c, ... is a kernel compiled for that processor and chosen at run time, never at build time.
%_avx2.o: VARIANT_FLAGS += -mavx2 -mfma -mf16c
%_avx512.o: VARIANT_FLAGS += -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl
%_avx512bf16.o: VARIANT_FLAGS += -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16
%_amx.o: VARIANT_FLAGS += -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mamx-tile -mamx-bf16

LIB_SOURCES  := $(wildcard lib/*/*.c lib/base/options/*.c lib/text/*/*.c lib/models/families/*/*.c lib/tensor/cpu/*.c lib/tensor/cpu/plain/*.c)
LIB_SOURCES  += $(wildcard lib/tensor/cpu/$(if $(filter double,$(VARIANT)),absent,vec)/*.c)
ifeq ($(VARIANT),cuda)
ifeq ($(shell command -v $(NVCC)),)
$(error CUDA kernels need nvcc: "$(NVCC)" was not found. Set NVCC to its path, or build without CUDA=1)
endif
endif
ifneq ($(VARIANT),cuda)
LIB_SOURCES  += $(wildcard lib/tensor/cuda/absent/*.c)
else
LIB_SOURCES  += $(wildcard lib/tensor/cuda/*.c)
CUDA_SOURCES := $(wildcard lib/tensor/cuda/*.cu)
CUDA_LIB     ?= $(realpath $(dir $(shell command -v $(NVCC)))../lib64)
LIBS         += $(CUDA_LIB:%=-L%) $(CUDA_LIB:%=-Wl,-rpath,%) -lcublas -lcublasLt -lcudart -lstdc++
endif
# Messages between ranks: by MPI where there is its compiler, which says what to compile and link with; else a stand-in that refuses.
MPI_FLAGS    := $(shell command -v $(MPICC) >/dev/null && $(MPICC) -show)
LIB_SOURCES  += $(if $(MPI_FLAGS),lib/ranks/mpi/wire_mpi.c,lib/ranks/absent/wire_absent.c)
LIBS         += $(filter -L% -l% -Wl%,$(MPI_FLAGS))
$(B)/lib/ranks/mpi/%.o: CPPFLAGS += $(patsubst -I%,-isystem %,$(filter -I% -D%,$(MPI_FLAGS)))
ifeq ($(VARIANT),fuzz)
LIB_SOURCES  := $(wildcard lib/base/*.c lib/base/options/*.c lib/stream/*.c lib/checkpoint/*.c lib/tensor/*.c lib/text/*.c lib/text/*/*.c lib/media/*.c lib/stage/*.c)
LIB_SOURCES  += $(wildcard lib/models/*.c lib/models/families/*/*.c) lib/learn/lora.c lib/learn/parameters.c lib/learn/draw.c
endif
MAINS        := $(wildcard src/*/vlrm-*.c world/vlrm-*.c)
PROTOS       := $(wildcard src/*/*/*.proto lib/*/*.proto)
PARTS        := $(filter-out $(MAINS),$(wildcard src/*/*.c src/*/*/*.c world/*.c world/*/*.c)) $(patsubst %.proto,%.pb-c.c,$(filter src/%,$(PROTOS)))
LIB_SOURCES  += $(patsubst %.proto,%.pb-c.c,$(filter lib/%,$(PROTOS)))
TEST_MAINS   := $(wildcard tests/unit/test_*.c tests/ops/test_*.c tests/models/test_*.c)
ifeq ($(VARIANT),double)
TEST_MAINS   := $(filter-out tests/unit/%,$(TEST_MAINS))
endif
BENCH_MAINS  := $(wildcard tests/bench/bench_*.c)
PROGRAMS     := $(notdir $(MAINS:.c=))

LIBRARY   := $(B)/libvlrm.a
BINS      := $(addprefix $(B)/bin/,$(PROGRAMS))
TESTS     := $(TEST_MAINS:%.c=$(B)/%)
BENCHES   := $(BENCH_MAINS:%.c=$(B)/%)
ifeq ($(VARIANT),release)
FAULT_MALLOC := $(B)/tests/faults/allocations.so
endif
FAKE_NCCL    := $(B)/tests/ranks/libnccl.so.2

.PHONY: all programs tests benches test build-test check build-all faults bench fuzz fuzzers demo reproduce cuda install man flags nvcc-name help compile-commands format clean
all: programs
ifeq ($(VARIANT),release)
	mkdir -p bin; for p in $(PROGRAMS); do ln -sf ../$(B)/bin/$$p bin/$$p; done
endif

programs: $(LIBRARY) $(BINS)
tests: $(TESTS) $(FAULT_MALLOC) $(FAKE_NCCL)
benches: $(BENCHES)

# The names of all programs' options, out of their tables: lib/base/options/names.h.
OPTION_LIST   := $(B)/lib/base/options/list
OPTION_TABLES := $(MAINS) $(wildcard lib/*/*.h lib/base/options/*.h src/*/*.h src/*/*/*.h)
$(OPTION_LIST).c: $(OPTION_TABLES) Makefile
	mkdir -p $(@D)
	{ echo '#include "base/options/names.h"'; echo 'const char *const option_names[] = {'; cat $(OPTION_TABLES) | tr '\\\n' '  ' | \
		grep -oE 'OPT_(FLAG|FLAG_ON|INT|REAL|STRING|ENUM|LIST)\( *"[a-z0-9-]+"' | sed -E 's/.*("[^"]*")/\1,/' | LC_ALL=C sort -u; \
		echo 'NULL};'; } >$@.new
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(OPTION_LIST).o: $(OPTION_LIST).c
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(LIBRARY): $(LIB_SOURCES:%.c=$(B)/%.o) $(CUDA_SOURCES:%.cu=$(B)/%.cu.o) $(OPTION_LIST).o
	rm -f $@
	ar rcs $@ $^

$(B)/%.o: %.c config.mk Makefile
	mkdir -p $(@D)
	echo '  CC    $@'
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(DEPFLAGS) -c -o $@ $<

# Protocol buffers: src/x/y/z.proto gives build/<variant>/src/x/y/z.pb-c.{c,h}, included as "x/y/z.pb-c.h"; lib/ likewise.
$(PROTOS:%.proto=$(B)/%.pb-c.c): $(B)/%.pb-c.c: %.proto
	mkdir -p $(@D)
	protoc-c --c_out=$(B) $<

$(PROTOS:%.proto=$(B)/%.pb-c.o): $(B)/%.pb-c.o: $(B)/%.pb-c.c
	$(CC) $(CPPFLAGS) -I$(B) $(ALL_CFLAGS) -c -o $@ $<

$(patsubst %.c,$(B)/%.o,$(filter src/% lib/text/%,$(PARTS) $(MAINS) $(LIB_SOURCES))): | $(PROTOS:%.proto=$(B)/%.pb-c.c)

$(B)/%.cu.o: %.cu config.mk Makefile
	mkdir -p $(@D)
	echo '  NVCC  $@'
	$(NVCC) -std=c++17 -Ilib -O3 -arch=sm_$(CUDA_ARCH) -Xcompiler -Wall,-Wextra $(WERROR:%=% all-warnings) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

# A program is its own file, the other files of its folder, and what it needs of the library.
.SECONDEXPANSION:
folder_parts = $(patsubst %.c,$(B)/%.o,$(filter $(dir $(1))%,$(PARTS)))
main_of = $(filter %/$(1).c,$(MAINS))
$(BINS): $(B)/bin/%: $$(B)/$$(basename $$(call main_of,%)).o $$(call folder_parts,$$(call main_of,%)) $(LIBRARY)
	mkdir -p $(@D)
	echo '  LINK  $@'
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LIBS)

# The world's parts and vlrm-eval's, for tests and benches that look into them.
WORLD_PARTS := $(B)/libworld.a
$(WORLD_PARTS): $(patsubst %.c,$(B)/%.o,$(filter world/% src/eval/%,$(PARTS)))
	rm -f $@
	ar rcs $@ $^

# vlrm-update's and vlrm-reward's, for tests of a step and of what rewards are made of.
UPDATE_PARTS := $(B)/libupdate.a
$(UPDATE_PARTS): $(patsubst %.c,$(B)/%.o,$(filter src/update/% src/reward/%,$(PARTS)))
	rm -f $@
	ar rcs $@ $^

$(BENCHES): EXTRA_LIBS = $(shell pkg-config --libs openblas 2>/dev/null)
$(TESTS) $(BENCHES): $(B)/tests/%: $(B)/tests/%.o $(WORLD_PARTS) $(UPDATE_PARTS) $(LIBRARY)
	echo '  LINK  $@'
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(WORLD_PARTS) $(UPDATE_PARTS) $(LIBRARY) $(LIBS) $(EXTRA_LIBS) -lcmocka

# Preloaded by tests/faults/allocations.py.
$(FAULT_MALLOC): tests/faults/allocations.c config.mk Makefile
	mkdir -p $(@D)
	echo '  LINK  $@'
	$(CC) -D_GNU_SOURCE $(ALL_CFLAGS) $(LDFLAGS) -shared -fPIC -fno-builtin -o $@ $< -ldl -lpthread

# Loaded by tests/unit/test_devices.c in place of NVIDIA's.
$(FAKE_NCCL): tests/ranks/nccl.c config.mk Makefile
	mkdir -p $(@D)
	echo '  LINK  $@'
	$(CC) -D_GNU_SOURCE -std=c17 $(CFLAGS) $(WARNINGS) $(LDFLAGS) -shared -fPIC -o $@ $<

# make reads pkg-config's answers when it starts, so what needs packages runs in a second make, after they are there.
JOBS ?= $(shell nproc)
AGAIN = +$(MAKE) --no-print-directory -j$(JOBS)

# Two speeds. `test` is for whoever has just come or just changed something; `check` is what must hold before others build on it.
test:
	tests/install-packages.sh
	$(AGAIN) build-test
	tests/run.sh --quick 'release/*' 'double/*' 'rules/*'

check:
	tests/install-packages.sh
	$(AGAIN) build-all
	$(AGAIN) FUZZ_SECONDS=$(CHECK_FUZZ_SECONDS) FUZZ_SEED=1 fuzz
	tests/run.sh

build-test:
	+$(MAKE) --no-print-directory VARIANT=release WERROR=-Werror all tests
	+$(MAKE) --no-print-directory VARIANT=double WERROR=-Werror programs tests

# Every variant that the tests use, without a warning from gcc; and everything once through clang, which warns of other things.
# The CUDA variant where there is nvcc: without it, tests/cuda/cuda.bats says that it was skipped.
build-all: build-test
	+$(MAKE) --no-print-directory VARIANT=release WERROR=-Werror benches
	+$(MAKE) --no-print-directory VARIANT=asan WERROR=-Werror programs tests
	+if command -v $(NVCC) >/dev/null; then $(MAKE) --no-print-directory VARIANT=cuda WERROR=-Werror programs tests; fi
	+$(MAKE) --no-print-directory VARIANT=clang CC=clang CFLAGS='-O1 -fno-math-errno' WERROR=-Werror programs tests benches

bench: all benches
	for b in $(BENCHES); do echo "== $$b"; $$b || exit 1; done
	tests/bench/extract.sh
	tests/bench/overlap.sh
	tests/bench/plan.sh
	tests/bench/ranks.sh
	if [ -n "$(VLRM_ORACLE)" ] && [ -n "$(CHECKPOINTS)" ]; then \
	    for c in $(CHECKPOINTS); do VLRM_ORACLE=$(VLRM_ORACLE) tests/bench/step.sh $$c || exit 1; done; \
	    VLRM_ORACLE=$(VLRM_ORACLE) tests/bench/smolvlm.sh || exit 1; \
	    VLRM_ORACLE=$(VLRM_ORACLE) tests/bench/llama.sh || exit 1; \
	else echo "bench: SKIPPED the comparison with torch: it needs VLRM_ORACLE=PYTHON CHECKPOINTS='DIR...' (tests/bench/step.sh)"; fi

demo:
	tests/install-packages.sh
	$(AGAIN) all
	bin/vlrm demo

reproduce:
	tests/install-packages.sh
	$(AGAIN) all
	bin/vlrm reproduce run/reproduce
	cp run/reproduce/reproduction.md doc/reproduction.md

cuda:
	$(AGAIN) VARIANT=cuda all

SHARE = $(DESTDIR)$(PREFIX)/share
MAN5  = $(patsubst formats/%.md,build/man/vlrm-%.5,$(wildcard formats/*.md))
install: programs $(MAN5)
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/vlrm/pipelines $(addprefix $(SHARE)/man/man,1 5 7) $(SHARE)/doc/vlrm \
		$(SHARE)/bash-completion/completions $(SHARE)/fish/vendor_completions.d $(SHARE)/zsh/site-functions
	install $(BINS) bin/vlrm $(DESTDIR)$(PREFIX)/bin/
	install pipelines/*.sh pipelines/*.py pipelines/*.jq pipelines/*.sql $(SHARE)/vlrm/pipelines/
	install -d $(SHARE)/vlrm/pipelines/slurm
	install pipelines/slurm/*.sbatch $(SHARE)/vlrm/pipelines/slurm/
	cp -R share/. $(SHARE)/vlrm/
	[ ! -d formats ] || cp -R formats $(SHARE)/doc/vlrm/
	for page in $(wildcard doc/*.1); do install -m 644 $$page $(SHARE)/man/man1/; done
	for page in $(wildcard doc/*.7); do install -m 644 $$page $(SHARE)/man/man7/; done
	for page in $(MAN5); do install -m 644 $$page $(SHARE)/man/man5/; done
	install -m 644 share/completions/vlrm.bash $(SHARE)/bash-completion/completions/vlrm
	install -m 644 share/completions/vlrm.fish $(SHARE)/fish/vendor_completions.d/vlrm.fish
	install -m 644 share/completions/_vlrm $(SHARE)/zsh/site-functions/_vlrm
	for p in $(PROGRAMS); do ln -sf vlrm $(SHARE)/bash-completion/completions/$$p; ln -sf vlrm.fish $(SHARE)/fish/vendor_completions.d/$$p.fish; done

# Section 1 stays in doc/, from the option tables; section 5 is made anew from formats/, under build/man.
man: all $(MAN5)
	for p in $(PROGRAMS); do bin/$$p --help-man > doc/$$p.1; done
build/man/vlrm-%.5: formats/%.md doc/man5.awk
	mkdir -p $(@D)
	awk -v name=vlrm-$* -v version=$(VERSION) -f doc/man5.awk $< >$@

# Fuzzers, side by side: libFuzzer with the sanitizers, from the seeds that are kept and what earlier runs found; what they look into
# is compiled for them as a variant. tests/fuzz/run.sh runs one and says which lines it reached; all that it leaves lies in build/fuzz/.
# `make check` gives each 8 seconds, some 55 of two processors in all, and the same seed each time: it must say the same twice.
FUZZ_SECONDS ?= 60
FUZZ_SEED    ?= 0
CHECK_FUZZ_SECONDS ?= 8
FUZZERS      := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PARTS   := build/fuzz/libparts.a
$(FUZZ_PARTS): $(patsubst %,build/fuzz/%.o,$(addprefix src/extract/,tar coco input journal sources opener walk texts content work still filters digest) src/reward/caption src/update/batch src/update/parts src/update/whole src/update/objective $(addprefix src/eval/,references image_names places frequencies grams chair) tests/fuzz/given)
	rm -f $@
	ar rcs $@ $^
$(FUZZERS): build/fuzz/%: build/fuzz/tests/fuzz/%.o $(FUZZ_PARTS) $(LIBRARY)
	echo '  LINK  $@'
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $< $(FUZZ_PARTS) $(LIBRARY) $(LIBS)
fuzzers: $(FUZZERS)
fuzz:
	+$(MAKE) --no-print-directory VARIANT=fuzz CC=clang WERROR=-Werror fuzzers
	$(AGAIN) $(FUZZERS:%=run-%)

$(FUZZERS:%=run-%): run-build/fuzz/fuzz_%:
	FUZZ_SEED=$(FUZZ_SEED) tests/fuzz/run.sh $* $(FUZZ_SECONDS)

# Every place of every job, where `make check` takes a sample; ends with a table. FAULTS names jobs, or leaves all.
faults: all $(FAULT_MALLOC)
	tests/faults/syscalls.py --whole $(FAULTS)
	tests/faults/allocations.py --whole $(FAULTS)

# The preprocessor's flags, for tests that compile a file by themselves; and CUDA's compiler, for those that look for it.
flags:
	echo '$(CPPFLAGS)'
nvcc-name:
	echo '$(NVCC)'

help:
	sed -n 's/^#   make/  make/p' Makefile

# What make would run, as a compilation database: one object a compiled file.
compile-commands:
	$(MAKE) --no-print-directory -nB V=1 programs tests benches | grep -E -- ' -c -o [^ ]+ [^ ]+\.c$$' | \
	    jq -Rn --arg directory "$(CURDIR)" '[inputs | {directory: $$directory, file: (split(" ") | last), command: .}]' > compile_commands.json

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build $(addprefix bin/,$(PROGRAMS))

-include $(shell find build -name '*.d' 2>/dev/null)
