/* What a program in Rust may be linked with: a helper, a map, weak and unused functions. */
#define SEC(name) __attribute__((section(name), used))
struct config {
	int mode;
	long limit;
};
extern unsigned from_rust(unsigned value);
unsigned calls;
struct {
	int (*type)[2];
	int (*max_entries)[8];
	unsigned *key;
	struct config *value;
} CONFIG SEC(".maps");
__attribute__((noinline)) unsigned from_c(unsigned value)
{
	calls++;
	return from_rust(value) * 3;
}
extern void bpf_preempt_disable(void) __attribute__((section(".ksyms")));
__attribute__((noinline)) unsigned never_called(unsigned value)
{
	bpf_preempt_disable();
	return value + calls;
}
__attribute__((noinline, weak)) unsigned overridable(void) { return 1; }
SEC("tc") int classify(void *skb)
{
	unsigned key = 0;
	void *(*lookup)(void *, void *) = (void *)1;
	struct config *config = lookup(&CONFIG, &key);
	return config ? config->mode : overridable();
}
char LICENSE[] SEC("license") = "GPL";
