/* A struct of functions that loaders leave out unless they are told to take it. Compiled from this
 * directory:
 *
 *   clang -g -O2 -target bpf -fdebug-compilation-dir=. -c optional.c -o ../objects/optional.o
 */
#define SEC(name) __attribute__((section(name), used))

struct sock;

struct tcp_congestion_ops {
	void (*init)(struct sock *sk);
	char name[16];
};

SEC("struct_ops") void my_init(unsigned long long *ctx)
{
}

SEC("?.struct_ops") struct tcp_congestion_ops may_be = {
	.init = (void *)my_init,
	.name = "may_be",
};

SEC(".struct_ops.link") struct tcp_congestion_ops always = {
	.init = (void *)my_init,
	.name = "always",
};

char LICENSE[] SEC("license") = "GPL";
