/* Data that nobody uses among data that a program does. Compiled from this directory:
 *
 *   clang -g -O2 -target bpf -fdebug-compilation-dir=. -c unused.c -o ../objects/unused.o
 */
#define SEC(name) __attribute__((section(name), used))

typedef unsigned long long u64;

volatile u64 big = 1; /* aligns the section to 8 bytes */
volatile char small = 1;
static volatile char words[13] = "unused words"; /* only what nobody calls refers to it */

__attribute__((noinline)) int dead(int i)
{
	return words[i];
}

volatile char text[3] = "ab";
volatile int number = 7;

SEC("socket") int program(void *ctx)
{
	return big + small + text[0] + number;
}

char LICENSE[] SEC("license") = "GPL";
