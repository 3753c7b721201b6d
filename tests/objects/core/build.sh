#!/bin/sh
# Builds the objects of this directory again. Needs clang-19 and libbpf's headers; the tests need neither.
set -eu
cd "$(dirname "$0")"
for source in *.c; do
	name=${source%.c}
	for end in el eb; do
		clang-19 --target=bpf$end -mcpu=v3 -O2 -g -fdebug-compilation-dir=. -Wall -Wno-unused-function \
			-I/usr/include/x86_64-linux-gnu -c "$source" -o "$name.bpf$end.o"
		llvm-strip-19 -g "$name.bpf$end.o"
	done
done
