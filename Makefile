# make                build/bin: swiftlet, its other names, swiftletctl (LINK=portable: fully static)
# make LINK=system    the same, dynamic against libc and libmnl, in build/system/bin
# make agent          build/bin/swiftlet-agent, which joins nodes: docs/agent.md
# make demo           see it work, in temporary network namespaces; make demo-cluster: four nodes that find each other
# make test-faults    kills and failures at every system call, and load: docs/faults.md
# make fuzz           libFuzzer with AddressSanitizer on every parser, FUZZ_SECONDS=60 each
# make bench-data     throughput and latency of pods, against the reference: docs/data-path.md
# make bench-cluster  what joining 5,000 nodes costs
# make deb            build/deb: Debian packages; make man, make completions: some of their contents
# make image          the DaemonSet's container image, built with CONTAINER_TOOL (podman): docs/install.md
# make test           all tests; MACHINE=used: as on a node with other container software (scripts/used-machine)
# make lint bench test-vm install uninstall clean

LINK ?= portable
NAMES := $(shell cat scripts/plugin-names)
SWIFT_BUILD := swift build -c release --static-swift-stdlib

# What Embedded Swift does not link by itself (Package.swift). Worked out only where something is built: a node that plugins are
# installed on or removed from need not have a toolchain. Functions that are the same octet by octet are kept once (--icf): 25 kB.
EMBEDDED = -Xlinker --gc-sections -Xlinker --icf=all -Xlinker -ljansson -Xlinker -lm \
    -Xlinker $(shell scripts/swift-resources)/libswiftUnicodeDataTables.a

ifeq ($(LINK),portable)
  BIN := build/bin
  SCRATCH := .build-plugin
  PLUGIN_FLAGS = $(EMBEDDED) -Xswiftc -Xclang-linker -Xswiftc -static
else ifeq ($(LINK),system)
  BIN := build/system/bin
  SCRATCH := .build-system
  # Dynamic: libc, libm, libmnl, jansson.
  PLUGIN_FLAGS = $(EMBEDDED) --traits SystemLibmnl
else
  $(error LINK must be portable or system)
endif

.PHONY: all agent tools demo demo-cluster test test-vm test-faults fuzz lint bench bench-data bench-cluster man completions deb image install uninstall clean setup-build setup-demo setup-demo-cluster setup-package setup-test

all: setup-build
	@mkdir -p $(BIN)
	SWIFTLET_EMBEDDED=1 swift build -c release --scratch-path $(SCRATCH) $(PLUGIN_FLAGS) --product swiftlet
	@# strip writes page by page, and starting from such small pieces of page cache takes 0.2 ms longer: copy the result.
	@strip -o $(BIN)/.swiftlet.stripped $(SCRATCH)/release/swiftlet
	@cp $(BIN)/.swiftlet.stripped $(BIN)/.swiftlet.new && chmod 0755 $(BIN)/.swiftlet.new
	@mv -f $(BIN)/.swiftlet.new $(BIN)/swiftlet && rm -f $(BIN)/.swiftlet.stripped
	@for name in $(NAMES); do ln -sf swiftlet $(BIN)/$$name; done
	$(SWIFT_BUILD) --product swiftletctl
	@install -s -m 0755 .build/release/swiftletctl $(BIN)/.swiftletctl.new && mv -f $(BIN)/.swiftletctl.new $(BIN)/swiftletctl

# One static file: it runs on any distribution and in an empty image, as long as /proc is there. Its own scratch folder, because what
# it shares with swiftletctl is compiled with other flags.
agent: setup-build
	@mkdir -p build/bin
	swift build -c release --static-swift-stdlib -Xswiftc -static-executable --scratch-path .build-agent --product swiftlet-agent
	@install -s -m 0755 .build-agent/release/swiftlet-agent build/bin/.swiftlet-agent.new && mv -f build/bin/.swiftlet-agent.new build/bin/swiftlet-agent

# The tests' own container runtime, for demo and benchmarks.
tools: setup-build
	$(SWIFT_BUILD) --product cnirun
	@install -D -m 0755 .build/release/cnirun build/tools/cnirun
	@$(MAKE) -s -C Benchmarks OUT=$(CURDIR)/build/tools

demo: setup-demo all tools
	scripts/demo

demo-cluster: setup-demo-cluster all agent tools
	scripts/demo-cluster

test: setup-test
	scripts/test

test-vm: setup-test
	scripts/test-vm

test-faults: setup-test all
	scripts/test-faults

fuzz: setup-build
	scripts/fuzz

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
	scripts/lint

REFERENCE := build/fetched/containernetworking-plugins
bench: setup-test all tools
	build/tools/cnirun bench --swiftlet build/bin --drop-in build/bin --floor build/tools/floor --peak build/tools/peak \
		--calls build/tools/calls --reference $(REFERENCE)/usr/lib/cni --reference-version "$$(cat $(REFERENCE).version)" \
		$(BENCH_FLAGS)

bench-data: setup-test all tools
	build/tools/cnirun bench-data --reference $(REFERENCE)/usr/lib/cni --reference-version "$$(cat $(REFERENCE).version)" \
		$(BENCH_FLAGS)

bench-cluster: setup-demo-cluster agent
	scripts/bench-cluster $(BENCH_FLAGS)

man: setup-package all
	scripts/man $(BIN)/swiftletctl build/man

completions: all
	scripts/completions $(BIN)/swiftletctl build/completions

deb: setup-package all
	scripts/deb $(BIN) build/deb

CONTAINER_TOOL ?= podman
image: all agent
	$(CONTAINER_TOOL) build -f packaging/kubernetes/Containerfile \
		-t swiftlet:$$($(BIN)/swiftletctl --version | cut -d ' ' -f 2) $(IMAGE_FLAGS) .

install:
	@test -x build/bin/swiftlet || { echo "run make first" >&2; exit 1; }
	@scripts/install install build/bin

uninstall:
	@scripts/install uninstall build/bin

clean:
	rm -rf build .build .build-agent .build-plugin .build-system .build-fuzz

setup-build:
	@scripts/setup build
setup-demo:
	@scripts/setup demo
setup-demo-cluster:
	@scripts/setup demo-cluster
setup-package:
	@scripts/setup package
setup-test:
	@scripts/setup test
