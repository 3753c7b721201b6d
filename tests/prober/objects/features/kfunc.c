#include "../counted.h"

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("tc") int program(void *ctx)
{
	bpf_rcu_read_lock();
	count();
	bpf_rcu_read_unlock();
	return 0;
}
