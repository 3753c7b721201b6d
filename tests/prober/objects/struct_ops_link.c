#define LINKED
#include "struct_ops.c"
