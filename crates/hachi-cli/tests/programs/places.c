/* One program for each kind of place. Compiled from this directory:
 *
 *   clang -g -O2 -target bpf -fdebug-compilation-dir=/src -c places.c -o ../objects/places.o
 */
#define SEC(name) __attribute__((section(name), used))

SEC("tc") int filter(void *ctx)
{
	return -1;
}

SEC("tcx/ingress") int first(void *ctx)
{
	return -1;
}

SEC("tcx/ingress") int second(void *ctx)
{
	return -1;
}

SEC("tracepoint/sched/sched_process_fork") int forked(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint/sched_process_exit") int exited(void *ctx)
{
	return 0;
}

SEC("cgroup_skb/egress") int sent(void *ctx)
{
	return 1;
}

SEC("uprobe") int called(void *ctx)
{
	return 0;
}

SEC("ksyscall/getpgid") int entered(void *ctx)
{
	return 0;
}

SEC("kretsyscall/getpgid") int left(void *ctx)
{
	return 0;
}

SEC("netkit/primary") int primary(void *ctx)
{
	return -1;
}

SEC("netkit/peer") int peer(void *ctx)
{
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
