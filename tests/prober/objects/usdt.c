#define __TARGET_ARCH_x86
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include "counted.h"
#include <bpf/usdt.bpf.h>

COUNTS("usdt//proc/self/exe:prober:passed", usdt, 0)
