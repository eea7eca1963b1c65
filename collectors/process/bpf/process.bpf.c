/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Tells of programs that start and of processes that end. No argument, no
 * environment and no directory is read: the path is that of the program's file.
 *
 * A record of an end is told twice. At the exit of the last thread it has the
 * time and the status. CPU time is right only when the kernel has added up the
 * threads, which is when the process has been waited for: sched_process_free.
 */
#define PARTS 64
#include "path.h"

typedef struct {
	u32 val;
} RELOCATED kuid_t;
struct cred {
	kuid_t uid;
} RELOCATED;
typedef struct {
	int counter;
} atomic_t;
struct task_io_accounting {
	u64 read_bytes, write_bytes;
} RELOCATED;
struct sched_entity {
	u64 sum_exec_runtime;
} RELOCATED;
struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
	u64 utime, stime;
	unsigned long long sum_sched_runtime;
	unsigned long maxrss;
	struct task_io_accounting ioac;
} RELOCATED;
struct task_struct {
	unsigned int flags;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct mm_struct *mm;
	const struct cred *cred;
	struct signal_struct *signal;
	u64 start_boottime;
	int exit_code;
	u64 utime, stime;
	struct sched_entity se;
} RELOCATED;

enum {
	FORKED_WITHOUT_EXEC = 0x40, /* PF_FORKNOEXEC */
	GROUP_EXIT = 4,		    /* SIGNAL_GROUP_EXIT */

	KIND_EXEC = 1,
	KIND_EXIT = 2,
	KIND_FREE = 3,
};

/* record.go reads these. */
struct exec {
	u32 kind, pid;
	u64 start, at; /* nanoseconds since boot */
	u64 parent_start;
	u32 parent, uid;
	u32 flags, path_bytes;
	u64 rss_pages; /* the peak of what the process was before */
	char path[PATH_BYTES + NAME_BYTES]; /* its parts, the last first, each with a zero after it */
};
struct end {
	u32 kind, pid;
	u64 start, at;
	u32 uid, status; /* as wait(2) gives it */
	u64 cpu, utime, stime;
	u64 rss_pages;
	u64 read_bytes, written_bytes;
};

/* An exec's record is too large for the stack. */
struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct exec);
} scratch SEC(".maps");

/*
 * Ends of processes that started later than this and never called exec are not
 * told: nobody was told of them. The agent sets it when it has listed what runs.
 */
volatile u64 listed_at = ~0ULL;

/* The signature of a tp_btf program: its arguments, each as one u64. */
SEC("tp_btf/sched_process_exec")
int on_exec(u64 *args)
{
	struct task_struct *task = (void *)args[0];
	u32 zero = 0;
	struct exec *e = map_lookup(&scratch, &zero);

	if (!e)
		return 0;
	e->kind = KIND_EXEC;
	e->pid = task->tgid;
	e->start = task->group_leader->start_boottime;
	e->at = boot_ns();
	e->parent = task->real_parent->tgid;
	e->parent_start = task->real_parent->group_leader->start_boottime;
	e->uid = task->cred->uid.val;
	e->rss_pages = task->signal->maxrss;
	e->flags = walk(e->path, &e->path_bytes, task->mm->exe_file);
	u32 n = e->path_bytes;
	if (n > sizeof(e->path))
		n = sizeof(e->path);
	tell(e, __builtin_offsetof(struct exec, path) + n);
	return 0;
}

INLINE bool untold(struct task_struct *leader)
{
	return leader->flags & FORKED_WITHOUT_EXEC && leader->start_boottime > listed_at;
}

INLINE void describe(struct end *e, struct task_struct *leader, struct signal_struct *s)
{
	e->pid = leader->tgid;
	e->start = leader->start_boottime;
	e->at = boot_ns();
	e->uid = leader->cred->uid.val;
	e->status = s->flags & GROUP_EXIT ? s->group_exit_code : leader->exit_code;
	e->cpu = s->sum_sched_runtime;
	e->utime = s->utime;
	e->stime = s->stime;
	e->rss_pages = s->maxrss;
	if (field_exists(s->ioac)) {
		e->read_bytes = s->ioac.read_bytes;
		e->written_bytes = s->ioac.write_bytes;
	}
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *args)
{
	struct task_struct *task = (void *)args[0], *leader = task->group_leader;
	struct signal_struct *s = task->signal;

	if (s->live.counter || untold(leader))
		return 0;
	struct end e = {.kind = KIND_EXIT};
	describe(&e, leader, s);
	/* What the last thread used is not in the sums yet, and its last slice nowhere. */
	e.cpu += task->se.sum_exec_runtime;
	e.utime += task->utime;
	e.stime += task->stime;
	tell(&e, sizeof(e));
	return 0;
}

SEC("tp_btf/sched_process_free")
int on_free(u64 *args)
{
	struct task_struct *task = (void *)args[0];

	if (task->pid != task->tgid || untold(task))
		return 0;
	struct end e = {.kind = KIND_FREE};
	describe(&e, task, task->signal);
	tell(&e, sizeof(e));
	return 0;
}
