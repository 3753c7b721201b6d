#include "../counted.h"

struct task_struct___ours {
	int tgid;
} __attribute__((preserve_access_index));

SEC("tc") int program(void *ctx)
{
	struct task_struct___ours *task = (void *)bpf_get_current_task();
	int tgid = 0;

	bpf_probe_read_kernel(&tgid, sizeof(tgid), &task->tgid);
	if (tgid)
		count();
	return 0;
}
