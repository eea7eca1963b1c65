/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* For the tests of this package: records on demand, and one for each exec. */
#define RING_BYTES (64 << 10)
#include "kernel.h"

struct task_struct {
	int tgid;
} RELOCATED;

struct want {
	u64 first, count;
};
struct record {
	u64 number;
	char filling[120];
};

SEC("syscall")
int write_records(struct want *want)
{
	struct record r = {};

	for (u64 i = 0; i < 512; i++) {
		if (i >= want->count)
			break;
		r.number = want->first + i;
		tell(&r, sizeof(r.number) + (r.number & 63));
	}
	return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *args)
{
	struct task_struct *task = (void *)args[0];
	u64 pid = task->tgid;

	tell(&pid, sizeof(pid));
	return 0;
}
