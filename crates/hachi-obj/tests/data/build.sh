#!/bin/sh
# Builds the objects of this directory again. Needs clang-19 (or CLANG and STRIP, such as those of LLVM 22)
# and libbpf's headers; the tests need neither. jumps.c needs clang 22.
set -eu
cd "$(dirname "$0")"
CLANG=${CLANG:-clang-19}
STRIP=${STRIP:-llvm-strip-19}
for source in *.c; do
	name=${source%.c}
	cpu=v3
	options=
	case "$name" in
	v4) cpu=v4 ;;
	jumps) cpu=v4 options="-mllvm -bpf-min-jump-table-entries=4" ;;
	esac
	for end in el eb; do
		$CLANG --target=bpf$end -mcpu=$cpu -O2 -g -fdebug-compilation-dir=. -Wall -Wno-unused-function \
			$options -D__TARGET_ARCH_x86 -I/usr/include/x86_64-linux-gnu -c "$source" -o "$name.bpf$end.o"
		$STRIP -g "$name.bpf$end.o"
	done
done
# One byte order will do: those that refer to what they do not define, and newer kernels'.
rm undefined.bpfeb.o unlinked.bpfeb.o percpu.bpfeb.o
# The Rust one is made by Hachi itself: `hachi build rust.rs --out .`, then renamed.
# Without type information.
$CLANG --target=bpfel -mcpu=v3 -O2 -I/usr/include/x86_64-linux-gnu -c basic.c -o nobtf.bpfel.o
